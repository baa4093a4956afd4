"""The infill of ROAD beside a sparse solve for each picture: ``python -m benchmarks.road [pictures]``.

Two peers: matrices put together by array operations, and by a `lil_matrix` as ROAD's own code does. Times are
processor seconds of this process, so that what else the machine does counts little.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_matrix, lil_matrix
from scipy.sparse.linalg import spsolve

from saliscope.faithfulness.infill import infill

OFFSETS = [(i, j, 1 / 12 if i and j else 1 / 6) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def holes(kind: str, size: int, share: float, n: int) -> np.ndarray:
    """What the highest values of a map hide, (n, size, size): of a smooth map, or of noise."""
    draw, found = np.random.default_rng(0), []
    for _ in range(n):
        values = draw.standard_normal((size, size))
        values = gaussian_filter(values, size / 14, mode="nearest") if kind == "smooth" else values
        found.append(values > np.quantile(values, 1 - share))
    return np.stack(found)


def solved(picture: np.ndarray, hidden: np.ndarray, by_lists: bool) -> np.ndarray:
    """One picture (channels, h, w) by scipy."""
    size = int(hidden.sum())
    places = np.full(np.add(hidden.shape, 2), -2)
    places[1:-1, 1:-1] = -1
    places[1:-1, 1:-1][hidden] = np.arange(size)
    rows, columns = np.nonzero(hidden)
    diagonal, right, entries = np.zeros(size), np.zeros((size, len(picture))), []
    for i, j, weight in OFFSETS:
        there = places[rows + 1 + i, columns + 1 + j]
        diagonal += weight * (there > -2)
        known, unknown = np.nonzero(there == -1)[0], np.nonzero(there >= 0)[0]
        right[known] += weight * picture[:, rows[known] + i, columns[known] + j].T
        entries.append((unknown, there[unknown], np.full(len(unknown), -weight)))
    entries.append((np.arange(size), np.arange(size), diagonal))
    if by_lists:
        lists = lil_matrix((size, size))
        for at, to, values in entries:
            lists[at, to] = values
        matrix = lists.tocsc()
    else:
        at, to, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        matrix = csc_matrix((values, (at, to)), (size, size))
    filled = picture.copy()
    filled[:, hidden] = spsolve(matrix, right).reshape(size, -1).T
    return filled


def timed(run: Callable[[], object]) -> float:
    """Processor seconds, the better of two."""
    found = []
    for _ in range(2):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def main(n: int = 64) -> None:
    """Print the table; the peers solve at most eight pictures, for they take as long for each."""
    torch.set_num_threads(1)
    few = min(n, 8)
    print(f"{n} pictures of 3 channels, ms a picture; ratio to arrays, to lists; largest error")
    for size in (64, 224):
        for kind in ("scattered", "smooth"):
            for share in (0.1, 0.5, 0.9):
                hidden = holes(kind, size, share, n)
                pictures = np.random.default_rng(1).random((n, 3, size, size))
                given, masks = torch.tensor(pictures), torch.tensor(hidden)
                own = timed(lambda g=given, m=masks: infill(g, m)) / n
                pairs = list(zip(pictures, hidden, strict=True))[:few]
                arrays, lists = (
                    timed(lambda p=pairs, b=by: [solved(*one, b) for one in p]) / few for by in (False, True)
                )
                exact = np.stack([solved(*one, by_lists=False) for one in pairs])
                error = np.abs(infill(given[:few], masks[:few]).numpy() - exact).max()
                times = " ".join(f"{1e3 * seconds:7.1f}" for seconds in (own, arrays, lists))
                ratios = f"{arrays / own:5.1f} {lists / own:5.1f}"
                print(f"{size:4} {kind:9} {share:4.0%} {times}   {ratios}   {error:.0e}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
