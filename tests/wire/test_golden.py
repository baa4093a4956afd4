"""The Python half of the promise that Python and the page draw the same bytes."""

import json

import numpy as np
import pytest

from saliscope.render import scales
from saliscope.render.static import between, compose
from saliscope.specs.blobs import Blob
from tests.wire import make_golden

GOLDEN = json.loads(make_golden.PATH.read_text(encoding="utf-8"))


def named(section):
    return pytest.mark.parametrize("case", GOLDEN[section], ids=[case["name"] for case in GOLDEN[section]])


def decoded(case, shape):
    """The map by way of the blob, as it comes off the wire."""
    data = np.array(case["map_f16"], dtype="<u2").tobytes()
    return Blob("float16", shape, case["scale"], data).array()


def test_the_committed_file_is_fresh():
    assert make_golden.PATH.read_text(encoding="utf-8") == make_golden.text()


def test_the_cases_cover_what_can_differ():
    cases = GOLDEN["cases"]
    for name, values in (("sign", 4), ("overlay", 2), ("signed", 2), ("opacity", 4), ("threshold", 8)):
        assert len({case[name] for case in cases}) == values
    assert len({tuple(case["expected"]) for case in cases}) > len(cases) // 2  # not all the same picture
    assert any(0 < bits < 0x0400 for case in cases for bits in case["map_f16"])


@named("cases")
def test_every_byte_of_the_overlay(case):
    shape = (case["height"], case["width"])
    made = compose(
        np.array(case["picture"], np.uint8).reshape(*shape, 3),
        decoded(case, shape),
        case["limit"],
        np.array(case["lut"], np.uint8).reshape(257, 3),
        case["opacity"],
        case["threshold"],
        case["sign"],
        case["overlay"],
        case["signed"],
    )
    assert made.ravel().tolist() == case["expected"]


@named("limits")
def test_limit_and_clipped_share(case):
    values = decoded(case, (len(case["map_f16"]),))
    assert scales.limit(values) == case["limit"]
    assert scales.clipped_share(values, case["limit"]) == case["clipped_share"]


@named("between")
def test_the_picture_on_the_path(case):
    ends = (np.array(case[end], np.uint8).reshape(-1, 1, 3) for end in ("baseline", "picture"))
    assert between(*ends, case["alpha"]).ravel().tolist() == case["expected"]
