"""The infill of ROAD beside a sparse solve for each picture.

The row has 64 pictures of 224 x 224 whose holes are as large as ROAD's protocol makes them: scattered ones,
as of a gradient map, and whole regions, as of a class activation map.
``python -m benchmarks.road [pictures]`` prints it hole by hole. With few pixels hidden a sparse solve has
little to do, and ours hardly less.

Peers: ROAD's own code, which pytorch-grad-cam has, and the same system put together by array operations.
"""

import sys
import time
from collections.abc import Callable
from itertools import cycle, islice, product
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from .cases import Case, import_torchvision
from .harness import Contender, Goal, Reference, Row, is_missing

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Of the pixels, hidden: those of ROAD's protocol."""
KINDS = ("scattered", "smooth")
FIVE_TIMES = Goal(faster=5.0)
_N, _SIDE = 64, 224
_OFFSETS = [(i, j, 1 / 12 if i and j else 1 / 6) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def hole(kind: str, size: int, share: float, seed: int) -> np.ndarray:
    """What the highest values of a map hide, (size, size): of a smooth map, or of noise."""
    values = np.random.default_rng(seed).standard_normal((size, size))
    values = gaussian_filter(values, size / 14, mode="nearest") if kind == "smooth" else values
    return values > np.quantile(values, 1 - share)


def drawn(n: int, size: int) -> Tensor:
    """Pictures (n, 3, size, size)."""
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def solved(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """One picture (channels, h, w) by scipy."""
    size = int(hidden.sum())
    places = np.full(np.add(hidden.shape, 2), -2)
    places[1:-1, 1:-1] = -1
    places[1:-1, 1:-1][hidden] = np.arange(size)
    rows, columns = np.nonzero(hidden)
    diagonal, right, entries = np.zeros(size), np.zeros((size, len(picture))), []
    for i, j, weight in _OFFSETS:
        there = places[rows + 1 + i, columns + 1 + j]
        diagonal += weight * (there > -2)
        known, unknown = np.nonzero(there == -1)[0], np.nonzero(there >= 0)[0]
        right[known] += weight * picture[:, rows[known] + i, columns[known] + j].T
        entries.append((unknown, there[unknown], np.full(len(unknown), -weight)))
    entries.append((np.arange(size), np.arange(size), diagonal))
    at, to, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    filled = picture.astype(np.float64)
    filled[:, hidden] = spsolve(csc_matrix((values, (at, to)), (size, size)), right).reshape(size, -1).T
    return filled


Infill = Callable[[Tensor, Tensor], Tensor]
"""From pictures (n, channels, h, w) and what is hidden (n, h, w) to the pictures filled in."""


def _ours() -> Infill:
    from saliscope.faithfulness.infill import infill

    return infill


def _arrays() -> Infill:
    return lambda given, hidden: torch.tensor(
        np.stack([solved(one, holes) for one, holes in zip(given.numpy(), hidden.numpy(), strict=True)])
    )


def _grad_cam() -> Infill:
    import_torchvision()
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    imputer = NoisyLinearImputer(noise=0.0)
    return lambda given, hidden: torch.stack(
        [imputer(one, known) for one, known in zip(given, (~hidden).float(), strict=True)]
    )


def _of_protocol(make: Callable[[], Infill]) -> Callable[[Case], Any]:
    """All pictures, each with another hole: every share and both kinds come equally often."""

    def prepare(_: Case) -> Any:
        fill, given = make(), drawn(_N, _SIDE)
        sorts = islice(cycle(product(KINDS, SHARES)), _N)
        holes = [hole(kind, _SIDE, share, seed) for seed, (kind, share) in enumerate(sorts)]
        hidden = torch.tensor(np.stack(holes))
        return lambda: fill(given, hidden)

    return prepare


ROAD = Row(
    "road",
    f"Infill of ROAD, {_N} pictures of {_SIDE} x {_SIDE}, {SHARES[0]:.0%} to {SHARES[-1]:.0%} hidden",
    (),
    (
        Contender("saliscope", _of_protocol(_ours)),
        Contender("spsolve, by arrays", _of_protocol(_arrays), goal=FIVE_TIMES),
        Contender(
            "ROAD's code (pytorch-grad-cam)",
            _of_protocol(_grad_cam),
            goal=FIVE_TIMES,
            needs="pytorch_grad_cam",
        ),
    ),
    agree=1e-6,
    reference=Reference("the sparse solution", lambda case: _of_protocol(_arrays)(case)()),
)


def main(n: int = _N) -> None:
    """Print the table, in processor seconds; the peers solve at most four pictures of a kind."""
    torch.set_num_threads(1)
    few = min(n, 4)
    peers = [c for c in ROAD.contenders[1:] if not is_missing(c)]
    fills = dict(zip([c.name for c in peers], (_arrays(), _grad_cam()), strict=False))
    print(
        f"{n} pictures of 3 channels, ms a picture: saliscope; {'; '.join(fills)}; times ours; largest error"
    )
    for size in (64, _SIDE):
        for kind in KINDS:
            for share in SHARES:
                given = drawn(n, size)
                hidden = torch.tensor(np.stack([hole(kind, size, share, seed) for seed in range(n)]))
                own, found = _timed(_ours(), given, hidden)
                theirs = [_timed(fill, given[:few], hidden[:few]) for fill in fills.values()]
                error = (found[:few].double() - theirs[0][1]).abs().max().item()
                times = " ".join(f"{1e3 * seconds:7.1f}" for seconds in (own, *(t for t, _ in theirs)))
                ratios = " ".join(f"{seconds / own:5.1f}" for seconds, _ in theirs)
                print(f"{size:4} {kind:9} {share:4.0%} {times}   {ratios}   {error:.0e}", flush=True)


def _timed(fill: Infill, given: Tensor, hidden: Tensor) -> tuple[float, Tensor]:
    """Processor seconds a picture, the better of two, and what was found."""
    found, seconds = given, []
    for _ in range(2):
        start = time.process_time()
        found = fill(given, hidden)
        seconds.append((time.process_time() - start) / len(given))
    return min(seconds), found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
