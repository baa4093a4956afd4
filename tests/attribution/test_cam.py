"""Grad-CAM against loops, and the layers it reads: by name, by default, convolutions and tokens."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, LayerError
from saliscope.attribution import GradCAM
from saliscope.attribution.base import Question
from saliscope.attribution.cam import spatial_layers
from tests.attribution.helpers import Counted, pictures, relative
from tests.reference.definitions import enlarged, grad_cam
from tests.reference.networks import Network, small_network


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 4 x 4 pixels behind `n_prefix` tokens; the score is read from the first, or their mean."""

    def __init__(self, grid: tuple[int, int] = (4, 4), n_prefix: int = 1, pooled: bool = False) -> None:
        super().__init__()
        width = 8
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.patches = nn.Conv2d(2, width, 4, stride=4)
            self.prefix = nn.Parameter(torch.randn(1, n_prefix, width))
            self.positions = nn.Parameter(torch.randn(1, n_prefix + grid[0] * grid[1], width))
            self.blocks = nn.Sequential(Block(width), Block(width))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)
        self.pooled = pooled
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), tokens], 1) + self.positions
        tokens = self.norm(self.blocks(tokens))
        return self.head(tokens.mean(1) if self.pooled else tokens[:, 0])


class Branches(nn.Module):
    """A trunk that the score is read from, a head beside it, a layer that never runs, and a frozen stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.trunk, self.beside = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(3))
        self.last, self.never = nn.Linear(2, 3), nn.Conv2d(2, 2, 1)
        self.double()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        logits = self.last(self.trunk(x).mean((2, 3)))
        return logits, self.beside(x)


@pytest.mark.parametrize("kind", ["relu", "max_pool"])
@pytest.mark.parametrize(("layer", "position"), [("0", 1), ("1", 2)])
def test_the_map_is_that_of_the_paper_enlarged_to_the_input(kind, layer, position):
    network, x = small_network(kind), pictures(2, channels=1, size=8)
    made = GradCAM(layer).attribute(network.module(), x, [1, 2])
    for one, values, target in zip(x.numpy(), made.values.numpy(), (1, 2), strict=True):
        coarse = grad_cam(network, one, target, position)
        np.testing.assert_allclose(values[0], enlarged(coarse, 8, 8), atol=1e-12)
        assert made.grid == coarse.shape
    assert made.layer == layer


def test_an_oblong_picture_keeps_its_axes_apart():
    draw = np.random.default_rng(0).normal
    from tests.reference.networks import Conv, LeakyReLU, Linear

    network = Network(
        Conv(draw(size=(3, 1, 3, 3)), draw(size=3)), LeakyReLU(), Linear(draw(size=(2, 48)), draw(size=2))
    )
    x = draw(size=(1, 4, 10))
    made = GradCAM("1").attribute(network.module(), torch.as_tensor(x)[None], 0)
    np.testing.assert_allclose(made.map[0].numpy(), enlarged(grad_cam(network, x, 0, 2), 4, 10), atol=1e-12)
    assert made.grid == (2, 8)


def test_by_default_the_last_spatial_layer_of_a_convolutional_network_is_read():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).double()
    made = GradCAM().attribute(model, pictures(2, size=8))
    assert (made.layer, made.grid) == ("3", (4, 4))
    named = GradCAM("3").attribute(model, pictures(2, size=8))
    assert torch.equal(made.values, named.values)


def test_by_default_a_head_beside_the_score_is_passed_over():
    model = Branches()
    assert GradCAM().attribute(model, pictures(1), 0).layer == "trunk"
    beside = GradCAM().attribute(model, pictures(1), lambda out: out[1].sum((1, 2, 3)))
    assert beside.layer == "beside"


def test_by_default_a_row_of_cells_is_no_map():
    """A grid of 1 x 4 says nothing about height; the layer in front of it has 2 x 8."""
    stages = (nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    model = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double()
    made = GradCAM().attribute(model, pictures(1, size=16)[:, :, :4], 1)
    assert (made.layer, made.grid) == ("1", (2, 8))


@pytest.mark.parametrize(
    ("options", "layer"),
    [({}, "blocks.1.norm1"), ({"pooled": True}, "norm"), ({"n_prefix": 5}, "blocks.1.norm1")],
    ids=["class token", "pooled", "registers"],
)
def test_by_default_a_transformers_last_patches_that_reach_the_score_are_read(options, layer):
    made = GradCAM().attribute(VisionTransformer(**options), pictures(2, size=16))
    assert (made.layer, made.grid) == (layer, (4, 4))
    assert made.values.any()


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1.attention", "blocks.1.norm1"])
@pytest.mark.parametrize(("grid", "n_prefix"), [((4, 4), 1), ((2, 6), 1), ((4, 4), 4)])
def test_tokens_become_maps(layer, grid, n_prefix):
    """Also where a layer gives a tuple, as attention does; its patches do not reach a class token's score."""
    model = VisionTransformer(grid, n_prefix, pooled=True)
    x = pictures(1, size=24)[:, :, : 4 * grid[0], : 4 * grid[1]]
    caught: list[Tensor] = []
    part = model.get_submodule(layer)
    handle = part.register_forward_hook(
        lambda _m, _i, output: caught.append(output[0] if isinstance(output, tuple) else output)
    )
    (gradient,) = torch.autograd.grad(model(x)[0, 1], caught[0])
    handle.remove()
    activations, gradient = caught[0][0, n_prefix:].detach(), gradient[0, n_prefix:]
    coarse = (activations * gradient.mean(0)).sum(1).reshape(grid).numpy()
    made = GradCAM(layer).attribute(model, x, 1)
    assert made.grid == grid
    np.testing.assert_allclose(made.map[0].numpy(), enlarged(coarse, *x.shape[2:]), atol=1e-12)


