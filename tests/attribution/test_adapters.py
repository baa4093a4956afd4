"""Objects of captum and zennit as methods: their own answers, our question, our manners."""

import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import LayerError, MethodError, ModelError, SaliencyExplorer, Target, TargetError, replay
from saliscope.attribution import InputXGradient, IntegratedGradients, Saliency, SmoothGrad, adapt, methods
from saliscope.attribution.adapters import adopt
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.sessions.menus import method_menu
from tests.attribution.helpers import Counted, pictures
from tests.attribution.variants import Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked
from tests.sessions.tools import PATIENCE, photo, tiny

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
pytestmark = [
    pytest.mark.usefixtures("registry_as_before"),
    pytest.mark.filterwarnings("ignore::UserWarning:captum"),
]


@pytest.fixture(autouse=True)
def no_draws_of_the_type_checker():
    with unchecked():
        yield


@pytest.fixture(scope="module")
def captum() -> ModuleType:
    return pytest.importorskip("captum.attr")


@pytest.fixture(scope="module")
def composites(torchvision: ModuleType) -> ModuleType:
    pytest.importorskip("zennit")
    from zennit import composites

    return composites


@pytest.fixture
def model() -> nn.Module:
    return plain(Layers())


X = pictures(2, size=6)


def test_neither_package_is_imported_by_ours():
    code = "import sys, saliscope.attribution as a; print({'captum', 'zennit'} & set(sys.modules), a.adapt)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("set()")


