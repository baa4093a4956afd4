"""``python -m benchmarks``: one command, one table."""

import argparse
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from . import profiles, table
from .cases import CASES, NOWHERE, Case
from .growth import CASE, GROWTH
from .harness import Figures, Row, compete, is_missing
from .memory import peak_apart
from .rows import ROWS, without_row

_PEERS = ("torch", "torchvision", "captum", "zennit", "grad-cam", "torchcam", "shap", "lime", "saliency")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Saliscope beside its peers.")
    parser.add_argument("--large", action="store_true", help="ResNet-50 and ViT-B as well: an hour more")
    known = [*ROWS, *GROWTH]
    parser.add_argument("--only", action="append", choices=known, help="this row only; may be repeated")
    parser.add_argument("--case", action="append", choices=CASES, help="this network only; may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1 counts CPU seconds (default)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to a file as well")
    return parser.parse_args()


def _work(asked: argparse.Namespace) -> list[tuple[Row, Case]]:
    known = asked.case or [name for name, case in CASES.items() if asked.large or not case.large]
    rows = [row for name, row in ROWS.items() if not asked.only or name in asked.only]
    work = []
    for row in rows:
        work += [(row, CASES[name]) for name in row.cases if name in known]
        work += [] if row.cases or asked.case else [(row, NOWHERE)]
    return work


def _about(threads: int) -> str:
    clock = "CPU seconds" if threads == 1 else "wall seconds"
    return (
        f"{platform.machine()}, Python {platform.python_version()}, {', '.join(map(_versioned, _PEERS))}.\n"
        f"{threads} thread(s): median {clock}; contenders take turns, ratios are paired within a repeat.\n"
        "Times ours: above 1, the other needs more than Saliscope. Peak: resident memory above the start,\n"
        "each in its own process. Error: relative L2, against the reference that the row names. At equal\n"
        "error: for random maps, whose error falls with the root of the samples."
    )


def _versioned(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


def _measured(row: Row, case: Case, threads: int) -> list[Figures]:
    figures = compete(row, case, threads)
    for f in figures if row.memory else ():
        if not f.failed:
            f.peak = peak_apart(row, case, f.contender, f.setting, threads)
    return figures


def _grown(row: Row, threads: int) -> dict[str, Any]:
    """Peaks of each contender, size by size."""
    found = {}
    for contender in row.contenders:
        if is_missing(contender):
            continue
        peaks = {size: peak_apart(row, CASES[CASE], contender, size, threads) for size in contender.settings}
        print(table.growth(row, contender, peaks), flush=True)
        found[contender.name] = peaks
    return {"row": row.name, "title": row.title, "case": CASE, "peaks": found}


def main() -> int:
    asked = _asked()
    if missing := without_row():
        sys.exit(f"Every method has a row in benchmarks/methods.py; these have none: {', '.join(missing)}")
    torch.set_num_threads(asked.threads)
    print(_about(asked.threads), "", table.header(), sep="\n", flush=True)
    records, apart, missed = [], [], []
    for row, case in _work(asked):
        figures = _measured(row, case, asked.threads)
        print(*table.lines(row, case.name, figures), sep="\n", flush=True)
        apart += [f"{name} in {row.name} on {case.name}" for name in table.disagreements(row, figures)]
        missed += [(row, case)] if table.missed(row, case.name, figures) else []
        records.append(table.record(row, case.name, figures))
    chosen = asked.only or ([] if asked.case else GROWTH)
    grown = [row for name, row in GROWTH.items() if name in chosen]
    if grown:
        print(table.growth_header(CASE))
    records += [_grown(row, asked.threads) for row in grown]
    for row, case in missed:
        print(*profiles.lines(row, case), sep="\n", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps({"about": _about(asked.threads), "rows": records}, indent=1))
    if apart:
        print("\nNOT THE SAME MAP:", "; ".join(apart))
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
