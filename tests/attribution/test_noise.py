"""SmoothGrad: its samples, its parameters, its estimate of its own error."""

import re

import pytest
import torch

from saliscope import MethodError
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.anytime import Step
from tests.attribution.helpers import pictures, relative
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