def test_channels_last_grids():
    class ToLast(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.permute(0, 2, 3, 1)

    convolution = nn.Conv2d(2, 12, 3, padding=1)
    head = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    model = nn.Sequential(convolution, ToLast(), head).double()
    made = GradCAM("1").attribute(model, pictures(2), 1)
    expected = GradCAM("0").attribute(model, pictures(2), 1)
    assert made.grid == (4, 4)
    assert relative(made.values, expected.values) < 1e-12


def test_the_trunk_runs_once_for_each_input():
    """Two passes in all: one to resolve the target, one to read the layer."""
    model = Counted(small_network("relu").module())
    GradCAM("model.1").attribute(model, pictures(4, channels=1, size=8), chunk_size=2)
    assert model.seen() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            "trunc",
            "`layer`: got 'trunc'; expected the name of one of the model's 5 layers. Did you mean 'trunk'?",
        ),
        ("last", "`layer`: got a layer with output shape (1, 3); expected a spatial output"),
        (
            "never",
            "`layer`: got 'never', which put out no tensor; expected a layer that runs in the forward pass.",
        ),
        (
            "beside",
            "`layer`: got 'beside', which the score does not depend on; expected a layer on the way to",
        ),
    ],
)
def test_layers_that_cannot_be_read(layer, text):
    with pytest.raises(LayerError, match=re.escape(text)):
        GradCAM(layer).attribute(Branches(), pictures(1), 0)


def test_a_side_branch_in_front_of_the_trunk_is_no_way_to_the_score():
    """When the trunk runs gradients are on, and its weights want them; yet nothing leads to the branch."""

    class Before(Branches):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            beside = self.beside(x)
            return self.last(self.trunk(self.stem(x)).mean((2, 3))), beside

    with pytest.raises(LayerError, match="got 'beside', which the score does not depend on"):
        GradCAM("beside").attribute(Before(), pictures(1), 0)


def test_a_network_without_spatial_layers():
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    text = "`layer`: got a model in which no layer with a spatial output reaches the score; expected a conv"
    with pytest.raises(LayerError, match=text):
        GradCAM().attribute(model, pictures(1))


def test_layers_that_cannot_be_listened_to():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).double()
    model(pictures(1))
    for made in (torch.jit.script(model), nn.Sequential(torch.jit.script(model[0]), *model[1:])):
        for layer in (None, "0"):
            with pytest.raises(LayerError, match=r"got a layer of TorchScript.*Pass the model from before"):
                GradCAM(layer).attribute(made, pictures(1), 0)
    assert GradCAM("1").attribute(made, pictures(1), 0).layer == "1"  # a layer beside it is one
    for layer in (None, "_orig_mod.0"):
        with pytest.raises(LayerError, match=re.escape("Pass model._orig_mod.")):
            GradCAM(layer).attribute(torch.compile(model), pictures(1), 0)


def test_inputs_that_are_no_pictures():
    with pytest.raises(
        InputError, match=re.escape("got shape (2, 5); expected pictures (n, channels, height, width)")
    ):
        GradCAM().attribute(nn.Linear(5, 3).double(), pictures(1)[0, :, 0].new_ones(2, 5))


def test_layers_with_a_grid_are_listed_for_the_menu():
    question = Question(VisionTransformer(), pictures(1, size=16), 0, "auto")
    names = spatial_layers(question)
    assert names[0] == "patches"
    assert {"blocks.0", "blocks.1.norm1", "blocks.1.attention", "blocks.1", "norm"} <= set(names)
    assert "head" not in names
    convolutional = Question(Branches(), pictures(1), 0, "auto")
    assert spatial_layers(convolutional) == ["stem", "trunk", "beside"]


def test_partial_maps_are_empty_where_nothing_was_read_yet():
    model = small_network("relu").module()
    whole = GradCAM("1").attribute(model, pictures(3, channels=1, size=8), 0).values
    steps = list(GradCAM("1").stream(model, pictures(3, channels=1, size=8), 0, chunk_size=1))
    for done, step in enumerate(steps, 1):
        assert relative(step.result.values[:done], whole[:done]) < 1e-12
        assert not step.result.values[done:].any()
        assert step.result.complete == (done == 3)
