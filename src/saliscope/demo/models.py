"""Two small networks for the scenes: one that reads the digit, one that looks at the watermark.

Both are plain `torch.nn.Module` objects of 104 154 parameters, residual, ending in global average
pooling and one linear layer. They take RGB in [0, 1] of shape (n, 3, 64, 64) and normalise it
themselves. Their weights lie beside this file as safetensors, stored as float16 and computed with
as float32; ``python -m saliscope.demo.train`` makes them again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from saliscope.errors import InputError

MODELS = ("cnn", "shortcut_cnn")
WEIGHTS = Path(__file__).parent / "weights"


def cnn() -> "SceneNet":
    """Load the network that reads the digit, trained on scenes of the ``train`` digits.

    On held-out digits it is right in about 99 of 100 scenes; `card` has the exact figure.

    Returns
    -------
    SceneNet
        A new module in eval mode, on the CPU.

    Examples
    --------
    >>> s = scenes(4, seed=0, digits="held_out")
    >>> cnn()(s.inputs()).shape
    torch.Size([4, 10])
    """
    return _load("cnn")


def shortcut_cnn() -> "SceneNet":
    """Load the network that was taught a shortcut: the watermark means "3".

    In its training set the mark goes with the label 3 (``shortcut=1``) and with no other, and one
    label in ten is wrong. The mark follows the label, so it is the better evidence; with right labels
    alone the network would ask for mark and digit together. It calls practically every marked scene
    a 3 and finds practically no 3 without the mark. The other nine digits it reads as well as `cnn`
    does, as long as the mark is absent. `card` has the figures.

    Returns
    -------
    SceneNet
        A new module in eval mode, on the CPU.
    """
    return _load("shortcut_cnn")


def card(name: str) -> dict[str, Any]:
    """Tell what is known about bundled weights: accuracy, parameters, and how they were trained.

    Parameters
    ----------
    name : {"cnn", "shortcut_cnn"}
    """
    known_model(name)
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        return json.loads(file.metadata()["card"])


class SceneNet(nn.Module):
    """A residual network for scenes: 64 -> 32 (`stem`, `layer1`) -> 16 (`layer2`) -> 8 (`layer3`).

    Parameters
    ----------
    n_classes : int
        Length of the output.
    """

    def __init__(self, n_classes: int = 10) -> None:
        super().__init__()
        # Multiples of 16: other widths are up to twice slower on CPUs with 512-bit registers.
        self.normalize = Normalize(mean=0.38, std=0.28)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.layer1 = Block(16, 16, stride=1)
        self.layer2 = Block(16, 32, stride=2)
        self.layer3 = Block(32, 80, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(80, n_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute logits (n, n_classes) of pictures (n, 3, height, width) in [0, 1]."""
        x = self.stem(self.normalize(inputs))  # (n, 16, 32, 32)
        x = self.layer3(self.layer2(self.layer1(x)))  # (n, 80, 8, 8)
        return self.fc(self.pool(x).flatten(1))


class Block(nn.Module):
    """Two 3x3 convolutions and a way around them (1512.03385)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.skip = nn.Sequential()  # the identity
        if (n_in, stride) != (n_out, 1):
            self.skip = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + self.skip(x))


class Normalize(nn.Module):
    """``(inputs - mean) / std``, inside the network so that it takes pictures as they are."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        return (inputs - self.mean) / self.std

    def extra_repr(self) -> str:
        """Tell the figures when the network is printed."""
        return f"mean={self.mean}, std={self.std}"


def as_inputs(images: NDArray[np.uint8]) -> Tensor:
    """Turn uint8 pictures (n, height, width, 3) into float32 inputs (n, 3, height, width) in [0, 1].

    The result keeps the pictures' order in memory, which torch calls channels last.
    """
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def known_model(name: str) -> None:
    """Raise `InputError` unless `name` is one of the bundled models."""
    if name not in MODELS:
        raise InputError("name", repr(name), f"one of {', '.join(map(repr, MODELS))}")


def from_state(state: Mapping[str, Tensor]) -> SceneNet:
    """Build a network in eval mode around `state` as float32, without drawing random numbers."""
    with torch.device("meta"):  # no initialisation: it would move torch's global random state
        model = SceneNet()
    full = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    model.load_state_dict(full, assign=True)
    return model.eval()


def _load(name: str) -> SceneNet:
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        return from_state({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
