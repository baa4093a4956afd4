"""Layers by name, the activations they put out, and the grids behind them."""

import re
from collections import namedtuple

import pytest
import torch
from torch import nn

from saliscope import LayerError
from saliscope.core.layers import as_maps, find_layer, grid_of, recorded, tapped
from tests.core.helpers import changed, fingerprint, unchecked

Pair = namedtuple("Pair", "maps state")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, padding=1)
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(inplace=True)) for _ in range(2)]
        )
        self.unused = nn.Identity()

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x


@pytest.fixture
def net():
    return Net()


def test_a_layer_is_found_by_name_or_by_itself(net):
    assert find_layer(net, "blocks.1.0") == ("blocks.1.0", net.blocks[1][0])
    assert find_layer(net, net.blocks[0]) == ("blocks.0", net.blocks[0])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "blocks.1.9",
            "`layer`: got 'blocks.1.9'; expected the name of one of the model's 9 layers. Did you mean",
        ),
        ("steem", "Did you mean 'stem'?"),
        ("xyzzy", "The first layers are stem, blocks, blocks.0, blocks.0.0, blocks.0.1."),
        (7, "`layer`: got 7 of type int; expected the name of a layer."),
        (nn.ReLU(), "`layer`: got a ReLU that is not part of the model; expected a layer of the model."),
    ],
)
def test_layers_that_are_not_there(net, name, text):
    with unchecked(), pytest.raises(LayerError, match=re.escape(text)):
        find_layer(net, name)


def test_the_end_of_a_name_suggests_the_whole(net):
    nested = nn.Sequential(net)
    with pytest.raises(LayerError, match=re.escape("Did you mean '0.stem'")):
        find_layer(nested, "stem")


def test_a_tap_gives_the_activations_and_their_gradient(net):
    x = torch.rand(2, 1, 4, 4)
    expected = net.blocks[0][0](net.stem(x)).detach()
    with tapped(net.blocks[0][0]) as tap:
        score = net(x).sum((1, 2, 3))
    assert tap.leaf is not None
    # The rectifier behind works in place; the activations must be those in front of it.
    assert torch.equal(tap.leaf.detach(), expected)
    (gradient,) = torch.autograd.grad(score.sum(), tap.leaf)
    leaf = expected.clone().requires_grad_()
    rest = net.blocks[1](leaf.relu())
    torch.testing.assert_close(gradient, torch.autograd.grad(rest.sum(), leaf)[0])


def test_no_graph_is_kept_in_front_of_a_tap(net):
    with tapped(net.blocks[1]):
        before = []
        handle = net.stem.register_forward_hook(lambda _m, _i, output: before.append(output.requires_grad))
        assert net(torch.rand(1, 1, 4, 4)).requires_grad
        handle.remove()
    assert before == [False]


def test_a_layer_that_never_ran_leaves_no_activations(net):
    with tapped(net.unused) as tap:
        net(torch.rand(1, 1, 4, 4))
    assert tap.leaf is None


@pytest.mark.parametrize("wrap", [tuple, list, lambda pair: Pair(*pair)], ids=["tuple", "list", "namedtuple"])
def test_the_first_tensor_of_a_layers_output_is_tapped(wrap):
    class Two(nn.Module):
        def forward(self, x):
            return wrap((x * 2, x.sum()))

    layer, x = Two(), torch.rand(2, 3)
    with tapped(layer) as tap:
        output = layer(x)
    assert type(output) is type(wrap((0, 0)))
    assert tap.leaf is not None
    assert torch.equal(output[0], x * 2)
    assert output[0].requires_grad
    assert not output[1].requires_grad


def test_integer_outputs_are_passed_over():
    class Indices(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    layer = Indices()
    with tapped(layer) as tap:
        layer(torch.rand(2, 3))
    assert tap.leaf is None


@pytest.mark.parametrize("use", [tapped, recorded])
def test_hooks_and_modes_are_gone_after_an_exception(net, use):
    before = fingerprint(net)
    with pytest.raises(RuntimeError, match="expected input"), use(net):
        net(torch.ones(1, 9, 4, 4))
    assert changed(before, fingerprint(net)) == []


def test_layers_are_recorded_in_the_order_in_which_they_finish(net):
    with recorded(net) as outputs:
        net(torch.rand(1, 1, 4, 4))
    assert list(outputs) == [
        "stem",
        "blocks.0.0",
        "blocks.0.1",
        "blocks.0",
        "blocks.1.0",
        "blocks.1.1",
        "blocks.1",
    ]


def test_of_a_layer_that_runs_twice_the_last_call_counts():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    with recorded(model) as outputs, torch.no_grad():
        result = model(torch.rand(1, 2))
    assert list(outputs) == ["1", "0"]
    assert torch.equal(outputs["0"], result)


GRIDS = [
    ((1, 64, 7, 7), (224, 224), (7, 7)),
    ((1, 7, 7, 512), (224, 224), (7, 7)),
    ((1, 8, 8, 8), (64, 64), (8, 8)),
    ((1, 512, 7, 14), (112, 224), (7, 14)),
    ((1, 7, 14, 512), (112, 224), (7, 14)),
    ((1, 197, 768), (224, 224), (14, 14)),
    ((1, 196, 768), (224, 224), (14, 14)),
    ((1, 198, 768), (224, 224), (14, 14)),
    ((1, 201, 768), (224, 224), (14, 14)),
    ((1, 99, 192), (112, 224), (7, 14)),
    ((1, 577, 768), (384, 384), (24, 24)),
    ((1, 10, 4), (12, 12), (3, 3)),
    ((1, 100), (224, 224), None),
    ((1, 512, 1, 1), (224, 224), None),
    ((1, 13, 768), (224, 224), (3, 3)),
    ((1, 768, 1), (224, 224), None),
    ((1, 2, 16), (224, 224), None),
    ((1, 3, 4, 5, 6), (224, 224), None),
    ((1, 12, 197, 197), (224, 224), None),  # attention weights
    ((1, 3, 197, 64), (224, 224), None),  # keys of each head
    ((1, 768, 35, 35), (299, 299), (35, 35)),  # unpadded convolutions
    ((1, 64, 214, 320), (427, 640), (214, 320)),
]


@pytest.mark.parametrize(("shape", "picture", "grid"), GRIDS)
def test_the_grid_is_read_from_the_shape(shape, picture, grid):
    assert grid_of(shape, picture) == grid


def test_maps_come_channels_first_from_every_layout():
    maps = torch.rand(2, 5, 3, 4)
    picture = (30, 40)
    torch.testing.assert_close(as_maps(maps, picture), maps)
    torch.testing.assert_close(as_maps(maps.permute(0, 2, 3, 1), picture), maps)
    tokens = maps.flatten(2).transpose(1, 2)
    torch.testing.assert_close(as_maps(tokens, picture), maps)
    prefix = torch.full((2, 3, 5), torch.nan)
    torch.testing.assert_close(as_maps(torch.cat([prefix, tokens], 1), picture), maps)


def test_a_vector_has_no_grid():
    text = "`layer`: got a layer with output shape (2, 5); expected a spatial output"
    with pytest.raises(LayerError, match=re.escape(text)):
        as_maps(torch.rand(2, 5), (8, 8))
