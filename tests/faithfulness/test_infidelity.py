"""Infidelity: exact on affine models, by its closed form on a quadratic one, and as captum has it."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, MethodError, borrow
from saliscope.attribution import (
    BlurIG,
    DeepLift,
    ExpectedGradients,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    SmoothGrad,
    adapt,
)
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness.infidelity import InfidelityProtocol, infidelity, infidelity_stream
from tests.attribution.helpers import Affine
from tests.core.helpers import changed, fingerprint, unchecked

GRADIENT = Saliency(absolute=False)
EXACT = [
    pytest.param(InputXGradient(), {}, id="contributions, squares"),
    pytest.param(GRADIENT, {"replacement": "blur"}, id="gradient, squares"),
    pytest.param(GRADIENT, {"perturbation": "noisy_baseline"}, id="gradient, noisy baseline"),
    pytest.param(GRADIENT, {"perturbation": "noise"}, id="gradient, noise"),
]


def pictures(n: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Quadratic(nn.Module):
    """``F(x) = sum of q x^2``: the change by x - I is ``sum of 2 q x I - q I^2``."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.q = nn.Parameter(torch.randn(2, 4, 4, generator=draw, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (self.q * x.square()).flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize(("method", "options"), EXACT)
def test_an_exact_attribution_of_an_affine_model_foretells_all(method, options):
    model, x = Affine(), pictures()
    found = infidelity(model, x, method.attribute(model, x, 1), n_samples=20, **options)
    assert float(found.infidelity.abs().max()) < 1e-24
    assert float(found.true.abs().min(0).values.max()) > 1e-4
    assert found.target.labels == ("class 1", "class 1")


@pytest.mark.parametrize(("method", "options"), EXACT)
def test_another_map_foretells_less(method, options):
    model, x = Affine(), pictures()
    wrong = infidelity(model, x, method.attribute(model, x, 0), 1, n_samples=20, **options)
    assert float(wrong.infidelity.min()) > 0.1


def test_a_map_of_summed_channels_serves_squares_and_shared_noise():
    model, x = Affine(), pictures()
    flat = InputXGradient().attribute(model, x, 1).map
    assert float(infidelity(model, x, flat, 1, n_samples=20).infidelity.max()) < 1e-24
    gradient = GRADIENT.attribute(model, x, 1).map
    found = infidelity(model, x, gradient, 1, values="gradient", perturbation="noise", n_samples=20)
    assert float(found.infidelity.max()) < 1e-24
    assert found.protocol.channels == "shared"
    assert "same in all channels" in found.notes[0]


@pytest.mark.parametrize(
    ("maps", "options"),
    [
        (torch.ones(2, 2, 4, 4), {"perturbation": "noise"}),
        (torch.ones(2, 2, 4, 4), {"perturbation": "noisy_baseline", "values": "contribution"}),
        (torch.ones(2, 4, 4), {"perturbation": "square", "values": "gradient"}),
        (torch.ones(2, 4, 4), {"perturbation": "noisy_baseline", "values": "gradient"}),
        (torch.ones(2, 4, 4), {"perturbation": "noise", "values": "gradient", "channels": "own"}),
        (torch.ones(2, 3, 4, 4), {}),
        (torch.ones(2, 4, 4), {"side": 5}),
    ],
)
def test_what_maps_foretell_nothing_about_is_refused(maps, options):
    with pytest.raises(MethodError):
        infidelity(Affine(), pictures(), maps, 1, **options)


def test_noise_on_a_quadratic_model_has_a_closed_form():
    """``E[(sum of q I^2)^2]`` of the gradient, with I normal: ``s^4 ((sum of q)^2 + 2 sum of q^2)``."""
    model, x = Quadratic(), pictures(1)
    made = infidelity(
        model, x, GRADIENT.attribute(model, x), perturbation="noise", noise_level=0.3, n_samples=3000, seed=1
    )
    q, s = model.q.detach(), 0.3 * float(x.max() - x.min())
    expected = s**4 * float(q.sum().square() + 2 * q.square().sum())
    error = float(made.standard_error)
    assert abs(float(made.infidelity) - expected) < 4 * error
    for wrong in (1.25, 0.75):
        assert abs(float(made.infidelity) - wrong * expected) > 4 * error


