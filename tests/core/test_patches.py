"""Rectangles through a network: the outputs of the whole network, for less."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from saliscope.core import patches as engine
from saliscope.core.patches import Astray, Patches
from tests.core.helpers import changed, fingerprint, unchecked

SIDE = 18


def conv(a: int, b: int, kernel: Any = 3, **options: Any) -> nn.Module:
    return nn.Conv2d(a, b, kernel, **options)


class Residual(nn.Module):
    """Two convolutions around which the input goes: the rectangles meet with different sizes."""

    def __init__(self, stride: int = 1, in_place: bool = False) -> None:
        super().__init__()
        self.a, self.b = conv(4, 4, stride=stride, padding=1), conv(4, 4, padding=1)
        self.skip = conv(4, 4, 1, stride=stride) if stride > 1 else nn.Identity()
        self.norm, self.in_place = nn.BatchNorm2d(4), in_place
        self.relu = nn.ReLU(in_place)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.relu(self.norm(self.a(x))))
        if self.in_place:
            y += self.skip(x)
        else:
            y = y + self.skip(x)
        return self.relu(y)


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(4, 3, padding=1), conv(7, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.cat([x, F.relu(self.a(x))], 1))


class Function(nn.Module):
    """A function as a part, with a weight of its own."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.inner = conv(4, 4, padding=1)
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def overwrites(part: Any, x: Tensor) -> Tensor:
    """What a layer has read is overwritten, and then read again."""
    y = part.inner(x)
    x.mul_(2).sub_(0.1)
    return F.relu_(y).add_(x)


def writes_into_a_view(part: Any, x: Tensor) -> Tensor:
    y = part.inner(x)
    y[:, 1] = 0.5
    y[:, :, 3:7].mul_(2)
    return y + part.inner(y)


def goes_by_values(part: Any, x: Tensor) -> Tensor:
    return part.inner(x) if float(x.sum()) > 0 else part.inner(x * 2)


PARTS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: conv(4, 4),
    "padded": lambda: conv(4, 4, 5, padding=2),
    "padding_same": lambda: conv(4, 4, (2, 3), padding="same"),
    "strided": lambda: conv(4, 4, 3, stride=2, padding=1),
    "strided_by_3": lambda: conv(4, 4, 2, stride=3),
    "one_by_one_strided": lambda: conv(4, 4, 1, stride=2),
    "much_padding": lambda: conv(4, 4, 3, padding=4),
    "uneven": lambda: conv(4, 4, (1, 4), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    "dilated": lambda: conv(4, 4, 3, padding=2, dilation=2),
    "grouped": lambda: conv(4, 4, 3, padding=1, groups=2),
    "depthwise": lambda: conv(4, 4, 3, padding=1, groups=4, bias=False),
    "reflected": lambda: conv(4, 4, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(4, 4, 2, stride=2),
    "max_pool": lambda: nn.MaxPool2d(3, 2, 1),
    "max_pool_ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "max_pool_dilated": lambda: nn.MaxPool2d((3, 2), 1, padding=(1, 0), dilation=2),
    "avg_pool": lambda: nn.AvgPool2d(2),
    "avg_pool_padded": lambda: nn.AvgPool2d(3, 2, 1),
    "avg_pool_counted": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "avg_pool_ceil": lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    "avg_pool_divided": lambda: nn.AvgPool2d(3, 1, 1, divisor_override=2),
    "batch_norm": lambda: nn.BatchNorm2d(4),
    "layer_norm": lambda: nn.GroupNorm(2, 4),
    "dropout": lambda: nn.Dropout2d(),
    "prelu": lambda: nn.PReLU(4),
    "hardswish": lambda: nn.Hardswish(inplace=True),
    "softmax": lambda: nn.Softmax2d(),
    "residual": Residual,
    "residual_in_place": lambda: Residual(in_place=True),
    "residual_strided": lambda: Residual(stride=2, in_place=True),
    "dense_block": Dense,
    "scaled": lambda: Function(lambda part, x: part.scale * part.inner(x) / 2 - 1),
    "gated": lambda: Function(lambda part, x: x * part.inner(x).sigmoid()),
    "squeezed": lambda: Function(lambda part, x: x * x.mean((2, 3), keepdim=True)),
    "twice": lambda: Function(lambda part, x: part.inner(part.inner(x))),
    "both_signs": lambda: Function(lambda part, x: torch.cat([x.relu(), (-x).clamp(min=0)], 1)[:, 2:6]),
    "where": lambda: Function(lambda part, x: torch.where(part.inner(x) > 0, x, 0.25)),
    "overwrites": lambda: Function(overwrites),
    "writes_into_a_view": lambda: Function(writes_into_a_view),
    "goes_by_values": lambda: Function(goes_by_values),
    "across_places": lambda: Function(lambda part, x: x + torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)),
    "flipped": lambda: Function(lambda part, x: part.inner(x).flip(3)),
    "shapes": lambda: Function(lambda part, x: part.inner(x).reshape(x.shape[0], 4, -1).view_as(x)),
}


