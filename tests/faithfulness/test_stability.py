"""Stability over seeds, noise and shifts."""

from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError
from saliscope.attribution import InputXGradient, Saliency, SmoothGrad
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.core.seeds import NoiseSource
from saliscope.faithfulness.similarity import Similarity, similarity
from saliscope.faithfulness.stability import StabilityProtocol, stability, stability_stream
from tests.attribution.helpers import relative
from tests.core.helpers import changed, fingerprint, unchecked

GRADIENT = Saliency(absolute=False)


def pictures(n: int = 2, side: int = 12) -> Tensor:
    return torch.randn(n, 2, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def flat(side: int = 12) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * side**2, 3)).double()


def curved(side: int = 12) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * side**2, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def values(found: Similarity) -> list[Tensor]:
    return [getattr(found, field.name) for field in fields(found)]


@dataclass(frozen=True)
class Drawn:
    """A map that is nothing but its seed."""

    seed: int = 0
    calls: Any = None

    def attribute(self, model: nn.Module, inputs: Tensor, target: Any) -> Tensor:
        return NoiseSource(self.seed, (12, 12)).draw(0, 1, inputs).expand(len(inputs), -1, -1)


@pytest.mark.parametrize("over", ["noise", "seeds"])
def test_the_gradient_of_an_affine_model_is_stable(over):
    method = SmoothGrad(method=GRADIENT, n_samples=2) if over == "seeds" else GRADIENT
    made = stability(flat(), pictures(), method, over=over, n_runs=3)
    for part in values(made.worst)[:4]:
        assert part == pytest.approx(torch.ones(2, dtype=torch.float64), abs=1e-9)
    assert made.changed.tolist() == [0, 0]


def test_every_pair_of_seeds_is_compared():
    made = stability(flat(), pictures(1), Drawn(seed=100), seed=4, n_runs=4, top=0.2)
    assert len(made.pairs) == 6
    maps = [Drawn(4 + run).attribute(flat(), pictures(1), None) for run in range(4)]
    expected = [similarity(maps[j], maps[i], 0.2) for i in range(4) for j in range(i)]
    for name in ("signed", "absolute", "ssim", "ssim_absolute", "top"):
        column = torch.stack([getattr(one, name) for one in expected])
        assert torch.equal(getattr(made.mean, name), column.mean(0))
        assert torch.equal(getattr(made.worst, name), column.amin(0))
    assert float(made.mean.absolute.abs()) < 0.2


def test_more_samples_are_more_stable_and_more_noise_less():
    model, x = curved(), pictures()
    few, many = (
        stability(model, x, SmoothGrad(method=GRADIENT, n_samples=n), n_runs=3).mean.signed for n in (2, 40)
    )
    assert bool((many > few).all())
    little, much = (
        stability(model, x, GRADIENT, over="noise", noise_level=level, n_runs=3).mean.signed
        for level in (0.01, 0.2)
    )
    assert bool((little > much).all())
    first, second = stability(model, x, GRADIENT, over="noise", n_runs=2).pairs
    assert not torch.equal(first.signed, second.signed)


def test_maps_of_moved_pictures_are_moved_back():
    """A map that is the picture goes with it: at every shift, also of several pixels."""
    for shift in (1, 3):
        made = stability(flat(), pictures(), lambda model, inputs, target: inputs, over="shift", shift=shift)
        assert len(made.pairs) == 4
        for part in values(made.worst)[:4]:
            assert part == pytest.approx(torch.ones(2, dtype=torch.float64), abs=1e-9)
    stays = stability(flat(), pictures(), GRADIENT, over="shift")
    assert float(stays.mean.signed.abs().max()) < 0.5  # the gradient of a linear layer stays where it was


def test_a_model_that_decides_otherwise_is_named():
    class Side(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            left = x[:, :, :, 5].sum((1, 2))
            return torch.stack([left, -left], 1)

    x = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    x[..., 5], x[..., 6] = 1, -1
    made = stability(Side(), x, InputXGradient(), over="shift")
    assert made.changed.tolist() == [1]
    assert "another top class" in made.notes[-1]
    assert made.target.labels == ("class 0",)


def test_a_constant_map_has_no_stability():
    made = stability(flat(), pictures(), lambda model, x, target: torch.ones(2, 12, 12), over="noise")
    assert torch.isnan(made.mean.signed).all()
    assert "Not defined" in made.notes[0]


@pytest.mark.parametrize("over", ["noise", "shift"])
def test_a_picture_that_stays_as_it_was_says_nothing(over):
    x = pictures()
    x[1] = 0.3
    made = stability(curved(), x, InputXGradient(), over=over, n_runs=2)
    for part in values(made.mean):
        assert part.isnan().tolist() == [False, True]
    assert [note for note in made.notes if "Not defined" in note] == [
        "Not defined for input 1: a change leaves the picture as it was."
    ]


def test_small_maps_have_no_structural_similarity():
    made = stability(flat(6), pictures(side=6), GRADIENT, over="noise", n_runs=1)
    assert torch.isnan(made.mean.ssim).all()
    assert "No structural similarity" in made.notes[0]


@pytest.mark.parametrize("over", ["seeds", "noise", "shift"])
def test_neither_neighbours_nor_the_process_matter(over):
    model, x, method = curved(), pictures(3), SmoothGrad(method=GRADIENT, n_samples=2)
    before = fingerprint(model)
    with unchecked():
        whole = stability(model, x, method, over=over, n_runs=2)
    assert changed(before, fingerprint(model)) == []
    torch.manual_seed(7)
    alone = stability(model, x[1:2], method, over=over, n_runs=2, chunk_size=1)
    assert relative(alone.mean.ssim, whole.mean.ssim[1:2]) < 1e-9
    assert torch.equal(alone.changed, whole.changed[1:2])


def test_a_stream_can_be_stopped():
    steps = list(stability_stream(curved(), pictures(), GRADIENT, over="shift"))
    assert [len(step.result.pairs) for step in steps] == [1, 2, 3, 4]
    assert [step.result.complete for step in steps] == [False, False, False, True]
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        stability(curved(), pictures(), SmoothGrad(n_samples=2), cancel=token)
    assert stopped.value.result.pairs == ()
    assert torch.isnan(stopped.value.result.mean.signed).all()


@pytest.mark.parametrize("explain", [GRADIENT, lambda model, x, target: x, SmoothGrad])
def test_only_methods_with_a_seed_have_seeds(explain):
    with pytest.raises(MethodError, match="with a seed"):
        stability(flat(), pictures(), explain)


def test_a_shift_out_of_the_picture_is_refused():
    with pytest.raises(MethodError, match="shift"):
        stability(flat(), pictures(), GRADIENT, over="shift", shift=12)


@pytest.mark.parametrize(
    "options",
    [{"over": "time"}, {"n_runs": 1}, {"noise_level": 0}, {"shift": 0}, {"top": 1}, {"seed": -1}],
)
def test_a_protocol_is_checked(options):
    with unchecked(), pytest.raises(MethodError, match=next(iter(options))):
        StabilityProtocol(**options)
