"""Regions: rectangles, brush masks, and what is neither."""

import base64
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saliscope.errors import InputError
from saliscope.specs.region import MOST_CELLS, Region


def disc(size, radius):
    y, x = np.mgrid[:size, :size]
    return (x - 0.45 * size) ** 2 + (y - 0.4 * size) ** 2 < radius**2


@pytest.mark.parametrize(
    "value",
    [(1, 2, 3, 4), [1, 2, 3, 4], {"rect": [1, 2, 3, 4]}, (np.int64(1), 2, 3, 4), Region((1, 2, 3, 4))],
)
def test_a_rectangle(value):
    region = Region.of(value)
    expected = np.zeros((8, 6), bool)
    expected[2:6, 1:4] = True
    assert (region.mask(8, 6) == expected).all()
    assert region == Region.of((1, 2, 3, 4)) == Region.of(expected)
    assert region.to_json() == {"rect": [1, 2, 3, 4]}
    assert str(region) == "3 x 4 at (1, 2)"
    assert hash(region) == hash(Region.of(expected))


def test_what_lies_outside_the_picture_does_not_count():
    assert Region.of((3, 3, 100, 100)).mask(5, 4).sum() == 2
    assert not Region.of((9, 9, 1, 1)).mask(5, 4).any()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 64), st.integers(1, 64))).filter(np.any))
def test_a_mask_of_at_most_64_pixels_a_side_is_held_exactly(mask):
    region = Region.of(mask)
    assert (region.mask(*mask.shape) == mask).all()
    assert Region.from_json(json.loads(json.dumps(region.to_json()))) == region


def test_a_large_mask_that_fits_a_coarse_grid_is_held_exactly_by_the_coarsest():
    mask = np.zeros((448, 224), bool)
    mask[:112, 56:] = mask[112:, :28] = True
    region = Region.of(mask)
    assert region.cells == (8, 4)
    assert (region.mask(448, 224) == mask).all()


def test_another_large_mask_is_rounded_to_cells_that_are_half_in():
    mask = disc(224, 50)
    region = Region.of(mask)
    assert region.cells == (MOST_CELLS, MOST_CELLS)
    assert 0 < (region.mask(224, 224) ^ mask).mean() < 0.01
    half = np.zeros((128, 128), bool)
    half[::2] = True
    assert Region.of(half).mask(128, 128).all()
    assert len(json.dumps(region.to_json())) < 1000


def test_a_mask_too_thin_for_the_grid_is_refused_in_words():
    with pytest.raises(InputError, match="thin lines"):
        Region.of(np.eye(640, dtype=bool))


def test_bits_go_row_by_row_the_most_significant_first():
    def of(bits):
        return Region.from_json({"cells": [3, 2], "bits": base64.b64encode(bytes([bits])).decode()})

    region = of(0b10001111)
    assert region.mask(2, 3).tolist() == [[True, False, False], [False, True, True]]
    assert region.mask(4, 6).sum() == 4 * 3
    # What stands after the last cell means nothing.
    assert region == Region.from_json(
        {"cells": [3, 2], "bits": base64.b64encode(bytes([0b10001100])).decode()}
    )
    assert str(region) == "3 of 6 cells"


def test_in_a_picture_of_another_size_a_rectangle_is_rounded_but_never_lost():
    assert Region.of((50, 20, 100, 60)).mask(40, 60, lead=(200, 300)).sum() == 20 * 12
    assert Region.of((7, 9, 1, 1)).mask(4, 4, lead=(20, 20)).sum() == 1
    brush = Region.of(disc(64, 20))
    assert (brush.mask(32, 32, lead=(64, 64)) == brush.mask(32, 32)).all()


def test_it_can_be_pickled_and_is_frozen():
    region = Region.of(disc(64, 20))
    region.mask(3, 3)
    assert pickle.loads(pickle.dumps(region)) == region
    with pytest.raises(AttributeError):
        region.bits = ""


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ((1, 2, 3), r"\(1, 2, 3\)"),
        ((1, 2, 3, 4.5), "4.5"),
        ((True, 2, 3, 4), "True"),
        ((1, 2, 0, 4), "0 x 4 pixels"),
        ((-1, 2, 3, 4), "a corner at"),
        ((1, 2, 10**30, 4), "pixels"),
        (None, "None"),
        ("all", "'all'"),
        (np.ones((3, 3)), "float64 of shape"),
        (np.ones((2, 3, 3), bool), "bool of shape"),
        (np.zeros((3, 3), bool), "an empty mask"),
        ({}, "{}"),
        ({"rect": 5}, "5"),
        ({"rect": ["a"] * 4}, "'a'"),
        ({"rect": [1, 2, 3, 4], "cells": [1, 1]}, "rect"),
        ({"cells": [65, 1], "bits": "AA=="}, "65 x 1 cells"),
        ({"cells": [0, 4], "bits": ""}, "0 x 4 cells"),
        ({"cells": [8, 1], "bits": "not base64"}, "bits 'not base64'"),
        ({"cells": [8, 1], "bits": "AAAA"}, "bits 'AAAA'"),
        ({"cells": [8, 1], "bits": None}, "bits None"),
        ({"cells": [8, 1], "bits": "AA=="}, "an empty mask"),
        ({"cells": [8, 1], "bits": "x" * 10**6}, "…"),
    ],
)
def test_anything_else_is_refused(value, got):
    with pytest.raises(InputError, match=got) as caught:
        Region.of(value)
    assert caught.value.argument == "region"
    assert len(str(caught.value)) < 400


def test_one_of_both_kinds():
    for wrong in ({}, {"rect": (0, 0, 1, 1), "cells": (1, 1)}):
        with pytest.raises(InputError, match="one of the two"):
            Region(**wrong)
