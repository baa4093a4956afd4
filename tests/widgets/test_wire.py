"""What goes over the wire: small state, parts of arrays, JSON."""

import json

import pytest
import torch

from saliscope.specs.blobs import Blob
from tests.sessions.tools import PATIENCE, photo, tiny
from tests.widgets.tools import Explorer, Page


@pytest.fixture
def explorer():
    return Explorer(labels=list("abcde"), n_steps=4).ready()


class TestState:
    @pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad", "grad_cam"])
    def test_it_is_small(self, method):
        explorer = Explorer(
            images=[photo(0), photo(1)], method=method, labels=[f"label {i}" for i in range(5)]
        )
        explorer.ready()
        explorer.baseline = torch.zeros(3, 8, 10)
        explorer.target = lambda outputs: outputs[:, 0]
        explorer.ready()
        state = {name: v for name, v in explorer.get_state().items() if name not in ("_esm", "_css")}
        assert len(json.dumps(state)) < 4096

    def test_no_message_is_larger_than_a_mebibyte(self):
        pixels = photo(0, (600, 600, 3))
        net = torch.nn.Sequential(torch.nn.AvgPool2d(100), torch.nn.Flatten(), torch.nn.Linear(108, 3))
        explorer = Explorer(net, pixels, n_steps=2).ready()
        sizes = [len(buffer) for _, buffers in explorer.sent for buffer in buffers]
        assert max(sizes) == 1 << 20
        page = Page(explorer)
        page.ask("hello", have=[])
        assert page.arrays[explorer._panels.lead.result.picture] == pixels.tobytes()

    def test_every_message_is_json(self, explorer):
        for message, _ in explorer.sent:
            json.dumps(message, allow_nan=False)


def test_parts_of_arrays_never_mix_while_pages_come_and_go(monkeypatch):
    whole = Blob.messages
    monkeypatch.setattr(Blob, "messages", lambda self, max_part=64: whole(self, max_part))
    explorer = Explorer(tiny(), n_steps=4, chunk_size=1)
    for i in range(20):
        explorer.baseline = i / 20
        page = Page(explorer)
        page.deliver({"id": "x", "request": "hello", "have": []})
    assert explorer.wait(PATIENCE)
    headers = [m["content"] for m, _ in explorer.sent if m.get("content", {}).get("event") == "blob"]
    expected = None
    for header in headers:
        assert (header["hash"], header["part"]) == expected or (expected is None and header["part"] == 0)
        last = header["part"] == header["parts"] - 1
        expected = None if last else (header["hash"], header["part"] + 1)
    assert expected is None