def test_a_noisy_baseline_is_where_the_score_goes():
    """Around a grey of 0.3, ``E F = sum of q (0.3^2 + s^2)``."""
    model, x = Quadratic(), pictures(1).sigmoid()
    made = infidelity(
        model,
        x,
        GRADIENT.attribute(model, x),
        perturbation="noisy_baseline",
        replacement=0.3,
        n_samples=2000,
    )
    s = 0.2 * (x.max() - x.min())
    q = model.q.detach()
    expected = float((q * x.square()).sum() - q.sum() * (0.09 + s.square()))
    error = float(made.true.std(0)) / 2000**0.5
    assert abs(float(made.true.mean(0)) - expected) < 4 * error
    assert error < 0.05 * abs(expected)


def test_squares_on_a_quadratic_model_have_a_closed_form():
    """Every place equally likely, and the gradient times the input twice what is lost."""
    model, x = Quadratic(), pictures(1)
    lost = (model.q.detach() * x.square()).sum(1)
    windows = nn.functional.avg_pool2d(lost[None], 2, stride=1)[0] * 4
    maps = InputXGradient().attribute(model, x)
    made = infidelity(model, x, maps, side=2, n_samples=2000)
    expected = float(windows.square().mean())
    z = (float(made.infidelity) - expected) / float(made.standard_error)
    assert abs(z) < 4
    assert float(made.standard_error) < 0.05 * expected
    assert float(made.relative) == pytest.approx(1, abs=1e-9)  # twice too much is as far off as nothing
    scaled = infidelity(model, x, maps, side=2, n_samples=50, scaled=True)
    assert float(scaled.scale) == pytest.approx(0.5, abs=1e-12)
    assert float(scaled.infidelity) < 1e-24


def test_the_best_scale_is_the_best():
    model, x = nn.Sequential(Affine(), nn.Tanh()), 0.1 * pictures()
    maps = InputXGradient().attribute(model, x, 1)
    scaled = infidelity(model, x, maps, scaled=True, n_samples=30)
    assert bool((scaled.infidelity < infidelity(model, x, maps, n_samples=30).infidelity).all())
    for factor in (0.99, 1.01):
        other = (factor * scaled.scale * scaled.foretold - scaled.true).square().mean(0)
        assert bool((other > scaled.infidelity).all())
    again = infidelity(model, x, 7 * maps.values, 1, scaled=True, n_samples=30)
    assert again.infidelity == pytest.approx(scaled.infidelity, rel=1e-12)


def test_an_empty_map_has_a_number_but_no_scale():
    model, x = Affine(), pictures()
    empty = torch.zeros(2, 4, 4)
    assert infidelity(model, x, empty, 1, n_samples=9).relative == pytest.approx(torch.ones(2).double())
    scaled = infidelity(model, x, empty, 1, n_samples=9, scaled=True)
    assert torch.isnan(scaled.infidelity).all()
    assert "Not defined" in scaled.notes[0]


def test_a_map_that_foretells_the_opposite_gets_what_an_empty_map_gets():
    model, x = Affine(), pictures()
    values = InputXGradient().attribute(model, x, 1).values
    values[1] *= -1
    made = infidelity(model, x, values, 1, scaled=True, n_samples=20)
    assert made.scale.tolist() == pytest.approx([1, 0], abs=1e-12)
    assert made.relative.tolist() == pytest.approx([0, 1], abs=1e-12)
    assert "the opposite" in made.notes[0]
    assert infidelity(model, x[:1], values[:1], 1, scaled=True, n_samples=20).notes == ()


