"""What a session tells, and in which order: previews, partial answers, cancelling, replacing."""

import threading

import numpy as np
import pytest
import torch

from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core import baselines as bl
from saliscope.sessions import saliency
from saliscope.sessions.answers import Request
from saliscope.specs.saliency import Info, Result, State
from tests.sessions.tools import PATIENCE, Session, Watched, photo, tiny

IG = IntegratedGradients(n_steps=8)


@pytest.fixture
def eager(monkeypatch):
    """Every partial answer is published."""
    monkeypatch.setattr(saliency, "PUBLISH_SECONDS", 0.0)


@pytest.fixture
def model():
    return Watched()


@pytest.fixture
def board(model):
    return model.board


def finals(session):
    return [m for m, _ in session.heard if isinstance(m, Result) and m.stage == "final"]


def stages(session, *request, **details):
    """Stages of the results that one request leads to."""
    start = len(session.heard)
    session.answer(*request, **details)
    return [m.stage for m, _ in session.heard[start:] if isinstance(m, Result)]


class TestOrder:
    def test_the_first_answer(self, model, eager):
        session = Session(model, chunk_size=3)
        session.answer(IG)
        partials = ["partial", "running"] * 2  # 8 nodes in chunks of 3: two steps before the last one
        assert session.story == ["running", "info", "preview", *partials, "final", "done"]

    def test_the_second_answer_needs_no_menus(self, model, eager):
        session = Session(model, chunk_size=4)
        session.answer(IG)
        session.heard.clear()
        session.answer(SmoothGrad(n_samples=8))
        assert session.story == ["running", "preview", "partial", "running", "final", "done"]

    def test_progress_counts_up_to_the_total(self, model, eager):
        session = Session(model, chunk_size=3)
        session.answer(IG)
        states = [m for m, _ in session.heard if isinstance(m, State)]
        assert [(s.done, s.total) for s in states] == [(0, 0), (3, 8), (6, 8), (1, 1)]
        assert states[1].text == "Integrated Gradients: 3 of 8"
        assert all(s.eta > 0 for s in states[1:3])

    def test_partial_answers_are_throttled(self, model, monkeypatch):
        monkeypatch.setattr(saliency, "PUBLISH_SECONDS", 3600.0)
        session = Session(model, chunk_size=1)
        session.answer(IG)
        assert session.story == ["running", "info", "preview", "final", "done"]

    def test_arrays_come_with_the_message_that_names_them(self, model, eager):
        session = Session(model, chunk_size=3)
        session.answer(IG)
        for message, blobs in session.heard:
            if isinstance(message, Result):
                named = {message.picture, message.map}
                if message.path is not None:
                    named |= {message.path.stack, message.path.baseline}
                assert named <= set(blobs)
            if isinstance(message, Info):
                assert set(message.luts.values()) == set(blobs)

    def test_all_messages_of_a_request_bear_its_number(self, model):
        session = Session(model)
        for number in (1, 2, 3):
            session.heard.clear()
            session.answer(IntegratedGradients(n_steps=number))
            assert {m.job for m, _ in session.heard if not isinstance(m, Info)} == {number}

    def test_a_request_out_of_a_listener_is_answered_after_it(self, model):
        # What a linked explorer does. It comes on the worker's own thread.
        session = Session(model)
        keep = session.listener

        def listener(message, blobs):
            keep(message, blobs)
            if isinstance(message, Result) and message.stage == "final" and message.job == 1:
                session.explain(Request(Saliency()))

        session.listener = listener
        session.explain(Request(IG))
        assert session.wait(PATIENCE)
        assert session.result.method == "saliency"
        assert session.story[-4:] == ["final", "running", "final", "done"]


class TestPreview:
    def test_it_comes_with_a_new_picture_only(self, model):
        session = Session(model, [photo(0), photo(1)])
        assert stages(session, IG) == ["preview", "final"]
        assert stages(session, IntegratedGradients(n_steps=9)) == ["final"]
        assert stages(session, IntegratedGradients(baseline="white", n_steps=8)) == ["final"]
        assert stages(session, SmoothGrad(n_samples=4)) == ["preview", "final"]
        assert stages(session, SmoothGrad(n_samples=5)) == ["final"]
        top = session.result.target
        assert stages(session, SmoothGrad(n_samples=6), top) == ["final"]
        assert stages(session, SmoothGrad(n_samples=6), (top + 1) % 5) == ["preview", "final"]
        assert stages(session, SmoothGrad(n_samples=6), 2, "probability") == ["preview", "final"]
        assert stages(session, SmoothGrad(n_samples=6), 2, "probability", 1) == ["preview", "final"]

    @pytest.mark.parametrize("method", [Saliency(), InputXGradient(), GradCAM()])
    def test_a_method_of_one_gradient_needs_none(self, method, model):
        assert stages(Session(model), method) == ["final"]

    def test_it_is_the_gradient_times_the_way_from_the_baseline(self, model):
        session = Session(model)
        session.answer(IntegratedGradients(baseline="white", n_steps=4), 3)
        (result, blobs) = next(pair for pair in session.heard if getattr(pair[0], "stage", "") == "preview")
        gradient = Saliency(absolute=False).attribute(model, session.inputs, 3).values
        expected = ((session.inputs - 1) * gradient).sum(1)[0].numpy()
        np.testing.assert_allclose(blobs[result.map].array(), expected, rtol=1e-3, atol=1e-7)
        assert result.path is None
        assert not result.can_refine

    def test_a_gradient_that_exists_everywhere_but_at_the_picture_costs_only_the_preview(self):
        class Root(torch.nn.Module):
            def forward(self, x):
                return x.sqrt().sum((1, 2, 3))[:, None]

        session = Session(Root(), np.zeros((4, 4, 3), np.uint8))
        session.answer(IntegratedGradients(baseline="white", n_steps=8))
        assert session.story == ["running", "info", "final", "done"]


