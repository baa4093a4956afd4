"""``python -m benchmarks.reduction``: maps beside those of the peers, one run each.

Every contender has one thread and a process of its own for each table. All maps are judged alike, by the true
neighbours and the same sampled rows. R: share of the 15 true neighbours kept. T: trustworthiness. rho: rank
correlation of distances. Then a sequence of layers beside AlignedUMAP, and what is promised of ours alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saliscope.reduction.audit import audit
from saliscope.reduction.estimators import TSNE
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.placement import Placer

from .map_data import DATA, Data, Table, clusters, layers
from .mappers import MAPPERS, SEQUENCES

_ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_PEERS = ("openTSNE", "pacmap", "scikit-learn", "umap-learn", "torch")
_OURS = "saliscope t-SNE"
_HELD_OUT = 200


@dataclass(frozen=True)
class Made:
    """A map, and what it took: CPU seconds."""

    fresh: float
    warm: float
    kept: float
    trustworthiness: float | None
    rho: float | None


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reduction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tables of 1000 to 3000 rows")
    parser.add_argument("--large", action="store_true", help="the table of 60 000 rows as well")
    parser.add_argument("--data", action="append", choices=DATA, help="this table only; may be repeated")
    parser.add_argument("--only", action="append", choices=MAPPERS, help="this contender, beside ours")
    parser.add_argument("--skip", action="append", choices=("maps", "sequence", "single"), default=[])
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to a file as well")
    return parser.parse_args()


def _run(name: str, source: Path) -> tuple[dict[str, float], np.ndarray]:
    goal = source.with_name("map.npy")
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.mappers", name, str(source), str(goal)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | _ONE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]), np.load(goal)


def _maps(data: Data, rows: Table, only: list[str] | None) -> Iterator[tuple[str, Made]]:
    known = neighbors(rows, 15)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "table.npy")
        np.save(source, rows)
        for name in MAPPERS:
            if only and name not in (_OURS, *only):
                continue
            seconds, points = _run(name, source)
            judged = audit(rows, points, known)
            shepard = judged.shepard
            kept = judged.kept or 0.0
            rho = None if shepard is None else shepard.rho
            yield name, Made(seconds["fresh"], seconds["warm"], kept, judged.trustworthiness, rho)


def _line(name: str, made: Made, ours: Made, goals: list[str]) -> str:
    numbers = [made.fresh, made.warm, made.fresh / ours.fresh, made.warm / ours.warm]
    marks = [made.trustworthiness, made.kept, made.rho]
    cells = [f"{value:8.2f}" for value in numbers] + ["   -" if m is None else f"{m:6.3f}" for m in marks]
    return f"  {name:<20}" + " ".join(cells) + ("  " + ", ".join(goals) if goals else "")


def _goals(data: Data, name: str, made: Made, ours: Made) -> list[tuple[str, bool]]:
    goals = [
        (f"fresh >= {factor:g}", made.fresh / ours.fresh >= factor)
        for peer, factor in data.fresh
        if peer == name
    ]
    goals += [
        (f"warm >= {factor:g}", made.warm / ours.warm >= factor) for peer, factor in data.warm if peer == name
    ]
    if not name.startswith("saliscope"):
        goals.append((f"R >= {data.kept:.0%} of it", ours.kept >= data.kept * made.kept))
    return goals


def _words(goals: list[tuple[str, bool]]) -> list[str]:
    return [f"{text}: {'met' if met else 'MISSED'}" for text, met in goals]


def _compared(asked: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    for name in asked.data or DATA:
        data = DATA[name]
        if data.large and not (asked.large or asked.data or asked.quick):
            continue
        rows = data.make(asked.quick)
        print(f"\n{data.title}{' (quick)' if asked.quick else ''}: {len(rows)} rows", flush=True)
        print(f"  {'':<20}   fresh     warm  x fresh   x warm      T      R    rho")
        ours: Made | None = None
        for contender, made in _maps(data, rows, asked.only):
            ours = ours or made
            goals = _goals(data, contender, made, ours)
            print(_line(contender, made, ours, _words(goals)), flush=True)
            found.append({"data": name, "contender": contender, **vars(made), "goals": dict(goals)})
    return found


def _sequence(quick: bool) -> list[dict[str, Any]]:
    """Four layers of the bundled network, against AlignedUMAP."""
    tables = layers(500 if quick else 1797)
    known = [neighbors(table, 15) for table in tables]
    print(f"\nSequence of {len(tables)} layers, {len(tables[0])} rows", flush=True)
    found, ours = [], None
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "tables.npz")
        np.savez(source, **{f"layer{i}": table for i, table in enumerate(tables)})
        for name in SEQUENCES:
            seconds, maps = _run(name, source)
            ours = ours or seconds
            kept = [audit(t, m, k).kept or 0.0 for t, m, k in zip(tables, maps, known, strict=True)]
            radius = np.sqrt(((maps - maps.mean(1, keepdims=True)) ** 2).sum(2).mean())
            moves = np.linalg.norm(np.diff(maps, axis=0), axis=2).mean() / radius
            factor = seconds["warm"] / ours["warm"]
            goals = [] if name == _OURS else [("warm >= 6", factor >= 6)]
            words = f"warm {seconds['warm']:.2f} s, {factor:.1f} x ours, R {np.mean(kept):.3f}"
            words += f", moves {moves:.2f} of the radius"
            print(f"  {name:<20} {words}  {', '.join(_words(goals))}", flush=True)
            found.append(
                {"sequence": name, **seconds, "kept": kept, "moves": float(moves), "goals": dict(goals)}
            )
    return found


def _single(quick: bool) -> list[dict[str, Any]]:
    """What is promised of ours alone, in seconds of this process's one thread."""
    torch.set_num_threads(1)
    rows = clusters(2000 if quick else 10_000, 512)
    table, new = rows[_HELD_OUT:], rows[:_HELD_OUT]
    begun = time.process_time()
    stream = TSNE().stream(table)
    step = next(stream)
    figures = [("first frame", time.process_time() - begun if step.result else 0.0, 0.2)]
    while step.done < 1:
        step = next(stream)
    begun, first = time.process_time(), step.done
    for step in stream:
        _ = step.result.coordinates
    figures.append(("one frame", (time.process_time() - begun) / (step.done - first), 0.1))
    mapped = step.result
    begun = time.process_time()
    audit(table, mapped.coordinates, mapped.neighbors)
    figures.append(("audit, 2000 rows", time.process_time() - begun, 2.0))
    placer = Placer(mapped, table)
    taken = []
    for row in new:
        begun = time.process_time()
        placer.place(row[None])
        taken.append(time.process_time() - begun)
    figures.append(("one new point, p95", float(np.quantile(taken, 0.95)), 0.01))
    print(f"\nOurs alone, {len(table)} rows x 512: CPU seconds")
    for name, seconds, goal in figures:
        print(f"  {name:<20} {seconds:.4f}  at most {goal:g}: {'met' if seconds <= goal else 'MISSED'}")
    return [{"ours": name, "seconds": seconds, "goal": goal} for name, seconds, goal in figures]


def main() -> None:
    asked = _asked()
    print(
        ", ".join(f"{name} {version(name)}" for name in _PEERS) + "; CPU seconds, one thread, one run each."
    )
    found = [] if "maps" in asked.skip else _compared(asked)
    found += [] if "sequence" in asked.skip else _sequence(asked.quick)
    found += [] if "single" in asked.skip else _single(asked.quick)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    try:
        main()
    except ModuleNotFoundError as error:
        if error.name in ("openTSNE", "pacmap", "umap"):
            sys.exit(f"{error}: the peers come with `make bench`, or with the extra [peers].")
        raise
