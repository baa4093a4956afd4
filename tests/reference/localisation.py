"""Measures of localisation from their papers: loops over pixels."""

import math

import numpy as np


def distance_to_mask(point, mask):
    """Distance of a pixel from the nearest one of a mask; None for an empty mask."""
    found = [math.dist(point, pixel) for pixel in np.ndindex(mask.shape) if mask[pixel]]
    return min(found, default=None)


def torchray_hit(point, mask, tolerance):
    """TorchRay's test: whether the open disc around the point touches the mask."""
    row, column = point
    return any(
        mask[i, j] and (i - row) ** 2 + (j - column) ** 2 < tolerance**2 for i, j in np.ndindex(mask.shape)
    )


def relevance_mass(values, mask):
    """Positive relevance in the mask over that of the whole picture (2003.07258)."""
    inside = sum(max(values[p], 0.0) for p in np.ndindex(mask.shape) if mask[p])
    return inside / sum(max(values[p], 0.0) for p in np.ndindex(mask.shape))


def relevance_rank(values, mask):
    """Share of the K highest pixels that are among the K of the mask; values without ties (2003.07258)."""
    size = sum(bool(mask[p]) for p in np.ndindex(mask.shape))
    highest = sorted(np.ndindex(mask.shape), key=lambda p: -values[p])[:size]
    return sum(bool(mask[p]) for p in highest) / size
