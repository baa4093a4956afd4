"""A method object as `method=`: the controls show its values, and what they cannot show is kept."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import saliscope
from saliscope import LayerError, MethodError, Record, SaliencyExplorer, replay
from saliscope.attribution import (
    LIME,
    LRP,
    ExpectedGradients,
    GradCAM,
    IntegratedGradients,
    Method,
    Occlusion,
    Saliency,
    SmoothGrad,
    methods,
    registry,
)
from saliscope.core.baselines import White
from saliscope.sessions.menus import method_menu
from tests.sessions.tools import PATIENCE, photo, tiny

SEGMENTS = np.arange(80).reshape(8, 10) // 20
BACKGROUND = torch.rand(3, 3, 8, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _registry_as_before() -> Iterator[None]:
    before = set(methods())
    yield
    for key in set(methods()) - before:
        registry.forget(key)


def explore(**options: Any) -> SaliencyExplorer:
    explorer = SaliencyExplorer(tiny(), photo(), **options)
    assert explorer.wait(PATIENCE)
    return explorer


def test_its_values_are_those_of_the_controls():
    made = IntegratedGradients(White(), n_steps=5, rule="gauss_legendre", tolerance=0.1)
    explorer = explore(method=made)
    assert explorer.attribution is not None
    assert explorer.attribution.method == made
    assert explorer.method == "integrated_gradients"
    assert explorer.params == {"rule": "gauss_legendre", "tolerance": 0.1}
    assert (explorer.n_steps, explorer.baseline) == (5, White())

    explorer.method = Occlusion(window=4, stride=2)
    assert explorer.wait(PATIENCE)
    assert explorer.attribution.method == Occlusion(window=4, stride=2)
    assert (explorer.params, explorer.baseline.kind) == ({"window": 4, "stride": 2}, "black")
    explorer.method = GradCAM("4")
    assert (explorer.layer, explorer.params) == ("4", {})
    explorer.undo()
    assert (explorer.method, explorer.params) == ("occlusion", {"window": 4, "stride": 2})
    explorer.undo()
    assert (explorer.method, explorer.baseline) == ("integrated_gradients", White())
    assert explorer.wait(PATIENCE)
    assert explorer.attribution.method == made
    assert set(methods()) == {method.key for method in registry._METHODS}


def test_one_object_is_one_question():
    explorer = explore()
    asked = []
    explorer._ask = lambda anew=False: asked.append((explorer.method, explorer.n_steps, explorer.params))
    explorer.method = SmoothGrad(n_samples=3)
    explorer.method = IntegratedGradients(n_steps=7)
    assert set(map(str, asked)) == {
        str(("smooth_grad", 32, {"n_samples": 3, "noise_level": 0.15, "seed": 0, "target_error": 0.0})),
        str(("integrated_gradients", 7, {"rule": "midpoint", "tolerance": 0.05})),
    }


def test_what_is_said_beside_it_comes_first():
    explorer = explore(method=IntegratedGradients("white", n_steps=5), n_steps=3, params={"rule": "right"})
    assert explorer.attribution is not None
    assert explorer.attribution.method == IntegratedGradients(White(), n_steps=3, rule="right")


def test_a_refused_object_changes_nothing():
    explorer = explore(method=IntegratedGradients(n_steps=5))
    for wrong, error in ((GradCAM("nowhere"), LayerError), (IntegratedGradients(n_steps=2000), ValueError)):
        with pytest.raises(error):
            explorer.method = wrong
        assert (explorer.method, explorer.n_steps, explorer.layer) == ("integrated_gradients", 5, None)

    class Unknown(Saliency):
        key = "unknown_to_the_menu"

    for other in (Unknown(), type("Again", (Saliency,), {})()):
        with pytest.raises(MethodError, match=re.escape("Put @saliscope.method above its class")):
            explorer.method = other


@pytest.mark.parametrize(
    ("made", "title", "code"),
    [
        (SmoothGrad(LRP(), n_samples=3), "SmoothGrad of LRP", "SmoothGrad(method=LRP())"),
        (
            SmoothGrad(IntegratedGradients(White(), n_steps=3), n_samples=2),
            "SmoothGrad of Integrated Gradients (baseline=white, n_steps=3)",
            "SmoothGrad(method=IntegratedGradients(baseline=White(), n_steps=3))",
        ),
        (LIME(segments=SEGMENTS, n_samples=20), "LIME (segments)", "LIME(segments=my_segments)"),
        (
            ExpectedGradients(background=BACKGROUND, n_samples=4, seed=2),
            "Expected gradients (background)",
            "ExpectedGradients(background=my_background)",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_control_is_kept(made, title, code):
    explorer = explore(method=made, n_steps=9)
    attribution, result = explorer.attribution, explorer._panels.lead.result
    assert attribution is not None
    assert result is not None
    assert repr(attribution.method) == repr(made)
    assert (methods()[explorer.method].title, result.title, result.method) == (title, title, explorer.method)
    expected = made.attribute(explorer._panels.subjects[0].borrowed, attribution.inputs).values
    assert torch.equal(attribution.values, expected)

    record = Record.from_json(explorer.record.to_json())
    assert record.method["key"] == made.key
    again = replay(record, tiny(), photo(), baseline=(torch.as_tensor(SEGMENTS), BACKGROUND))
    assert (again.verdict, again.differences) == ("identical", ())

    assert f"method={code}," in explorer.code()
    names = {"my_segments": SEGMENTS, "my_background": BACKGROUND, "model": tiny(), "images": photo()}
    imports, call = explorer.code().split("SaliencyExplorer(", 1)
    exec(imports, names)  # what the code says
    second = eval(f"SaliencyExplorer({call}", names | {"SaliencyExplorer": SaliencyExplorer})
    assert second.wait(PATIENCE)
    assert second.method == explorer.method  # the same values are the same entry
    assert second.attribution is not None
    assert torch.equal(second.attribution.values, attribution.values)
    assert second.code() == explorer.code()


def test_a_class_of_the_menu_stands_for_its_default_object():
    explorer = explore(method=LRP, compare=[Saliency])
    assert [one.method for one in explorer.attributions if one] == [LRP(), Saliency()]


class TestTheLayer:
    """It counts for every method that can read one, and what a CAM reads makes no layer map of another."""

    def test_it_is_honoured_where_it_is_said(self):
        for said in (
            {"method": "saliency", "layer": "3"},
            {"method": Saliency(layer="3")},
        ):
            explorer = explore(**said)
            assert explorer.attribution is not None
            assert (explorer.layer, explorer.attribution.layer, explorer.method) == ("3", "3", "saliency")
            inputs = explorer.attribution.inputs
            expected = Saliency(layer="3").attribute(tiny(), inputs).values
            assert torch.equal(explorer.attribution.values, expected)
            assert explorer._panels.lead.result.layer == "3"  # type: ignore[union-attr]
            assert 'method="saliency", layer="3"' in explorer.code()
            record = Record.from_json(explorer.record.to_json())
            assert replay(record, tiny(), photo()).verdict == "identical"
        explorer.layer = None
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.layer is None

    def test_each_role_has_its_own(self):
        explorer = explore(method="grad_cam", layer="4")
        seen = []
        for method in ("saliency", "occlusion", "grad_cam"):
            explorer.method = method
            seen.append(explorer.layer)
        explorer.method = "saliency"
        explorer.layer = "2"
        for method in ("integrated_gradients", "hires_cam", "saliency"):
            explorer.method = method
            seen.append(explorer.layer)
        assert seen == [None, None, "4", "2", "4", "2"]
        explorer.undo()
        assert (explorer.method, explorer.layer) == ("hires_cam", "4")
        explorer.method = Saliency()
        assert explorer.layer is None
        explorer.method = GradCAM()
        assert explorer.layer is None

    def test_a_cam_takes_one_that_was_named_before(self):
        explorer = explore(layer="4")
        explorer.method = "grad_cam"
        assert explorer.layer == "4"

    def test_panels(self):
        occlusion, of_layer = Occlusion(window=4, stride=2), {"method": "saliency", "layer": "3"}
        compare = ["saliency", occlusion, of_layer, "hires_cam"]
        explorer = explore(method="grad_cam", layer="4", compare=compare)
        assert [one.layer for one in explorer.attributions if one] == ["4", None, None, "3", "4"]

    def test_it_is_refused_by_what_reads_none(self):
        text = re.escape("`layer`: got '4' for Occlusion, which reads no layer; expected None")
        with pytest.raises(LayerError, match=text):
            explore(method="occlusion", layer="4")
        explorer = explore(method=Occlusion(window=4, stride=2))
        with pytest.raises(LayerError, match=text):
            explorer.layer = "4"
        assert explorer.layer is None
        explorer.compare = [{"layer": "4"}]
        with pytest.raises(LayerError, match=text):
            explorer.wait(PATIENCE)


def test_the_controls_of_a_kept_one_still_move():
    explorer = explore(method=SmoothGrad(LRP(), n_samples=3))
    explorer.params = {**explorer.params, "n_samples": 5}
    assert explorer.wait(PATIENCE)
    assert explorer.attribution is not None
    assert repr(explorer.attribution.method) == repr(SmoothGrad(LRP(), n_samples=5))
    explorer.refine()
    assert explorer.wait(PATIENCE)
    assert explorer.params["n_samples"] == 10
    assert replay(explorer.record, tiny(), photo()).verdict != "different"
    info = {one.key: one for one in method_menu()}[explorer.method]
    assert [control.name for control in info.controls] == ["n_samples", "noise_level", "seed", "target_error"]
    assert info.family == "Your own"


def test_other_values_are_other_entries():
    explorer = explore(method=LIME(segments=SEGMENTS, n_samples=20))
    first = explorer.method
    explorer.method = LIME(segments=SEGMENTS // 2, n_samples=20)
    assert [methods()[key].title for key in (first, explorer.method)] == [
        "LIME (segments)",
        "LIME (segments) [2]",
    ]
    explorer.method = LIME(segments=SEGMENTS, n_samples=40)
    assert (explorer.method, explorer.params["n_samples"]) == (first, 40)


def test_in_panels():
    explorer = explore(
        method=IntegratedGradients("white", n_steps=6),
        compare=[
            SmoothGrad(LRP(), n_samples=2),
            {"method": IntegratedGradients(n_steps=3, rule="right"), "n_steps": 4},
            "saliency",
        ],
    )
    made = [one.method for one in explorer.attributions if one]
    assert repr(made) == repr(
        [
            IntegratedGradients(White(), n_steps=6),
            SmoothGrad(LRP(), n_samples=2),
            IntegratedGradients(n_steps=4, rule="right"),
            Saliency(),
        ]
    )
    explorer.compare = Occlusion(window=4, stride=4)
    assert explorer.wait(PATIENCE)
    assert explorer.attributions[1] is not None
    assert explorer.attributions[1].method == Occlusion(window=4, stride=4)
    assert json.dumps(explorer._plain("compare"))  # the page has it as plain data


def test_code_of_a_method_of_the_users_own():
    @saliscope.method
    def my_slope(model, inputs, target, power: float = 1.0):
        (g,) = torch.autograd.grad(model(inputs)[:, target].sum(), inputs)
        return g.abs() ** power

    explorer = explore(method=my_slope(power=2.0))
    assert (explorer.method, explorer.params) == ("my_slope", {"power": 2.0})
    first, second, *_ = explorer.code().splitlines()[1:]
    assert first == "# my_slope: your own method, whose definition under @saliscope.method comes first"
    assert second == 'SaliencyExplorer(model, images, method="my_slope", params={"power": 2})'
    explorer.method = SmoothGrad(my_slope(power=2.0), n_samples=2)
    assert first in explorer.code()
    assert "method=SmoothGrad(method=my_slope(power=2.0))," in explorer.code()


def test_objects_of_other_kinds_are_none():
    explorer = explore()
    for wrong in (Method, object(), 3):
        with pytest.raises(saliscope.InputError, match="expected one of integrated_gradients"):
            explorer.method = wrong
