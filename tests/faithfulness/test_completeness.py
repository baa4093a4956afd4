"""Completeness and step doubling."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError
from saliscope.attribution import InputXGradient, IntegratedGradients, Occlusion, Saliency, SmoothGrad
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness.completeness import (
    CompletenessProtocol,
    StepDoublingProtocol,
    completeness,
    completeness_stream,
    step_doubling,
    step_doubling_stream,
)
from tests.attribution.helpers import Affine


def pictures(n: int = 2) -> Tensor:
    return torch.randn(n, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def curved() -> nn.Module:
    return nn.Sequential(Affine(), nn.Tanh())


def test_the_gap_is_the_methods_own(curved):
    maps = IntegratedGradients(n_steps=3, rule="midpoint").attribute(curved, 0.1 * pictures(), 1)
    made = completeness(curved, 0.1 * pictures(), maps)
    assert torch.equal(made.gap, maps.convergence_delta)
    score = curved(0.1 * pictures())[:, 1] - curved(maps.path.baseline)[:, 1]
    assert made.change == pytest.approx(score.detach(), rel=1e-12)
    assert made.relative == pytest.approx((made.gap / score).abs().detach(), rel=1e-12)
    given = completeness(curved, 0.1 * pictures(), maps.values, 1, baseline="black")
    assert given.gap == pytest.approx(made.gap, abs=1e-14)


def test_an_exact_map_has_no_gap_and_another_one_has():
    model, x = Affine(), pictures()
    maps = InputXGradient().attribute(model, x, 1)
    assert float(completeness(model, x, maps, baseline="zero").relative.max()) < 1e-13
    assert completeness(model, x, 1.5 * maps.values, 1, baseline="zero").relative == pytest.approx(
        torch.full((2,), 0.5, dtype=torch.float64), rel=1e-12
    )


def test_without_a_baseline_there_is_nothing_to_compare_to():
    with pytest.raises(MethodError, match="baseline"):
        completeness(Affine(), pictures(), torch.ones(2, 4, 4), 1)


def test_magnitudes_have_no_gap():
    model, x = Affine(), pictures()
    made = completeness(model, x, Saliency().attribute(model, x, 1), baseline="zero")
    assert torch.isnan(made.gap).all()
    assert "magnitudes" in made.notes[0]


def test_where_the_score_does_not_change_there_is_no_relative_number():
    made = completeness(Affine(), 0 * pictures(), torch.ones(2, 4, 4), 1, baseline="zero")
    assert torch.isnan(made.relative).all()
    assert made.gap == pytest.approx(torch.full((2,), 16.0, dtype=torch.float64))
    assert "No relative number" in made.notes[0]


@pytest.mark.parametrize(
    "method",
    [IntegratedGradients(n_steps=4, rule="midpoint"), SmoothGrad(n_samples=4)],
    ids=["IG", "SmoothGrad"],
)
def test_the_work_is_doubled(curved, method):
    x = 0.1 * pictures()
    made = step_doubling(curved, x, method, 1)
    name = "n_steps" if hasattr(method, "n_steps") else "n_samples"
    before = method.attribute(curved, x, 1)
    after = method.refine(before, curved).values.flatten(1)
    expected = (after - before.values.flatten(1)).norm(dim=1) / after.norm(dim=1)
    assert made.change == pytest.approx(expected, rel=1e-12)
    assert name in made.doubled
    assert float(made.change.min()) > 1e-6


@dataclass(frozen=True)
class Steps:
    """Comes to 1 as its steps become many; cannot refine."""

    n_steps: int = 4

    def attribute(self, model, inputs, target):
        return torch.ones(2, 4, 4) * (1 - 1 / self.n_steps)


def test_a_method_without_refine_is_run_anew_with_twice_the_number(curved):
    made = step_doubling(curved, pictures(), Steps(), 1)
    assert made.change == pytest.approx(torch.full((2,), 1 - 0.75 / 0.875, dtype=torch.float64))
    assert made.doubled == "n_steps=4"
    assert float(step_doubling(curved, pictures(), replace(Steps(), n_steps=64), 1).change[0]) < 0.01


@pytest.mark.parametrize("method", [Steps(), IntegratedGradients(n_steps=4, rule="midpoint")])
def test_each_doubling_starts_from_the_last(curved, method):
    x = 0.1 * pictures()
    steps = list(step_doubling_stream(curved, x, method, 1, n_doublings=3))
    made = steps[-1].result
    assert [(step.done, len(step.result.changes)) for step in steps] == [(1, 1), (2, 2), (3, 3)]
    assert [step.result.complete for step in steps] == [False, False, True]
    assert made.protocol == StepDoublingProtocol(3)
    for k, one in enumerate(made.changes):
        alone = step_doubling(curved, x, replace(method, n_steps=4 * 2**k), 1)
        assert one == pytest.approx(alone.change, rel=1e-9)
        assert torch.equal(one, steps[k].result.changes[-1])
    assert (made.changes[1:] < made.changes[:-1]).all()


def test_a_stream_of_gaps_goes_from_input_to_input(curved):
    x = pictures(3)
    maps = InputXGradient().attribute(curved, x, 1)
    whole = completeness(curved, x, maps, protocol=CompletenessProtocol("zero"))
    steps = list(completeness_stream(curved, x, maps, baseline="zero", chunk_size=1))
    for k, step in enumerate(steps):  # looked at only now, after the stream has gone on
        assert step.result.complete == (k == 2)
        assert step.result.gap[: k + 1] == pytest.approx(whole.gap[: k + 1], rel=1e-12)
        assert step.result.gap[k + 1 :].isnan().all()
        assert step.result.change[k + 1 :].isnan().all()
        assert step.result.relative.isnan().sum() == 2 - k
    assert whole.protocol == steps[0].result.protocol
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        completeness(curved, x, maps, baseline="zero", chunk_size=1, cancel=token)
    assert stopped.value.result.gap.isnan().tolist() == [False, True, True]


def test_nothing_is_doubled_no_times():
    with pytest.raises(MethodError, match="n_doublings"):
        StepDoublingProtocol(0)


@pytest.mark.parametrize("method", [Saliency(), Occlusion(window=2, stride=1), lambda m, x, t: x.sum(1)])
def test_a_method_without_steps_is_refused(curved, method):
    with pytest.raises(MethodError, match=r"`explain`: .*; expected a method with \.refine"):
        step_doubling(curved, pictures(), method, 1)


class Told(SmoothGrad):
    """Keeps the chunk sizes that it is told."""

    told: ClassVar[list] = []

    def stream(self, model, inputs, target=None, *, chunk_size="auto"):
        self.told.append(chunk_size)
        return super().stream(model, inputs, target, chunk_size=chunk_size)

    def refine_stream(self, attribution, model, *, chunk_size="auto"):
        self.told.append(chunk_size)
        return super().refine_stream(attribution, model, chunk_size=chunk_size)


class Finer:
    """Somebody's own: one half, then three quarters; knows nothing of chunks."""

    refinable = True

    def attribute(self, model, inputs, target):
        return torch.full((2, 4, 4), 0.5)

    def refine(self, answer, model):
        return (1 + answer) / 2


def test_an_object_that_is_no_method_of_ours_may_refine(curved):
    made = step_doubling(curved, pictures(), Finer(), 1, n_doublings=2, chunk_size=1)
    assert made.changes[:, 0].tolist() == pytest.approx([1 / 3, 1 / 7])
    assert made.doubled == "the work, by .refine"


def test_chunks_are_as_large_as_is_said_and_change_nothing(curved):
    x = 0.1 * pictures()
    Told.told.clear()
    made = step_doubling(curved, x, Told(n_samples=4), 1, chunk_size=3)
    assert Told.told == [3, 3]
    expected = step_doubling(curved, x, SmoothGrad(n_samples=4), 1)
    assert made.changes == pytest.approx(expected.changes, rel=1e-12)


def test_an_empty_map_does_not_change():
    made = step_doubling(Affine(), 0 * pictures(), IntegratedGradients(n_steps=2, rule="midpoint"), 1)
    assert torch.isnan(made.change).all()
    assert "Not defined" in made.notes[0]
