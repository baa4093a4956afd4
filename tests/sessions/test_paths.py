"""Every path method scrubs in the explorer: on its own nodes, with the pictures that the model was fed."""

import numpy as np
import pytest
import torch

from saliscope.attribution import (
    RISE,
    BlurIG,
    ExpectedGradients,
    GradientSHAP,
    GuidedIG,
    IntegratedGradients,
    KernelSHAP,
    SmoothGrad,
)
from saliscope.core.baselines import Noise
from saliscope.render import along
from saliscope.sessions.answers import Request, _size
from saliscope.sessions.menus import method_menu
from saliscope.sessions.subject import Subject
from saliscope.specs.view import Shown, View
from tests.sessions.tools import Session, photo, tiny

CURVED = [BlurIG(3.0, 8), GuidedIG(n_steps=8)]


def test_path_methods_are_those_that_scrub():
    scrubbed = {info.key for info in method_menu() if info.path}
    assert scrubbed >= {"integrated_gradients", "blur_ig", "guided_ig", "expected_gradients", "gradient_shap"}
    assert not scrubbed & {"saliency", "smooth_grad", "grad_cam", "xrai"}


def test_an_adaptive_path_is_scrubbed_on_its_nodes():
    session = Session(tiny(), photo(0, (8, 10, 3)))
    result = session.answer(IntegratedGradients(n_steps=40, rule="adaptive", tolerance=0.2), 1)
    whole = session.attribution.path.of(0)
    path = result.path
    assert path.alphas == tuple(whole.nodes.tolist())
    assert path.scores == tuple(whole.node_scores[:, 0].double().tolist())
    assert path.total_nodes == len(whole.nodes) == result.steps < 40
    assert path.pictures is None
    np.testing.assert_allclose(path.sums, whole.cumulative[:, 0].sum((1, 2, 3)).numpy(), atol=1e-5)
    told = result.completeness
    assert (told.map_change, told.map_error) == (None, float(session.attribution.map_error[0]))
    _, gradients, _ = session.gradients()
    assert gradients.shape == (len(path.alphas), 8, 10)


@pytest.mark.parametrize("cls", [ExpectedGradients, GradientSHAP])
def test_a_sampled_path_is_scrubbed_on_the_means_of_its_samples(cls):
    model = tiny()
    session = Session(model, photo(0, (8, 10, 3)))
    result = session.answer(cls(("black", "white"), n_samples=64), 1)
    path, whole = result.path, session.attribution.path
    assert (result.steps, result.work, result.baseline) == (64, "samples", "black, white")
    assert 20 < path.total_nodes <= 32
    assert path.alphas == (0.0, *whole.nodes.tolist(), 1.0)
    np.testing.assert_allclose(session.array(path.stack)[-1], session.array(result.map), atol=2e-4)
    assert path.sums[-1] == pytest.approx(result.completeness.sum, abs=1e-5)
    with torch.no_grad():
        ends = [model.eval()(torch.full((1, 3, 8, 10), level))[0, 1].item() for level in (0.0, 1.0)]
    assert path.scores[0] == path.baseline_score == pytest.approx(np.mean(ends), abs=1e-6)
    assert np.abs(session.array(path.baseline).astype(int) - 128).max() <= 1
    _, gradients, _ = session.gradients()
    assert gradients.shape == (len(path.alphas), 8, 10)


def test_one_baseline_is_no_distribution():
    told = [
        "by sampling" in "".join(Session(tiny()).answer(method).notes)
        for method in (
            ExpectedGradients("black", 4),
            ExpectedGradients(("black", "white"), 4),
            ExpectedGradients(Noise(0.2), 4),
            GradientSHAP("black", 4),
        )
    ]
    assert told == [True, False, False, False]


@pytest.mark.parametrize(
    ("method", "work"),
    [
        (KernelSHAP(segments=torch.arange(80).reshape(8, 10) // 20), (14, "coalitions")),
        (RISE(n_masks=6), (6, "masks")),
        (SmoothGrad(n_samples=40, target_error=0.9), (8, "samples")),
        (IntegratedGradients(n_steps=4), (4, "steps")),
    ],
    ids=lambda one: getattr(one, "key", None),
)
def test_what_was_done_is_counted_by_its_name(method, work):
    result = Session(tiny()).answer(method)
    assert (result.steps, result.work) == work


@pytest.mark.parametrize("method", CURVED, ids=lambda method: method.key)
def test_a_path_that_is_not_straight_has_its_pictures(method):
    session = Session(tiny(), photo(0, (8, 10, 3)))
    result = session.answer(method, 1)
    shown, path = session.array(result.path.pictures), session.attribution.path
    assert shown.shape == (len(result.path.alphas), 8, 10, 3)
    np.testing.assert_array_equal(shown[0], session.array(result.path.baseline))
    np.testing.assert_array_equal(shown[-1], session.array(result.picture))
    k = [round(alpha, 9) for alpha in result.path.alphas].index(round(path.nodes[5].item(), 9))
    fed = (path.points[5, 0].permute(1, 2, 0).double().numpy() * 255 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(shown[k], fed)
    mixed = np.abs(shown[k] - (shown[0] + result.path.alphas[k] * (shown[-1].astype(float) - shown[0])))
    assert mixed.max() > 5


@pytest.mark.parametrize("method", CURVED, ids=lambda method: method.key)
def test_all_classes_are_asked_for_on_the_way_itself(method):
    model = tiny()
    session = Session(model, photo(0, (8, 10, 3)))
    session.answer(method, 1)
    path = session.attribution.path
    told = session.predictions()
    at = [k for k, alpha in enumerate(path.nodes.tolist()) if alpha in told.alphas]
    assert len(at) >= 7
    with torch.no_grad():
        p = model.eval()(path.points[at, 0]).softmax(1)
    for row, k in zip(p, at, strict=True):
        told_row = told.p[told.alphas.index(path.nodes[k].item())]
        np.testing.assert_allclose(told_row, row[list(told.indices)], atol=1e-6)


@pytest.mark.parametrize(
    "method", [*CURVED, IntegratedGradients("white", 4), ExpectedGradients()], ids=lambda method: method.key
)
def test_the_preview_starts_where_the_path_does(method):
    model = tiny()
    subject = Subject(model, photo(0, (8, 10, 3)))
    request = Request(method, 1)
    made = subject.preview(request, subject.resolve(request))
    inputs = subject.inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.eval()(inputs)[0, 1], inputs)
    start = method.starts(subject.borrowed, subject.inputs).mean(0)
    torch.testing.assert_close(made.values, gradient * (subject.inputs - start))


def test_a_figure_shows_the_picture_on_the_way():
    session = Session(tiny(), photo(0, (8, 10, 3)))
    result = session.answer(GuidedIG(n_steps=4), 1)
    pictures = session.array(result.path.pictures)
    shown = Shown(
        result,
        session.array(result.picture),
        session.array(result.map),
        baseline=session.array(result.path.baseline),
        pictures=pictures,
    )
    np.testing.assert_array_equal(along.picture_at(shown, 0.5), pictures[2])
    middle = along.picture_at(shown, 0.375).astype(float)
    np.testing.assert_allclose(middle, (pictures[1].astype(float) + pictures[2]) / 2, atol=0.51)
    assert along.picture_at(shown, View().alpha) is shown.picture


def test_what_a_curved_path_holds_is_counted_where_answers_are_kept():
    session = Session(tiny())
    session.answer(BlurIG(n_steps=4))
    path = session.attribution.path
    held = path.gradients.nbytes + path.points.nbytes + path.difference.nbytes
    assert _size(session.attribution) == session.attribution.values.nbytes + held
