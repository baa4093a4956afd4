"""The tables that are mapped: rows of float32, always the same."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]

LAYERS = ("stem", "layer1", "layer2", "layer3")


@dataclass(frozen=True)
class Data:
    """A table, and what is asked of a map of it.

    Attributes
    ----------
    name, title : str
    make : callable
        Gives the table, or with ``quick`` a smaller one.
    kept : float
        Share of a peer's neighbours kept that ours has to keep.
    fresh, warm : dict
        By contender: how many times our seconds it has to need, from the interpreter's start and after it.
    large : bool
        Only on request.
    """

    name: str
    title: str
    make: Callable[[bool], Table]
    kept: float = 0.98
    fresh: tuple[tuple[str, float], ...] = ()
    warm: tuple[tuple[str, float], ...] = ()
    large: bool = False


def _digits(quick: bool) -> Table:
    from sklearn.datasets import load_digits

    return load_digits().data.astype(np.float32)


def clusters(n: int, d: int) -> Table:
    """Clusters of many shapes and sizes, and two rolls, turned into d dimensions."""
    random = np.random.default_rng(0)
    flat = 24
    rows, rolls = np.zeros((n, flat)), n // 5
    label = random.integers(0, 15, n - rolls)
    centres = random.normal(0, 6, (15, flat))
    spreads = random.uniform(0.2, 1.5, (15, flat)) * (random.random((15, flat)) < 0.5)
    rows[: n - rolls] = centres[label] + random.normal(size=(n - rolls, flat)) * spreads[label]
    angle = 1.5 * np.pi * (1 + 2 * random.random(rolls))
    roll = np.stack([angle * np.cos(angle), 21 * random.random(rolls), angle * np.sin(angle)], 1)
    side = random.integers(0, 2, rolls)
    rows[n - rolls :, :3] = roll + 40 * side[:, None]
    turned = rows @ np.linalg.qr(random.normal(size=(d, flat)))[0].T
    return (turned + random.normal(0, 0.01, (n, d)))[random.permutation(n)].astype(np.float32)


def deep(n: int, d: int, dimension: int) -> Table:
    """Like the features of a network: ten classes in 32 dimensions behind a random layer."""
    random = np.random.default_rng(0)
    inside = random.normal(size=(10, dimension))[random.integers(0, 10, n)] + random.normal(
        size=(n, dimension)
    )
    outside = np.maximum(inside @ random.normal(size=(dimension, d)) / dimension**0.5, 0)
    return (outside + random.normal(0, 0.01, (n, d))).astype(np.float32)


def layers(n: int, names: tuple[str, ...] = LAYERS) -> list[Table]:
    """Mean activations of the bundled network over `n` scenes, layer by layer."""
    from saliscope import demo
    from saliscope.features import activations

    pictures = demo.scenes(n, seed=0).inputs()
    found = activations(demo.cnn(), pictures, layers=list(names), pool="mean")
    return [found[name].values.numpy() for name in names]


DATA = {
    data.name: data
    for data in (
        Data("digits", "digits, 1797 x 64", _digits),
        Data(
            "clusters",
            "clusters and rolls, 10k x 512",
            lambda quick: clusters(2000 if quick else 10_000, 512),
            fresh=(("umap-learn", 8.0),),
            warm=(("openTSNE", 6.0),),
        ),
        Data(
            "deep",
            "intrinsic dimension 32, 10k x 512",
            lambda quick: deep(2000 if quick else 10_000, 512, 32),
            kept=0.95,
            warm=(("openTSNE", 6.0),),
        ),
        Data(
            "activations",
            "layer3 of the bundled network over 10k scenes, 80 columns",
            lambda quick: layers(1000 if quick else 10_000, ("layer3",))[0],
        ),
        Data(
            "many",
            "clusters and rolls, 60k x 128",
            lambda quick: clusters(3000 if quick else 60_000, 128),
            warm=(("openTSNE", 5.0),),
            large=True,
        ),
    )
}
"""All tables by name."""
