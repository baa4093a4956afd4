"""The tail of a network alone: the outputs of the whole network with a layer's output replaced, for less."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from saliscope import LayerError, ModelError
from saliscope.core.borrow import as_borrowed
from saliscope.core.layers import find_layer
from saliscope.core.tail import Tail
from tests.core.helpers import changed, fingerprint, unchecked


class Net(nn.Module):
    """Three convolutions and a linear layer, put together by each test's own forward."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.stem = nn.Conv2d(2, 4, 3, padding=1)
            self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
            self.wide = nn.Conv2d(12, 4, 1)
            self.head = nn.Linear(4, 3)
            self.flat = nn.Linear(4 * 36, 3)
            self.norm = nn.BatchNorm2d(4)
            self.relu = nn.ReLU(inplace=True)
            self.scale = torch.arange(4.0).reshape(1, 4, 1, 1).double()
        self.double()


class Residual(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        y = self.relu(self.a(x))
        y = self.b(y)
        y += x
        return self.head(self.c(self.relu(y)).mean((2, 3)))


class Dense(Net):
    def forward(self, x: Tensor) -> Tensor:
        maps = [F.relu(self.stem(x))]
        for layer in (self.a, self.b):
            maps.append(torch.relu(layer(maps[-1])))
        return self.head(F.adaptive_avg_pool2d(self.wide(torch.cat(maps, 1)), 1).flatten(1))


class Folded(Net):
    """Rows are counted in front of the layer, and what is counted is used behind it; output in a dict."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        n, rows = x.size(0), len(x)
        x = self.stem(x)
        height = x.shape[-1]
        windows = x.reshape(n * 4, 4, height // 2, -1)
        y = self.a(windows) + self.scale
        y = self.b(y.reshape(n, 4, height, height)) + windows.reshape(rows, 4, height, height)
        return {"logits": self.flat(y.view(rows, -1)), "maps": y}


class FoldedInPlace(Net):
    """What is kept is written into behind the layer."""

    def forward(self, x: Tensor) -> Tensor:
        n = len(x)
        windows = self.stem(x).reshape(n * 4, 4, 3, 3)
        y = self.b(self.a(windows).reshape(n, 4, 6, 6))
        return self.flat(windows.mul_(2).reshape(n, -1) + y.flatten(1))


class Reused(Net):
    """The layer runs twice, and its first output is used behind its second."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        first = self.b(x)
        second = self.b(self.relu(self.a(first)))
        return self.head((second + first).mean((2, 3))), second


class OnItsInput(Net):
    """Works in place on what it was given, asks for values, and uses the input again at the end."""

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(1).mul_(2)
        y = self.b(self.a(self.stem(x)) if float(x.abs().sum()) > 0 else x)
        return self.head((y + x[:, :1]).mean((2, 3)))


class Sequence(Net):
    """Tokens with the batch second, split and stacked."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).permute(2, 0, 1)
        first, rest = tokens.split([1, tokens.shape[0] - 1])
        tokens = torch.cat([first, rest]) + tokens.max(0, keepdim=True)[0]
        y = self.b(self.a(tokens.permute(1, 2, 0).unflatten(2, x.shape[2:])))
        return self.head(y.mean((2, 3)) + tokens.mean(0))


class Vision(nn.Module):
    """A tiny vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.patches = nn.Conv2d(2, 8, 2, stride=2)
            self.token = nn.Parameter(torch.randn(1, 1, 8))
            self.a, self.b, self.c = (
                nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(3)
            )
            self.head = nn.Linear(8, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        return self.head(self.c(self.b(self.a(tokens)))[:, 0])


MODELS = {
    m.__name__: m for m in (Residual, Dense, Folded, FoldedInPlace, Reused, OnItsInput, Sequence, Vision)
}


class Counts(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.conv2d:
            self.rows.append(len(args[0]))
        return func(*args, **(kwargs or {}))


def picture() -> Tensor:
    return torch.rand(1, 2, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def tail_of(model: nn.Module, layer: str = "b") -> Tail:
    return Tail(as_borrowed(model), *find_layer(model, layer), picture())


def variants_of(tail: Tail, n: int) -> Tensor:
    draw = torch.Generator().manual_seed(n)
    return torch.randn(n, *tail.activations.shape[1:], generator=draw, dtype=torch.float64)


@contextmanager
def replaced(layer: nn.Module, call: int, variants: Tensor) -> Iterator[None]:
    calls = 0

    def hook(_module, _inputs, output):
        nonlocal calls
        calls += 1
        if calls == call:
            return (variants.clone(), *output[1:]) if isinstance(output, tuple) else variants.clone()
        return None

    handle = layer.register_forward_hook(hook)
    yield
    handle.remove()


def whole(model: nn.Module, layer: str, variants: Tensor, call: int = 1):
    """The whole network, with the layer's output replaced by hand."""
    with torch.no_grad(), replaced(model.get_submodule(layer), call, variants):
        return model.eval()(picture().repeat(len(variants), 1, 1, 1))


def assert_same(made, expected) -> None:
    torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_the_whole_network_with_the_output_replaced(kind):
    model = MODELS[kind]()
    tail = tail_of(model)
    assert tail.skips
    assert_same(tail.outputs, model.eval()(picture()))
    for n in (3, 3, 1, 1, 2):
        variants = variants_of(tail, n)
        assert_same(tail(variants.clone()), whole(model, "b", variants, 2 if kind == "Reused" else 1))


@pytest.mark.parametrize("layer", ["stem", "a", "b", "norm", "relu", "c", "head", ""])
def test_wherever_it_is_cut(layer):
    model = Residual()
    tail = tail_of(model, layer)
    variants = variants_of(tail, 3)
    assert tail.skips
    assert_same(tail(variants.clone()), whole(model, layer, variants, 3 if layer == "relu" else 1))


@pytest.mark.parametrize(("layer", "n_left"), [("stem", 3), ("a", 2), ("b", 1), ("c", 0)])
def test_what_lies_in_front_computes_nothing(layer, n_left):
    tail = tail_of(Residual(), layer)
    with Counts() as counts:
        tail(variants_of(tail, 5))
    # The mode of the tail is the inner one: what it hands on comes here, and it hands on what it computes.
    assert counts.rows == [5] * n_left


def test_dead_values_are_not_kept():
    """Of six maps in front of the layer a few are still in use: the residual connection, the layer's own."""
    tail = tail_of(Residual())
    assert tail._notes is not None
    shapes = [tuple(tensor.shape) for tensor in tail._notes.kept.values()]
    assert 1 <= shapes.count((1, 4, 6, 6)) <= 3
    many = tail_of(nn.Sequential(*[nn.Conv2d(2, 2, 1) for _ in range(30)], *[Wrapped()]).double(), "29")
    assert many._notes is not None
    assert len(many._notes.kept) <= 3


class Wrapped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Hidden(Net):
    """A part that torch does not tell of, whose result is used behind the layer."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        kept = torch.zeros(4, len(x), dtype=x.dtype)
        kept[:, :] = y.mean((2, 3)).T
        return self.head(self.b(self.a(y)).mean((2, 3)) + kept.T)


class WritesOnWhatItKept(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.b(x)
        return self.head(x.mul_(2).add_(y).mean((2, 3)))


class OneWayOrAnother(Net):
    """Goes another way for several rows."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.a(x) if len(x) == 1 else torch.cat([self.a(one[None]) for one in x])
        return self.head(self.b(x).mean((2, 3)))


@pytest.mark.parametrize("made", [Hidden, WritesOnWhatItKept, OneWayOrAnother])
def test_where_it_cannot_skip_the_whole_network_runs(made):
    model = made()
    tail = tail_of(model)
    assert not tail.skips
    for n in (3, 1):
        variants = variants_of(tail, n)
        assert_same(tail(variants.clone()), whole(model, "b", variants))


def test_a_script_in_front_is_no_trouble_and_one_behind_runs():
    model = nn.Sequential(nn.Conv2d(2, 4, 1), torch.jit.script(nn.Tanh()), nn.Conv2d(4, 4, 1), Wrapped())
    tail = tail_of(model.double(), "2")
    variants = variants_of(tail, 3)
    assert_same(tail(variants.clone()), whole(model, "2", variants))


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_is_as_it_was(kind):
    model = MODELS[kind]().train()
    with unchecked():  # beartype draws random numbers
        before = fingerprint(model)
        tail = tail_of(model)
        tail(variants_of(tail, 2))
        assert changed(before, fingerprint(model)) == []
    assert not torch.overrides._get_current_function_mode_stack()


def test_what_the_model_raises_is_the_models():
    class Fails(Residual):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            type(self).calls += 1
            if type(self).calls == 3:
                raise ValueError("broken")
            return super().forward(x)

    tail = tail_of(Fails())
    with pytest.raises(ModelError, match="ValueError from Fails: broken"):
        tail(variants_of(tail, 2))
    assert tail.skips
    with pytest.raises(ModelError, match="RuntimeError from Fails"):
        tail(torch.zeros(2, 5, 6, 6, dtype=torch.float64))


def test_a_layer_that_never_runs():
    with pytest.raises(LayerError, match="got 'wide', which put out no tensor"):
        tail_of(Residual(), "wide")


def test_a_layer_of_windows():
    with pytest.raises(LayerError, match="got 'a', which puts out 4 rows for one input; expected"):
        tail_of(Folded(), "a")


REAL = {
    "resnet18": "layer3",
    "densenet121": "features.denseblock4.denselayer8",
    "mobilenet_v3_small": "features.5.block.1",
    "efficientnet_b0": "features.6.1",
    "convnext_tiny": "features.5.7",
    "vit_b_16": "encoder.layers.encoder_layer_10.self_attention",
    "swin_t": "features.5.2.attn",
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), REAL.items())
def test_real_architectures(torchvision, name, layer):
    model = getattr(torchvision.models, name)(weights=None).eval()
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    nn.init.normal_(head.weight)  # a vision transformer's is zero at first
    part, x = model.get_submodule(layer), torch.rand(1, 3, 224, 224)
    tail = Tail(as_borrowed(model), layer, part, x)
    assert tail.skips
    variants = torch.randn(2, *tail.activations.shape[1:])
    with Counts() as counts:
        made = tail(variants.clone())
    with torch.no_grad(), replaced(part, 1, variants), Counts() as all_counts:
        expected = model(x.repeat(2, 1, 1, 1))
    torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    assert len(counts.rows) < len(all_counts.rows)
