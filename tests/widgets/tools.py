"""An explorer that keeps what it would have sent, and the page at the other end of the wire."""

from itertools import count
from typing import Any

from saliscope import SaliencyExplorer
from tests.sessions.tools import PATIENCE, photo, tiny


class Explorer(SaliencyExplorer):
    """Keeps every message in `sent`, with copies of its buffers."""

    def __init__(self, model: Any = None, images: Any = None, **options: Any) -> None:
        super().__init__(model or tiny(), photo() if images is None else images, **options)

    def _send(self, msg: dict[str, Any], buffers: Any = None) -> None:
        sent = self.__dict__.setdefault("sent", [])
        sent.append((msg, [bytes(buffer) for buffer in buffers or []]))

    def ready(self) -> "Explorer":
        assert self.wait(PATIENCE)
        return self


class Page:
    """What JupyterLab does: it sends requests and changed traits, and keeps the arrays that come."""

    _ids = count()

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self._start = len(explorer.sent)
        self.requests: list[str] = []

    def ask(self, request: Any, **extra: Any) -> dict[str, Any]:
        """Send a request and return its answer, of which there must be exactly one."""
        name = f"id-{next(self._ids)}"
        self.deliver({"id": name, "request": request, **extra})
        (answer,) = [m for m in self.messages if m.get("answer") == name]
        return answer

    def deliver(self, content: Any) -> None:
        data = {"method": "custom", "content": content}
        self.explorer._handle_msg({"content": {"data": data}, "buffers": []})

    def change(self, **state: Any) -> None:
        """Write traits, as the page does when a control moves."""
        self.explorer._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Custom messages since this page was opened."""
        return [m["content"] for m, _ in self.explorer.sent[self._start :] if m["method"] == "custom"]

    @property
    def updates(self) -> dict[str, Any]:
        """Values of traits that the page was told, the newest of each."""
        told: dict[str, Any] = {}
        for message, _ in self.explorer.sent[self._start :]:
            if message["method"] in ("update", "echo_update"):
                told |= message["state"]
        return told

    def events(self, kind: str) -> list[Any]:
        return [m.get(kind, m) for m in self.messages if m.get("event") == kind]

    @property
    def arrays(self) -> dict[str, bytes]:
        """Blobs that came, whole ones only."""
        whole, parts = {}, []
        for message, buffers in self.explorer.sent[self._start :]:
            header = message.get("content", {})
            if header.get("event") == "blob":
                assert header["part"] == len(parts), "parts of two arrays are mixed"
                parts.append(buffers[0])
                if len(parts) == header["parts"]:
                    whole[header["hash"]], parts = b"".join(parts), []
        assert not parts
        return whole


IG = {"rule": "adaptive", "tolerance": 0.05}
NOISE = {"n_samples": 25, "noise_level": 0.15, "seed": 0, "target_error": 0.0}
"""What methods bring along."""
