"""A small model, its pictures, and an audit of a few steps."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

import saliscope as sp
from saliscope.attribution import InputXGradient, Saliency
from saliscope.audit import MEASURES, report
from saliscope.faithfulness import ControlProtocol, Protocol, RoadProtocol

SIZE, N = 12, 6
NAMES = ["left", "right", "<b>neither</b>"]
METHODS = {"Gradient": Saliency(absolute=False), "Product": InputXGradient()}


class Net(nn.Module):
    """Reads how bright the two halves of a picture are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.linspace(-0.2, 0.5, 54).reshape(2, 3, 3, 3))
            self.conv.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[3] // 2
        seen = self.conv(x).relu()
        left, right = seen[..., :half].mean((1, 2, 3)), seen[..., half:].mean((1, 2, 3))
        return torch.stack([8 * (left - right), 8 * (right - left), 0 * left], 1)


def pictures() -> tuple[np.ndarray, list[int], np.ndarray]:
    """Pictures with one bright half, its number, and where it is."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (N, SIZE, SIZE, 3)).astype(np.uint8)
    labels = [i % 2 for i in range(N)]
    masks = np.zeros((N, SIZE, SIZE), bool)
    for i, label in enumerate(labels):
        masks[i, :, SIZE // 2 * label :][:, : SIZE // 2] = True
        images[i][masks[i]] += 150
    return images, labels, masks


def quick() -> list:
    """Measures of a few steps."""
    curves = [
        replace(MEASURES[kind], protocol=ControlProtocol(Protocol(kind, fill, n_steps=4), n_random=4))
        for kind, fill in (("deletion", "zero"), ("insertion", "blur"))
    ]
    return [*curves, replace(MEASURES["road"], protocol=RoadProtocol((0.2, 0.5))), "mass", "seconds"]


def audit(model=None, images=None, labels=None, **options):
    given, truth, masks = pictures()
    options = {"methods": METHODS, "measures": quick(), "random_orders": 4, "progress": False} | options
    if images is None:
        images, labels = given, truth if labels is None else labels
        options.setdefault("masks", masks)
    return report(sp.borrow(Net(), labels=NAMES) if model is None else model, images, labels, **options)


def broken(model, inputs, target):
    raise RuntimeError("it <i>broke</i>")


def flat(model, inputs, target):
    return torch.ones(len(inputs), SIZE, SIZE)


def rows(model, inputs, target):
    """A map that is the same for every score: brighter from row to row."""
    return torch.linspace(0, 1, inputs.shape[2])[:, None].expand(len(inputs), -1, inputs.shape[3])


def brightness(out):
    """A function of the output, whose values are of both signs."""
    return out[:, 0] - out[:, 2] / 2


brightness.__name__ = "<i>brightness</i>"
