"""A map explorer that keeps what it would have sent."""

import base64
import time
from typing import Any

import numpy as np
import torch

from saliscope import EmbeddingExplorer
from tests.sessions.embedding_tools import clusters
from tests.sessions.tools import PATIENCE
from tests.widgets.tools import Page

QUICK = {"tsne": {"n_iter": 30}}


class Explorer(EmbeddingExplorer):
    """Keeps every message in `sent`, with copies of its buffers."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*(given or (clusters()[0],)), **{"params": QUICK, **options})

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        sent = self.__dict__.setdefault("sent", [])
        sent.append((msg, [bytes(buffer) for buffer in buffers or []]))

    def ready(self) -> "Explorer":
        assert self.wait(PATIENCE)
        return self


class MapPage(Page):
    """A page that shows a map explorer."""

    def __init__(self, explorer: Explorer) -> None:
        super().__init__(explorer)  # type: ignore[arg-type]

    def ask_lasting(self, request: str, buffers: Any = (), **extra: Any) -> dict[str, Any]:
        """Send a request that the worker answers, and wait for it."""
        name = f"id-{next(self._ids)}"
        content = {"id": name, "request": request, **extra}
        self.explorer._handle_msg(
            {"content": {"data": {"method": "custom", "content": content}}, "buffers": [*buffers]}
        )
        for _ in range(int(PATIENCE * 100)):
            answers = [m for m in self.messages if m.get("answer") == name]
            if answers:
                (answer,) = answers
                return answer
            time.sleep(0.01)
        raise AssertionError("no answer")

    def select(self, ids: Any, name: str = "selection") -> dict[str, Any]:
        data = base64.b64encode(np.asarray(ids, "<u4").tobytes()).decode()
        return self.ask("select", name=name, ids=data)


def batch(n: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, 8, 10, generator=torch.Generator().manual_seed(seed))
