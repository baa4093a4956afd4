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

from . import budgets, in_lab, map_in_lab, on_page, points
from .budgets import Measure

STATIC = Path(__file__).parents[1] / "src" / "saliscope" / "static"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KB = 1000


def bundle(_browser: Browser) -> Iterator[Measure]:
    """What travels to a page once: the part that draws, then the rest; and what each widget carries."""
    carried = [STATIC / "loader.js"]
    for door, files in json.loads((STATIC / "front/files.json").read_text()).items():
        first, rest = ([STATIC / "front" / name for name in files[part]] for part in ("first", "rest"))
        raw, packed = sizes([*carried, *first])
        yield Measure(f"{door}: loader, code and styles of the first picture", raw, "kB", 150)
        yield Measure("the same, gzip", packed, "kB", 50)
        raw, packed = sizes(rest)
        yield Measure("what comes behind it", raw, "kB", note=f"gzip {packed:.1f} kB")
    raw, packed = sizes(carried)
    yield Measure("loader, in every widget", raw, "kB", note=f"gzip {packed:.1f} kB")


def sizes(paths: list[Path]) -> tuple[float, float]:
    """Together, as they are and each of them packed, in kB."""
    contents = [path.read_bytes() for path in paths]
    return sum(map(len, contents)) / KB, sum(len(gzip.compress(data, 9)) for data in contents) / KB


PARTS: dict[str, Callable[[Browser], Iterator[Measure]]] = {
    "bundle": bundle,
    "page": on_page.measures,
    "points": points.measures,
    "lab": in_lab.measures,
    "maps": map_in_lab.measures,
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
