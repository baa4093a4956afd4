"""SmoothGrad and its kin: their samples, their parameters, their estimates of their own error."""

import re

import pytest
import torch
from torch import nn

from saliscope import MethodError
from saliscope.attribution import (
    LRP,
    GradCAM,
    GuidedBackprop,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
    SmoothGradSquared,
    VarGrad,
)
from saliscope.core.anytime import Step
from saliscope.core.seeds import NoiseSource
from tests.attribution.helpers import Counted, pictures, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked


@pytest.fixture
def model():
    return plain(Layers())


def test_the_noise_is_a_share_of_each_inputs_own_range(model):
    """Ten times the contrast, ten times the noise: on a model that undoes the scale the map scales back."""
    x = pictures(1)
    scaled = torch.nn.Sequential(Tenth(), model)
    made = SmoothGrad(n_samples=3).attribute(scaled, 10 * x + 5, 1)
    expected = SmoothGrad(n_samples=3).attribute(torch.nn.Sequential(Shift(), model), x, 1)
    assert relative(10 * made.values, expected.values) < 1e-12


class Tenth(torch.nn.Module):
    def forward(self, x):
        return x / 10


class Shift(torch.nn.Module):
    def forward(self, x):
        return x + 0.5


def test_seeds_and_levels_matter(model):
    x = pictures(2)
    made = SmoothGrad(n_samples=3, seed=1).attribute(model, x, 1).values
    assert torch.equal(made, SmoothGrad(n_samples=3, seed=1).attribute(model, x, 1).values)
    assert relative(SmoothGrad(n_samples=3, seed=2).attribute(model, x, 1).values, made) > 0.01
    assert (
        relative(SmoothGrad(n_samples=3, seed=1, noise_level=0.3).attribute(model, x, 1).values, made) > 0.01
    )


def test_the_map_is_as_signed_as_the_maps_it_averages():
    assert SmoothGrad().signed
    assert not SmoothGrad(Saliency()).signed
    assert SmoothGrad(IntegratedGradients()).unit == "score"


def test_a_gradient_method_that_goes_its_own_way_is_asked_in_full(model):
    class Ones(Saliency):
        def _steps(self, question):
            yield Step(lambda: question.answer(self, torch.ones_like(question.inputs)), 1, 1)

    made = SmoothGrad(Ones(), n_samples=3).attribute(model, pictures(2), 1)
    assert made.values.unique().tolist() == [1]


def test_it_wraps_any_method_and_itself(model):
    x = pictures(2, size=6)
    inner = GradCAM("features")
    made = SmoothGrad(inner, n_samples=2).attribute(model, x, 1)
    assert made.values.shape == (2, 1, 6, 6)
    twice = SmoothGrad(SmoothGrad(inner, n_samples=1, noise_level=0.0), n_samples=2).attribute(model, x, 1)
    assert relative(twice.values, made.values) < 1e-12


def test_the_target_is_that_of_the_clean_inputs(model):
    """Under much noise the top class changes from copy to copy; the question does not."""
    x = pictures(3)
    made = SmoothGrad(n_samples=8, noise_level=5.0).attribute(model, x)
    named = SmoothGrad(n_samples=8, noise_level=5.0).attribute(model, x, model(x).argmax(1))
    assert torch.equal(made.values, named.values)
    assert made.target.indices.tolist() == model(x).argmax(1).tolist()


def test_the_change_is_that_from_half_of_the_samples(model):
    x = pictures(2)
    half = SmoothGrad(n_samples=5).attribute(model, x, 1).values
    made = SmoothGrad(n_samples=10).attribute(model, x, 1)
    change = (made.values - half).flatten(1).norm(dim=1) / made.values.flatten(1).norm(dim=1)
    torch.testing.assert_close(made.map_change, change)
    assert SmoothGrad(n_samples=1).attribute(model, x, 1).map_change is None


def test_the_change_is_about_the_error(model):
    x = pictures(1)
    exact = SmoothGrad(n_samples=3000, seed=99).attribute(model, x, 1).values
    ratios = []
    for seed in range(8):
        made = SmoothGrad(n_samples=40, seed=seed).attribute(model, x, 1)
        assert made.map_change is not None
        ratios.append(made.map_change.item() / relative(made.values, exact))
    assert 0.5 < sorted(ratios)[4] < 2


