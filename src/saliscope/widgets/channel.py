"""Messages between a widget and its pages: requests with exactly one answer, blobs sent once."""

import reprlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saliscope.errors import SaliscopeError
from saliscope.sessions.worker import worker
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Spec

Message = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer that says more than that it was done: data, and the blobs or the file that come with it."""

    result: dict[str, Any]
    blobs: Sequence[Blob] = ()
    buffers: Sequence[bytes] = ()


Answer = Reply | None | Generator[None, None, Reply | None]
"""What a request comes to; a lasting one may take several turns."""

_REMEMBERED = 512
"""Blobs remembered as sent; what a page has lost it asks for again."""


_REPLIED = 32
"""Arrays of answers that a page may ask for once more, if it let them go too soon."""


class Channel:
    """The kernel's end of the wire.

    Parameters
    ----------
    send : callable
        Sends one JSON message with its buffers.
    requests : dict
        What a page may ask for, and who does it, given the whole message. Anything else is answered with an
        error. Who needs several turns is a generator that returns the reply.
    blobs : callable
        All blobs that a page may ask for now.
    lasting : collection of str
        Requests that take their time: the worker does them, so that a cancel need not wait for them.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], list[Any]], None],
        requests: Mapping[str, Callable[[Message], Answer]],
        blobs: Callable[[], Sequence[Blob]],
        lasting: Collection[str] = (),
    ) -> None:
        self._lasting = frozenset(lasting)
        self._send = send
        self._requests = requests
        self._blobs = blobs
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._replied: OrderedDict[str, Blob] = OrderedDict()
        # Results come from the worker's thread, answers from the kernel's: the parts of a blob must not mix.
        self._lock = threading.RLock()

    def receive(self, message: Any, buffers: Sequence[Any] = ()) -> None:
        """Do what a page asks, and answer once; `buffers` came beside the message."""
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            return
        message = {**message, "buffers": buffers}
        request = message.get("request")
        if isinstance(request, str) and request in self._lasting:
            worker.submit(object(), self._in_turn(message))
        else:
            for _ in self._answer(message):
                pass

    def _in_turn(self, message: Message) -> Iterator[None]:
        yield
        yield from self._answer(message)

    def _answer(self, message: Message) -> Iterator[None]:
        answer: Message = {"answer": message["id"]}
        buffers: list[Any] = []
        try:
            reply = self._handle(message)
            if isinstance(reply, Generator):
                reply = yield from reply
            self._send_blobs(reply)
        except Exception as error:  # whatever it is, the page waits for an answer, and shows it
            failure = {"type": type(error).__name__, "message": str(error)}
            answer |= {"status": "error", "error": failure}
        else:
            answer["status"] = "ok"
            if reply is not None:
                answer["result"], buffers = reply.result, list(reply.buffers)
        with self._lock:
            self._send(answer, buffers)

    def close(self) -> None:
        """Send nothing more. What is being said is said first: a page minds words after the last one."""
        with self._lock:
            self._send = lambda message, buffers: None

    def event(self, kind: str, spec: Spec | None = None, blobs: Sequence[Blob] = ()) -> None:
        """Send what happened, the blobs that it names first."""
        with self._lock:
            for blob in blobs:
                self._send_blob(blob)
            self._send({"event": kind} | ({} if spec is None else {kind: spec.to_json()}), [])

    def _handle(self, message: Message) -> Answer:
        request = message.get("request")
        if request == "blobs":
            self._send_again(_names(message.get("hashes")))
            return None
        act = self._requests.get(request) if isinstance(request, str) else None
        if act is None:
            known = f"one of blobs, {', '.join(self._requests)}"
            raise SaliscopeError("request", reprlib.repr(request), known)
        if request != "hello":
            return act(message)
        # In one go: a result of the worker's that came in between would be followed by an older one.
        with self._lock:
            self._sent = OrderedDict.fromkeys(_names(message.get("have")))
            return act(message)

    def _send_blobs(self, reply: Reply | None) -> None:
        with self._lock:
            for blob in () if reply is None else reply.blobs:
                self._send_blob(blob)
                self._replied[blob.hash] = blob
                self._replied.move_to_end(blob.hash)
            while len(self._replied) > _REPLIED:
                self._replied.popitem(last=False)

    def _send_again(self, hashes: list[str]) -> None:
        known = {**self._replied, **{blob.hash: blob for blob in self._blobs()}}
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
