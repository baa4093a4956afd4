"""Thumbnails on sheets: where each one lies, and that a budget is kept."""

import io

import numpy as np
import pytest
from PIL import Image

from saliscope.render.thumbnails import COLUMNS, sheets


def noise(m, size=16):
    return np.random.default_rng(0).integers(0, 256, (m, size, size, 3), dtype=np.uint8)


def read(made, place):
    """As the page cuts it out."""
    page = np.asarray(Image.open(io.BytesIO(made.files[place // COLUMNS**2])))
    row, column = divmod(place % COLUMNS**2, COLUMNS)
    size = made.size
    return page[row * size : (row + 1) * size, column * size : (column + 1) * size]


def test_every_thumbnail_is_there_without_loss_where_that_fits():
    given = noise(300)
    made = sheets(given)
    assert (len(made.files), made.size, made.quality) == (2, 16, None)
    for place in (0, 15, 16, 255, 256, 299):
        assert (read(made, place) == given[place]).all()
    assert made.words == "16 x 16 pixels, without loss"


def test_the_last_sheet_is_no_higher_than_it_needs_to_be():
    made = sheets(noise(257))
    assert Image.open(io.BytesIO(made.files[1])).size == (COLUMNS * 16, 16)


@pytest.mark.parametrize("budget", [300_000, 120_000, 40_000])
def test_what_is_too_much_is_stored_with_loss_then_smaller(budget):
    made = sheets(noise(512), budget)
    assert sum(map(len, made.files)) <= budget
    assert made.type == "image/jpeg"
    assert f"quality {made.quality}" in made.words


def test_pictures_survive_a_lossy_sheet():
    x = np.linspace(0, 255, 32)
    smooth = np.stack([np.add.outer(x, x)[..., None].repeat(3, 2) / 2 * (i / 300) for i in range(300)])
    given = (smooth + noise(300, 32) % 8).clip(0, 255).astype(np.uint8)
    made = sheets(given, 300_000)
    assert made.quality is not None
    assert made.size == 32
    assert np.abs(read(made, 299).astype(int) - given[299]).max() < 24


def test_where_nothing_fits_the_smallest_is_taken():
    made = sheets(noise(40), 10)
    assert made.size == 4
    assert made.quality == 40


def test_two_thousand_photographs_stay_within_the_default_budget():
    rough = noise(2000, 8).repeat(8, 1).repeat(8, 2)
    made = sheets((rough.astype(int) + noise(2000, 64) // 8 - 16).clip(0, 255).astype(np.uint8))
    assert sum(map(len, made.files)) < 2_000_000
