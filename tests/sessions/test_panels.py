"""Several panels: each has its own question and errors; they share models, pictures and answers."""

import numpy as np
import pytest
import torch

from saliscope.attribution.gradient import Saliency
from saliscope.attribution.path import IntegratedGradients
from saliscope.core.baselines import Black, White
from saliscope.errors import TargetError
from saliscope.sessions.answers import Occlusion, Request
from saliscope.sessions.panels import Asked, Panels
from saliscope.sessions.subject import Subject, translated
from saliscope.specs.region import Region
from saliscope.specs.saliency import Result, State
from saliscope.specs.view import Shown, View
from tests.sessions.tools import PATIENCE, Watched, photo, tiny

IG = IntegratedGradients(n_steps=4)


def asked(*requests, model=0):
    return [Asked(model, each) if isinstance(each, (Request, Exception)) else each for each in requests]


@pytest.fixture
def panels():
    made = Panels([Subject(Watched(), photo(shape=(2, 8, 10, 3)), labels=list("abcde"))])
    made.heard = []
    made.listener = lambda message, blobs: made.heard.append(message)
    yield made
    made.close()


def ready(panels):
    assert panels.wait(PATIENCE)
    return panels.sessions


class TestPanels:
    def test_each_answers_its_own_question(self, panels):
        panels.ask(asked(Request(IG), Request(Saliency()), Request(IG, target=2, index=1)))
        lead, second, third = ready(panels)
        assert [s.result.panel for s in (lead, second, third)] == [0, 1, 2]
        assert (second.result.method, third.result.target, third.result.index) == ("saliency", 2, 1)
        told = {message.panel for message in panels.heard if isinstance(message, Result)}
        assert told == {0, 1, 2}

    def test_what_stays_the_same_is_not_asked_again(self, panels):
        panels.ask(asked(Request(IG), Request(Saliency())))
        ready(panels)
        calls = len(panels.subjects[0].borrowed.module.board.rows)
        panels.heard.clear()
        panels.ask(asked(Request(IG), Request(Saliency())))
        ready(panels)
        assert panels.heard == []
        panels.ask(asked(Request(IG), Request(Saliency())), anew=True)
        ready(panels)
        assert {m.panel for m in panels.heard if isinstance(m, Result)} == {0, 1}
        assert len(panels.subjects[0].borrowed.module.board.rows) == calls  # both were remembered

    def test_a_removed_panel_leaves_its_place_to_the_next(self, panels):
        panels.ask(asked(Request(IG), Request(Saliency()), Request(IG, target=2)))
        ready(panels)
        newest = max(m.job for m in panels.heard if isinstance(m, State))
        panels.heard.clear()
        panels.ask(asked(Request(IG), Request(IG, target=2)))
        _, second = ready(panels)
        assert len(panels.sessions) == 2
        assert (second.result.target, second.result.panel) == (2, 1)
        assert min(m.job for m in panels.heard) > newest, "the page drops what has an older number"

    def test_an_error_is_one_panel_s_own(self, panels):
        panels.ask(asked(Request(IG), TargetError("target", "'cat'", "a class"), Request(IG, target=99)))
        lead, refused, failed = ready(panels)
        assert lead.state.phase == "done"
        assert (refused.state.phase, refused.state.error.argument) == ("error", "target")
        assert failed.state.phase == "error"
        assert "99" in failed.state.error.message
        panels.ask(asked(Request(IG), Request(IG, target=1), Request(IG, target=2)))
        assert [s.state.phase for s in ready(panels)] == ["done"] * 3

    def test_a_derived_panel_asks_nothing(self, panels):
        panels.ask(asked(Request(IG), {"difference": [0, 2]}, Request(Saliency())))
        assert len(ready(panels)) == 2
        assert panels.session(1) is None
        screen = panels.screen(View())
        assert [type(p) for p in screen.panels] == [Shown, dict, Shown]
        assert screen.panels[2].result.panel == 2

    def test_cancel_stops_all(self, panels):
        board = panels.subjects[0].borrowed.module.board
        board.hold()
        panels.ask(asked(Request(IG), Request(Saliency())))
        assert board.reached()
        panels.cancel()
        board.open.set()
        assert [s.state.phase for s in ready(panels)] == ["cancelled", "cancelled"]

    def test_a_latecomer_is_told_everything(self, panels):
        panels.ask(asked(Request(IG), Request(Saliency())))
        ready(panels)
        told = []
        panels.tell_all(lambda message, blobs: told.append(message))
        assert [type(m).__name__ for m in told] == ["Info", "Result", "State", "Result", "State"]
        assert [m.panel for m in told[1:]] == [0, 0, 1, 1]


