"""The Python half of the promise that figures and page colour points alike."""

import json

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.render import palette
from tests.wire import make_palette

GOLDEN = json.loads(make_palette.PATH.read_text(encoding="utf-8"))


def test_the_committed_file_is_fresh():
    assert make_palette.PATH.read_text(encoding="utf-8") == make_palette.text()


def test_classes_have_colours_of_their_own():
    assert len(np.unique(palette.categorical(60), axis=0)) == 60
    assert (palette.categorical(61)[60] == palette.categorical(1)[0]).all()
    assert not (palette.categorical(60) == np.array(palette.MISSING)).all(axis=1).any()


def test_okabe_and_ito_come_first():
    first = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"]
    assert ["#" + bytes(colour).hex() for colour in palette.categorical(6)] == first


def test_missing_codes_and_numbers_are_grey():
    assert palette.by_code(np.array([65535, -1, 2]), 2).tolist() == [list(palette.MISSING)] * 3
    assert palette.sequential(np.array([np.nan]), (0, 1)).tolist() == [list(palette.MISSING)]


def test_numbers_run_from_dark_to_light():
    table = palette.ramp().astype(int)
    assert (np.diff(table[::8] @ [2, 7, 1]) > 0).all()
    assert palette.sequential(np.array([3.0]), (3.0, 3.0)).tolist() == [table[128].tolist()]
    with pytest.raises(InputError, match="ends"):
        palette.sequential(np.zeros(2), (0.0, np.inf))
