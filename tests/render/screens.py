"""Screens to be drawn: pictures, maps and results that are made up."""

from dataclasses import replace

import numpy as np

from saliscope.specs.saliency import Completeness, PathSpec, Result
from saliscope.specs.view import Screen, Shown, View

ALPHAS = (0.0, 0.25, 0.75, 1.0)


def result(**change):
    made = Result(
        job=1,
        stage="final",
        method="integrated_gradients",
        title="Integrated Gradients",
        target=3,
        target_label="digit 3",
        output="logit",
        score=8.41,
        signed=True,
        unit="score",
        index=0,
        picture="p",
        map="m",
        limit=2.0,
        completeness=Completeness(8.0, 7.92, -0.08, 0.99),
        steps=32,
        baseline="black",
        path=PathSpec("s", ALPHAS, (0.0, 1.0, 4.0, 8.41), (0.0, 1.0, 4.0, 7.92), "b", 0.41, 32),
    )
    return replace(made, **change)


def shown(height=8, width=8, seed=1, **change):
    """A panel; its values are about one, so that a limit of 2 clips a few."""
    rng = np.random.default_rng(seed)
    made = result(**change)
    values = rng.normal(size=(height, width))
    stack = np.array([0.0, 0.1, 0.7, 1.0])[:, None, None] * values
    path = made.path is not None
    return Shown(
        made,
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        values if made.signed else np.abs(values),
        stack if path else None,
        rng.normal(size=(4, height, width)) if path else None,
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8) if path else None,
    )


def cam(**change):
    """A map of another unit, without a sign and a path."""
    given = {"title": "Grad-CAM", "unit": "activation", "signed": False, "layer": "layer4", "grid": (2, 2)}
    nothing = {"path": None, "completeness": None, "steps": None, "baseline": None}
    return shown(**given | nothing | change)


def screen(*panels, **view):
    return Screen(View(**view), panels or (shown(),))
