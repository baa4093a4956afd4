"""`layer=` of paths, samples and rules: the network cut in two by hand, sums, and what is no layer."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import InputError, LayerError, SaliencyExplorer, Target, load, save
from saliscope.attribution import (
    LRP,
    Deconvnet,
    DeepLift,
    ExcitationBackprop,
    ExpectedGradients,
    GradientSHAP,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    SmoothGrad,
)
from saliscope.core.baselines import Black, White
from saliscope.core.borrow import as_borrowed
from saliscope.sessions.answers import Request
from saliscope.sessions.publish import gradients_of, result_of
from tests.attribution.helpers import Counted, every_method_of_a_layer, pictures, relative
from tests.attribution.test_cam import VisionTransformer
from tests.attribution.variants import Layers, plain
from tests.sessions.tools import PATIENCE, photo, tiny

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
ON_PATHS = [
    IntegratedGradients(n_steps=5),
    IntegratedGradients((Black(), White()), n_steps=3, rule="gauss_legendre"),
    IntegratedGradients(n_steps=12, rule="adaptive"),
    ExpectedGradients(n_samples=7),
    DeepLift((Black(), White())),
]
BY_RULES = [
    LRP("epsilon"),
    LRP("epsilon_plus"),
    LRP("epsilon_alpha2_beta1"),
    GuidedBackprop(),
    Deconvnet(),
    ExcitationBackprop(),
    ExcitationBackprop(contrastive=True),
    InputXGradient(),
]

KINDS = [IntegratedGradients(n_steps=2), GradientSHAP(n_samples=2), DeepLift(), ExcitationBackprop()]


def network() -> nn.Sequential:
    """Layers 2 and 4 are in front of in-place rectifiers, 5 behind a pooling."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        layers = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(inplace=True),
            nn.MaxPool2d(2), nn.Conv2d(5, 5, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(),
            nn.Linear(45, 3),
        )  # fmt: skip
    return layers.double().eval()


def name_of(method) -> str:
    return f"{method.key}-{getattr(method, 'rule', getattr(method, 'composite', ''))}"


@pytest.mark.parametrize("end", [2, 4])
@pytest.mark.parametrize("method", ON_PATHS + BY_RULES, ids=name_of)
def test_the_network_behind_the_layer_is_a_network_of_its_own(method, end):
    """Slowly: the network cut in two, and what is behind the layer explained by its input."""
    model, x = network(), pictures(3, size=6)
    front, rest = model[: end + 1], model[end + 1 :]
    units = replace(method, layer=str(end)).attribute(model, x, [1, 0, 2]).units
    with torch.no_grad():
        starts = tuple(front(torch.full_like(x, level)) for level in (0.0, 1.0))
        activations = front(x)
    if method in ON_PATHS:
        n = len(method.baselines) if hasattr(method, "baselines") else 2
        method = replace(method, baseline=starts[:n] if n > 1 else starts[0])
    expected = method.attribute(rest, activations, [1, 0, 2]).values
    assert expected.any()
    torch.testing.assert_close(units, expected, **TIGHT)


@pytest.mark.parametrize("method", [*ON_PATHS[:1], *ON_PATHS[3:]], ids=name_of)
@pytest.mark.parametrize("layer", ["features.first", "features.norm", "features"])
def test_every_cut_through_the_network_explains_the_same_change(method, layer):
    model, x = plain(Layers()), pictures(2, size=6)
    found = replace(method, layer=layer).attribute(model, x, 1)
    at_input = method.attribute(model, x, 1)
    change = found.units.sum((1, 2, 3)) - found.convergence_delta
    torch.testing.assert_close(change, at_input.values.sum((1, 2, 3)) - at_input.convergence_delta, **TIGHT)
    tight = layer == "features" or method.key == "deep_lift"  # what is behind is linear, or the rule exact
    assert float((found.convergence_delta / change).abs().max()) < (1e-10 if tight else 3)


def test_where_the_rest_is_linear_one_gradient_is_the_whole_path():
    model, x = plain(Layers()), pictures(2, size=6)
    here, there = (
        InputXGradient(layer="features").attribute(model, at, 1) for at in (x, torch.zeros_like(x))
    )
    path = IntegratedGradients(n_steps=1, layer="features").attribute(model, x, 1)
    torch.testing.assert_close(path.units, here.units - there.units, **TIGHT)
    torch.testing.assert_close(path.units.sum((1, 2, 3)), path.score - there.score, **TIGHT)


