"""The Python half of the promise that Python and the page draw the same bytes."""

import json

import numpy as np
import pytest

from saliscope.render import along, compare, scales
from saliscope.render.overlay import between, compose, contours
from saliscope.render.regions import region_stats
from saliscope.render.scale import limits_of
from saliscope.render.smoothing import smooth
from saliscope.specs.blobs import Blob
from saliscope.specs.region import Region
from saliscope.specs.saliency import Completeness
from tests.wire import make_golden

GOLDEN = json.loads(make_golden.PATH.read_text(encoding="utf-8"))


def named(section):
    return pytest.mark.parametrize("case", GOLDEN[section], ids=[case["name"] for case in GOLDEN[section]])


def decoded(bits, scale, shape):
    """The map by way of the blob, as it comes off the wire."""
    return Blob("float16", shape, scale, np.array(bits, dtype="<u2").tobytes()).array()


def map_of(case):
    shape = (case["height"], case["width"]) if "height" in case else (len(case["map_f16"]),)
    return decoded(case["map_f16"], case["scale"], shape)


def test_the_committed_file_is_fresh():
    assert make_golden.PATH.read_text(encoding="utf-8") == make_golden.text()


def test_the_cases_cover_what_can_differ():
    cases = GOLDEN["cases"]
    for name, values in (("sign", 4), ("overlay", 4), ("signed", 2), ("opacity", 4), ("threshold", 8)):
        assert len({case[name] for case in cases}) == values
    coloured = [case for case in cases if case["overlay"] != "contour"]
    assert (
        len({tuple(case["expected"]) for case in coloured}) > len(coloured) // 2
    )  # not all the same picture
    assert any(0 < bits < 0x0400 for case in cases for bits in case["map_f16"])


@named("cases")
def test_every_byte_of_the_overlay(case):
    made = compose(
        np.array(case["picture"], np.uint8).reshape(case["height"], case["width"], 3),
        map_of(case),
        case["limit"],
        np.array(GOLDEN["lut"], np.uint8).reshape(257, 3),
        case["opacity"],
        case["threshold"],
        case["sign"],
        case["overlay"],
        case["signed"],
    )
    assert made.ravel().tolist() == case["expected"]


@named("limits")
def test_limit_and_clipped_share(case):
    values = map_of(case)
    assert scales.limit(values) == case["limit"]
    assert scales.clipped_share(values, case["limit"]) == case["clipped_share"]


@named("between")
def test_the_picture_on_the_path(case):
    ends = (np.array(case[end], np.uint8).reshape(-1, 1, 3) for end in ("baseline", "picture"))
    assert between(*ends, case["alpha"]).ravel().tolist() == case["expected"]


@named("smooth")
def test_every_bit_of_the_smoothed_map(case):
    assert smooth(map_of(case), case["sigma"]).ravel().tolist() == case["expected"]


@named("path")
def test_every_bit_of_the_map_at_alpha(case):
    shape = (len(case["alphas"]), case["height"], case["width"])
    stack = decoded(case["stack_f16"], case["stack_scale"], shape)
    if case["along"] == "gradient":
        made = along.gradient_at(stack, case["alphas"], case["alpha"])
    else:
        made = along.cumulative_at(stack, case["alphas"], case["alpha"], map_of(case))
    assert made.ravel().tolist() == case["expected"]


@named("regions")
def test_the_pixels_of_a_region(case):
    lead = case["lead"] and tuple(case["lead"])
    mask = Region.from_json(case["region"]).mask(case["height"], case["width"], lead=lead)
    assert mask.ravel().astype(int).tolist() == case["expected"]


@named("stats")
def test_the_numbers_of_a_region(case):
    change = case["change"]
    completeness = Completeness(change or 1e-9, 0.0, 0.0, None if change is None else 1.0)
    made = region_stats(map_of(case), np.array(case["mask"], bool), completeness)
    names = {"of_change": "ofChange", "of_total": "ofTotal"}
    for name in ("sum", "of_change", "of_total", "area", "density"):
        expected = case["expected"][names.get(name, name)]
        assert getattr(made, name) == (
            None if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-15)
        )


@named("scales")
def test_what_the_colours_of_each_panel_end_at(case):
    panels = [tuple(panel) for panel in case["panels"]]
    assert limits_of(case["scale"], panels) == case["expected"]


@named("ranks")
def test_rank_correlation(case):
    a, b = (decoded(case[name], 1.0, (len(case[name]),)) for name in ("a_f16", "b_f16"))
    expected = case["expected"]
    assert compare.rank_correlation(a, b) == (
        None if expected is None else pytest.approx(expected, abs=1e-12)
    )


@named("contours")
def test_contours_cross_where_the_definition_says(case):
    values = decoded(case["map_f16"], 1.0, (case["height"], case["width"]))
    made = {each.level: each.lines for each in contours(values, case["limit"])}
    assert sorted(made) == sorted(map(float, case["expected"]))
    for level, expected in case["expected"].items():
        points = {tuple(point) for line in made[float(level)] for point in line.round(9).tolist()}
        assert sorted(points) == [pytest.approx(point, abs=2e-9) for point in expected]