class TestCancel:
    def test_it_keeps_what_is_on_screen_and_later_requests_work(self, model, board):
        session = Session(model)
        first = session.answer(IG)
        attribution = session.attribution
        board.hold()
        session.explain(Request(Saliency(), 1))
        assert board.reached()
        session.heard.clear()
        session.cancel()
        assert session.state.phase == "cancelled"
        board.open.set()
        assert session.wait(PATIENCE)
        assert session.story == ["cancelled"]
        assert session.result is first
        assert session.attribution is attribution
        assert session.answer(Saliency(), 1).method == "saliency"

    def test_it_stops_within_one_step(self, model, board):
        session = Session(model, chunk_size=1)
        session.answer(Saliency())
        board.rows.clear()
        board.hold()
        session.explain(Request(IntegratedGradients(n_steps=100)))
        assert board.reached()
        session.cancel()
        board.open.set()
        assert session.wait(PATIENCE)
        # The call that ran, and at most the rest of the step it belongs to: the preview's gradient and score.
        assert len(board.rows) <= 3

    def test_without_work_it_says_nothing(self, model):
        session = Session(model)
        session.cancel()
        session.answer(Saliency())
        session.heard.clear()
        session.cancel()
        assert session.story == []
        assert session.state.phase == "done"

    def test_the_page_learns_of_it_under_a_newer_number(self, model, board):
        # A partial answer on its way must count as old.
        session = Session(model)
        board.hold()
        session.explain(Request(IG))
        session.cancel()
        assert session.state.job == 2
        board.open.set()
        assert session.wait(PATIENCE)
        assert session.answer(Saliency()).job == 3

    def test_in_the_listener_of_the_last_result(self, model):
        session = Session(model)
        keep = session.listener

        def listener(message, blobs):
            keep(message, blobs)
            if isinstance(message, Result):
                session.cancel()

        session.listener = listener
        session.explain(Request(Saliency()))
        assert session.wait(PATIENCE)
        assert session.story == ["running", "info", "final", "cancelled"]
        assert session.state.phase == "cancelled"

    def test_closing_ends_the_work_and_all_messages(self, model, board):
        session = Session(model)
        board.hold()
        session.explain(Request(IG))
        assert board.reached()
        session.heard.clear()
        session.close()
        board.open.set()
        assert session.wait(PATIENCE)
        assert session.heard == []


class TestNewest:
    def test_of_a_hundred_rapid_changes_the_one_at_work_and_the_last_are_answered(self, model, board):
        # The first is in the middle of a step when the others come. Were it dropped, a slider that moves
        # faster than the model answers would show nothing until the hand rests.
        session = Session(model)
        session.answer(IG)
        session.heard.clear()
        board.hold()
        for i in range(100):
            session.explain(Request(IntegratedGradients(baseline=bl.Grey(i / 100), n_steps=8)))
            if i == 0:
                assert board.reached()
        board.open.set()
        assert session.wait(PATIENCE)
        at_work, final = finals(session)
        assert (at_work.job, final.job) == (2, 101)
        method = IntegratedGradients(baseline=bl.Grey(0.99), n_steps=8)
        expected = method.attribute(model, session.inputs)
        assert torch.equal(session.attribution.values, expected.values)
        np.testing.assert_allclose(session.array(final.map), expected.map[0], rtol=1e-3, atol=1e-7)

    def test_requests_of_many_threads_are_told_in_the_order_of_their_numbers(self, model):
        session = Session(model)

        def ask(start):
            for i in range(25):
                session.explain(Request(IntegratedGradients(baseline=bl.Grey((start + i) / 100), n_steps=2)))

        threads = [threading.Thread(target=ask, args=(25 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert session.wait(PATIENCE)
        numbers = [m.job for m, _ in session.heard if not isinstance(m, Info)]
        assert numbers == sorted(numbers)
        assert finals(session)[-1].job == 100
        assert session.state.phase == "done"

    def test_two_sessions_advance_in_turns(self, eager):
        order = []
        sessions = [Session(Watched(tiny(seed=k)), chunk_size=1) for k in range(2)]
        for name, session in zip("ab", sessions, strict=True):
            session.answer(Saliency())
            session.listener = lambda message, blobs, name=name: (
                order.append(name) if getattr(message, "stage", "") == "partial" else None
            )
        sessions[0].borrowed.module.board.hold()
        for session in sessions:
            session.explain(Request(IG))
        sessions[0].borrowed.module.board.open.set()
        assert all(session.wait(PATIENCE) for session in sessions)
        assert "".join(order) == "ab" * 7
