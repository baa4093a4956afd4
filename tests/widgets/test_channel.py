"""The kernel's end of the wire: one answer for each request, each array once, its parts together."""

import threading
from itertools import pairwise

import numpy as np
import pytest

from saliscope.errors import MethodError
from saliscope.specs.blobs import MAX_PART, Blob
from saliscope.specs.saliency import State
from saliscope.widgets import channel as channel_module
from saliscope.widgets.channel import Channel
from tests.sessions.tools import PATIENCE


def blob(seed, size=4):
    return Blob.from_picture(np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8))


ONE, TWO, LOST = blob(1), blob(2), blob(3)
IDLE = State("idle", 0)


class Wire:
    """A channel whose messages are kept, with requests that a test may replace."""

    def __init__(self, **requests):
        self.sent, self.done = [], []
        known = {"hello": self.welcome, "cancel": lambda message: self.done.append("cancel"), **requests}
        self.channel = Channel(
            lambda message, buffers: self.sent.append((message, buffers)), known, self.blobs
        )

    def welcome(self, message):
        self.channel.event("state", IDLE, [ONE, TWO])

    def blobs(self):
        return [ONE, TWO]

    def ask(self, **message):
        """What a request leads to, in one word for each message."""
        before = len(self.sent)
        self.channel.receive(message)
        return [self.word(message) for message, _ in self.sent[before:]]

    @staticmethod
    def word(message):
        if "answer" in message:
            return f"{message['answer']}: {message['status']}"
        return message["hash"] if message["event"] == "blob" else message["event"]


class TestAnswers:
    def test_each_request_has_one(self):
        wire = Wire()
        assert wire.ask(id="a", request="hello", have=[]) == [ONE.hash, TWO.hash, "state", "a: ok"]
        assert wire.ask(id="b", request="cancel") == ["b: ok"]
        assert wire.ask(id="c", request="blobs", hashes=[]) == ["c: ok"]
        assert wire.done == ["cancel"]

    def test_after_its_end_nothing_is_said(self):
        wire = Wire()
        wire.channel.close()
        assert wire.ask(id="a", request="cancel") == []
        wire.channel.event("state", IDLE, [ONE])
        assert wire.sent == []

    @pytest.mark.parametrize(
        "request_", ["dance", "", None, 3, ["hello"], {"hello": 1}, "__init__", "x" * 10**6], ids=repr
    )
    def test_what_is_unknown_is_refused(self, request_):
        wire = Wire()
        assert wire.ask(id="a", request=request_) == ["a: error"]
        error = wire.sent[-1][0]["error"]
        assert error["type"] == "SaliscopeError"
        assert "expected one of blobs, hello, cancel." in error["message"]
        assert len(error["message"]) < 200
        assert wire.done == []

    def test_a_request_without_a_request(self):
        assert Wire().ask(id="a") == ["a: error"]

    @pytest.mark.parametrize("message", [None, "hello", [], 3, {}, {"request": "cancel"}, {"id": 3}])
    def test_without_a_name_there_is_nobody_to_answer(self, message):
        wire = Wire()
        wire.channel.receive(message)
        assert (wire.sent, wire.done) == ([], [])

    @pytest.mark.parametrize("error", [MethodError("method", "a", "b"), ZeroDivisionError("a defect")])
    def test_an_error_is_an_answer(self, error):
        def failing(message):
            raise error

        wire = Wire(refine=failing)
        assert wire.ask(id="a", request="refine") == ["a: error"]
        assert wire.sent[0][0]["error"] == {"type": type(error).__name__, "message": str(error)}

    @pytest.mark.parametrize("have", [None, "all", 3, {"a": 1}, [None, 3, ["x"]]])
    def test_a_hello_with_nonsense_gets_everything(self, have):
        assert Wire().ask(id="a", request="hello", have=have) == [ONE.hash, TWO.hash, "state", "a: ok"]


