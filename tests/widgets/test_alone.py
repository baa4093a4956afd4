"""An explorer without its page: the picture beside it, and how it goes."""

import base64
import gc
import io
import threading
import weakref

import pytest
import torch
from PIL import Image

from saliscope import InputError, SaliencyExplorer
from saliscope.sessions import worker as worker_module
from saliscope.sessions.worker import worker
from tests.sessions.tools import PATIENCE, Watched, photo, tiny
from tests.widgets.tools import Explorer, Page


@pytest.fixture
def model():
    return Watched()


@pytest.fixture
def board(model):
    return model.board


class TestWithoutAPage:
    def picture(self, explorer):
        data, _ = explorer._repr_mimebundle_()
        return Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")

    def test_there_is_a_picture_beside_the_widget(self, model):
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.wait(PATIENCE)
        data, metadata = explorer._repr_mimebundle_()
        assert set(data) == {"text/plain", "application/vnd.jupyter.widget-view+json", "image/png"}
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
        assert data["text/plain"] == repr(explorer)
        assert metadata == {}
        image = self.picture(explorer)
        image.load()
        assert image.width > 200

    def test_it_is_what_is_on_screen(self, model):
        explorer = SaliencyExplorer(model, photo(), n_steps=4, labels=list("abcde"))
        explorer.wait(PATIENCE)
        seen = {explorer.png()}
        changes = [
            ("alpha", 0.5),
            ("opacity", 0.2),
            ("threshold", 0.3),
            ("sign", "positive"),
            ("overlay", "map"),
            ("scale", 10.0),
            ("target", 1),
            ("method", "grad_cam"),
        ]
        for name, value in changes:
            setattr(explorer, name, value)
            explorer.wait(PATIENCE)
            seen.add(explorer.png())
        assert len(seen) == 1 + len(changes)
        assert explorer.png() == explorer.png()
        explorer.theme = "dark"  # paper stays white
        assert explorer.png() in seen

    def test_without_a_result_there_is_none(self, model, board, monkeypatch):
        monkeypatch.setattr("saliscope.widgets.saliency._PNG_PATIENCE", 0.001)
        monkeypatch.setattr("saliscope.widgets.saliency._FIRST_PATIENCE", 0.001)
        board.hold()
        explorer = SaliencyExplorer(model, photo())
        assert explorer.png() is None
        assert "image/png" not in explorer._repr_mimebundle_()[0]
        board.error = ValueError("a defect")
        board.open.set()
        explorer._panels.wait(PATIENCE)
        assert "image/png" not in explorer._repr_mimebundle_()[0]

    def test_a_slow_model_is_waited_for_until_there_is_something(self, model, board, monkeypatch):
        monkeypatch.setattr("saliscope.widgets.saliency._PNG_PATIENCE", 0.001)
        board.hold()
        explorer = SaliencyExplorer(model, photo())
        assert board.reached()
        threading.Timer(0.2, board.open.set).start()
        assert self.picture(explorer).width > 200

    def test_a_picture_of_one_moment(self, model):
        # The worker replaces result and arrays while the picture is drawn; they must belong together.
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.wait(PATIENCE)
        pairs = [explorer._panels.lead.shown]
        explorer.target = (explorer.attribution.target.indices.item() + 1) % 5
        explorer.wait(PATIENCE)
        pairs.append(explorer._panels.lead.shown)

        class Flickering(type(explorer._panels.lead)):
            shown = property(lambda self: pairs.append(pairs.pop(0)) or pairs[-1])

        explorer._panels.lead.__class__ = Flickering
        assert explorer.png() != explorer.png()

    def test_repr(self, model):
        explorer = SaliencyExplorer(model, [photo(0), photo(1)], method="grad_cam")
        expected = "SaliencyExplorer(Watched, 2 × 8×10, method='grad_cam')"
        assert repr(explorer) == repr(explorer) == expected
        assert repr(SaliencyExplorer(model, [photo(0), photo(1)], method="grad_cam")) == expected


class TestClosing:
    def test_the_model_is_released(self):
        model = Watched()
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.wait(PATIENCE)
        explorer.refine()
        explorer.wait(PATIENCE)
        explorer.png()
        watch, view = weakref.ref(model), weakref.ref(explorer)
        explorer.close()
        del model, explorer
        gc.collect()
        assert (watch(), view()) == (None, None)

    def test_the_model_is_released_in_the_middle_and_after_an_error(self):
        for error in (None, ValueError("a defect")):
            model = Watched()
            board, watch = model.board, weakref.ref(model)
            board.hold()
            explorer = SaliencyExplorer(model, photo())
            assert board.reached()
            board.error = error
            session = explorer._panels.lead
            explorer.close()
            board.open.set()
            assert session.wait(PATIENCE)
            del model, explorer, session, board
            gc.collect()
            assert watch() is None

    def test_the_answers_are_released_though_somebody_keeps_the_explorer(self, model):
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.wait(PATIENCE)
        watch = weakref.ref(explorer.attribution.path.gradients)
        explorer.method = "grad_cam"
        explorer.wait(PATIENCE)
        explorer.close()
        gc.collect()
        assert watch() is None
        assert repr(explorer).startswith("SaliencyExplorer(")

    def test_twice(self, model):
        explorer = SaliencyExplorer(model, photo())
        explorer.close()
        explorer.close()

    def test_it_is_silent_from_then_on(self, model, board):
        explorer = Explorer(model, n_steps=4).ready()
        page = Page(explorer)
        board.hold()
        explorer.n_steps = 5
        assert board.reached()
        before = len(page.messages)
        explorer.close()
        board.open.set()
        assert explorer.wait(PATIENCE)
        assert len(page.messages) == before

    def test_a_constructor_that_refuses_leaves_nothing_behind(self):
        model = tiny()
        watch = weakref.ref(model)
        with pytest.raises(InputError):
            SaliencyExplorer(model, photo(), alpha=7)
        del model
        gc.collect()
        assert watch() is None

    def test_fifty_explorers_leave_no_thread(self, monkeypatch):
        monkeypatch.setattr(worker_module, "IDLE_SECONDS", 0.01)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        before, most = set(threading.enumerate()), 0
        for _ in range(50):
            explorer = SaliencyExplorer(net, photo(0, (4, 4, 3)), n_steps=1)
            most = max(most, len(set(threading.enumerate()) - before))
            explorer.wait(PATIENCE)
            explorer.close()
        assert most <= 1
        thread = worker._thread
        if thread is not None:
            thread.join(PATIENCE)
        assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]