class TestCaptum:
    @pytest.mark.parametrize(
        ("name", "options", "signed"),
        [
            ("IntegratedGradients", {"n_steps": 5, "method": "riemann_middle"}, True),
            ("Saliency", {}, False),
            ("Saliency", {"abs": False}, True),
            ("DeepLift", {"baselines": 0}, True),
            ("GuidedBackprop", {}, True),
            ("Occlusion", {"sliding_window_shapes": (2, 2, 2), "strides": [2, 2, 2]}, True),
            ("FeatureAblation", {}, True),
            (
                "GradientShap",
                {"baselines": torch.zeros(3, 2, 6, 6, dtype=torch.float64), "n_samples": 2},
                True,
            ),
        ],
    )
    def test_the_map_is_captums_for_our_target(self, captum, model, name, options, signed):
        made = getattr(captum, name)(model)
        method = adapt(made, **options)
        np.random.seed(99)  # noqa: NPY002
        found = method.attribute(model, X, [3, 1])
        for row, target in enumerate((3, 1)):
            torch.manual_seed(0)
            np.random.seed(0)  # noqa: NPY002
            expected = made.attribute(X[row : row + 1], target=target, **dict(method.options))
            torch.testing.assert_close(found.values[row : row + 1], expected.detach(), **TIGHT)
        assert found.values.abs().sum() > 0
        assert (found.signed, found.layer, found.unit) == (signed, None, f"value of {method.title}")
        torch.testing.assert_close(found.score, model(X)[[0, 1], [3, 1]].detach())

    def test_what_is_ours_too_is_the_same(self, captum, model):
        for made, options, ours in (
            (captum.Saliency(model), {}, Saliency()),
            (captum.InputXGradient(model), {}, InputXGradient()),
        ):
            found = adapt(made, **options).attribute(model, X)
            expected = ours.attribute(model, X)
            torch.testing.assert_close(found.values, expected.values, rtol=1e-6, atol=1e-8)
            assert found.target.labels == expected.target.labels

    def test_a_layers_map_is_enlarged_and_named(self, captum):
        model, x = tiny(classes=3).double().eval(), pictures(2, channels=3, size=8)
        found = adapt(captum.LayerGradCam(model, model[4])).attribute(model, x, 1)
        coarse = captum.LayerGradCam(model, model[4]).attribute(x, target=1).detach()
        assert (found.layer, found.grid) == ("4", (4, 4))
        assert found.units is not None
        torch.testing.assert_close(found.units, coarse, **TIGHT)
        expected = nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear", align_corners=False)
        torch.testing.assert_close(found.values, expected, **TIGHT)

        units = adapt(captum.LayerGradientXActivation(model, model[4])).attribute(model, x, 1)
        ours = InputXGradient(layer="4").attribute(model, x, 1)
        assert units.units is not None
        torch.testing.assert_close(units.units, ours.units, **TIGHT)
        torch.testing.assert_close(units.values, ours.values, **TIGHT)

    def test_a_tunnel_of_noise_draws_the_same_every_time_and_no_numbers_of_ours(self, captum, model):
        method = adapt(captum.NoiseTunnel(captum.Saliency(model)), nt_samples=3, stdevs=0.2)
        assert method.title == "captum NoiseTunnel(Saliency, nt_samples=3, stdevs=0.2)"
        state = torch.get_rng_state()
        first = method.attribute(model, X, 1)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(99)
        assert torch.equal(method.attribute(model, X, 1).values, first.values)
        assert torch.equal(method.attribute(model, X[1:], 1).values, first.values[1:])
        assert not first.signed
        signed = {"nt_type": "smoothgrad", "abs": False}
        assert adapt(captum.NoiseTunnel(captum.Saliency(model)), **signed).signed
        assert not adapt(captum.NoiseTunnel(captum.Saliency(model)), nt_type="vargrad", abs=False).signed
        assert adapt(captum.Saliency(model), signed=True).signed

    def test_the_model_comes_back_as_it_was(self, captum, model):
        model.train()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        before = fingerprint(model)
        evaluated = Saliency().attribute(model, X, 1)
        zeros = {"GradientShap": {"baselines": torch.zeros_like(X[:1])}}
        for name in ("DeepLift", "GuidedBackprop", "GradientShap"):
            adapt(getattr(captum, name)(model), **zeros.get(name, {})).attribute(model, X, 1)
            assert changed(before, fingerprint(model)) == []
        found = adapt(captum.Saliency(model)).attribute(model, X, 1)
        torch.testing.assert_close(found.values, evaluated.values, **TIGHT)  # in eval mode, whatever it was

    def test_gradients_that_it_adds_up_are_not_left_behind(self, model):
        def attribute(self: Any, inputs: Tensor, target: int) -> Tensor:
            self.forward_func(inputs)[:, target].sum().backward()
            self.forward_func.last.weight.requires_grad_(False)
            assert inputs.grad is not None
            return inputs.grad

        careless = type("Careless", (), {"__module__": "captum.attr", "attribute": attribute})()
        careless.forward_func = model
        before = fingerprint(model)
        found = adapt(careless).attribute(model, X, 1)
        assert changed(before, fingerprint(model)) == []
        torch.testing.assert_close(
            found.values, Saliency(absolute=False).attribute(model, X, 1).values, **TIGHT
        )

    def test_one_picture_is_a_step(self, captum, model):
        steps = list(adapt(captum.Saliency(model)).stream(model, X, 1))
        assert [(step.done, step.total, step.result.complete) for step in steps] == [
            (1, 2, False),
            (2, 2, True),
        ]
        assert not steps[0].result.values[1].any()
        assert torch.equal(steps[0].result.values[0], steps[1].result.values[0])
        token = CancelToken()
        with pytest.raises(Cancelled):
            adapt(captum.Saliency(model)).attribute(
                model, X, 1, cancel=token, progress=lambda step: token.cancel()
            )

    def test_others_build_on_it(self, captum, model):
        found = SmoothGrad(adapt(captum.Saliency(model), abs=False), n_samples=2, noise_level=0.0)
        expected = Saliency(absolute=False).attribute(model, X, 1)
        torch.testing.assert_close(found.attribute(model, X, 1).values, expected.values, **TIGHT)

    @pytest.mark.parametrize("wrap", [lambda m: m.forward, lambda m: lambda x: m(x)])
    def test_a_function_around_the_model_will_do(self, captum, model, wrap):
        found = adapt(captum.Saliency(wrap(model))).attribute(model, X, 1)
        torch.testing.assert_close(found.values, Saliency().attribute(model, X, 1).values, **TIGHT)

    def test_a_model_with_one_number_for_each_input(self, captum):
        class One(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = plain(Layers())

            def forward(self, x: Tensor) -> Tensor:
                return self.model(x)[:, 2]

        model = One()
        found = adapt(captum.Saliency(model)).attribute(model, X)
        torch.testing.assert_close(found.values, Saliency().attribute(model, X).values, **TIGHT)

    def test_another_model(self, captum, model):
        way_out = r"holds the Classifier explained\. Make it with this very model: Saliency\(model\)"
        for held in (plain(Layers()), Counted(model)):
            with pytest.raises(MethodError, match="captum object that holds another model, a.*" + way_out):
                adapt(captum.Saliency(held)).attribute(model, X, 1)
        with pytest.raises(MethodError, match=r"function gives .*; expected the model's own score"):
            adapt(captum.Saliency(lambda x: model(x) + 1)).attribute(model, X, 1)
        with pytest.raises(LayerError, match="not part of the model"):
            adapt(captum.LayerGradCam(lambda x: model(x), nn.Conv2d(1, 1, 1))).attribute(model, X, 1)

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            (Target(1, "probability"), "'class 1', which is no plain output"),
            (Target(1, "margin"), "'class 1 over class"),
            (lambda out: out[:, 1], "'the given function'"),
            (Target(1, layer="features.first"), "'mean of channel 1 of features.first'"),
        ],
    )
    def test_targets_that_captum_cannot_take(self, captum, model, target, words):
        with pytest.raises(
            TargetError, match=re.escape(words) + ".*an index, which is all that captum takes"
        ):
            adapt(captum.Saliency(model)).attribute(model, X, target)

    def test_a_model_that_returns_no_tensor(self, captum):
        class Named(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = plain(Layers())

            def forward(self, x: Tensor) -> Any:
                return {"logits": self.model(x)}

        model = Named()
        with pytest.raises(ModelError, match=r"returns a dict; expected a tensor, .*Wrap it in a module"):
            adapt(captum.Saliency(model)).attribute(model, X, 1)

    def test_objects_and_options_that_do_not_fit(self, captum, model):
        first = model.features.first
        for make, text in (
            (
                lambda: adapt(3),
                "got an object of type int; expected a method, a captum.attr object or a zennit",
            ),
            (lambda: adapt(captum.Saliency), "got an object of type type; expected"),
            (
                lambda: adapt(captum.Saliency(model), abss=True),
                "`abss`: got an option of Saliency; expected one of abs",
            ),
            (
                lambda: adapt(captum.Saliency(model), target=3),
                "`target`: got an option of Saliency; expected one",
            ),
            (
                lambda: adapt(captum.Occlusion(model)),
                "without sliding_window_shapes; expected sliding_window_shapes as",
            ),
            (
                lambda: adapt(captum.LayerActivation(model, first)),
                "LayerActivation, which takes no target; expected",
            ),
            (
                lambda: adapt(captum.NeuronGradient(model, first)),
                "NeuronGradient, which takes no target; expected",
            ),
        ):
            with pytest.raises(MethodError, match=re.escape(text)):
                make()

    def test_what_captum_raises_comes_in_our_words(self, captum, model):
        method = adapt(captum.IntegratedGradients(model), method="simpson")
        text = "from captum IntegratedGradients(method=simpson): "
        with pytest.raises(MethodError, match=re.escape(text)):
            method.attribute(model, X, 1)


class TestZennit:
    def test_guided_backprop_is_the_modified_gradient(self, composites):
        model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(),
                              nn.Linear(12, 3)).double()  # fmt: skip
        found = adapt(composites.GuidedBackprop()).attribute(model, X, 1)
        g = model[5].weight[1].reshape(1, 3, 2, 2).expand(2, -1, -1, -1)
        a = model[:3](X)
        g = nn.functional.conv_transpose2d(g.clamp_min(0) * (a > 0), model[2].weight)
        g = nn.functional.conv_transpose2d(g.clamp_min(0) * (model[0](X) > 0), model[0].weight)
        torch.testing.assert_close(found.values, g.detach(), **TIGHT)
        assert found.method.key == "zennit_guided_backprop"

    def test_every_target_and_a_canonizer(self, composites, model):
        from zennit.canonizers import SequentialMergeBatchNorm

        before = fingerprint(model)
        method = adapt(composites.EpsilonPlus(canonizers=[SequentialMergeBatchNorm()]))
        for target in (
            None,
            [3, 1],
            Target(1, "probability"),
            Target(1, layer="features.norm"),
            lambda o: o[:, 0],
        ):
            found = method.attribute(model, X, target)
            assert found.values.shape == X.shape
            assert found.values.abs().sum() > 0
            assert changed(before, fingerprint(model)) == []
        each = [method.attribute(model, X[i : i + 1], target).values for i, target in enumerate((3, 1))]
        torch.testing.assert_close(method.attribute(model, X, [3, 1]).values, torch.cat(each), **TIGHT)

    def test_options_belong_to_the_composite(self, composites):
        with pytest.raises(
            MethodError, match=re.escape("got low, high; expected none: a composite has its own")
        ):
            adapt(composites.EpsilonPlus(), low=0, high=1)


