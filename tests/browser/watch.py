"""What a page does beside being looked at: requests, console, messages to the kernel."""

import itertools
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, WebSocket

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Options of Chromium: no graphics card, and nothing of its own in the network."""

UNKNOWN_END = "Comm not found for comm id"
"""JupyterLab's word when an explorer ends that was shown no more, and let go, before the page was loaded."""


class Watch:
    """Listens to a page from its first request on."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.addresses: list[str] = []
        self.console: list[str] = []
        self.errors: list[str] = []
        self.sent: list[dict[str, Any]] = []
        page.on("request", self._request)
        page.on("websocket", self._websocket)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    @property
    def strangers(self) -> list[str]:
        """Addresses outside this machine that the page has ever asked for."""
        hosts = {address: urlsplit(address).hostname for address in self.addresses}
        return [address for address, host in hosts.items() if host not in ("127.0.0.1", None)]

    @property
    def updates(self) -> list[dict[str, Any]]:
        """Traits that the page wrote, one entry for each message."""
        data = [message["content"]["data"] for message in self.sent if message["type"] == "comm_msg"]
        return [content["state"] for content in data if content.get("method") == "update"]

    @property
    def requests(self) -> list[str]:
        """What the page asked for, one entry for each message: hello, code, cancel ..."""
        data = [message["content"]["data"] for message in self.sent if message["type"] == "comm_msg"]
        custom = [content["content"] for content in data if content.get("method") == "custom"]
        return [content["request"] for content in custom if "request" in content]

    def clear(self) -> None:
        """Forget what was said so far; the addresses stay."""
        for heard in (self.console, self.errors, self.sent):
            heard.clear()

    def forgive(self, words: str) -> None:
        """Drop errors that a test has expected."""
        self.errors[:] = [error for error in self.errors if words not in error]

    def save(self, folder: Path, name: str) -> None:
        """Keep what helps to understand a failure."""
        folder.mkdir(exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")
        (folder / f"{name}.log").write_text("\n".join([*self.errors, "", *self.console, "", *self.addresses]))

    def _request(self, request: Request) -> None:
        self.addresses.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        self.console.append(line)
        if message.type == "error" and not message.text.startswith(UNKNOWN_END):
            self.errors.append(line)

    def _websocket(self, socket: WebSocket) -> None:
        self.addresses.append(socket.url)
        if "/api/kernels/" in socket.url:
            socket.on("framesent", lambda frame: self.sent.append(decoded(frame)))


def decoded(frame: str | bytes) -> dict[str, Any]:
    """Type and content of a frame of Jupyter's `v1.kernel.websocket.jupyter.org`: offsets, then the parts."""
    if isinstance(frame, str):
        message = json.loads(frame)
        return {"type": message["header"]["msg_type"], "content": message["content"]}
    (count,) = struct.unpack_from("<Q", frame)
    offsets = struct.unpack_from(f"<{count}Q", frame, 8)
    _, header, _, _, content, *_ = [frame[start:stop] for start, stop in itertools.pairwise(offsets)]
    return {"type": json.loads(header)["msg_type"], "content": json.loads(content)}
