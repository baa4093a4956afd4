"""Messages between a widget and its pages: requests with exactly one answer, blobs sent once."""

import reprlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from saliscope.errors import SaliscopeError
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Spec

_REMEMBERED = 512
"""Blobs remembered as sent; what a page has lost it asks for again."""


class Channel:
    """The kernel's end of the wire.

    Parameters
    ----------
    send : callable
        Sends one JSON message with its buffers.
    requests : dict
        What a page may ask for, and who does it. Anything else is answered with an error.
    blobs : callable
        All blobs that a page may ask for now.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], list[Any]], None],
        requests: dict[str, Callable[[], None]],
        blobs: Callable[[], Sequence[Blob]],
    ) -> None:
        self._send = send
        self._requests = requests
        self._blobs = blobs
        self._sent: OrderedDict[str, None] = OrderedDict()
        # Results come from the worker's thread, answers from the kernel's: the parts of a blob must not mix.
        self._lock = threading.RLock()

    def receive(self, message: Any) -> None:
        """Do what a page asks, and answer once."""
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            return
        try:
            self._handle(message)
        except Exception as error:  # whatever it is, the page waits for an answer, and shows it
            failure = {"type": type(error).__name__, "message": str(error)}
            self._send({"answer": message["id"], "status": "error", "error": failure}, [])
        else:
            self._send({"answer": message["id"], "status": "ok"}, [])

    def event(self, kind: str, spec: Spec, blobs: Sequence[Blob] = ()) -> None:
        """Send what happened, the blobs that it names first."""
        with self._lock:
            for blob in blobs:
                self._send_blob(blob)
            self._send({"event": kind, kind: spec.to_json()}, [])

    def _handle(self, message: dict[str, Any]) -> None:
        request = message.get("request")
        if request == "blobs":
            self._send_again(_names(message.get("hashes")))
            return
        act = self._requests.get(request) if isinstance(request, str) else None
        if act is None:
            known = f"one of blobs, {', '.join(self._requests)}"
            raise SaliscopeError("request", reprlib.repr(request), known)
        if request != "hello":
            act()
            return
        # In one go: a result of the worker's that came in between would be followed by an older one.
        with self._lock:
            self._sent = OrderedDict.fromkeys(_names(message.get("have")))
            act()

    def _send_again(self, hashes: list[str]) -> None:
        known = {blob.hash: blob for blob in self._blobs()}
        lost = [name for name in hashes if name not in known]
        with self._lock:
            for name in hashes:
                self._sent.pop(name, None)
                if name in known:
                    self._send_blob(known[name])
        if lost:
            raise SaliscopeError("hashes", f"{len(lost)} blobs that are gone", "blobs of the newest result")

    def _send_blob(self, blob: Blob) -> None:
        if blob.hash in self._sent:
            self._sent.move_to_end(blob.hash)
            return
        for header, buffer in blob.messages():
            self._send(header, [buffer])
        self._sent[blob.hash] = None
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)


def _names(value: Any) -> list[str]:
    # A page lists what it has from the longest unused on.
    return [name for name in value if isinstance(name, str)][-_REMEMBERED:] if isinstance(value, list) else []
