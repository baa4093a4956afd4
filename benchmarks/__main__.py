"""``python -m benchmarks``: one command, one table."""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from . import table
from .cases import CASES, NOWHERE, Case
from .harness import Figures, Row, compete
from .memory import peak_apart
from .rows import ROWS

_PEERS = ("captum", "grad-cam", "torchvision")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Saliscope beside its peers.")
    parser.add_argument("--quick", action="store_true", help="no ResNet-50, 3 repeats instead of 7")
    parser.add_argument("--row", action="append", choices=ROWS, help="this row only; may be repeated")
    parser.add_argument("--case", action="append", choices=CASES, help="this network only; may be repeated")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1 counts CPU seconds (default)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to a file as well")
    return parser.parse_args()


def _work(asked: argparse.Namespace) -> list[tuple[Row, Case]]:
    known = asked.case or [name for name in CASES if not (asked.quick and name == "resnet50")]
    rows = [ROWS[name] for name in asked.row or ROWS]
    work = []
    for row in rows:
        work += [(row, CASES[name]) for name in row.cases if name in known]
        work += [] if row.cases else [(row, NOWHERE)]
    return work


def _about(threads: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", *_PEERS))
    clock = "CPU seconds" if threads == 1 else "wall seconds"
    return (
        f"{platform.machine()}, Python {platform.python_version()}, {versions}.\n"
        f"{threads} thread(s): median {clock}; contenders take turns, ratios are paired within a repeat.\n"
        "Times ours: above 1, the other needs more than Saliscope. Peak: resident memory above the start,\n"
        "each in its own process. Map differs: largest difference to ours, relative to the largest value."
    )


def _measured(row: Row, case: Case, repeats: int, threads: int) -> list[Figures]:
    figures = compete(row, case, repeats, threads)
    if row.memory:
        for f in figures:
            f.peak = peak_apart(row, case, f.contender, f.setting, threads)
    return figures


def main() -> int:
    asked = _asked()
    torch.set_num_threads(asked.threads)
    print(_about(asked.threads), "", table.header(), sep="\n", flush=True)
    records, apart = [], []
    for row, case in _work(asked):
        figures = _measured(row, case, 3 if asked.quick else 7, asked.threads)
        print(*table.lines(row, case.name, figures), sep="\n", flush=True)
        apart += [f"{name} in {row.name} on {case.name}" for name in table.disagreements(row, figures)]
        records.append(table.record(row, case.name, figures))
    if asked.json:
        asked.json.write_text(json.dumps({"about": _about(asked.threads), "rows": records}, indent=1))
    if apart:
        print("\nNOT THE SAME MAP:", "; ".join(apart))
    return 1 if apart else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        if error.name in ("captum", "pytorch_grad_cam", "torchvision"):
            sys.exit(f"{error}: the peers come with `make bench`, or with the extra [peers].")
        raise
