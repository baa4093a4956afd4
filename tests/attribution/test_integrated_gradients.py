"""Integrated Gradients against the exact integral, and what a result says about itself."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from saliscope import MethodError
from saliscope.attribution import IntegratedGradients, Saliency
from saliscope.attribution.quadrature import RULES, rule
from saliscope.core import baselines
from tests.attribution.helpers import Affine, pictures
from tests.core.helpers import unchecked
from tests.reference import definitions
from tests.reference.networks import small_network

KINDS = ["relu", "leaky", "max_pool"]
X = np.random.default_rng(5).random((1, 8, 8))
START = np.random.default_rng(6).random((1, 8, 8)) - 0.5
INPUTS, BASELINE = torch.as_tensor(X)[None], torch.as_tensor(START)


@cache
def exact(kind: str, upto: float = 1.0) -> np.ndarray:
    return definitions.exact_integrated_gradients(small_network(kind), X, START, 1, upto)


def distance(values: torch.Tensor, kind: str) -> float:
    difference = values[0].numpy() - exact(kind)
    return float(np.linalg.norm(difference) / np.linalg.norm(exact(kind)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_converges_to_the_exact_integral(kind, name):
    """The integrand has jumps, so the error falls as 1/n, and the change from half of the nodes with it."""
    model = small_network(kind).module()
    for n_steps in (8, 64, 256):
        method = IntegratedGradients(BASELINE, n_steps, name)
        made = method.attribute(model, INPUTS, 1)
        error = distance(made.values, kind)
        assert error < 3 / n_steps
        assert made.map_change is not None
        assert 1 / 3 < made.map_change.item() / error < 6


def test_gauss_legendre_is_spectral_on_a_smooth_network():
    network = small_network("smooth")
    nodes, weights = definitions.gauss_legendre(40)
    mean = sum(w * network.gradient(START + a * (X - START), 2) for a, w in zip(nodes, weights, strict=True))
    for name in ("gauss_legendre", "gauss_kronrod"):
        made = IntegratedGradients(BASELINE, 20, name).attribute(network.module(), INPUTS, 2)
        np.testing.assert_allclose(made.values[0].numpy(), (X - START) * mean, atol=1e-12)
        assert made.convergence_delta is not None
        assert abs(made.convergence_delta.item()) < 1e-12


@pytest.mark.parametrize("name", RULES)
def test_the_delta_is_the_sum_minus_the_change_of_score(name):
    network = small_network("smooth")
    made = IntegratedGradients(BASELINE, 3, name).attribute(network.module(), INPUTS, 0)
    change = network.score(X, 0) - network.score(START, 0)
    assert made.convergence_delta is not None
    assert made.convergence_delta.item() == pytest.approx(made.values.sum().item() - change, abs=1e-12)
    assert made.score.item() == pytest.approx(network.score(X, 0), abs=1e-12)
    if name in ("midpoint", "right", "trapezoid"):
        assert abs(made.convergence_delta.item()) > 1e-4


@pytest.mark.parametrize("name", RULES)
def test_the_path_keeps_what_was_computed_on_it(name):
    network = small_network("relu")
    made = IntegratedGradients(BASELINE, 6, name).attribute(network.module(), INPUTS, 1)
    path = made.path
    assert path is not None
    nodes = rule(name, 6)[0]
    expected = sorted({0.0, *nodes.tolist(), 1.0})
    np.testing.assert_allclose(path.alphas.numpy(), expected, atol=1e-15)
    scores = [network.score(START + alpha * (X - START), 1) for alpha in expected]
    np.testing.assert_allclose(path.scores[:, 0].numpy(), scores, atol=1e-12)
    for alpha, gradient, term in zip(nodes, path.gradients[:, 0], path.terms[:, 0], strict=True):
        by_hand = network.gradient(START + alpha * (X - START), 1)
        np.testing.assert_allclose(gradient.numpy(), by_hand, atol=1e-12)
        np.testing.assert_allclose(term.numpy(), (X - START) * by_hand, atol=1e-12)
    torch.testing.assert_close(path.difference[0], INPUTS[0] - BASELINE)
    assert torch.equal(path.baseline[0], BASELINE)
    assert path.baseline_score.item() == pytest.approx(network.score(START, 1), abs=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_the_cumulative_map_runs_from_nothing_to_the_values(name):
    """On the way it is the exact integral up to alpha, so its sum follows the score."""
    network = small_network("leaky")
    made = IntegratedGradients(BASELINE, 128, name).attribute(network.module(), INPUTS, 1)
    assert made.path is not None
    cumulative, alphas, scores = made.path.cumulative, made.path.alphas, made.path.scores
    assert len(cumulative) == len(alphas) == len(scores)
    assert not cumulative[0].any()
    torch.testing.assert_close(cumulative[-1], made.values, rtol=0, atol=1e-13)
    for k in (20, 64, 100):
        partial = exact("leaky", upto=float(alphas[k]))
        assert np.linalg.norm(cumulative[k, 0].numpy() - partial) < 0.03 * np.linalg.norm(exact("leaky"))
    sums = cumulative.flatten(1).sum(1)
    slack = 0.01 * np.abs(exact("leaky")).sum()
    torch.testing.assert_close(sums, scores[:, 0] - scores[0, 0], rtol=0, atol=slack)


@pytest.mark.parametrize("name", RULES)
def test_on_an_affine_model_the_cumulative_map_grows_evenly(name):
    made = IntegratedGradients(pictures(1, seed=9), 5, name).attribute(Affine(), pictures(2), 1)
    assert made.path is not None
    evenly = made.path.alphas[:, None, None, None, None] * made.values
    torch.testing.assert_close(made.path.cumulative, evenly, rtol=0, atol=1e-14)


def test_accumulating_channel_sums_is_summing_accumulated_channels():
    made = IntegratedGradients(n_steps=5, rule="trapezoid").attribute(Affine(), pictures(2), 1)
    assert made.path is not None
    summed = made.path.accumulate(made.path.terms.sum(2))
    torch.testing.assert_close(summed, made.path.cumulative.sum(2))


def test_several_baselines_are_averaged_and_each_is_kept():
    network = small_network("relu")
    model = network.module()
    inputs = torch.cat([INPUTS, INPUTS.flip(2)])
    several = (baselines.White(), BASELINE, baselines.Blur(2.0))
    made = IntegratedGradients(several, 8).attribute(model, inputs, [1, 2])
    single = [IntegratedGradients(one, 8).attribute(model, inputs, [1, 2]) for one in several]
    for part, alone in zip(made.per_baseline, single, strict=True):
        torch.testing.assert_close(part.values, alone.values, rtol=1e-12, atol=1e-12)
        assert part.path is not None
        assert alone.path is not None
        torch.testing.assert_close(part.path.scores, alone.path.scores)
        torch.testing.assert_close(part.convergence_delta, alone.convergence_delta, rtol=0, atol=1e-12)
        torch.testing.assert_close(part.map_change, alone.map_change)
    assert [part.method.baseline.kind for part in made.per_baseline] == ["white", "custom", "blur"]
    torch.testing.assert_close(made.values, torch.stack([one.values for one in single]).mean(0))
    deltas = torch.stack([one.convergence_delta for one in single])
    torch.testing.assert_close(made.convergence_delta, deltas.mean(0), rtol=0, atol=1e-12)
    assert made.path is None
    assert made.map_change is not None
    assert made.map_change.shape == (2,)


def test_the_result_says_how_it_was_made():
    method = IntegratedGradients(BASELINE, 4)
    made = method.attribute(small_network("relu").module(), INPUTS)
    assert made.method is not None
    assert replace(made.method, baseline=0) == replace(method, baseline=0)
    assert (made.signed, made.unit, made.complete, made.per_baseline) == (True, "logit", True, ())


def test_the_map_of_a_picture_is_the_sum_over_its_channels():
    made = IntegratedGradients(n_steps=2).attribute(Affine(), pictures(2), 0)
    assert made.values.shape == (2, 2, 4, 4)
    torch.testing.assert_close(made.map, made.values[:, 0] + made.values[:, 1])


def test_a_baseline_that_is_the_input_gives_zero_and_no_relative_change():
    made = IntegratedGradients(INPUTS, 4).attribute(small_network("relu").module(), INPUTS, 0)
    assert not made.values.any()
    assert made.convergence_delta is not None
    assert made.convergence_delta.item() == 0
    assert made.map_change is not None
    assert made.map_change.isnan().all()


def test_a_single_step_has_no_estimate_of_its_error():
    made = IntegratedGradients(n_steps=1).attribute(Affine(), pictures(1), 0)
    assert made.map_change is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_steps": 0}, "`n_steps`: got 0; expected an integer of at least 1"),
        ({"n_steps": 2.5}, "`n_steps`: got 2.5; expected an integer"),
        ({"n_steps": True}, "`n_steps`: got True"),
        ({"rule": "simpson"}, "`rule`: got 'simpson'; expected one of midpoint, right, trapezoid"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(MethodError, match=text):
        IntegratedGradients(**options)


def test_what_another_method_made_cannot_be_refined():
    made = Saliency().attribute(Affine(), pictures(1), 0)
    with pytest.raises(
        MethodError, match=r"got a result of Saliency .*; expected one of Integrated Gradients"
    ):
        IntegratedGradients().refine(made, Affine())
    with pytest.raises(
        MethodError, match=r"got 'saliency'; expected a method that goes on from what a result holds"
    ):
        Saliency().refine(made, Affine())