class TestModels:
    def test_two_models_stand_side_by_side(self):
        panels = Panels([Subject(tiny(seed=s), photo(), labels=list("abcde")) for s in (0, 1)])
        panels.ask([Asked(0, Request(IG, target=1)), Asked(1, Request(IG, target=1))])
        one, other = ready(panels)
        assert [one.result.model, other.result.model] == [0, 1]
        assert not torch.equal(one.attribution.values, other.attribution.values)
        alone = IG.attribute(panels.subjects[1].borrowed, panels.subjects[1].inputs, 1)
        assert torch.equal(other.attribution.values, alone.values)

    def test_another_model_at_a_place_gets_a_session_of_its_own(self):
        panels = Panels([Subject(tiny(seed=s), photo()) for s in (0, 1)])
        panels.ask([Asked(0, Request(IG)), Asked(0, Request(Saliency()))])
        before = ready(panels)[1]
        panels.ask([Asked(0, Request(IG)), Asked(1, Request(Saliency()))])
        after = ready(panels)[1]
        assert (before.model, after.model) == (0, 1)
        assert after.state.job > before.state.job

    @pytest.mark.parametrize(
        ("labels", "others", "target", "expected"),
        [
            (list("abcde"), list("edcba"), 1, 3),
            (list("abcde"), list("abcde"), 4, 4),
            (list("abcde"), None, 4, 4),
            (None, list("abcde"), 4, 4),
            (list("abcde"), list("edcba"), None, None),
        ],
    )
    def test_a_target_is_the_class_of_the_same_name(self, labels, others, target, expected):
        one, other = (Subject(tiny(), photo(), labels=names) for names in (labels, others))
        assert translated(target, one, other) == expected

    def test_a_class_that_the_other_does_not_know(self):
        one, other = (Subject(tiny(), photo(), labels=names) for names in (list("abcde"), list("xyzuv")))
        with pytest.raises(TargetError, match="'b', which Sequential has no class for"):
            translated(1, one, other)


class TestOcclusion:
    def test_the_model_sees_the_region_filled(self, panels):
        region = Region(rect=(2, 1, 4, 3))
        panels.ask(asked(Request(IG, occlusion=Occlusion(region, White()))))
        (session,) = ready(panels)
        picture = panels.screen(View()).panels[0].picture
        inside = region.mask(8, 10)
        assert (picture[inside] == 255).all()
        assert np.array_equal(picture[~inside], panels.subjects[0].pictures[0][~inside])
        assert "filled with white" in session.result.notes[-1]
        plain = panels.subjects[0].inputs[:1].clone()
        plain[0, :, torch.from_numpy(inside)] = 1.0
        expected = IG.attribute(panels.subjects[0].borrowed, plain, session.attribution.target)
        assert torch.equal(session.attribution.values, expected.values)

    def test_it_is_asked_about_the_class_of_the_whole_picture(self):
        class Brightest(torch.nn.Module):
            def forward(self, x):
                return x.mean(3).mean(1)

        panels = Panels([Subject(Brightest(), np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3))])
        below = Occlusion(Region(rect=(0, 6, 10, 2)), Black())
        panels.ask(asked(Request(IG), Request(IG, occlusion=below), Request(IG, target=5, occlusion=below)))
        whole, occluded, other = ready(panels)
        assert [s.result.target for s in (whole, occluded, other)] == [7, 7, 5]
        assert occluded.result.probabilities[0].index == 5

    def test_it_is_a_question_of_its_own(self, panels):
        panels.ask(asked(Request(IG), Request(IG, occlusion=Occlusion(Region(rect=(0, 0, 5, 5)), Black()))))
        lead, occluded = ready(panels)
        assert lead.result.score != occluded.result.score
        assert lead.result.picture != occluded.result.picture


class TestAlongThePath:
    def test_predictions_are_the_model_s_own(self, panels):
        panels.ask(asked(Request(IG)))
        (session,) = ready(panels)
        told = session.predictions()
        path, model = session.attribution.path, panels.subjects[0].borrowed.module
        model.eval()
        for alpha, row in list(zip(told.alphas, told.p, strict=True))[::4]:
            point = torch.lerp(path.baseline, session.attribution.inputs, alpha)
            with torch.no_grad():
                p = model.net(point).softmax(1)[0]
            assert np.allclose(row, p[list(told.indices)].numpy(), atol=1e-6)
        assert (told.job, told.alphas[0], told.alphas[-1]) == (session.result.job, 0.0, 1.0)
        assert told.labels == tuple("abcde"[i] for i in told.indices)

    def test_they_are_asked_for_once(self, panels):
        panels.ask(asked(Request(IG)))
        (session,) = ready(panels)
        rows = panels.subjects[0].borrowed.module.board.rows
        session.predictions()
        calls = len(rows)
        session.predictions()
        assert len(rows) == calls

    def test_gradients_times_the_way_are_what_is_summed(self, panels):
        panels.ask(asked(Request(IG)))
        (session,) = ready(panels)
        result, stack, (blob,) = session.gradients()
        path = session.attribution.path
        assert stack.shape == (len(result.path.alphas), 8, 10)
        inner = [k for k, alpha in enumerate(result.path.alphas) if 0 < alpha < 1]
        expected = path.gradients[:, 0].sum(1).numpy()
        assert np.allclose(stack[inner], expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
        assert blob.hash != result.path.stack

    def test_without_a_path_there_are_none(self, panels):
        panels.ask(asked(Request(Saliency())))
        (session,) = ready(panels)
        for ask in (session.predictions, session.gradients):
            with pytest.raises(Exception, match="no finished map with a path"):
                ask()