@pytest.mark.parametrize(
    "method",
    [
        IntegratedGradients(n_steps=2),
        IntegratedGradients(n_steps=2, baseline=("black", "white")),
        SmoothGrad(method=IntegratedGradients(n_steps=2, baseline="white"), n_samples=2, noise_level=0.0),
        DeepLift(baseline=("black", 0.3)),
        Occlusion(window=1, stride=1),
        ExpectedGradients(n_samples=5),
        ExpectedGradients(n_samples=5, background=pictures(3)),
        BlurIG(n_steps=64),
    ],
    ids=lambda method: type(method).__name__,
)
def test_contributions_are_compared_to_the_baseline_of_their_own_method(method):
    """For an affine model an exact attribution foretells all, whatever its baseline is in model space."""
    model = borrow(Affine(), mean=(0.4, 0.6), std=(0.2, 0.3))
    x = pictures()
    maps = method.attribute(model, x, 1)
    own = infidelity(model, x, maps, n_samples=20)
    assert float(own.relative.max()) < 1e-20
    assert float(infidelity(model, x, maps, replacement="zero", n_samples=20).relative.min()) > 1e-6
    # The protocol that was filled in measures the same again.
    again = infidelity(model, x, maps.values, 1, protocol=own.protocol)
    assert torch.equal(again.infidelity, own.infidelity)


def test_an_object_of_captum_has_its_baseline_among_what_it_is_called_with():
    captum = pytest.importorskip("captum.attr")
    model, x = Affine(), pictures()
    with unchecked():
        theirs = adapt(captum.IntegratedGradients(model), baselines=torch.full_like(x[:1], 0.7), n_steps=2)
        made = infidelity(model, x, theirs.attribute(model, x, 1), n_samples=20)
    assert float(made.relative.max()) < 1e-20


def test_the_protocol_says_what_a_map_was_compared_to():
    model, x = borrow(Affine(), mean=(0.4, 0.6), std=(0.2, 0.3)), pictures()
    for method, expected in (
        (IntegratedGradients(n_steps=2, baseline="white"), "white"),
        (Occlusion(window=2, stride=2, baseline=("black", "white")), "mean of black and white"),
        (GRADIENT, "zero"),
    ):
        made = infidelity(model, x, method.attribute(model, x, 1), n_samples=2)
        assert str(made.protocol.replacement) == expected


def test_a_score_that_never_changes_leaves_nothing_to_foretell():
    model = Affine()
    with torch.no_grad():
        model.weight.zero_()
    made = infidelity(model, pictures(1), torch.ones(1, 4, 4), 1, n_samples=5)
    assert torch.isnan(made.relative).all()
    assert float(made.infidelity) > 0
    assert "nothing to foretell" in made.notes[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"replacement": 0.3}, "nothing is taken away"),
        ({"replacement": 0.3, "scaled": True}, "nothing is taken away"),
        ({"perturbation": "noise", "values": "gradient"}, "one value throughout"),
        (
            {"perturbation": "noisy_baseline", "values": "gradient", "replacement": 0.3},
            "nothing is taken away",
        ),
    ],
)
def test_where_nothing_is_taken_there_is_no_number(options, reason):
    x = pictures()
    x[1] = 0.3
    made = infidelity(Affine(), x, torch.ones(2, 2, 4, 4), 1, n_samples=5, **options)
    for numbers in (made.infidelity, made.relative, made.standard_error, made.scale):
        assert numbers.isnan().tolist() == [False, True]
    assert made.notes == (f"Not defined for input 1: {made.notes[0].split(': ', 1)[1]}",)
    assert reason in made.notes[0]