class TestBlobs:
    def test_nothing_is_sent_twice_to_a_page_that_has_it(self):
        wire = Wire()
        assert wire.ask(id="a", request="hello", have=[ONE.hash]) == [TWO.hash, "state", "a: ok"]
        wire.sent.clear()
        wire.channel.event("state", IDLE, [ONE, TWO, LOST])
        wire.channel.event("state", IDLE, [ONE, TWO, LOST])
        assert [wire.word(message) for message, _ in wire.sent] == [LOST.hash, "state", "state"]

    def test_a_page_that_was_reloaded_gets_all_again(self):
        wire = Wire()
        for name in "ab":
            assert wire.ask(id=name, request="hello", have=[])[:2] == [ONE.hash, TWO.hash]

    def test_what_was_lost_is_sent_again(self):
        wire = Wire()
        wire.ask(id="a", request="hello", have=[])
        assert wire.ask(id="b", request="blobs", hashes=[TWO.hash]) == [TWO.hash, "b: ok"]
        assert wire.sent[-2][1][0].tobytes() == TWO.data

    def test_what_is_gone_is_said_after_the_rest(self):
        wire = Wire()
        assert wire.ask(id="a", request="blobs", hashes=[LOST.hash, ONE.hash]) == [ONE.hash, "a: error"]
        text = "`hashes`: got 1 blobs that are gone; expected blobs of the newest result."
        assert wire.sent[-1][0]["error"]["message"] == text

    @pytest.mark.parametrize("hashes", [None, 3, "abc", {"a": 1}, [3, None]])
    def test_nonsense_asks_for_nothing(self, hashes):
        assert Wire().ask(id="a", request="blobs", hashes=hashes) == ["a: ok"]

    def test_what_is_in_use_stays_remembered(self, monkeypatch):
        monkeypatch.setattr(channel_module, "_REMEMBERED", 3)
        wire = Wire()
        for seed in range(10, 20):
            wire.channel.event("state", IDLE, [ONE, blob(seed)])
        assert sum(message.get("hash") == ONE.hash for message, _ in wire.sent) == 1
        assert len(wire.channel._sent) == 3

    def test_of_many_arrays_of_a_page_the_newest_are_remembered(self, monkeypatch):
        monkeypatch.setattr(channel_module, "_REMEMBERED", 3)
        have = [str(i) for i in range(10)] + [ONE.hash, TWO.hash]  # from the longest unused on
        assert Wire().ask(id="a", request="hello", have=have) == ["state", "a: ok"]

    def test_a_large_array_comes_in_parts_of_a_mebibyte(self):
        wire, large = Wire(), Blob.from_picture(np.zeros((600, 1000, 3), np.uint8))
        wire.channel.event("state", IDLE, [large])
        sizes = [len(buffers[0]) for message, buffers in wire.sent if message["event"] == "blob"]
        assert sizes == [MAX_PART, 1_800_000 - MAX_PART]
        assert [message.get("part") for message, _ in wire.sent] == [0, 1, None]


class TestThreads:
    @pytest.fixture
    def parts_of_100(self, monkeypatch):
        whole = Blob.messages
        monkeypatch.setattr(Blob, "messages", lambda self, max_part=100: whole(self, max_part))

    def test_parts_of_two_arrays_never_mix(self, parts_of_100):
        wire, log = Wire(), []
        barrier = threading.Barrier(2)

        def send(message, _buffers):
            log.append((threading.get_ident(), message))
            if message.get("part") == 0 and len(log) == 1:
                barrier.wait(PATIENCE)  # the other thread is about to send
            threading.Event().wait(0.0005)

        channel = Channel(send, {}, wire.blobs)

        def second():
            barrier.wait(PATIENCE)
            channel.event("state", IDLE, [blob(5, 20)])

        thread = threading.Thread(target=second)
        thread.start()
        channel.event("state", IDLE, [blob(4, 20)])
        thread.join(PATIENCE)
        senders = [sender for sender, _ in log]
        changes = sum(a != b for a, b in pairwise(senders))
        assert len(log) == 26
        assert changes == 1

    def test_what_a_hello_sends_is_not_overtaken(self):
        # The worker publishes a newer result while an older one is on its way to a page that says hello.
        reading, published = threading.Event(), threading.Event()

        def welcome(message):
            reading.set()
            assert not published.wait(0.05)
            wire.channel.event("state", State("running", 1))

        wire = Wire(hello=welcome)

        def publish():
            assert reading.wait(PATIENCE)
            wire.channel.event("state", State("done", 2))
            published.set()

        thread = threading.Thread(target=publish)
        thread.start()
        wire.ask(id="a", request="hello", have=[])
        thread.join(PATIENCE)
        assert [m["state"]["job"] for m, _ in wire.sent if "state" in m] == [1, 2]