class TestInTheExplorer:
    def test_an_object_becomes_a_method_of_the_menu(self, captum):
        model = tiny()
        explorer = SaliencyExplorer(model, photo(), method=captum.IntegratedGradients(model), n_steps=3)
        assert explorer.wait(PATIENCE)
        assert explorer.method == "captum_integrated_gradients"
        assert explorer.attribution is not None
        assert explorer.attribution.values.shape == (1, 3, 8, 10)
        assert methods()["captum_integrated_gradients"].family == "Other packages"

        explorer.method = adapt(captum.Occlusion(model), sliding_window_shapes=(3, 4, 4))
        explorer.compare = [{"method": captum.LayerGradCam(model, model[4])}]
        assert explorer.wait(PATIENCE)
        assert [a.method.title for a in explorer.attributions if a] == [
            "captum Occlusion(sliding_window_shapes=(3, 4, 4))",
            "captum LayerGradCam(4)",
        ]
        assert replay(explorer.record, model, explorer.attribution.inputs).same
        explorer.close()

    def test_the_same_again_replaces_it_another_models_has_a_place_of_its_own(self, captum):
        one, two = tiny(), tiny(seed=1)
        key = adopt(captum.Saliency(one))
        first = methods()[key]
        assert adopt(captum.Saliency(one)) == key
        assert methods()[key] is not first
        assert adopt(captum.Saliency(two)) == f"{key}_2"
        assert methods()[f"{key}_2"].title == "captum Saliency (2)"
        assert adopt(captum.Saliency(two)) == f"{key}_2"
        assert adopt(captum.Saliency(one)) == key
        again = adapt(captum.Saliency(two), title="Mine")
        assert adopt(again) == adopt(again) == "mine"

    def test_two_that_were_made_otherwise_stand_side_by_side(self, captum):
        model = tiny()
        both = [captum.DeepLift(model), captum.DeepLift(model, multiply_by_inputs=False)]
        explorer = SaliencyExplorer(model, photo(), method=both[0], compare=both)
        assert explorer.wait(PATIENCE)
        first, same, other = (one.values for one in explorer.attributions if one)
        assert torch.equal(first, same)
        assert not torch.equal(first, other)
        explorer.close()

    def test_the_baseline_that_is_chosen_counts(self, captum):
        model = tiny().eval()
        explorer = SaliencyExplorer(model, photo(), method=captum.DeepLift(model), baseline="white")
        assert explorer.wait(PATIENCE)
        result, made = explorer._panels.lead.result, explorer.attribution
        assert result is not None
        assert made is not None
        assert result.baseline == "white"
        white = IntegratedGradients("white").starts(explorer._panels.subjects[0].borrowed, made.inputs)[0]
        expected = captum.DeepLift(model).attribute(made.inputs, white, target=made.target.indices)
        torch.testing.assert_close(made.values, expected.detach())
        info = {one.key: one for one in method_menu()}
        assert info[explorer.method].uses_baseline
        explorer.method = captum.Saliency(model)  # has none: there is no control for it either
        assert not {one.key: one for one in method_menu()}[explorer.method].uses_baseline
        explorer.method = adapt(captum.DeepLift(model), baselines=0)
        assert explorer.wait(PATIENCE)
        assert explorer._panels.lead.result.notes == (
            "Its baselines are those that were given to adapt(...).",
        )
        assert not {one.key: one for one in method_menu()}[explorer.method].uses_baseline
        explorer.close()
