"""Every method on every architecture runs, or says in one sentence why it does not apply."""

import re

import pytest
import torch
from torch import nn

from saliscope import ModelError
from saliscope.attribution import Saliency, methods
from tests.attribution.architectures import (
    ARCHITECTURES,
    RUNS,
    TABLE,
    WRITING,
    Architecture,
    Held,
    InADict,
    OfTwo,
    built,
    cheap,
    noted,
    outcome,
    outcomes,
    read,
    written,
)
from tests.attribution.test_cam import VisionTransformer
from tests.attribution.variants import Layers, reused_in_place


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute or two on a core of one's own
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_method(name, torchvision):
    found = outcomes(ARCHITECTURES[name], torchvision)
    assert found["Integrated Gradients"] == found["Saliency (gradient)"] == RUNS
    if WRITING:
        noted(name, found)
    written_down = read(TABLE.read_text(encoding="utf-8")).get(name)
    assert found == written_down, (
        "docs/methods_on_models.md is of another version: it says how to write it anew"
    )


TINY = {
    "convolutions": (lambda: reused_in_place(Layers()), 12),
    "a transformer": (VisionTransformer, 16),
}


@pytest.mark.parametrize("name", TINY)
def test_every_method_on_something_tiny(name):
    make, size = TINY[name]
    x = torch.rand(1, 2, size, size, dtype=torch.float64)
    found = _on(make(), x, 1)
    assert found.keys() >= {"Saliency (gradient)", "Grad-CAM", "Integrated Gradients"}
    assert all(found[title] == RUNS for title in ("Saliency (gradient)", "Grad-CAM", "Integrated Gradients"))
    for title, said in found.items():
        assert said == RUNS or re.fullmatch(r"`\w+`: got .*; expected .*\.|Runs; .*\.", said), (title, said)


def _on(model, x, target):
    return {made.title: outcome(cheap(made), model, x, target) for made in methods().values()}


def test_the_table_is_read_back_as_it_was_written():
    table = {
        "A": {"one": RUNS, "two": "`layer`: got a, b; expected c. Do 1. this."},
        "B": {"one": "Another.", "two": "`layer`: got a, b; expected c. Do 1. this.", "three": RUNS},
    }
    assert read(written(table)) == table
    assert written(read(written(table))) == written(table)


def test_the_table_knows_every_architecture_and_every_method():
    table = read(TABLE.read_text(encoding="utf-8"))
    assert list(table) == list(ARCHITECTURES)
    ours = [made.title for made in methods().values() if made.__module__.startswith("saliscope.")]
    for name, column in table.items():
        assert list(column) == ours, name


class Small(nn.Module):
    def __init__(self, features: int = 4) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, features)

    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean((2, 3)))


def test_a_model_of_two_inputs_is_wrapped():
    two = OfTwo(Small(), 4)
    x = torch.rand(2, 3, 8, 8)
    with pytest.raises(ModelError, match=r"missing 1 required positional argument: 'other'"):
        Saliency().attribute(two, x, 3)
    held = Held(two)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(two(leaf, held.other.expand(2, -1))[:, 3].sum(), leaf)
    torch.testing.assert_close(Saliency(absolute=False).attribute(held, x, 3).values, expected)


def test_a_dict_is_no_other_model():
    small, x = Small(10), torch.rand(2, 3, 8, 8)
    found = Saliency().attribute(InADict(small), x, 3)
    assert torch.equal(found.values, Saliency().attribute(small, x, 3).values)


def test_a_model_is_built_the_same_every_time():
    architecture = Architecture(lambda tv: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), "0", size=8)
    (one, x), (two, y) = built(architecture, None), built(architecture, None)
    assert torch.equal(x, y)
    assert torch.equal(one(x), two(y))
    assert not one.training
    assert one[1].bias.any()
    assert float(one(torch.rand(64, 3, 8, 8)).detach().var()) < 10
