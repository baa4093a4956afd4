"""Piecewise linear networks in numpy, forward and backward written out: no autograd, no torch.

One input at a time, float64. A layer's `choice` is what it decided at this input: which units are on, which
pixel of a window is the largest. As long as no choice changes, the network is affine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, as_tensor, nn


@dataclass
class Conv:
    """Cross-correlation without padding; weight (out, in, k, k)."""

    weight: np.ndarray
    bias: np.ndarray

    def forward(self, x):
        windows = sliding_window_view(x, self.weight.shape[2:], axis=(1, 2))
        return np.einsum("ihwkl,oikl->ohw", windows, self.weight) + self.bias[:, None, None], None

    def backward(self, g, shape, choice):
        gradient = np.zeros(shape)
        for row in range(g.shape[1]):
            for column in range(g.shape[2]):
                size = self.weight.shape[2]
                patch = np.einsum("o,oikl->ikl", g[:, row, column], self.weight)
                gradient[:, row : row + size, column : column + size] += patch
        return gradient

    def module(self):
        outputs, inputs, size, _ = self.weight.shape
        return _filled(nn.Conv2d(inputs, outputs, size), self)


@dataclass
class Linear:
    """Affine map of all numbers; weight (out, in)."""

    weight: np.ndarray
    bias: np.ndarray

    def forward(self, x):
        return self.weight @ x.ravel() + self.bias, None

    def backward(self, g, shape, choice):
        return (g @ self.weight).reshape(shape)

    def module(self):
        outputs, inputs = self.weight.shape
        return nn.Sequential(nn.Flatten(), _filled(nn.Linear(inputs, outputs), self))


@dataclass
class LeakyReLU:
    """The identity above zero, `slope` times the input below."""

    slope: float = 0.0

    def forward(self, x):
        on = x > 0
        return np.where(on, x, self.slope * x), on

    def backward(self, g, shape, choice):
        return np.where(choice, g, self.slope * g)

    def module(self):
        return nn.LeakyReLU(self.slope) if self.slope else nn.ReLU()


@dataclass
class MaxPool:
    """Largest of each window of 2 x 2."""

    def forward(self, x):
        channels, height, width = x.shape
        windows = x.reshape(channels, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4)
        flat = windows.reshape(channels, height // 2, width // 2, 4)
        return flat.max(-1), flat.argmax(-1)

    def backward(self, g, shape, choice):
        gradient = np.zeros(shape)
        for (channel, row, column), winner in np.ndenumerate(choice):
            gradient[channel, 2 * row + winner // 2, 2 * column + winner % 2] = g[channel, row, column]
        return gradient

    def module(self):
        return nn.MaxPool2d(2)


@dataclass
class Softplus:
    """Smooth, so that it has no choices; for what must hold beyond piecewise linear networks."""

    def forward(self, x):
        return np.logaddexp(0, x), x

    def backward(self, g, shape, choice):
        return g / (1 + np.exp(-choice))

    def module(self):
        return nn.Softplus(threshold=1e9)


class Network:
    """Layers one after the other."""

    def __init__(self, *layers):
        self.layers = layers

    def run(self, x):
        """Input of each layer with the output at the end, and each layer's choice."""
        values, choices = [x], []
        for layer in self.layers:
            y, choice = layer.forward(values[-1])
            values.append(y)
            choices.append(choice)
        return values, choices

    def score(self, x, target):
        return float(self.run(x)[0][-1][target])

    def pattern(self, x):
        return b"".join(choice.tobytes() for choice in self.run(x)[1] if choice is not None)

    def gradient(self, x, target, layer=0):
        """Gradient of the score at the input of `layer`."""
        values, choices = self.run(x)
        g = np.zeros(values[-1].shape)
        g[target] = 1.0
        for i in reversed(range(layer, len(self.layers))):
            g = self.layers[i].backward(g, values[i].shape, choices[i])
        return g

    def module(self) -> nn.Sequential:
        """The same network for the engine, in float64."""
        return nn.Sequential(*(layer.module() for layer in self.layers)).double()


def small_network(kind: str, seed: int = 0) -> Network:
    """One input channel of 8 x 8 pixels, 3 classes; `kind` is "relu", "leaky", "max_pool" or "smooth"."""
    draw = np.random.default_rng(seed).normal
    middle = {"relu": LeakyReLU(), "leaky": LeakyReLU(0.2), "max_pool": MaxPool(), "smooth": Softplus()}[kind]
    side = 3 if kind == "max_pool" else 6
    return Network(
        Conv(draw(size=(2, 1, 3, 3)), draw(size=2)),
        middle,
        Linear(draw(size=(5, 2 * side**2)) / 4, draw(size=5)),
        Softplus() if kind == "smooth" else LeakyReLU(),
        Linear(draw(size=(3, 5)), draw(size=3)),
    )


def _filled(module: nn.Conv2d | nn.Linear, layer) -> nn.Module:
    module.double()
    module.weight.data = as_tensor(layer.weight)
    assert isinstance(module.bias, Tensor)
    module.bias.data = as_tensor(layer.bias)
    return module