@pytest.mark.parametrize("options", [{}, {"perturbation": "noise", "values": "gradient"}])
def test_neither_chunks_nor_neighbours_nor_the_process_matter(options):
    model, x = nn.Sequential(Affine(), nn.Tanh()), pictures(3)
    maps = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    before = fingerprint(model)
    with unchecked():
        whole = infidelity(model, x, maps, 1, n_samples=12, **options)
    assert changed(before, fingerprint(model)) == []
    torch.manual_seed(5)
    for size in (1, 5):
        assert torch.equal(
            infidelity(model, x, maps, 1, n_samples=12, chunk_size=size, **options).infidelity,
            whole.infidelity,
        )
    alone = infidelity(model, x[1:2], maps[1:2], 1, n_samples=12, **options)
    assert alone.infidelity == pytest.approx(whole.infidelity[1:2], rel=1e-12)
    other = infidelity(model, x, maps, 1, n_samples=12, seed=1, **options)
    assert not torch.equal(other.infidelity, whole.infidelity)


def test_magnitudes_are_told_that_they_have_no_direction():
    model, x = Affine(), pictures()
    made = infidelity(model, x, Saliency().attribute(model, x, 1), perturbation="noise", n_samples=5)
    assert "no sign" in made.notes[0]


def test_a_stream_goes_on_where_it_was_and_stops_when_asked():
    model, x = Affine(), pictures()
    steps = list(infidelity_stream(model, x, torch.ones(2, 4, 4), 1, n_samples=6, chunk_size=4))
    assert [step.done for step in steps] == [4, 8, 12]
    assert [step.result.complete for step in steps] == [False, False, True]
    fewer = infidelity(model, x, torch.ones(2, 4, 4), 1, n_samples=4)
    assert steps[1].result.infidelity == pytest.approx(fewer.infidelity, rel=1e-12)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        infidelity(model, x, torch.ones(2, 4, 4), 1, n_samples=6, chunk_size=4, cancel=token)
    assert stopped.value.result.foretold.shape == (2, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"perturbation": "gaussian"},
        {"values": "map"},
        {"channels": "all"},
        {"side": 0},
        {"noise_level": 0},
        {"noise_level": float("nan")},
        {"n_samples": 0},
        {"seed": -1},
    ],
)
def test_a_protocol_is_checked(options):
    with unchecked(), pytest.raises(MethodError, match=next(iter(options))):
        InfidelityProtocol(**options)


@pytest.mark.parametrize("maps", [torch.ones(2, 3, 3), torch.full((2, 4, 4), torch.nan)])
def test_bad_maps_are_refused(maps):
    with pytest.raises(InputError, match="maps"):
        infidelity(Affine(), pictures(), maps, 1)


@pytest.mark.parametrize("scaled", [False, True])
def test_as_captum_has_it(scaled):
    metrics = pytest.importorskip("captum.metrics")
    model, x = nn.Sequential(Affine(), nn.Tanh()), pictures(1)
    maps = IntegratedGradients(n_steps=4).attribute(model, x, 1).values
    made = infidelity(
        model, x, maps, 1, values="gradient", perturbation="noise", n_samples=8, seed=2, scaled=scaled
    )
    from saliscope.core.seeds import NoiseSource

    noise = 0.2 * (x.max() - x.min()) * NoiseSource(2, (2, 4, 4)).draw(0, 8, x)
    expected = metrics.infidelity(
        model,
        lambda points: (noise, points - noise),
        x,
        maps,
        target=1,
        n_perturb_samples=8,
        normalize=scaled,
    )
    np.testing.assert_allclose(made.infidelity, expected.detach(), rtol=1e-10)


def test_print_shows_a_line_for_each_field_and_no_pages_of_numbers():
    model, x = Affine(), pictures()
    made = infidelity(model, x, torch.ones(2, 4, 4), 1, n_samples=300)
    lines = str(made).split("\n")
    assert len(lines) == 1 + len(fields(made))
    assert "foretold: float64 of shape (300, 2)" in lines[6]
    assert f"{float(made.infidelity[0]):.4g}" in lines[2]
    assert len(str(made)) < 1500
