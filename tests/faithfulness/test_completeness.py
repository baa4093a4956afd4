"""Completeness and step doubling."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError
from saliscope.attribution import InputXGradient, IntegratedGradients, Occlusion, Saliency, SmoothGrad
from saliscope.faithfulness.completeness import completeness, step_doubling
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
    made = step_doubling(method, curved, x, 1)
    name = "n_steps" if hasattr(method, "n_steps") else "n_samples"
    before = method.attribute(curved, x, 1)
    after = method.refine(before, curved).values.flatten(1)
    expected = (after - before.values.flatten(1)).norm(dim=1) / after.norm(dim=1)
    assert made.change == pytest.approx(expected, rel=1e-12)
    assert name in made.doubled
    assert float(made.change.min()) > 1e-6


def test_a_method_without_refine_is_run_anew_with_twice_the_number(curved):
    class Plain:
        refinable = False

    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Steps(Plain):
        n_steps: int = 4

        def attribute(self, model, inputs, target):
            return torch.ones(2, 4, 4) * (1 - 1 / self.n_steps)

    made = step_doubling(Steps(), curved, pictures(), 1)
    assert made.change == pytest.approx(torch.full((2,), 1 - 0.75 / 0.875, dtype=torch.float64))
    assert made.doubled == "n_steps=4"
    assert float(step_doubling(replace(Steps(), n_steps=64), curved, pictures(), 1).change[0]) < 0.01


@pytest.mark.parametrize("method", [Saliency(), Occlusion(window=2, stride=1), lambda m, x, t: x.sum(1)])
def test_a_method_without_steps_is_refused(curved, method):
    with pytest.raises(MethodError, match="method"):
        step_doubling(method, curved, pictures(), 1)


def test_an_empty_map_does_not_change():
    made = step_doubling(IntegratedGradients(n_steps=2, rule="midpoint"), Affine(), 0 * pictures(), 1)
    assert torch.isnan(made.change).all()
    assert "Not defined" in made.notes[0]
