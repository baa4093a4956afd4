"""From plain data to methods and baselines, and back; every way in which plain data can be wrong."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad, methods
from saliscope.core import baselines as bl
from saliscope.errors import BaselineError, MethodError
from saliscope.sessions.menus import (
    baseline_spec,
    build_baseline,
    build_method,
    can_refine,
    check_reach,
    controls,
    defaults,
    is_number,
    work_of,
)


def painted(**changes: Any) -> dict[str, Any]:
    """A painted baseline as plain data, with something wrong in it."""
    return {"kind": "painted", "region": {"rect": [0, 0, 2, 2]}, "fill": {"kind": "black"}, **changes}


class TestMethods:
    @pytest.mark.parametrize("cls", methods().values(), ids=lambda cls: cls.key)
    def test_the_defaults_of_the_menu_are_those_of_the_class(self, cls):
        # The one that is not: an explorer begins with the rule that looks where to look.
        others = {"rule": "adaptive"} if cls is IntegratedGradients else {}
        assert build_method(cls, defaults(cls)) == replace(cls(), **others)

    def test_shared_traits_go_where_they_belong(self):
        shared = {"n_steps": 7, "baseline": bl.White(), "layer": "conv"}
        ig = build_method(IntegratedGradients, {"rule": "right"}, **shared)
        assert ig == IntegratedGradients(bl.White(), 7, "right", layer="conv")
        assert build_method(GradCAM, {}, **shared) == GradCAM("conv")
        assert build_method(Saliency, {}, **shared) == Saliency(layer="conv")

    def test_numbers_of_json_and_of_numpy(self):
        params = {"n_samples": 9.0, "noise_level": 1, "seed": np.int64(3)}
        method = build_method(SmoothGrad, params)
        assert method == SmoothGrad(n_samples=9, noise_level=1.0, seed=3)
        assert [type(v) for v in (method.n_samples, method.noise_level, method.seed)] == [int, float, int]
        assert build_method(SmoothGrad, {"noise_level": np.float32(0.5)}).noise_level == 0.5
        assert build_method(Saliency, {"absolute": np.bool_(False)}) == Saliency(absolute=False)
        assert build_method(IntegratedGradients, {"rule": np.str_("right")}).rule == "right"

    @pytest.mark.parametrize(
        ("cls", "params", "message"),
        [
            (Saliency, {"abs": True}, "`params`: got 'abs'; expected parameters of Saliency: absolute."),
            (
                GradCAM,
                {"layer": "x"},
                "`params`: got 'layer'; expected parameters of GradCAM: none. It has a place of",
            ),
            (Saliency, {"absolute": 1}, "`absolute`: got 1; expected True or False."),
            (Saliency, {"absolute": None}, "`absolute`: got None; expected True or False."),
            (IntegratedGradients, {"rule": "left"}, "`rule`: got 'left'; expected one of midpoint, right"),
            (IntegratedGradients, {"rule": ["right"]}, "`rule`: got ['right']; expected one of midpoint"),
            (IntegratedGradients, {"n_steps": 3}, "`params`: got 'n_steps'; expected parameters of"),
            (SmoothGrad, {"n_samples": 2.5}, "`n_samples`: got 2.5; expected an integer."),
            (SmoothGrad, {"n_samples": True}, "`n_samples`: got True; expected an integer."),
            (SmoothGrad, {"n_samples": "9"}, "`n_samples`: got '9'; expected an integer."),
            (SmoothGrad, {"n_samples": 0}, "`n_samples`: got 0; expected an integer of at least 1."),
            (SmoothGrad, {"seed": float("nan")}, "`seed`: got nan; expected an integer."),
            (SmoothGrad, {"seed": -1}, "`seed`: got -1; expected an integer of at least 0."),
            (SmoothGrad, {"noise_level": float("inf")}, "`noise_level`: got inf; expected a number."),
            (SmoothGrad, {"noise_level": 10**400}, "expected a number."),
            (SmoothGrad, {"noise_level": -0.1}, "`noise_level`: got -0.1; expected a share"),
        ],
    )
    def test_what_is_wrong_is_named(self, cls, params, message):
        with pytest.raises(MethodError) as caught:
            build_method(cls, params)
        assert message in str(caught.value)


class TestBaselines:
    @pytest.mark.parametrize("kind", bl.BASELINES)
    def test_there_and_back(self, kind):
        baseline = build_baseline({"kind": kind})
        assert type(baseline) is bl.BASELINES[kind]
        again = build_baseline(baseline_spec(baseline))
        assert baseline_spec(again) == baseline_spec(baseline)

    def test_numbers_of_json_and_of_numpy(self):
        assert build_baseline({"kind": "noise", "level": 1, "seed": 4.0}) == bl.Noise(1.0, 4)
        assert build_baseline({"kind": "grey", "level": np.float32(0.25)}) == bl.Grey(0.25)

    @pytest.mark.parametrize(
        "baseline",
        [
            bl.Painted((1, 2, 3, 4)),
            bl.Painted(np.eye(5, dtype=bool), bl.Blur(3.0), bl.Noise(0.1, 7)),
            (bl.Black(), bl.Blur(2.0)),
            (bl.Painted((1, 2, 3, 4), "white"), bl.Black(), bl.Grey(0.25)),
        ],
        ids=str,
    )
    def test_painted_ones_and_averages(self, baseline):
        spec = baseline_spec(baseline)
        assert json.loads(json.dumps(spec)) == spec
        assert build_baseline(spec) == baseline

    def test_defaults_of_a_painted_one(self):
        spec = {"kind": "painted", "region": {"rect": [0, 0, 2, 2]}}
        assert build_baseline(spec) == bl.Painted((0, 0, 2, 2))
        assert build_baseline({**spec, "rest": None, "fill": {"kind": "white"}}) == bl.Painted(
            (0, 0, 2, 2), "white"
        )

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ({"kind": "painted"}, "`region`: got None; expected a region as plain data."),
            ({"kind": "painted", "region": [0, 0, 1, 1]}, "`region`: got [0, 0, 1, 1]; expected a region as"),
            (painted(region={"rect": [0, 0, 0, 0]}), "`region`: got 0 x 0 pixels"),
            (painted(region={"cells": [10**9, 10**9], "bits": ""}), "`region`: got 1000000000 x 1000000000"),
            (painted(region={"rect": [1e300, 0, 1, 1]}), "`region`: got [1e+300, 0, 1, 1]"),
            (painted(fill="black"), "`baseline`: got 'black'; expected plain data such as {\"kind\""),
            (painted(fill={"kind": "blur", "sigma": -1}), "`sigma`: got -1.0; expected a number from 0"),
            (painted(fill=painted()), "`baseline`: got 'painted'; expected one of black"),
            (painted(rest=painted()), "`baseline`: got 'painted'; expected one of black"),
            (painted(rest={"kind": "average", "of": []}), "`baseline`: got 'average'; expected one of black"),
            (painted(rest={"kind": "custom"}), "`baseline`: got 'custom'; expected one of black"),
            (
                painted(colour=1),
                "`baseline`: got 'colour'; expected parameters of painted: region, fill, rest",
            ),
            ({"kind": "average"}, "`of`: got None; expected a list of 1 to 8 baselines."),
            ({"kind": "average", "of": []}, "`of`: got 0 baselines; expected a list of 1 to 8 baselines."),
            ({"kind": "average", "of": "black"}, "`of`: got 'black'; expected a list"),
            ({"kind": "average", "of": {"kind": "black"}}, "`of`: got {'kind': 'black'}; expected a list"),
            ({"kind": "average", "of": [{"kind": "black"}] * 9}, "`of`: got 9 baselines; expected a list"),
            ({"kind": "average", "of": ["black"]}, "`baseline`: got 'black'; expected plain data"),
            (
                {"kind": "average", "of": [{"kind": "average", "of": [{"kind": "black"}]}]},
                "`baseline`: got 'average'; expected one of black",
            ),
            (
                {"kind": "average", "of": [{}], "weights": []},
                "`baseline`: got 'weights'; expected parameters",
            ),
            (
                {"kind": "average", "of": [painted(fill=painted())]},
                "`baseline`: got 'painted'; expected one of black",
            ),
        ],
    )
    def test_what_is_wrong_with_painted_ones_and_averages(self, spec, message):
        with pytest.raises(BaselineError) as caught:
            build_baseline(spec)
        assert message in str(caught.value)

    def test_a_hostile_depth_is_no_recursion(self):
        spec = {"kind": "black"}
        for _ in range(100_000):
            spec = painted(fill=spec)
        with pytest.raises(BaselineError, match="got 'painted'; expected one of black"):
            build_baseline(spec)

    def test_a_custom_one_is_only_named(self):
        assert baseline_spec(bl.as_baseline(np.zeros((3, 2, 2)))) == {"kind": "custom"}

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ({}, "`baseline`: got None; expected one of black, white, grey, blur, noise, mean."),
            ({"kind": "green"}, "`baseline`: got 'green'; expected one of black"),
            ({"kind": ["black"]}, "`baseline`: got ['black']; expected one of black"),
            ({"kind": "custom"}, "`baseline`: got 'custom'; expected one of black"),
            ({"kind": "black", "level": 1}, "`baseline`: got 'level'; expected parameters of black: none."),
            ({"kind": "mean", "images": 1}, "`baseline`: got 'images'; expected parameters of mean: none."),
            ({"kind": "grey", "level": "1"}, "`level`: got '1'; expected a number."),
            ({"kind": "grey", "level": None}, "`level`: got None; expected a number."),
            ({"kind": "grey", "level": 1.01}, "`level`: got 1.01; expected a number from 0 to 1."),
            ({"kind": "blur", "sigma": [3]}, "`sigma`: got [3]; expected a number."),
            ({"kind": "blur", "sigma": -1}, "`sigma`: got -1.0; expected a number from 0 to 1000."),
            ({"kind": "noise", "seed": 1.5}, "`seed`: got 1.5; expected an integer."),
            ({"kind": "noise", "seed": False}, "`seed`: got False; expected an integer."),
        ],
    )
    def test_what_is_wrong_is_named(self, spec, message):
        with pytest.raises(BaselineError) as caught:
            build_baseline(spec)
        assert message in str(caught.value)


class TestReach:
    def test_a_page_goes_as_far_as_its_sliders(self):
        before = defaults(SmoothGrad)
        check_reach(SmoothGrad, {"n_samples": 500, "noise_level": 1.0, "seed": 0}, before, MethodError)
        with pytest.raises(MethodError, match="`n_samples`: got 501; expected a number from 1 to 500"):
            check_reach(SmoothGrad, {"n_samples": 501}, before, MethodError)
        with pytest.raises(BaselineError, match=r"`sigma`: got 51\.0; expected a number from 0 to 50"):
            check_reach(bl.Blur, {"kind": "blur", "sigma": 51.0}, {}, BaselineError)

    def test_what_python_has_set_further_it_may_leave_there(self):
        check_reach(SmoothGrad, {"n_samples": 9000, "seed": 5}, {"n_samples": 9000}, MethodError)

    def test_words_and_switches_have_no_ends(self):
        check_reach(IntegratedGradients, {"rule": "right"}, {}, MethodError)
        check_reach(Saliency, {"absolute": False}, {}, MethodError)

    @pytest.mark.parametrize(
        ("method", "work", "can"),
        [
            (IntegratedGradients(n_steps=512), 512, True),
            (IntegratedGradients(n_steps=513), 513, False),
            (SmoothGrad(n_samples=250), 250, True),
            (SmoothGrad(n_samples=251), 251, False),
            (Saliency(), None, False),
            (GradCAM(), None, False),
        ],
    )
    def test_refining_ends_where_the_menus_end(self, method, work, can):
        assert work_of(method) == work
        assert can_refine(method) == can

    def test_every_slider_has_two_ends_and_its_default_between_them(self):
        for cls in (*methods().values(), *bl.BASELINES.values()):
            for control in controls(cls):
                if control.kind in ("int", "float"):
                    assert control.min <= control.default <= control.max
                    assert control.step > 0


@pytest.mark.parametrize("value", [0, -3, 2.5, 1e308, 10**300])
def test_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize("value", [True, None, "1", float("nan"), float("inf"), 10**400, -(10**400), [1], 1j])
def test_no_numbers(value):
    assert not is_number(value)
