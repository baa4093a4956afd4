"""Real architectures with random weights, every method run on them, and the table of what came out.

The table is docs/methods_on_models.md. With `SALISCOPE_WRITE_DOCS=1` the slow tests of test_architectures.py
write it anew, each its own column; without, each compares its own column.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saliscope import SaliscopeError
from saliscope.attribution import Method, methods
from tests.attribution.helpers import SMALL

TABLE = Path(__file__).parents[2] / "docs" / "methods_on_models.md"
WRITING = "SALISCOPE_WRITE_DOCS" in os.environ
RUNS = "✓"

HEAD = """# Which method runs on which model

Every registered method on real architectures with random weights, one small picture each. ✓: it runs, and its
map is finite. A number: why it does not apply, or what it could not cover, in the words of its error or
coverage report.

*Written by tests: `SALISCOPE_WRITE_DOCS=1 python -m pytest -m slow tests/attribution/test_architectures.py`.*

- A model of **several inputs** is wrapped in a module that takes one of them and holds the others:
  `def forward(self, x): return self.model(x, self.other.expand(len(x), -1))`.
- A model that returns a **dict** or an object with `logits` or `out`, or with a single tensor, needs nothing.
- A **segmentation** model is asked with a function, here the mean over a region of pixels:
  `target=lambda out: out["out"][:, 3, 8:24, 8:24].mean((1, 2))`.
