"""What many tests of the engines need."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saliscope.attribution import methods

SMALL: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"n_steps": 4},
    "smooth_grad": {"n_samples": 4},
}
"""Less work for methods that can do with less. A method that is missing here is tested with its defaults."""


def every_method() -> list[Any]:
    """Parameters for a test that every registered method must pass."""
    return [pytest.param(made(**SMALL.get(key, {})), id=key) for key, made in methods().items()]


class Affine(nn.Module):
    """``F(x) = W x + b`` for two classes, on pictures of 2 x 4 x 4."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(2, 2, 4, 4, generator=draw, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor([0.5, -0.25], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight) + self.bias


class Counted(nn.Module):
    """A model that notes how many rows each call had, in a list of the test's own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        rows: list[int] = []
        self.note: Callable[[int], None] = rows.append
        self.seen: Callable[[], list[int]] = lambda: list(rows)
        self.forget: Callable[[], None] = rows.clear

    def forward(self, x: Tensor) -> Any:
        self.note(len(x))
        return self.model(x)


def pictures(n: int, channels: int = 2, size: int = 4, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, size, size, generator=draw, dtype=torch.float64)


def relative(a: Tensor, b: Tensor) -> float:
    """L2 distance relative to `b`, in float64."""
    return float((a.double() - b.double()).norm() / b.double().norm())


def function_with(**parameters: Any) -> Any:
    """A function that could become a method; each parameter is a default, or (default, annotation)."""
    given = {name: value if isinstance(value, tuple) else (value, None) for name, value in parameters.items()}
    names: dict[str, Any] = {"given": given}
    texts = [f"{n}{'' if k is None else f': given[{n!r}][1]'}=given[{n!r}][0]" for n, (_, k) in given.items()]
    exec(f"def made(model, inputs, target, {', '.join(texts)}):\n    return inputs", names)
    return names["made"]


def plain_gradient(model: Any, inputs: Tensor, target: Tensor) -> Tensor:
    """A user's function that gives the gradient."""
    return torch.autograd.grad(model(inputs)[:, target].sum(), inputs)[0]
