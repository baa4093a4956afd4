"""One function, written in many ways: all share the same layers, so all must get the same map."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_CLASSES = 4


class Layers:
    """Two convolutions with batch norm, a residual connection, and a linear layer."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.first = nn.Conv2d(2, 6, 3, padding=1).to(dtype)
            self.norm = nn.BatchNorm2d(6).to(dtype)
            self.second = nn.Conv2d(6, 6, 3, padding=1).to(dtype)
            self.last = nn.Linear(6, N_CLASSES).to(dtype)
            for tensor in (self.norm.running_mean, self.norm.bias, self.norm.weight):
                assert tensor is not None
                tensor.data.normal_().add_(0.5)
        for module in vars(self).values():
            module.eval()


class Block(nn.Module):
    """The residual block, with its two rectifiers as they are given."""

    def __init__(self, layers: Layers, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.norm, self.second = layers.first, layers.norm, layers.second
        self.before, self.after = first, second

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(self.norm(self.first(x)))
        return self.after(self.second(x) + x)


class Functional(nn.Module):
    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.first, self.norm, self.second = layers.first, layers.norm, layers.second

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(x)))
        return torch.relu(self.second(x) + x)


class InPlaceFunctions(Functional):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.norm(self.first(x)))
        y = self.second(x)
        y += x
        return y.clamp_(min=0)


class WorksOnItsInput(Functional):
    """Shifts and scales what it was given, in place, and back: the caller's tensor is overwritten."""

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(1).mul_(2).div_(2).add_(1)
        return super().forward(x)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + x


class Classifier(nn.Module):
    def __init__(self, features: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.features, self.last = features, last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x).mean((2, 3)))


class Flat(nn.Module):
    """Everything in one forward, with one rectifier for both places."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.first, self.norm, self.second, self.last = layers.first, layers.norm, layers.second, layers.last
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(self.second(x) + x)
        return self.last(F.adaptive_avg_pool2d(x, 1).flatten(1))


def plain(layers: Layers) -> nn.Module:
    return Classifier(Block(layers, nn.ReLU(), nn.ReLU()), layers.last)


def reused(layers: Layers) -> nn.Module:
    relu = nn.ReLU()
    return Classifier(Block(layers, relu, relu), layers.last)


def in_place(layers: Layers) -> nn.Module:
    return Classifier(Block(layers, nn.ReLU(inplace=True), nn.ReLU(inplace=True)), layers.last)


def reused_in_place(layers: Layers) -> nn.Module:
    relu = nn.ReLU(inplace=True)
    return Classifier(Block(layers, relu, relu), layers.last)


def nested(layers: Layers) -> nn.Module:
    inner = nn.Sequential(nn.Sequential(layers.first, nn.Sequential(layers.norm)), nn.ReLU())
    outer = nn.Sequential(inner, nn.Sequential(Residual(nn.Sequential(layers.second)), nn.ReLU()))
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers.last)
    return nn.Sequential(outer, pooled)


WAYS: dict[str, Callable[[Layers], nn.Module]] = {
    "reused": reused,
    "in_place": in_place,
    "reused_in_place": reused_in_place,
    "functional": lambda layers: Classifier(Functional(layers), layers.last),
    "in_place_functions": lambda layers: Classifier(InPlaceFunctions(layers), layers.last),
    "works_on_its_input": lambda layers: Classifier(WorksOnItsInput(layers), layers.last),
    "nested": nested,
    "flat": Flat,
}
