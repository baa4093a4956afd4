"""``python -m benchmarks.browser``: every budget of the explorer, in a real browser."""

import argparse
import gzip
import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.lab import PATIENCE
from tests.browser.watch import FLAGS

from . import budgets, in_lab, on_page
from .budgets import Measure

STATIC = Path(__file__).parents[1] / "src" / "saliscope" / "static"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KB = 1000


def bundle(_browser: Browser) -> Iterator[Measure]:
    """What travels to a page once, and what each widget carries."""
    sizes = {}
    for name in ("explorer.js", "explorer.css", "loader.js"):
        data = (STATIC / name).read_bytes()
        sizes[name] = (len(data) / KB, len(gzip.compress(data, 9)) / KB)
    yield Measure("bundle, code", sizes["explorer.js"][0], "kB", 150)
    yield Measure("bundle, code, gzip", sizes["explorer.js"][1], "kB", 50)
    yield Measure(
        "bundle, styles", sizes["explorer.css"][0], "kB", note=f"gzip {sizes['explorer.css'][1]:.1f} kB"
    )
    yield Measure(
        "loader, in every widget", sizes["loader.js"][0], "kB", note=f"gzip {sizes['loader.js'][1]:.1f} kB"
    )
    raw, packed = (sum(size[i] for size in sizes.values()) for i in (0, 1))
    yield Measure("all three", raw, "kB", note=f"gzip {packed:.1f} kB")


PARTS: dict[str, Callable[[Browser], Iterator[Measure]]] = {
    "bundle": bundle,
    "page": on_page.measures,
    "lab": in_lab.measures,
    "many": in_lab.many,
    "again": in_lab.again,
    "export": in_lab.export,
}


def rows(browser: Browser, parts: list[str] | None = None) -> Iterator[Measure]:
    """Measure, one row after the other."""
    for part in parts or PARTS:
        yield from PARTS[part](browser)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="this part only; may be repeated")
    parser.add_argument(
        "--browser", default=next(filter(None, map(shutil.which, BROWSERS)), None), metavar="PATH"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to a file as well")
    asked = parser.parse_args()
    if asked.browser is None:
        sys.exit(f"No browser: none of {', '.join(BROWSERS)} is on the path; see --browser.")
    expect.set_options(timeout=2 * PATIENCE)
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.browser, args=FLAGS)
        machine = f"{platform.machine()}, Chromium {browser.version}, headless, without a GPU"
        about = f"{machine}. Times are medians; what a frame costs is CPU time."
        print(about, "", budgets.header(), sep="\n", flush=True)
        for row in rows(browser, asked.part):
            print(budgets.line(row), flush=True)
            found.append(row)
        browser.close()
    if asked.json:
        figures = [asdict(row) | {"ok": row.ok} for row in found]
        asked.json.write_text(json.dumps({"about": about, "rows": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
