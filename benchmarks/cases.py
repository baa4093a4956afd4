"""The networks and pictures that the contenders work on; no weight is downloaded."""

import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A network, a picture and a class.

    Attributes
    ----------
    name : str
    build : callable
        Makes the network, in eval mode: a new one at each call, always with the same weights.
    picture : callable
        Makes the inputs, (1, 3, height, width), in model space.
    layer : str
        The last layer with a spatial output.
    target : int
        Output index that is explained.
    large : bool
        Whether a row on it takes minutes.
    """

    name: str
    build: Callable[[], nn.Module]
    picture: Callable[[], Tensor]
    layer: str
    target: int
    large: bool = False

    def in_double(self) -> "Case":
        """The same in float64."""
        return replace(self, build=lambda: self.build().double(), picture=lambda: self.picture().double())

    def trunk_and_head(self, net: nn.Module) -> tuple[nn.Module, nn.Module]:
        """Split a network behind `layer`: what runs up to its output, and what runs from there."""
        parts = list(net.named_children())
        cut = [name for name, _ in parts].index(self.layer) + 1
        (pool_name, pool), (fc_name, fc) = (part for part in parts[cut:] if part[0] != "flatten")
        assert (pool_name, fc_name) in (("avgpool", "fc"), ("pool", "fc"))
        return nn.Sequential(*[part for _, part in parts[:cut]]), nn.Sequential(pool, nn.Flatten(), fc)


_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_defined: list[torch.library.Library] = []  # a library that is collected takes its definitions with it


def import_torchvision() -> Any:
    """Import torchvision also where its operators do not load: a CUDA build beside torch's CPU build.

    Its import wants the schemas of two operators that its extension would have defined; no model here calls
    them.
    """
    try:
        return import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _defined.append(torch.library.Library("torchvision", "FRAGMENT"))
        for schema in _OPERATORS:
            _defined[0].define(schema)
        return import_module("torchvision")


def _resnet(name: str) -> nn.Module:
    torchvision = import_torchvision()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(torchvision.models, name)(weights=None).eval()


def _chain() -> nn.Module:
    """Convolutions one after the other, no module used twice: what every peer can see."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts: list[nn.Module] = []
        for i, (before, after) in enumerate(((3, 32), (32, 64), (64, 128), (128, 256))):
            for start in (before, after):
                parts += [nn.Conv2d(start, after, 3, padding=1), nn.ReLU()]
            parts += [nn.MaxPool2d(2)] if i < 3 else []
        features = nn.Sequential(*parts)
        for part in features:
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
        head = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(256, 100)}
        return nn.Sequential(OrderedDict(features=features, **head)).eval()


def _transformer(layers: int, heads: int, width: int) -> nn.Module:
    transformer = import_torchvision().models.vision_transformer.VisionTransformer
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformer(224, 16, layers, heads, width, 4 * width)
        nn.init.normal_(net.heads.head.weight, std=0.02)  # as it comes, the head is zero
        return net.eval()


def _smooth_picture(side: int = 224) -> Tensor:
    # Random, but smooth as photographs are: noise on a coarse grid, enlarged.
    coarse = torch.rand(1, 3, 14, 14, generator=torch.Generator().manual_seed(1))
    fine = nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    return (fine.clamp(0, 1) - 0.45) / 0.225


def _demo_cnn() -> nn.Module:
    from saliscope import demo

    return demo.cnn()


def _scene() -> Tensor:
    from saliscope import demo

    return demo.scenes(1, seed=0).inputs()


CASES = {
    case.name: case
    for case in (
        Case("demo", _demo_cnn, _scene, "layer3", 3),
        Case("chain", _chain, lambda: _smooth_picture(112), "features", 20),
        Case("resnet18", lambda: _resnet("resnet18"), _smooth_picture, "layer4", 207),
        Case("vit_ti", lambda: _transformer(12, 3, 192), _smooth_picture, "", 207),
        Case("resnet50", lambda: _resnet("resnet50"), _smooth_picture, "layer4", 207, large=True),
        Case("vit_b", lambda: _transformer(12, 12, 768), _smooth_picture, "", 207, large=True),
    )
}
"""Networks by name: the bundled one at 64x64, a chain of layers at 112x112, and networks of torchvision at
224x224; all but the bundled one have random weights."""

NOWHERE = Case("", nn.Identity, lambda: torch.zeros(1, 3, 1, 1), "", 0)
"""For rows that need no network."""
