"""Asking again: what is kept, what is refined, and what a changed model makes out of date."""

import pytest
import torch

from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core import baselines as bl
from saliscope.errors import InputError, MethodError
from saliscope.sessions.answers import Cache, Request
from tests.sessions.tools import PATIENCE, Session, Watched, photo, tiny

IG = IntegratedGradients(n_steps=8)


@pytest.fixture
def model():
    return Watched()


@pytest.fixture
def board(model):
    return model.board


class TestCache:
    def test_an_answer_is_computed_once(self, model, board):
        session = Session(model)
        first = session.answer(IG)
        session.answer(GradCAM())
        board.rows.clear()
        again = session.answer(IntegratedGradients(n_steps=8))
        assert board.rows == []
        assert again.job == 3
        assert (again.map, again.path) == (first.map, first.path)

    @pytest.mark.parametrize("target", [2, [2]])
    def test_whatever_the_target_is_written_as(self, target, model, board):
        session = Session(model)
        session.answer(IG, target)
        board.rows.clear()
        session.answer(IG, target)
        assert board.rows == []

    @pytest.mark.parametrize("baseline", [(bl.Black(),), (bl.Black(), bl.White())], ids=["one", "two"])
    def test_baselines_in_a_tuple(self, baseline, model, board):
        session = Session(model)
        session.answer(IntegratedGradients(baseline=baseline, n_steps=4))
        board.rows.clear()
        session.answer(IntegratedGradients(baseline=baseline, n_steps=4))
        assert board.rows == []

    def test_another_question_is_computed(self, model, board):
        session = Session(model, [photo(0), photo(1)])
        requests = [(IG,), (IG, 1), (IG, 1, "probability"), (IG, 1, "probability", 1), (Saliency(),)]
        for request in requests:
            board.rows.clear()
            session.answer(*request)
            assert board.rows != []

    def test_the_least_recently_used_answers_go_first(self):
        att = Saliency().attribute(tiny(), torch.rand(1, 3, 8, 8))
        cache = Cache(limit=2 * att.values.nbytes)
        cache.put(("a",), att)
        cache.put(("b",), att)
        assert cache.get(("a",)) is att
        cache.put(("c",), att)
        assert cache.get(("b",)) is None
        assert cache.get(("a",)) is cache.get(("c",)) is att

    def test_the_newest_answer_stays_however_large(self):
        att = IG.attribute(tiny(), torch.rand(1, 3, 8, 8))
        cache = Cache(limit=1)
        cache.put(("a",), att)
        assert cache.get(("a",)) is att
        cache.put(("b",), att)
        assert cache.get(("a",)) is None

    def test_the_path_counts(self):
        att = IG.attribute(tiny(), torch.rand(1, 3, 8, 8))
        cache = Cache(limit=2 * att.values.nbytes)
        cache.put(("a",), att)
        cache.put(("b",), att)
        assert cache.get(("a",)) is None


class TestRefine:
    def test_it_doubles_the_work_and_reuses_what_there_is(self, model, board):
        session = Session(model)
        first = session.answer(IG)
        expected = IG.refine(session.attribution, model)
        board.rows.clear()
        session.heard.clear()
        session.refine()
        assert session.wait(PATIENCE)
        assert session.story == ["running", "final", "done"]
        assert (first.steps, session.result.steps) == (8, 16)
        assert torch.equal(session.attribution.values, expected.values)
        assert sum(board.rows) < 16
        session.refine()
        assert session.wait(PATIENCE)
        assert session.result.steps == 32

    def test_its_answer_is_cached_under_its_own_name(self, model, board):
        session = Session(model)
        session.answer(IG)
        session.refine()
        assert session.wait(PATIENCE)
        refined = session.result
        board.rows.clear()
        assert session.answer(session.attribution.method).map == refined.map
        assert session.answer(IG).map != refined.map
        assert board.rows == []

    def test_nothing_to_refine(self, model):
        session = Session(model)
        with pytest.raises(InputError, match=r"`refine`: got no finished map; .* Call wait\(\) first"):
            session.refine()
        assert not session.answer(Saliency()).can_refine
        with pytest.raises(
            MethodError, match="got 'saliency'; expected a method that goes on from what a result holds"
        ):
            session.refine()
        assert session.state.phase == "done"

    def test_not_while_it_runs(self, model, board):
        session = Session(model)
        session.answer(IG)
        board.hold()
        session.explain(Request(Saliency()))
        with pytest.raises(InputError, match="got no finished map"):
            session.refine()
        board.open.set()
        assert session.wait(PATIENCE)

    def test_it_can_be_taken_up_again_after_a_cancel(self, model, board):
        session = Session(model)
        session.answer(IG)
        board.hold()
        session.refine()
        assert board.reached()
        session.cancel()
        board.open.set()
        assert session.wait(PATIENCE)
        session.refine()
        assert session.wait(PATIENCE)
        assert session.result.steps == 16

    def test_not_from_the_answer_to_another_question(self, model, board):
        session = Session(model)
        session.answer(IG)
        board.hold()
        session.explain(Request(IG, 1))
        session.cancel()
        board.open.set()
        with pytest.raises(InputError, match="got no finished map"):
            session.refine()

    @pytest.mark.parametrize(
        ("method", "last"), [(IntegratedGradients(n_steps=512), 1024), (SmoothGrad(n_samples=200), 400)]
    )
    def test_it_ends_where_the_menus_end(self, method, last, model):
        session = Session(model, photo(0, (4, 4, 3)))
        assert session.answer(method).can_refine
        session.refine()
        assert session.wait(PATIENCE)
        assert session.result.steps == last
        assert not session.result.can_refine
        with pytest.raises(MethodError, match=f"`refine`: got a map of {last} steps; expected fewer steps"):
            session.refine()


class TestTraining:
    """What was computed of a model is out of date when it is trained on."""

    def step(self, model):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1)

    def test_nothing_old_is_shown(self, model):
        session = Session(model)
        old = session.answer(IG, 1)
        self.step(model)
        new = session.answer(IG, 1)
        assert torch.equal(session.attribution.values, IG.attribute(model, session.inputs, 1).values)
        assert new.map != old.map
        assert new.probabilities == Session(model).answer(IG, 1).probabilities != old.probabilities

    def test_an_old_map_is_not_refined(self, model):
        session = Session(model)
        session.answer(IG)
        self.step(model)
        with pytest.raises(InputError, match="`refine`: got a model that has changed since"):
            session.refine()

    def test_a_model_that_writes_into_its_buffers_has_not_changed(self, board, model):
        class Counting(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model
                self.register_buffer("calls", torch.zeros(()))

            def forward(self, x):
                self.calls.add_(1)
                return self.model(x)

        session = Session(Counting())
        session.answer(IG)
        board.rows.clear()
        session.answer(IG)
        assert board.rows == []
        session.refine()
        assert session.wait(PATIENCE)
        assert session.result.steps == 16