def net_of(part: nn.Module) -> nn.Module:
    """The part between two convolutions, and a head that sees every place."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        rest = (conv(2, 4, padding=1), nn.ReLU(), part, conv(4, 3, padding=1), nn.Flatten())
        net = nn.Sequential(*rest).double().eval()
        for one in net.modules():
            if isinstance(one, nn.BatchNorm2d) and one.running_mean is not None:
                one.running_mean.normal_()
                one.bias.data.normal_()
    return net


def built(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return net_of(PARTS[name]())


def inputs(n: int = 2) -> Tensor:
    return torch.rand(n, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


STARTS = np.array([0, 3, 7, SIDE - 5]), np.array([0, 4, SIDE - 5])


class Variants:
    """Rectangles at places over all of the picture, on both inputs."""

    def __init__(self, size: int = 5, n: int = 2) -> None:
        self.clean, self.size = inputs(n), size
        self.starts = tuple(np.minimum(one, SIDE - size) for one in STARTS)
        grid = np.indices((len(STARTS[0]), len(STARTS[1]))).reshape(2, -1)
        self.places = (grid[0], grid[1])
        self.rows = np.arange(grid.shape[1]) % n
        draw = torch.Generator().manual_seed(2)
        self.values = torch.rand(grid.shape[1], 2, size, size, generator=draw, dtype=torch.float64)

    def whole(self) -> Tensor:
        points = self.clean[self.rows]
        for k, point in enumerate(points):
            y, x = (starts[at[k]] for starts, at in zip(self.starts, self.places, strict=True))
            point[:, y : y + self.size, x : x + self.size] = self.values[k]
        return points

    def patches(self, net: nn.Module) -> Patches:
        return Patches(net, self.clean, self.starts, (self.size, self.size))

    def run(self, patches: Patches, net: Any, *chunk: int) -> Tensor:
        part = slice(*chunk or (None,))
        places = (self.places[0][part], self.places[1][part])
        with torch.no_grad():
            return patches(net, self.values[part].clone(), self.rows[part], places)


def assert_same(made: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PARTS)
def test_it_is_the_whole_network(name):
    net, variants = built(name), Variants()
    patches, total = variants.patches(net), len(variants.rows)
    with torch.no_grad():
        expected = torch.cat([net(variants.whole()[:7]), net(variants.whole()[7:])])
    made = [variants.run(patches, net, a, b) for a, b in ((0, 7), (7, 8), (8, total), (0, 7))]
    assert_same(torch.cat(made[:3]), expected)
    assert_same(made[3], expected[:7])  # nothing of before was overwritten


@pytest.mark.parametrize("size", [1, 2, 7, 12, SIDE])
@pytest.mark.parametrize("name", ["strided", "max_pool", "one_by_one_strided", "residual_strided"])
def test_whatever_the_size(name, size):
    net, variants = built(name), Variants(size)
    assert variants.patches(net).apply == (size < 13)
    assert_same(variants.run(variants.patches(net), net), net(variants.whole()).detach())


class Work(TorchDispatchMode):
    """Counts the places at which convolutions are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.places = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default and type(made) is Tensor:
            self.places += made[:, 0].numel()
        return made