"""


def region_of_pixels(outputs: Any) -> Tensor:
    """The score of a segmentation model: class 3 in a region."""
    return outputs["out"][:, 3, 8:24, 8:24].mean((1, 2))


class OfTwo(nn.Module):
    """A model of two inputs: a picture, and numbers that belong to it."""

    def __init__(self, pictures: nn.Module, features: int) -> None:
        super().__init__()
        self.pictures, self.numbers = pictures, nn.Linear(3, features)
        self.last = nn.Linear(features, 10)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return self.last(torch.relu(self.pictures(x) + self.numbers(other)))


class Held(nn.Module):
    """The same as a model of the picture alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("other", torch.tensor([[0.5, -1.0, 2.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x, self.other.expand(len(x), -1))


class InADict(nn.Module):
    """A model that returns a dict."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = self.model(x)
        return {"logits": logits, "probabilities": logits.softmax(1)}


@dataclass(frozen=True)
class Architecture:
    """How a model is made, a layer of it with few channels, and what is asked of it."""

    make: Callable[[ModuleType], nn.Module]
    few: str
    target: Any = 3
    size: int = 64


def _hugging_face(name: str, **options: Any) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{name}Config")(num_labels=10, **options)
    return getattr(transformers, f"{name}ForImageClassification")(config)


def _hugging_face_vit() -> nn.Module:
    sizes = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 96}
    return _hugging_face("ViT", image_size=64, patch_size=8, **sizes)


def _hugging_face_resnet() -> nn.Module:
    return _hugging_face("ResNet", embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1])


def _deit() -> nn.Module:
    timm = pytest.importorskip("timm")
    return timm.create_model("deit_tiny_patch16_224", img_size=64, num_classes=10)


def _two(tv: ModuleType) -> nn.Module:
    return Held(OfTwo(tv.models.resnet18(num_classes=32), 32))


ARCHITECTURES: dict[str, Architecture] = {
    "ResNet-50": Architecture(lambda tv: tv.models.resnet50(num_classes=10), "maxpool"),
    "VGG-16-BN": Architecture(lambda tv: tv.models.vgg16_bn(num_classes=10), "features.6"),
    "DenseNet-121": Architecture(lambda tv: tv.models.densenet121(num_classes=10), "features.pool0"),
    "MobileNetV3": Architecture(lambda tv: tv.models.mobilenet_v3_large(num_classes=10), "features.1"),
    "EfficientNet-B0": Architecture(lambda tv: tv.models.efficientnet_b0(num_classes=10), "features.1"),
    "ConvNeXt-T": Architecture(lambda tv: tv.models.convnext_tiny(num_classes=10), "features.0"),
    "ViT-B/16": Architecture(
        lambda tv: tv.models.vit_b_16(image_size=32, num_classes=10),
        "encoder.layers.encoder_layer_10",
        size=32,
    ),
    "Swin-T": Architecture(lambda tv: tv.models.swin_t(num_classes=10), "features.0"),
    "DeiT (timm)": Architecture(lambda tv: _deit(), "blocks.10"),
    "ViT (Hugging Face)": Architecture(lambda tv: _hugging_face_vit(), "vit.layers.1"),
    "ResNet (Hugging Face)": Architecture(lambda tv: _hugging_face_resnet(), "resnet.embedder"),
    "two inputs": Architecture(_two, "model.pictures.maxpool"),
    "a dict": Architecture(lambda tv: InADict(tv.models.resnet18(num_classes=10)), "model.maxpool"),
    "segmentation": Architecture(
        lambda tv: tv.models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=10),
        "backbone.1",
        region_of_pixels,
    ),
}

CHEAP: dict[str, dict[str, Any]] = {**SMALL, "occlusion": {"window": 16, "stride": 16}}
"""Little work on a picture of this size."""

FOR_EACH_CHANNEL = {"score_cam", "ablation_cam"}
"""Methods that run the model, or its tail, once for each channel of their layer."""


def cheap(made: type[Method], few: str | None = None) -> Method:
    """A method that does as little as it can."""
    options = dict(CHEAP.get(made.key, {}))
    if few is not None and made.key in FOR_EACH_CHANNEL:
        options["layer"] = few
    return made(**options)


def built(architecture: Architecture, tv: Any) -> tuple[nn.Module, Tensor]:
    """The model, with statistics of batch norm that suit its weights, and one picture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = architecture.make(tv)
        pictures = torch.rand(4, 3, architecture.size, architecture.size)
        # Some begin with weights of zero: a head, or the end of every residual branch.
        for parameter in model.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.02)
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            model.train()(pictures)
        return model.eval(), pictures[:1]


def outcome(method: Method, model: nn.Module, inputs: Tensor, target: Any) -> str:
    """`RUNS`, or why not in one sentence."""
    try:
        answer = method.attribute(model, inputs, target)
    except SaliscopeError as error:
        # One sentence for all methods that say the same of themselves.
        return _plain(re.sub(rf"(?<![\w-]){re.escape(method.title)}(?![\w-])", "this method", str(error)))
    assert answer.values.shape[0] == 1, method
    assert answer.values.shape[2:] == inputs.shape[2:], method
    assert torch.isfinite(answer.values).all(), method
    gaps = () if answer.coverage is None else answer.coverage.gaps
    if gaps:
        return (
            f"Runs; without a rule, so with the plain gradient: {', '.join(sorted({g.name for g in gaps}))}."
        )
    return RUNS if bool(answer.values.any()) else "Runs; the map is zero everywhere."


def outcomes(architecture: Architecture, tv: Any) -> dict[str, str]:
    """`outcome` of every registered method, by title."""
    model, inputs = built(architecture, tv)
    ours = [made for made in methods().values() if made.__module__.startswith("saliscope.")]
    return {
        made.title: outcome(cheap(made, architecture.few), model, inputs, architecture.target)
        for made in ours
    }


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "/")


Table = dict[str, dict[str, str]]
"""Outcomes by architecture, then by method."""


def written(table: Table) -> str:
    """The table as Markdown."""
    rows = list(dict.fromkeys(title for column in table.values() for title in column))
    notes: list[str] = []

    def cell(text: str) -> str:
        if text in ("", RUNS):
            return text
        if text not in notes:
            notes.append(text)
        return str(notes.index(text) + 1)

    lines = ["| method | " + " | ".join(table) + " |", "|---" * (len(table) + 1) + "|"]
    for title in rows:
        lines.append(f"| {title} | " + " | ".join(cell(c.get(title, "")) for c in table.values()) + " |")
    ends = [f"{i}. {note}" for i, note in enumerate(notes, 1)]
    return "\n".join([HEAD, *lines, "", *ends, ""])


def read(text: str) -> Table:
    """The way back."""
    notes = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    head, _, *rows = (
        [c.strip() for c in line.strip("|").split("|")] for line in re.findall(r"^\|.*$", text, re.M)
    )
    table: Table = {name: {} for name in head[1:]}
    for title, *cells in rows:
        for name, cell in zip(head[1:], cells, strict=True):
            if cell:
                table[name][title] = notes.get(cell, cell)
    return table


def noted(name: str, found: dict[str, str]) -> None:
    """Put a column into the table."""
    table = read(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    table[name] = found
    order = {each: table[each] for each in ARCHITECTURES if each in table}
    TABLE.write_text(written(order), encoding="utf-8")
