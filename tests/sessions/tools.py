"""Tiny models, a picture, and an ear for what a session tells."""

import hashlib
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.sessions.answers import Request
from saliscope.sessions.menus import info_of
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.subject import Subject
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Info, Result, State

PATIENCE = 20.0
"""Seconds until a test gives up; nothing is measured by it."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def tiny(channels: int = 3, classes: int = 5, seed: int = 0) -> nn.Sequential:
    """A net with everything that a forward pass could leave traces in."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(6),
        nn.Dropout(0.5),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )


def photo(seed: int = 0, shape: tuple[int, ...] = (8, 10, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class Switchboard:
    """What a test and a watched model share."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.error: Exception | None = None
        self.error_of_the_held: Exception | None = None
        self.hold_at = -1
        self.open, self.entered = threading.Event(), threading.Event()
        self.open.set()

    def hold(self, calls: int = 0) -> None:
        """Let a call wait in the middle: the next one, or the one after so many."""
        self.open.clear()
        self.entered.clear()
        self.hold_at = len(self.rows) + calls

    def reached(self) -> bool:
        """Wait until the call is held."""
        return self.entered.wait(PATIENCE)

    def call(self, rows: int) -> None:
        """What the model tells of each call."""
        self.rows.append(rows)
        if len(self.rows) == self.hold_at + 1:
            self.entered.set()
            assert self.open.wait(PATIENCE)
            if self.error_of_the_held is not None:
                raise self.error_of_the_held
        if self.error is not None and len(self.rows) > self.hold_at:
            raise self.error


class Watched(nn.Module):
    """A model whose calls are counted, can be held up, and can be made to fail.

    All that goes by its switchboard: what a forward pass writes into a borrowed module is undone.
    """

    def __init__(self, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net or tiny()
        self.board = Switchboard()

    def forward(self, x: Tensor) -> Any:
        self.board.call(len(x))
        return self.net(x)


class Segmenter(nn.Module):
    """Scores for each pixel, in a dict as torchvision's models return them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.conv(x)}


class Session(SaliencySession):
    """A session that keeps what it tells, in order."""

    def __init__(self, model: Any, images: Any = None, **options: Any) -> None:
        super().__init__(Subject(model, photo() if images is None else images, **options))
        self.inputs, self.borrowed = self.subject.inputs, self.subject.borrowed
        self.index_of, self.forget = self.subject.index_of, self.subject.forget
        self.heard: list[tuple[Any, dict[str, Any]]] = []
        self.listener = self._keep

    def _keep(self, message: Any, blobs: list[Blob]) -> None:
        if message is None:
            message, blobs = self.info()
        self.heard.append((message, {blob.hash: blob for blob in blobs}))

    def info(self) -> tuple[Info, list[Blob]]:
        """What an explorer would tell of this session's model."""
        return info_of([self.subject.info()], len(self.inputs))

    def answer(self, *request: Any, **details: Any) -> Result:
        """Ask, wait, and return the final result."""
        self.explain(Request(*request, **details))
        assert self.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        assert self.result is not None
        assert self.result.stage == "final"
        return self.result

    def array(self, name: str) -> np.ndarray:
        """What the page sees of a blob of the newest result."""
        return {blob.hash: blob for blob in self.blobs}[name].array()

    @property
    def story(self) -> list[str]:
        """One word for each message: the stage of a result, the phase of a state, "info"."""
        return [word_of(message) for message, _ in self.heard]


def word_of(message: Any) -> str:
    if isinstance(message, Result):
        return message.stage
    if isinstance(message, State):
        return message.phase
    assert isinstance(message, Info)
    return "info"


def fingerprint(module: nn.Module) -> str:
    """Changes with anything that a borrowed model must get back unchanged."""
    seen = hashlib.blake2b()

    def tensor(name: str, value: Tensor | None) -> None:
        seen.update(f"{name} {value is None}".encode())
        if value is not None:
            details = (id(value), value._version, value.requires_grad, value.dtype, value.device, value.shape)
            seen.update(repr(details).encode() + value.detach().float().numpy().tobytes())

    for name, part in module.named_modules():
        hooks = [len(part.__dict__[kind]) for kind in sorted(part.__dict__) if kind.endswith("_hooks")]
        seen.update(repr((name, id(part), part.training, hooks, sorted(part.__dict__))).encode())
    for name, parameter in module.named_parameters():
        tensor(name, parameter)
        tensor(f"{name}.grad", parameter.grad)
    for name, buffer in module.named_buffers():
        tensor(name, buffer)
    seen.update(torch.get_rng_state().numpy().tobytes())
    return seen.hexdigest()