def test_relevance_is_conserved_from_layer_to_layer():
    """Without biases all of it comes down, whichever layer it is caught at."""
    model = network()
    for part in model:
        if getattr(part, "bias", None) is not None:
            part.bias.data.zero_()
    for layer in ("2", "4", "6"):
        found = LRP("epsilon", epsilon=0, layer=layer).attribute(model, pictures(2, size=6), 1)
        torch.testing.assert_close(found.units.sum((1, 2, 3)), found.score, **TIGHT)
        assert found.convergence_delta.abs().max() < 1e-12


def test_the_rule_for_the_picture_has_not_had_its_turn():
    model, x = network(), pictures(2, size=6)
    for with_one, without in (("auto", "epsilon_plus"), ("epsilon_plus_flat", "epsilon_plus")):
        found = LRP(with_one, layer="2").attribute(model, x, 1)
        torch.testing.assert_close(found.units, LRP(without, layer="2").attribute(model, x, 1).units, **TIGHT)
        assert not any("left out" in note for note in found.notes)


class TestBesideAnotherWay:
    """A layer inside a residual block: the score depends on the input by another way too."""

    def test_a_path_leaves_the_other_way_as_it_is_at_the_input(self):
        layers, x = Layers(), pictures(2, size=6)
        found = IntegratedGradients(n_steps=4, layer="features.second").attribute(plain(layers), x, 1)
        with torch.no_grad():
            skip = layers.norm(layers.first(x)).relu()
            here, there = layers.second(skip), layers.second(layers.norm(layers.first(x * 0)).relu())
        total = torch.zeros_like(here)
        for at in (0.125, 0.375, 0.625, 0.875):
            point = (there + at * (here - there)).requires_grad_()
            score = layers.last((point + skip).relu().mean((2, 3)))[:, 1]
            total += torch.autograd.grad(score.sum(), point)[0] / 4
        torch.testing.assert_close(found.units, total * (here - there), **TIGHT)
        ends = [layers.last((y + skip).relu().mean((2, 3)))[:, 1] for y in (here, there)]
        torch.testing.assert_close(
            found.units.sum((1, 2, 3)) - found.convergence_delta, ends[0] - ends[1], **TIGHT
        )

    def test_rules_see_the_whole_network(self):
        """A winner among two summands is chosen by both: so the layer cannot stand alone."""
        layers, x = Layers(), pictures(2, size=6)
        model = plain(layers)
        above = ExcitationBackprop(layer="features").attribute(model, x, 1).units
        found = ExcitationBackprop(layer="features.second").attribute(model, x, 1).units
        with torch.no_grad():
            skip = layers.norm(layers.first(x)).relu()
            raises = layers.second(skip).clamp(min=0)
        share = torch.where(raises > 0, raises / (raises + skip), 0)
        torch.testing.assert_close(found, above * share, **TIGHT)

    def test_of_a_product_each_factor_has_its_share_of_the_change(self):
        class Gated(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.gate = network()[0], nn.Sequential(nn.Conv2d(2, 4, 1).double(), nn.Sigmoid())

            def forward(self, x):
                return (self.body(x) * self.gate(x)).mean((2, 3))

        model, x = Gated(), pictures(2, size=6)
        parts = [DeepLift(layer=layer).attribute(model, x, 1).units for layer in ("body", "gate")]
        with torch.no_grad():
            body, gate = ((part(x), part(x * 0)) for part in (model.body, model.gate))
        shares = [(a[0] - a[1]) * (b[0] + b[1]) / 2 / 36 for a, b in ((body, gate), (gate, body))]
        for part, share in zip(parts, shares, strict=True):
            torch.testing.assert_close(part[:, 1], share[:, 1], **TIGHT)
        torch.testing.assert_close(
            sum(parts).sum((1, 2, 3)), (model(x) - model(x * 0))[:, 1].detach(), **TIGHT
        )


@pytest.mark.parametrize("method", KINDS, ids=name_of)
def test_of_a_layer_that_runs_twice_the_last_call_counts(method):
    class Twice(nn.Module):
        def __init__(self, first, second):
            super().__init__()
            self.one, self.first, self.two, self.second = layers[0], first, layers[2], second

        def forward(self, x):
            x = self.first(self.one(x))
            return self.second(self.two(x)).mean((2, 3)) + x.mean((2, 3)).sum(1, keepdim=True)

    layers, once, x = network(), nn.ReLU(), pictures(2, size=6)
    found = replace(method, layer="first").attribute(Twice(once, once), x, 1)
    expected = replace(method, layer="second").attribute(Twice(once, nn.ReLU()), x, 1)
    torch.testing.assert_close(found.units, expected.units, **TIGHT)


@pytest.mark.parametrize("method", KINDS, ids=name_of)
def test_of_several_tensors_the_first_is_explained(method):
    class Pair(nn.Module):
        def __init__(self, part):
            super().__init__()
            self.part = part

        def forward(self, x):
            y = self.part(x)
            return y, y.detach().sum()

    class First(nn.Module):
        def forward(self, pair):
            return pair[0]

    layers, x = network(), pictures(2, size=6)
    expected = replace(method, layer="2").attribute(layers, x, 1)
    model = nn.Sequential(*layers[:2], Pair(layers[2]), First(), *layers[3:])
    found = replace(method, layer="2").attribute(model, x, 1)
    torch.testing.assert_close(found.units, expected.units, **TIGHT)


@pytest.mark.parametrize("method", KINDS, ids=name_of)
def test_tokens_have_units_and_a_grid(method):
    model, x = VisionTransformer(), pictures(2, size=16)
    found = replace(method, layer="blocks.0").attribute(model, x, 1)
    assert (found.units.shape, found.values.shape, found.grid) == ((2, 17, 8), (2, 1, 16, 16), (4, 4))
    assert found.unit == method.unit.replace("score", "logit").replace("input", "activation")
    if found.standard_error is not None:
        assert found.standard_error.shape == found.map.shape


@pytest.mark.parametrize("method", every_method_of_a_layer())
def test_what_is_no_layer_of_pictures(method):
    class Folds(nn.Module):
        def forward(self, x):
            return torch.cat([x, x])

    class Halves(nn.Module):
        def forward(self, x):
            return x[: len(x) // 2]

    x, model = pictures(2, size=6), network()
    folded = nn.Sequential(model[0], Folds(), Halves(), *model[1:])
    for asked, layer, text in (
        (model, "8", "a layer with output shape (2, 3); expected a spatial output"),
        (model, "9", "got '9'; expected the name of one of the model's 9 layers"),
        (folded, "1", "'1', which puts out 4 rows for 2 inputs; expected one row for each input"),
    ):
        with pytest.raises(LayerError, match=re.escape(text)):
            next(replace(method, layer=layer).stream(asked, x, 1)).result  # noqa: B018
    with pytest.raises(LayerError, match="'4', which the score does not depend on"):
        replace(method, layer="4").attribute(model, x, Target(1, layer="2"))
    flat = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    with pytest.raises(InputError, match=re.escape("got shape (2, 3); expected pictures")):
        replace(method, layer="0").attribute(flat, torch.rand(2, 3).double(), 1)


def test_a_layer_that_runs_another_number_of_times_on_the_way():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.ReLU()

        def forward(self, x):
            y = self.part(x)
            return (self.part(y - 0.1) if y.mean() < 0.3 else y).mean((2, 3))

    text = "that runs 1 times for the input, but 2 times on the way to it; expected a layer that always runs"
    with pytest.raises(LayerError, match=text):
        IntegratedGradients(n_steps=2, layer="part").attribute(Fickle(), pictures(2, size=6), 1)


@pytest.mark.parametrize(
    "method",
    [
        IntegratedGradients(n_steps=2),
        IntegratedGradients(n_steps=8, rule="adaptive"),
        GradientSHAP(n_samples=3),
    ],
    ids=name_of,
)
def test_refined_it_goes_on_in_the_layers_space(method):
    model, x = Counted(network()), pictures(2, size=6)
    method = replace(method, layer="model.2")
    first = method.attribute(model, x, 1)
    model.forget()
    finer = method.refine(first, model)
    assert finer.method.layer == "model.2"
    assert relative(finer.units, finer.method.attribute(network_in(model), x, 1).units) < 1e-10
    assert (finer.layer, finer.grid) == ("model.2", (6, 6))


def network_in(model: Counted) -> nn.Module:
    return Counted(model.model)


def test_the_mean_over_noisy_copies_says_what_it_is_of():
    inner = DeepLift(layer="2")
    found = SmoothGrad(inner, n_samples=2, noise_level=0.0).attribute(network(), pictures(2, size=6), 1)
    once = inner.attribute(network(), pictures(2, size=6), 1)
    torch.testing.assert_close(found.values, once.values, **TIGHT)
    assert (found.layer, found.grid, found.unit) == ("2", (6, 6), "logit")
    assert SmoothGrad(GuidedBackprop(layer="2")).unit == "score per unit of activation, rectified on the way"


def test_the_report_is_of_what_is_behind_the_layer():
    model, x = network(), pictures(1, size=6)
    whole = GuidedBackprop().attribute(model, x, 1).coverage
    found = GuidedBackprop(layer="2").attribute(model, x, 1).coverage
    assert [call.layer for call in whole.gaps] == ["1"]  # the one smooth activation
    assert not found.gaps
    assert [call.layer for call in found.calls if call.rule] == ["3", "6"]
    assert "0" not in {call.layer for call in found.calls}


class TestOnThePage:
    """Of a path of activations there are no pictures on the way: nothing else may be shown for them."""

    METHOD = IntegratedGradients("white", n_steps=6, layer="4")

    def test_maps_sums_and_pictures(self):
        model, x = nn.Sequential(nn.Conv2d(3, 2, 1).double(), *network()), pictures(1, channels=3, size=6)

        def published(found):
            words = {"job": 1, "stage": "final", "index": 0, "probabilities": (), "notes": (), "seconds": 0.0}
            result, blobs = result_of(found, as_borrowed(model), np.zeros((6, 6, 3), np.uint8), **words)
            return result, {blob.hash: blob.array() for blob in blobs}

        found = replace(self.METHOD, layer="5").attribute(model, x, 1)
        result, blobs = published(found)
        stack, total = blobs[result.path.stack], float(found.units.sum())
        assert stack.shape == gradients_of(found)[0].shape == (8, 6, 6)
        np.testing.assert_allclose(stack[-1], found.map[0], atol=1e-3 * float(found.map.abs().max()))
        change = float(found.score - found.path.baseline_score)
        for found_sum in (result.completeness.sum, result.path.sums[-1]):
            assert found_sum == pytest.approx(total, rel=1e-9)
        assert result.completeness.change == pytest.approx(change, rel=1e-9)
        at_input = IntegratedGradients(x, n_steps=2)
        nothing = replace(at_input, layer="5").attribute(model, x, 1)
        assert "the baseline is the picture itself, as 5 sees it." in published(nothing)[0].notes[0]
        at_input = at_input.attribute(model, x, 1)
        assert result.path.baseline == published(at_input)[0].path.baseline  # the picture itself

    def test_it_is_shown_step_by_step_and_has_no_predictions_on_the_way(self):
        explorer = SaliencyExplorer(tiny(), photo())
        session = explorer._panels.lead
        assert explorer.wait(PATIENCE)
        session.explain(Request(self.METHOD, 1))
        assert session.wait(PATIENCE), session.state
        result = session.result
        assert (result.layer, result.path is not None) == ("4", True)
        with pytest.raises(InputError, match="a path of the activations of '4'; expected a path of pictures"):
            session.predictions()
        session.refine()
        assert session.wait(PATIENCE)
        assert session.attribution.method.n_steps == 12
        explorer.close()

    def test_saved_with_its_path(self, tmp_path):
        model, x = network(), pictures(2, size=6)
        found = self.METHOD.attribute(model, x, 1)
        save(found, tmp_path / "map.safetensors", model)
        back = load(tmp_path / "map.safetensors")
        assert back.method == found.method
        assert torch.equal(back.units, found.units)
        assert torch.equal(back.path.gradients, found.path.gradients)


class TestAgainstCaptum:
    """In float64 but for captum's own single precision; ReLUs are modules, of which it knows."""

    def setup_method(self):
        self.captum = pytest.importorskip("captum.attr")
        self.model, self.x = nn.Sequential(*network()), pictures(2, size=6)
        for k in (3, 6):
            self.model[k] = nn.ReLU()

    @pytest.mark.parametrize("layer", [2, 4])
    def test_integrated_gradients(self, layer):
        peer = self.captum.LayerIntegratedGradients(self.model, self.model[layer])
        expected = peer.attribute(self.x, self.x * 0, target=1, n_steps=8, method="gausslegendre")
        mine = IntegratedGradients(n_steps=8, rule="gauss_legendre", layer=str(layer))
        torch.testing.assert_close(
            mine.attribute(self.model, self.x, 1).units, expected, rtol=1e-5, atol=1e-9
        )

    def test_deep_lift(self):
        # Behind the max pooling, of which the two have different rules.
        expected = self.captum.LayerDeepLift(self.model, self.model[4]).attribute(
            self.x, self.x * 0, target=1
        )
        mine = DeepLift(layer="4").attribute(self.model, self.x, 1)
        torch.testing.assert_close(mine.units, expected, rtol=1e-5, atol=1e-9)