def test_half_precision_is_summed_in_single(model):
    x = pictures(1)
    made = SmoothGrad(n_samples=400, noise_level=0.0).attribute(model.bfloat16(), x, 1)
    alone = Saliency(absolute=False).attribute(model, x, 1)
    assert made.values.dtype == torch.float32
    assert relative(made.values, alone.values) < 1e-5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_samples": 0}, "`n_samples`: got 0; expected an integer of at least 1."),
        ({"n_samples": 1.5}, "`n_samples`: got 1.5; expected an integer of at least 1."),
        ({"seed": -1}, "`seed`: got -1; expected an integer of at least 0."),
        (
            {"noise_level": -0.1},
            "`noise_level`: got -0.1; expected a share of the input range, from 0 to 10.",
        ),
        ({"noise_level": float("nan")}, "`noise_level`: got nan; expected a share of the input range"),
        ({"noise_level": "much"}, "`noise_level`: got 'much'; expected a share of the input range"),
        ({"target_error": 1.5}, "`target_error`: got 1.5; expected a share of the map, from 0 to 1."),
        ({"noise_level": True}, "`noise_level`: got True; expected a share of the input range"),
        (
            {"method": "saliency"},
            "`method`: got 'saliency'; expected a method object such as IntegratedGradients().",
        ),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(MethodError, match=re.escape(text)):
        SmoothGrad(**options)


TOLERANCES = {SmoothGrad: 0.1, SmoothGradSquared: 0.1, VarGrad: 0.2}
METHODS = list(TOLERANCES)


@pytest.fixture
def maps(model):
    """The gradients at 12 noisy copies of two inputs."""
    x = pictures(2)
    source = NoiseSource(0, tuple(x.shape[1:]))
    spread = 0.15 * (x.flatten(1).amax(1) - x.flatten(1).amin(1))[:, None, None, None]
    noisy = [x + spread * source.draw(k, k + 1, x) for k in range(12)]
    return torch.stack([Saliency(absolute=False).attribute(model, one, 1).values for one in noisy])


@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_mean_mean_square_and_variance(model, maps, chunk_size):
    made = [cls(n_samples=12).attribute(model, pictures(2), 1, chunk_size=chunk_size) for cls in METHODS]
    mean, squared, variance = (one.values for one in made)
    assert relative(mean, maps.mean(0)) < 1e-13
    assert relative(squared, maps.square().mean(0)) < 1e-13
    assert relative(variance, maps.var(0, correction=0)) < 1e-12
    assert relative(variance, squared - mean.square()) < 1e-10
    assert [one.signed for one in made] == [True, False, False]
    assert made[1].unit == made[2].unit == "(logit per unit of input)²"


@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_the_standard_error_is_that_of_the_shown_map(model, maps, chunk_size):
    x = pictures(2)
    made = SmoothGrad(n_samples=12).attribute(model, x, 1, chunk_size=chunk_size)
    assert relative(made.standard_error, maps.sum(2).std(0) / 12**0.5) < 1e-12
    made = SmoothGradSquared(n_samples=12).attribute(model, x, 1, chunk_size=chunk_size)
    assert relative(made.standard_error, maps.square().sum(2).std(0) / 12**0.5) < 1e-12
    made = VarGrad(n_samples=12).attribute(model, x, 1, chunk_size=chunk_size)
    before = torch.stack([maps[:k].mean(0) for k in range(1, 12)])
    number = torch.arange(1, 12)[:, None, None, None, None]
    terms = ((maps[1:] - before).square() * number / (number + 1)).sum(2)
    assert relative(made.map, terms.sum(0) / 12) < 1e-12
    assert relative(made.standard_error, terms.std(0) / 11**0.5 * 11 / 12) < 1e-12
    assert SmoothGrad(n_samples=1).attribute(model, x, 1).standard_error is None
    assert VarGrad(n_samples=2).attribute(model, x, 1).standard_error is None
    with pytest.raises(MethodError, match="`n_samples`: got 1; expected an integer of at least 2"):
        VarGrad(n_samples=1)


