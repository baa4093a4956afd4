"""Refining: twice the work, nothing computed twice, and the same answer as from the start."""

import pytest
import torch

from saliscope import MethodError
from saliscope.attribution import IntegratedGradients, SmoothGrad
from saliscope.attribution.quadrature import RULES, rule
from saliscope.core.anytime import Cancelled, CancelToken
from tests.attribution.helpers import Counted, pictures
from tests.reference.networks import small_network

N_INPUTS = 2


@pytest.fixture
def inputs():
    return pictures(N_INPUTS, channels=1, size=8)


@pytest.fixture
def model():
    return Counted(small_network("relu").module())


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("baseline", ["white", ("white", "blur", "black")], ids=["one", "three"])
def test_refining_equals_a_fresh_run_of_its_own_method(name, baseline, model, inputs):
    first = IntegratedGradients(baseline, 4, name).attribute(model, inputs)
    refined = first.method.refine(first, model)
    fresh = refined.method.attribute(model, inputs)
    assert refined.method.n_steps == 8
    torch.testing.assert_close(refined.values, fresh.values, rtol=0, atol=1e-12)
    torch.testing.assert_close(refined.score, fresh.score)
    torch.testing.assert_close(refined.map_change, fresh.map_change)
    torch.testing.assert_close(refined.convergence_delta, fresh.convergence_delta, rtol=0, atol=1e-12)
    for a, b in zip(refined.per_baseline or [refined], fresh.per_baseline or [fresh], strict=True):
        torch.testing.assert_close(a.path.cumulative, b.path.cumulative, rtol=0, atol=1e-12)
        torch.testing.assert_close(a.path.scores, b.path.scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk_size", [1, 3, "auto"])
def test_only_new_nodes_go_through_the_model(name, chunk_size, model, inputs):
    first = IntegratedGradients("white", 6, name).attribute(model, inputs)
    model.forget()
    refined = first.method.refine(first, model, chunk_size=chunk_size)
    old, new = rule(name, 6)[0], rule(refined.method.rule, 12)[0]
    known = 0 if name == "gauss_kronrod" else len(old)
    # Three Gauss nodes of Kronrod 6 and six of Kronrod 12 have nothing in common but the middle.
    if name == "gauss_kronrod":
        known = sum(abs(new - node).min() < 1e-9 for node in old)
        assert known == 1
    assert sum(model.seen()) == (len(new) - known) * N_INPUTS


def test_a_fresh_run_asks_for_inputs_baseline_and_nodes_once(model, inputs):
    IntegratedGradients(("white", "black"), 5).attribute(model, inputs)
    assert sum(model.seen()) == N_INPUTS * (1 + 2 + 2 * 5)


@pytest.mark.parametrize("name", ["midpoint", "right", "trapezoid", "gauss_legendre"])
def test_the_change_is_that_from_the_coarser_map(name, model, inputs):
    first = IntegratedGradients("white", 8, name).attribute(model, inputs)
    refined = first.method.refine(first, model)
    change = (refined.values - first.values).flatten(1).norm(dim=1) / refined.values.flatten(1).norm(dim=1)
    torch.testing.assert_close(refined.map_change, change)


def test_refining_twice_goes_on_halving_the_error(model, inputs):
    first = IntegratedGradients("white", 16, "trapezoid").attribute(model, inputs)
    twice = first.method.refine(first.method.refine(first, model), model)
    assert (twice.method.rule, twice.method.n_steps) == ("trapezoid", 64)
    exact = IntegratedGradients("white", 1024).attribute(model, inputs).values
    error = [(one.values - exact).norm() for one in (first, twice)]
    assert error[1] < error[0] / 2


def test_partial_answers_of_a_refinement_are_no_worse_than_its_start(model, inputs):
    first = IntegratedGradients("white", 16).attribute(model, inputs)
    exact = IntegratedGradients("white", 1024).attribute(model, inputs).values
    steps = list(first.method.refine_stream(first, model, chunk_size=8))
    assert [step.done for step in steps] == [40, 48, 56, 64, 66]
    start = (first.values - exact).norm()
    for step in steps:
        assert (step.result.values - exact).norm() < 1.1 * start


@pytest.mark.parametrize(
    "method", [IntegratedGradients(n_steps=6), SmoothGrad(n_samples=6)], ids=lambda m: m.key
)
def test_a_partial_result_is_not_refined(method, model, inputs):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        method.attribute(model, inputs, chunk_size=4, cancel=token)
    partial = stopped.value.result
    assert not partial.complete
    with pytest.raises(MethodError, match="got a partial result; expected a finished one"):
        method.refine(partial, model)


@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_smooth_grad_goes_on_with_the_next_samples(chunk_size, model, inputs):
    first = SmoothGrad(n_samples=3).attribute(model, inputs, 1)
    model.forget()
    refined = first.method.refine(first, model, chunk_size=chunk_size)
    assert sum(model.seen()) == 3 * N_INPUTS
    fresh = SmoothGrad(n_samples=6).attribute(model, inputs, 1)
    torch.testing.assert_close(refined.values, fresh.values, rtol=0, atol=1e-13)
    torch.testing.assert_close(refined.map_change, fresh.map_change)
    assert refined.method == fresh.method


def test_a_refinement_keeps_the_target(model, inputs):
    first = IntegratedGradients("white", 4).attribute(model, inputs, [2, 0])
    refined = first.method.refine(first, model)
    assert refined.target.indices.tolist() == [2, 0]
