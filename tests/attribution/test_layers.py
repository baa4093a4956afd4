"""One gradient at the activations of a layer: the same methods, asked of `layer=`."""

import re

import pytest
import torch

from saliscope import InputError, LayerError, SaliencyExplorer, Target, load, save
from saliscope.attribution import GradCAM, InputXGradient, Saliency
from saliscope.sessions.menus import build_method
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.attribution.test_cam import VisionTransformer
from tests.attribution.variants import WAYS, Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked
from tests.reference.definitions import enlarged
from tests.sessions.tools import PATIENCE, photo, tiny

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def units_by_hand(model, x, target, layer):
    """Activations of a layer and the score's gradient at them, with autograd alone."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
    score = model(x.clone().requires_grad_())[:, target].sum()
    handle.remove()
    return kept[0].detach(), torch.autograd.grad(score, kept[0])[0]


@pytest.mark.parametrize("layer", ["0.first", "0.norm", "0"])
def test_values_are_those_of_the_layers_units(layer):
    model, x = torch.nn.Sequential(plain(Layers()).features, Head()), pictures(2, size=6)
    activations, gradient = units_by_hand(model, x, 1, layer)
    for method, expected, unit in (
        (Saliency(layer=layer), gradient.abs(), "logit per unit of activation"),
        (Saliency(absolute=False, layer=layer), gradient, "logit per unit of activation"),
        (InputXGradient(layer=layer), activations * gradient, "logit"),
    ):
        found = method.attribute(model, x, 1)
        assert found.units is not None
        torch.testing.assert_close(found.units, expected, **TIGHT)
        assert (found.layer, found.grid, found.unit) == (layer, (6, 6), unit)
        torch.testing.assert_close(found.values, expected.sum(1, keepdim=True), **TIGHT)


class Head(torch.nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def test_a_coarse_layer_is_enlarged_to_the_picture():
    model, x = tiny(classes=3).double().eval(), pictures(2, channels=3, size=8)
    found = InputXGradient(layer="4").attribute(model, x, 1)
    activations, gradient = units_by_hand(model, x, 1, "4")
    coarse = (activations * gradient).sum(1)
    assert found.grid == (4, 4)
    for k in range(2):
        expected = torch.as_tensor(enlarged(coarse[k].numpy(), 8, 8))
        torch.testing.assert_close(found.values[k, 0], expected, **TIGHT)


def test_the_last_linear_layer_up_the_shares_sum_to_the_score_without_the_bias():
    layers = Layers()
    found = InputXGradient(layer="features").attribute(plain(layers), pictures(3, size=6), 2)
    assert found.units is not None
    torch.testing.assert_close(found.units.sum((1, 2, 3)), found.score - layers.last.bias[2], **TIGHT)


def test_its_channel_means_are_the_weights_of_grad_cam():
    model, x = tiny(classes=3).double().eval(), pictures(2, channels=3, size=8)
    gradient = Saliency(absolute=False, layer="4").attribute(model, x, 1).units
    activations, _ = units_by_hand(model, x, 1, "4")
    assert gradient is not None
    cam = (gradient.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True)
    again = torch.nn.functional.interpolate(cam, size=(8, 8), mode="bilinear")
    torch.testing.assert_close(GradCAM(layer="4").attribute(model, x, 1).values, again, **TIGHT)


def test_tokens_are_laid_out_as_a_grid_and_their_prefix_is_among_the_units():
    model, x = VisionTransformer(), pictures(2, size=16)
    found = InputXGradient(layer="blocks.0").attribute(model, x, 1)
    assert found.units is not None
    assert found.units.shape == (2, 17, 8)
    assert found.grid == (4, 4)
    coarse = found.units[:, 1:].sum(2).reshape(2, 4, 4)
    torch.testing.assert_close(
        found.values[0, 0], torch.as_tensor(enlarged(coarse[0].numpy(), 16, 16)), **TIGHT
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_same_map_however_the_model_is_written(way):
    layers = Layers()
    name = next(n for n, m in WAYS[way](layers).named_modules() if m is layers.norm)
    found = InputXGradient(layer=name).attribute(WAYS[way](layers), pictures(2, size=6), 1)
    expected = InputXGradient(layer="features.norm").attribute(plain(layers), pictures(2, size=6), 1)
    assert relative(found.values, expected.values) < 1e-12


@pytest.mark.parametrize("chunk_size", [1, 2, 5])
def test_chunks_and_steps(chunk_size):
    model, x = plain(Layers()), pictures(5, size=6)
    whole = Saliency(layer="features").attribute(model, x)
    steps = list(Saliency(layer="features").stream(model, x, chunk_size=chunk_size))
    assert steps[-1].done == 5
    for step in steps:
        part = step.result
        assert part.complete == (step is steps[-1])
        torch.testing.assert_close(part.values[: step.done], whole.values[: step.done], **TIGHT)
        assert not part.values[step.done :].any()
    assert steps[-1].result.target.labels == whole.target.labels


def test_one_forward_pass_answers_and_the_model_comes_back():
    counted = Counted(plain(Layers()))
    before = fingerprint(counted)
    with unchecked():  # the type checker draws random numbers
        Saliency(layer="model.features").attribute(counted, pictures(2, size=6), 1)
    assert counted.seen() == [2]
    assert changed(before, fingerprint(counted)) == []


def test_from_one_layer_to_a_unit_of_another():
    model, x = plain(Layers()), pictures(2, size=6)
    found = Saliency(absolute=False, layer="features.first").attribute(
        model, x, Target((1, 2, 3), layer="features.norm")
    )
    layers = model.features
    activations = layers.first(x).detach().requires_grad_()
    (expected,) = torch.autograd.grad(layers.norm(activations)[:, 1, 2, 3].sum(), activations)
    assert found.units is not None
    torch.testing.assert_close(found.units, expected, **TIGHT)
    with pytest.raises(LayerError, match=r"'features\.second', which the score does not depend on"):
        Saliency(layer="features.second").attribute(model, x, Target(1, layer="features.norm"))


@pytest.mark.parametrize(
    ("layer", "x", "error", "text"),
    [
        (
            "featurs",
            pictures(1, size=6),
            LayerError,
            "got 'featurs'; expected the name of one of the model's 7",
        ),
        (
            "last",
            pictures(1, size=6),
            LayerError,
            "a layer with output shape (1, 4); expected a spatial output",
        ),
    ],
)
def test_layers_that_are_none(layer, x, error, text):
    with pytest.raises(error, match=re.escape(text)):
        next(Saliency(layer=layer).stream(plain(Layers()), x, 1))


def test_what_is_saved_has_its_units_too(tmp_path):
    found = Saliency(layer="features").attribute(plain(Layers()), pictures(2, size=6), 1)
    save(found, tmp_path / "map.safetensors", plain(Layers()))
    back = load(tmp_path / "map.safetensors")
    assert back.method == found.method
    assert back.units is not None
    assert torch.equal(back.units, found.units)
    assert (back.layer, back.grid, back.unit) == (found.layer, found.grid, found.unit)


def test_inputs_that_are_no_pictures():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).double()
    with pytest.raises(InputError, match=re.escape("got shape (2, 3); expected pictures")):
        Saliency(layer="0").attribute(model, torch.rand(2, 3, dtype=torch.float64), 1)


def test_without_a_layer_nothing_has_changed():
    found = Saliency().attribute(Affine(), pictures(2), 1)
    assert (found.layer, found.grid, found.units) == (None, None, None)


class TestInTheExplorer:
    def test_the_layer_of_a_cam_is_no_layer_of_the_gradient(self):
        assert build_method(Saliency, {}, layer="layer4") == Saliency(layer="layer4")
        assert build_method(GradCAM, {}, layer="layer4") == GradCAM(layer="layer4")
        explorer = SaliencyExplorer(tiny(), photo(), method="grad_cam", layer="4")
        assert explorer.wait(PATIENCE)
        explorer.method = "saliency"
        assert explorer.wait(PATIENCE)
        answer = explorer.attribution
        assert answer is not None
        assert (answer.layer, answer.values.shape[1]) == (None, 3)
        explorer.close()

    def test_a_unit_is_a_target(self):
        target = Target((5, 1, 2), layer="4")
        explorer = SaliencyExplorer(tiny(), photo(), method="saliency", target=target, output="probability")
        assert explorer.wait(PATIENCE)
        answer, result = explorer.attribution, explorer._panels.lead.result
        assert answer is not None
        assert result is not None
        assert result.target_label == "channel 5 at row 1, column 2 of 4"
        assert len(result.probabilities) == 5  # the predictions beside it are the model's own
        expected = Saliency().attribute(explorer._panels.subjects[0].borrowed, answer.inputs, target)
        assert torch.equal(answer.values, expected.values)
        explorer.target = Target(9, layer="4")
        with pytest.raises(ValueError, match=re.escape("within 8×4×5, the shape of '4'")):
            explorer.wait(PATIENCE)
        explorer.close()
