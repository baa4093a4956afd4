"""The infill of ROAD from its paper (2202.00449): one equation a hidden pixel, and a sparse solve."""

import numpy as np
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve


def infill(picture, hidden):
    """picture (channels, h, w), hidden (h, w); at least one pixel is known."""
    height, width = hidden.shape
    places = {place: k for k, place in enumerate(zip(*np.nonzero(hidden), strict=True))}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros((len(places), len(picture)))
    for (row, column), k in places.items():
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                there = row + down, column + across
                if (down, across) == (0, 0) or not (0 <= there[0] < height and 0 <= there[1] < width):
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                matrix[k, k] += weight
                if there in places:
                    matrix[k, places[there]] -= weight
                else:
                    right[k] += weight * picture[:, there[0], there[1]]
    filled = picture.copy()
    if places:
        filled[:, hidden] = spsolve(matrix.tocsc(), right).reshape(len(places), -1).T
    return filled
