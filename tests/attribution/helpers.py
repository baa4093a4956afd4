"""What many tests of the engines need."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saliscope.attribution import IntegratedGradients, methods
from saliscope.attribution.layered import Layered

SMALL: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"n_steps": 4},
    "blur_ig": {"n_steps": 4, "max_sigma": 3.0},
    "guided_ig": {"n_steps": 4},
    "smooth_grad": {"n_samples": 4},
    "smooth_grad_squared": {"n_samples": 4},
    "var_grad": {"n_samples": 4, "noise_level": 0.5},
    "expected_gradients": {"n_samples": 4},
    "gradient_shap": {"n_samples": 4},
    "xrai": {"n_steps": 2},
    "lime": {"n_segments": 9, "n_samples": 6},
    "kernel_shap": {"n_segments": 9, "n_samples": 6},
    "occlusion": {"window": 2, "stride": 1},
    "extremal_perturbation": {"n_iterations": 3, "smoothness": 0.3},
    "rise": {"n_masks": 6, "cells": 2},
}
"""Less work for methods that can do with less. A method that is missing here is tested with its defaults."""

ADAPTIVE = IntegratedGradients(n_steps=9, rule="adaptive")
"""The one rule that is another algorithm: tested like a method of its own."""

FORWARD_ONLY: set[str] = {"attention", "attention_rollout", "kernel_shap", "lime", "occlusion", "rise"}
"""Methods that run no backward pass: to them a score without a gradient is one like any other."""

SCORELESS: set[str] = {"attention", "attention_rollout"}
"""Methods that do not ask what the score depends on: their map is the same for every target."""

NEEDS_ATTENTION: set[str] = {"attention", "attention_rollout", "gradient_rollout"}
"""Methods that are tested on a transformer: see `token_variants`."""


def every_method() -> list[Any]:
    """Parameters for a test that every registered method must pass."""
    small = [pytest.param(made(**SMALL.get(key, {})), id=key) for key, made in methods().items()]
    return [*small, pytest.param(ADAPTIVE, id="adaptive")]


def every_method_of_a_layer() -> list[Any]:
    """The methods that explain by a layer's units as well, asked of the one batch norm of a network."""
    little, made = {"n_steps": 2, "n_samples": 2}, []
    for key, method in methods().items():
        if issubclass(method, Layered):
            own = {name: value for name, value in little.items() if hasattr(method, name)}
            made.append(pytest.param(method(layer="features.norm", **own), id=key))
    return made


def there(method: Any, model: nn.Module) -> Any:
    """The method at the same layer of a network that is written in another way."""
    norm = next(name for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d))
    return replace(method, layer=norm)


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


def own_keys() -> list[str]:
    """Keys of the user's own methods, as the menu shows them."""
    return [key for key, made in methods().items() if made.family == "Your own"]
