"""Maps to be drawn: points, colours and numbers that are made up."""

import numpy as np

from saliscope.specs.embedding import Numbers
from saliscope.specs.map_view import Colours, MapScreen, ShownMap

N = 60
NUMBERS = Numbers(
    kept=0.43, trustworthiness=0.931, continuity=0.95, rho=0.41, kl=1.2, kl_of="uniform", rows=60
)


def labels(names=("cat", "dog", "owl"), missing=2):
    codes = np.arange(N) % len(names)
    codes[:missing] = -1
    return Colours("category", "Label", codes, names)


def values(**more):
    return Colours("number", "Confidence", np.linspace(0, 1, N), ends=(0.1, 0.9), **more)


def shown(title="t-SNE", seed=0, **more):
    given = {"colours": labels(), "numbers": NUMBERS, "cautions": ("Distances mean little here: 0.41.",)}
    places = np.random.default_rng(seed).normal(size=(N, 2)) * [30, 10] + [100, -50]
    return ShownMap(title, places, **given | more)


def screen(*maps, **more):
    return MapScreen(maps or (shown(),), what="activations of layer4", **more)