@pytest.mark.parametrize("cls", METHODS)
def test_the_standard_error_is_the_spread_over_seeds(model, cls):
    x, n_seeds = pictures(1), 40
    made = [cls(n_samples=20, noise_level=0.4, seed=seed).attribute(model, x, 1) for seed in range(n_seeds)]
    spread = torch.stack([one.map for one in made]).var(0)
    errors = [one.standard_error for one in made]
    stated = torch.stack([error.square() for error in errors if error is not None]).mean(0)
    # Over all pixels, as one of them has too few seeds: a variance of 40 is true to a quarter.
    assert 0.7 < (stated.sum() / spread.sum()).item() < 1.4


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize("chunk_size", [2, 7, 1000])
def test_an_input_stops_by_itself_when_its_error_is_small(model, cls, chunk_size):
    """After the same number of samples in every batch and every chunk, as if it had been asked for these."""
    x, tolerance = pictures(3, size=6), TOLERANCES[cls]
    method = cls(n_samples=400, noise_level=0.3, target_error=tolerance)
    made = method.attribute(model, x, 1, chunk_size=chunk_size)
    counts = made.sample_counts.tolist()
    assert len(set(counts)) > 1
    for i, n in enumerate(counts):
        assert 8 < n < 100
        alone, earlier = (
            cls(n_samples=k, noise_level=0.3).attribute(model, x[i : i + 1], 1) for k in (n, n - 1)
        )
        assert torch.equal(made.values[i], alone.values[0])
        errors = [(one.standard_error.norm() / one.map.norm()).item() for one in (alone, earlier)]
        assert errors[0] <= tolerance < errors[1]
    numbers = ", ".join(map(str, counts))
    assert made.notes == (f"Stopped after {numbers} of 400 samples: standard error {tolerance} of the map.",)
    assert made.complete
    assert made.map_change is None


def test_inputs_that_are_done_are_not_run_again(model):
    counted, x = Counted(model), pictures(3, size=6)
    made = SmoothGrad(n_samples=400, noise_level=0.3, target_error=0.1).attribute(counted, x, 1, chunk_size=1)
    assert sum(counted.seen()) == 3 + int(made.sample_counts.sum())


def test_a_tolerance_that_is_not_met_is_said(model):
    made = SmoothGrad(n_samples=9, noise_level=0.3, target_error=0.001).attribute(model, pictures(2), 1)
    (note,) = made.notes
    assert re.fullmatch(r"After 9 samples the standard error is still 0\.\d+ of the map\.", note)
    assert SmoothGrad(n_samples=9).attribute(model, pictures(2), 1).notes == ()


def test_without_noise_nothing_is_left_to_wait_for(model):
    made = SmoothGrad(n_samples=50, noise_level=0.0, target_error=0.01).attribute(model, pictures(2), 1)
    assert made.sample_counts.tolist() == [8, 8]
    assert not made.standard_error.any()


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("chunk_size", [2, 50])
def test_refining_goes_on_where_it_stopped(model, cls, stops, chunk_size):
    counted, x = Counted(model), pictures(2, size=6)
    tolerance = TOLERANCES[cls] if stops else 0.0
    n_samples = 400 if tolerance else 6
    method = cls(n_samples=n_samples, noise_level=0.3, target_error=tolerance)
    first = method.attribute(counted, x, 1)
    counted.forget()
    refined = method.refine(first, counted, chunk_size=chunk_size)
    new = int(refined.sample_counts.sum() - first.sample_counts.sum())
    assert sum(counted.seen()) <= new + (len(x) * chunk_size if tolerance else 0)
    fresh = refined.method.attribute(counted, x, 1)
    assert refined.method == cls(n_samples=2 * n_samples, noise_level=0.3, target_error=tolerance / 2**0.5)
    assert torch.equal(refined.sample_counts, fresh.sample_counts)
    assert relative(refined.values, fresh.values) < 1e-12
    assert relative(refined.standard_error, fresh.standard_error) < 1e-10
    if tolerance:
        assert (refined.sample_counts > first.sample_counts).all()


def test_of_a_layers_map_it_is_that_layers():
    model, x = plain(Layers()), pictures(2, size=6)
    inner = Saliency(absolute=False, layer="features")
    known = inner.attribute(model, x, 1)
    made = SmoothGrad(inner, n_samples=2, noise_level=0.0).attribute(model, x, 1)
    torch.testing.assert_close(made.values, known.values, rtol=1e-12, atol=1e-12)
    assert (made.layer, made.grid, made.unit) == (known.layer, known.grid, known.unit)


def test_what_the_method_inside_has_to_say_is_said():
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.GELU(), nn.Linear(4, 2)).double()
    made = SmoothGrad(GuidedBackprop(), n_samples=2).attribute(model, pictures(1, size=2), 1)
    assert [gap.name for gap in made.coverage.gaps] == ["gelu"]
    made = SmoothGrad(LRP(), n_samples=2).attribute(model, pictures(1, size=2), 1)
    assert made.notes == LRP().attribute(model, pictures(1, size=2), 1).notes != ()