UNDERSTOOD = set(PARTS) - {
    "reflected", "transposed", "avg_pool_counted", "avg_pool_ceil", "layer_norm", "softmax", "squeezed",
    "across_places", "padding_same", "both_signs", "shapes", "writes_into_a_view", "goes_by_values",
    "flipped",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(UNDERSTOOD))
def test_what_does_not_see_the_rectangle_is_not_computed(name, monkeypatch):
    monkeypatch.setattr(engine, "LARGEST", 1.0)
    net, variants = built(name), Variants(2, n=1)
    patches = variants.patches(net)
    variants.run(patches, net)
    with torch.no_grad(), Work() as whole:
        net(variants.whole())
    with Work() as work:
        variants.run(patches, net)
    assert work.places < 0.45 * whole.places


def test_what_is_asked_of_a_map_is_that_of_the_whole():
    seen = []

    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(x)
            seen.append((len(y), y.shape, y.dtype, y.device, y.ndim, y.is_floating_point()))
            return y

    net, variants = net_of(Asks()), Variants()
    variants.run(variants.patches(net), net)
    net(variants.whole())
    assert seen[0] == seen[1]


def test_few_clean_maps_are_kept():
    """Those around which a kernel reaches, not each of the thirty."""
    net = net_of(nn.Sequential(*[conv(4, 4, 1) for _ in range(30)]))
    variants = Variants()
    patches = variants.patches(net)
    variants.run(patches, net)
    kept = [step.made for step, _ in patches.steps.values() if step is not None and step.made.clean]
    assert len(patches.steps) >= 32
    assert len(kept) <= 2


class ByTurns(nn.Module):
    """Another layer in each run."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, turns = nn.ModuleList([conv(4, 4), conv(4, 4)]), []
        self.turn: Callable[[], int] = lambda: turns.append(0) or len(turns)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[self.turn() % 2](x)


class MakesItsWeight(nn.Module):
    """A new weight in each run: torch may well put it where the last one was."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean())


class AsksWhere(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y, where = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(y, where, 2)


@pytest.mark.parametrize("part", [ByTurns, MakesItsWeight, AsksWhere])
def test_what_cannot_be_done_is_never_done_wrong(part):
    net, variants = net_of(part()), Variants()
    patches = variants.patches(net)
    with pytest.raises(Astray):
        _ = [variants.run(patches, net) for _ in range(2)]


def hooked(net: nn.Module) -> nn.Module:
    net[2].register_forward_hook(lambda *_: None)
    return net


@pytest.mark.parametrize(
    ("net", "dtype"),
    [
        (lambda: hooked(built("plain")), torch.float64),
        (lambda: net_of(torch.jit.script(nn.Tanh())), torch.float64),
        (lambda: built("plain").bfloat16(), torch.bfloat16),
        (lambda: net_of(nn.BatchNorm2d(4, track_running_stats=False)), torch.float64),
    ],
    ids=["hooks", "script", "half", "batch_statistics"],
)
def test_where_they_are_of_no_use(net, dtype):
    assert not Patches(net(), inputs().to(dtype), STARTS, (5, 5)).apply
    assert Patches(built("plain"), inputs(), STARTS, (5, 5)).apply


@pytest.mark.parametrize("name", ["residual_in_place", "dropout", "batch_norm"])
def test_the_model_is_as_it_was(name):
    net, variants = built(name), Variants()
    with unchecked():
        before = fingerprint(net)
        clean = variants.clean.clone()
        variants.run(variants.patches(net), net)
        assert changed(before, fingerprint(net)) == []
    assert torch.equal(clean, variants.clean)
