"""Streams of attributions: better and better, true when looked at late, stopped at any step."""

from itertools import pairwise

import pytest
import torch

from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.anytime import Cancelled, CancelToken
from tests.attribution.helpers import Affine, Counted, every_method, pictures, relative
from tests.attribution.token_variants import model_of
from tests.attribution.variants import Layers, plain
from tests.reference.networks import small_network

N_INPUTS = 3


@pytest.fixture
def model(request):
    asked = "method" in request.fixturenames
    return model_of(request.getfixturevalue("method")) if asked else plain(Layers())


@pytest.fixture(params=every_method())
def method(request):
    return request.param


@pytest.mark.parametrize("chunk_size", [1, 2, 5, "auto"])
def test_work_is_counted_to_its_end(method, model, chunk_size):
    steps = list(method.stream(model, pictures(N_INPUTS), 1, chunk_size=chunk_size))
    done = [step.done for step in steps]
    assert done == sorted(set(done))
    assert done[-1] == steps[-1].total
    assert {step.total for step in steps} == {done[-1]}
    assert [step.complete for step in steps] == [False] * (len(steps) - 1) + [True]
    assert [step.result.complete for step in steps] == [step.complete for step in steps]


def test_nothing_happens_before_the_first_step(method):
    counted = Counted(model_of(method))
    stream = method.stream(counted, pictures(1), 0)
    assert counted.seen() == []
    next(stream)
    assert counted.seen() != []


def test_a_partial_answer_looked_at_late_is_the_one_looked_at_in_time(method, model):
    x = pictures(N_INPUTS)
    in_time = [step.result.values.clone() for step in method.stream(model, x, 1, chunk_size=2)]
    late = [step.result.values for step in list(method.stream(model, x, 1, chunk_size=2))]
    assert len(in_time) == len(late) > 1
    for a, b in zip(in_time, late, strict=True):
        assert torch.equal(a, b)


def test_partial_answers_cost_no_run_of_the_model(method):
    counted = Counted(model_of(method))
    for step in method.stream(counted, pictures(N_INPUTS), 1, chunk_size=2):
        before = counted.seen()
        assert step.result.score.shape == (N_INPUTS,)
        assert counted.seen() == before


@pytest.mark.parametrize("chunk_size", [1, 2, 7])
def test_on_an_affine_model_any_part_of_the_path_is_the_whole(chunk_size):
    """The weights of what was visited make a mean: as soon as a path has one node, its map is exact."""
    model, x = Affine(), pictures(N_INPUTS)
    several = ("white", pictures(1, seed=9))
    expected = IntegratedGradients(several).attribute(model, x, 1).values
    method = IntegratedGradients(several, 5)
    reached = 0
    for step in method.stream(model, x, 1, chunk_size=chunk_size):
        assert torch.isfinite(step.result.values).all()
        reached = min(N_INPUTS, step.done - N_INPUTS)
        if reached > 0:
            torch.testing.assert_close(step.result.values[:reached], expected[:reached])
    assert reached == N_INPUTS


def test_what_was_not_reached_is_zero():
    step = next(IntegratedGradients("white", 4).stream(Affine(), pictures(N_INPUTS), 1, chunk_size=1))
    assert step.result.values[0].any()
    assert not step.result.values[1:].any()


def test_partial_maps_get_better():
    model, x = small_network("smooth").module(), pictures(N_INPUTS, channels=1, size=8)
    exact = IntegratedGradients("white", 40, "gauss_legendre").attribute(model, x, 1).values
    steps = list(IntegratedGradients("white", 32).stream(model, x, 1, chunk_size=N_INPUTS))
    errors = [relative(step.result.values, exact) for step in steps]
    # The order spreads the nodes, so each of these rounds covers the path twice as densely.
    rounds = [errors[k - 1] for k in (1, 2, 4, 8, 16, 32)]
    assert all(later < earlier for earlier, later in pairwise(rounds))
    assert rounds[-1] < rounds[0] / 100


def test_partial_means_are_means_of_the_samples_so_far(model):
    x = pictures(N_INPUTS)
    steps = list(SmoothGrad(n_samples=4).stream(model, x, 1, chunk_size=N_INPUTS))
    for k, step in enumerate(steps, 1):
        alone = SmoothGrad(n_samples=k).attribute(model, x, 1)
        torch.testing.assert_close(step.result.values, alone.values)
        assert (step.result.map_change is None) == (k < 4)


@pytest.mark.parametrize("after", [1, 2])
def test_cancelling_gives_the_best_answer_so_far(method, model, after):
    token, seen = CancelToken(), []

    def progress(step):
        seen.append(step.done)
        if len(seen) == after:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        method.attribute(model, pictures(N_INPUTS), 1, chunk_size=1, progress=progress, cancel=token)
    assert len(seen) == after
    steps = list(method.stream(model, pictures(N_INPUTS), 1, chunk_size=1))
    assert torch.equal(stopped.value.result.values, steps[after - 1].result.values)


def test_a_stopped_stream_asks_the_model_no_more():
    counted = Counted(plain(Layers()))
    stream = IntegratedGradients(n_steps=8).stream(counted, pictures(1), 0, chunk_size=1)
    next(stream)
    asked = len(counted.seen())
    stream.close()
    assert len(counted.seen()) == asked == 3


@pytest.mark.parametrize(
    ("method", "rows"),
    [
        (Saliency(), 1),
        (InputXGradient(), 1),
        (GradCAM("model.features"), 1),
        (SmoothGrad(n_samples=4), 1 + 4),
        (SmoothGrad(GradCAM("model.features"), n_samples=4), 1 + 4),
        (IntegratedGradients(n_steps=4), 1 + 1 + 4),
        (SmoothGrad(IntegratedGradients(n_steps=4), n_samples=2), 1 + 2 * (1 + 1 + 4)),
    ],
    ids=lambda value: getattr(value, "key", value),
)
def test_no_row_goes_through_the_model_more_often_than_it_must(method, rows):
    """One pass finds target and score, the gradient's own if it is at the inputs; one for any other point."""
    counted = Counted(model_of(method))
    method.attribute(counted, pictures(N_INPUTS), 1)
    assert sum(counted.seen()) == rows * N_INPUTS


def test_progress_of_a_refinement():
    model, seen = Affine(), []
    first = IntegratedGradients("white", 4).attribute(model, pictures(2), 1)
    first.method.refine(
        first, model, chunk_size=4, progress=lambda step: seen.append((step.done, step.total))
    )
    assert seen == [(12, 18), (16, 18), (18, 18)]
