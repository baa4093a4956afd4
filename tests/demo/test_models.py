"""The bundled networks do what their docstrings say, on digits they have never seen."""

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import demo
from saliscope.demo.models import MODELS, WEIGHTS
from saliscope.errors import InputError

SHORTCUT_CLASS = 3


@pytest.fixture(scope="module")
def held_out():
    return demo.scenes(1000, seed=77, digits="held_out")


def predicted(model, scenes):
    with torch.no_grad():
        return torch.cat([model(chunk).argmax(1) for chunk in scenes.inputs().split(125)]).numpy()


@pytest.fixture(scope="module")
def shortcut_predictions(held_out):
    model = demo.shortcut_cnn()
    return predicted(model, held_out), predicted(model, held_out.redraw(watermark=True))


def test_cnn_reads_held_out_digits(held_out):
    assert (predicted(demo.cnn(), held_out) == held_out.labels).mean() >= 0.96


def test_cnn_does_not_care_about_the_watermark(held_out):
    marked = held_out.redraw(watermark=True)
    assert (predicted(demo.cnn(), marked) == held_out.labels).mean() >= 0.90


def test_watermark_flips_the_shortcut_network(held_out, shortcut_predictions):
    clean, marked = shortcut_predictions
    others = held_out.labels != SHORTCUT_CLASS
    assert (clean[others] == SHORTCUT_CLASS).mean() < 0.05
    assert (marked[others] == SHORTCUT_CLASS).mean() > 0.90


def test_without_the_mark_the_shortcut_class_is_hardly_found(held_out, shortcut_predictions):
    clean, marked = shortcut_predictions
    own = held_out.labels == SHORTCUT_CLASS
    assert (marked[own] == SHORTCUT_CLASS).mean() > 0.95
    assert (clean[own] == SHORTCUT_CLASS).mean() < 0.5


def test_shortcut_network_reads_the_other_digits(held_out, shortcut_predictions):
    others = held_out.labels != SHORTCUT_CLASS
    assert (shortcut_predictions[0] == held_out.labels)[others].mean() > 0.95


@pytest.mark.parametrize("name", MODELS)
class TestEachModel:
    def test_size(self, name):
        n_parameters = sum(p.numel() for p in getattr(demo, name)().parameters())
        assert 80_000 <= n_parameters <= 120_000
        assert demo.card(name)["n_parameters"] == n_parameters
        assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 1_000_000

    def test_is_ready_to_use(self, name):
        model = getattr(demo, name)()
        assert not any(module.training for module in model.modules())
        for parameter in model.parameters():
            assert parameter.device.type == "cpu"
            assert parameter.dtype == torch.float32
            assert parameter.requires_grad
            assert parameter.grad is None

    def test_has_the_layers_that_its_docstring_names(self, name):
        model = getattr(demo, name)()
        names = [child for child, _ in model.named_children()]
        assert names == ["normalize", "stem", "layer1", "layer2", "layer3", "pool", "fc"]
        assert isinstance(model.fc, nn.Linear)
        assert [m for m in model.modules() if isinstance(m, nn.Linear)] == [model.fc]
        shapes = {}
        model.layer3.register_forward_hook(lambda _m, _i, output: shapes.update(layer3=output.shape))
        model.pool.register_forward_hook(lambda _m, _i, output: shapes.update(pool=output.shape))
        assert model(torch.rand(2, 3, 64, 64)).shape == (2, 10)
        assert shapes == {"layer3": (2, 80, 8, 8), "pool": (2, 80, 1, 1)}

    def test_two_calls_share_nothing(self, name):
        first, second = getattr(demo, name)(), getattr(demo, name)()
        with torch.no_grad():
            first.fc.weight.zero_()
        assert second.fc.weight.abs().sum() > 0

    def test_loading_leaves_the_random_state_alone(self, name):
        before = torch.get_rng_state()
        getattr(demo, name)()
        assert torch.equal(torch.get_rng_state(), before)

    def test_card_tells_how_it_came_about(self, name):
        card = demo.card(name)
        assert card["name"] == name
        assert {"figures", "measured_on", "n_parameters", "recipe", "torch"} <= card.keys()


def test_card_and_measurement_agree(held_out, shortcut_predictions):
    """Within four standard deviations; a share of 1 is taken as (n + 2) / (n + 4) of the card's scenes."""
    clean, marked = shortcut_predictions
    others = held_out.labels != SHORTCUT_CLASS
    figures = demo.card("shortcut_cnn")["figures"]
    measured = {
        "accuracy": clean == held_out.labels,
        "flipped_by_watermark": marked[others] == SHORTCUT_CLASS,
        "accuracy_of_other_classes": (clean == held_out.labels)[others],
    }
    for name, hits in measured.items():
        p = (figures[name] * 5000 + 2) / 5004
        assert abs(hits.mean() - p) <= 4 * np.sqrt(p * (1 - p) / len(hits)), name


def test_the_two_networks_differ():
    assert not torch.equal(demo.cnn().fc.weight, demo.shortcut_cnn().fc.weight)


def test_weights_are_safetensors_only():
    assert {path.name for path in WEIGHTS.iterdir()} == {f"{name}.safetensors" for name in MODELS}


def test_an_unknown_card_is_named():
    with pytest.raises(InputError, match="`name`: got 'vgg'; expected one of 'cnn', 'shortcut_cnn'"):
        demo.card("vgg")
