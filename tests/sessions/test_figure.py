"""The current view as a picture without a page: what is drawn, and what stands beside it."""

from dataclasses import replace

import numpy as np
import pytest

from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad
from saliscope.render.static import between, figure_png
from saliscope.sessions.figure import View, figure_of
from tests.sessions.tools import Session, tiny

PLAIN = View(
    alpha=1.0, opacity=0.85, threshold=1.0, sign="both", overlay="blend", scale=None, colormap="diverging"
)


@pytest.fixture(scope="module")
def session():
    session = Session(tiny(), labels=list("abcde"))
    session.answer(IntegratedGradients(n_steps=8), 2)
    return session


def figure(session, **changes):
    return figure_of(*session.shown, replace(PLAIN, **changes))


def test_nothing_to_show():
    assert figure_of(None, [], PLAIN) is None


def test_the_finished_map(session):
    made, result = figure(session), session.result
    assert (made.picture == session.array(result.picture)).all()
    assert (made.values == session.array(result.map)).all()
    assert (made.limit, made.score, made.unit) == (result.limit, result.score, result.unit)
    assert (made.method, made.target_label, made.output) == ("Integrated Gradients", "c", "logit")
    steps, completeness = made.details
    assert steps == "8 steps."
    share = result.completeness.share
    assert completeness == f"Explains {share:.1%} of the change in score; gap {abs(1 - share):.1%}."


def test_a_locked_scale_and_the_looks(session):
    made = figure(session, scale=7.5, opacity=0.5, threshold=0.25, sign="positive", overlay="map")
    assert (made.limit, made.opacity, made.threshold) == (7.5, 0.5, 0.25)
    assert (made.sign, made.overlay) == ("positive", "map")


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3, 0.5, 0.999])
def test_on_the_way_from_the_baseline(alpha, session):
    made, path = figure(session, alpha=alpha), session.result.path
    stack = session.array(path.stack)
    flat = stack.reshape(len(stack), -1)
    expected = [np.interp(alpha, path.alphas, column) for column in flat.T]
    np.testing.assert_allclose(made.values.ravel(), expected, atol=1e-12 * np.abs(flat).max())
    start, end = session.array(path.baseline), session.array(session.result.picture)
    assert (made.picture == between(start, end, alpha)).all()
    assert f"At {alpha:.0%} of the path from the baseline." in made.details


def test_a_method_without_a_path_has_no_way():
    session = Session(tiny())
    session.answer(GradCAM())
    made = figure(session, alpha=0.5)
    assert (made.picture == session.array(session.result.picture)).all()
    assert made.details == ["Layer 5, grid 4 × 5."]


def test_samples_and_previews_are_said():
    session = Session(tiny())
    result = session.answer(SmoothGrad(n_samples=4))
    assert figure(session).details == ["4 samples."]
    session.shown = (replace(result, stage="preview"), session.blobs)
    assert figure(session).details == ["Preview: the method had not finished.", "4 samples."]


def test_it_can_be_drawn(session):
    assert figure_png(figure(session)).startswith(b"\x89PNG")
    unsigned = Session(tiny())
    unsigned.answer(Saliency(), 1, "log_probability")
    made = figure(unsigned)
    assert (made.signed, made.output) == (False, "log probability")
    assert figure_png(made).startswith(b"\x89PNG")
