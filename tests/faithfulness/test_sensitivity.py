"""Max-sensitivity: 0 where a map does not look at the picture, its closed form, and as captum has it."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, MethodError
from saliscope.attribution import InputXGradient, Saliency, SmoothGrad
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.core.seeds import generator
from saliscope.faithfulness.sensitivity import SensitivityProtocol, sensitivity, sensitivity_stream
from tests.attribution.helpers import Affine
from tests.core.helpers import changed, fingerprint, unchecked

GRADIENT = Saliency(absolute=False)


def pictures(n: int = 2) -> Tensor:
    return torch.randn(n, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_gradient_of_an_affine_model_does_not_move():
    made = sensitivity(Affine(), pictures(), GRADIENT, 1)
    assert torch.equal(made.sensitivity, torch.zeros(2, dtype=torch.float64))
    assert "lower bound" in made.notes[0]


def test_the_product_with_the_input_moves_as_the_input_does():
    """``|w d| / |w x|``, for changes that are drawn as the protocol says."""
    model, x = Affine(), pictures()
    made = sensitivity(model, x, InputXGradient(), 1, radius=0.1, n_samples=4, seed=3)
    w = model.weight[1].detach()
    span = x.flatten(1).amax(1) - x.flatten(1).amin(1)
    for sample, found in enumerate(made.distances):
        drawn = torch.as_tensor(generator(3, sample).uniform(-1, 1, (2, 4, 4)))
        moved = 0.1 * span[:, None, None, None] * drawn
        expected = (w * moved).flatten(1).norm(dim=1) / (w * x).flatten(1).norm(dim=1)
        assert found == pytest.approx(expected, rel=1e-12)
    assert torch.equal(made.sensitivity, made.distances.amax(0))
    assert torch.equal(made.mean, made.distances.mean(0))


def test_more_samples_only_raise_the_bound():
    model, x = nn.Sequential(Affine(), nn.Tanh()), 0.1 * pictures()
    few, many = (sensitivity(model, x, GRADIENT, 1, n_samples=n) for n in (3, 12))
    assert torch.equal(few.distances, many.distances[:3])
    assert bool((many.sensitivity >= few.sensitivity).all())


def test_the_question_stays_that_of_the_picture():
    """Where the top class changes nearby, the map is still that of the class at the picture."""
    x = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
    x[0, 0, 0, 0] = 1
    model = Affine()
    with torch.no_grad():
        model.bias.copy_(-model(x)[0] + model.bias)  # both scores are 0 up to rounding: a tie
    asked = []

    def explain(model, inputs, target):
        asked.append(target.indices.tolist())
        return GRADIENT.attribute(model, inputs, target)

    made = sensitivity(model, x, explain, n_samples=6)
    assert all(one == asked[0] for one in asked)
    assert float(made.sensitivity) == 0


def test_an_empty_map_has_no_number():
    made = sensitivity(Affine(), pictures(), lambda model, inputs, target: torch.zeros(2, 4, 4), 1)
    assert torch.isnan(made.sensitivity).all()
    assert "Not defined" in made.notes[1]


def test_a_constant_map_has_no_number():
    def explain(model, inputs, target):
        values = inputs.clone()
        values[1] = torch.tensor([3.0, -1.0])[:, None, None]  # one value in each channel
        return values

    made = sensitivity(Affine(), pictures(), explain, 1)
    for numbers in (made.sensitivity, made.mean, made.distances[0]):
        assert numbers.isnan().tolist() == [False, True]
    assert made.notes[1].startswith("Not defined for input 1: the map has one value throughout")


def test_a_share_of_no_range_moves_nothing():
    x = pictures()
    x[1] = 0.3
    made = sensitivity(Affine(), x, InputXGradient(), 1)
    assert made.sensitivity.isnan().tolist() == [False, True]
    assert made.notes[1].startswith("Not defined for input 1: the picture has one value throughout")
    assert sensitivity(Affine(), x, InputXGradient(), 1, share=False).sensitivity.isfinite().all()


def test_chunks_do_not_matter():
    model, x = nn.Sequential(Affine(), nn.Tanh()), 0.1 * pictures(3)
    whole, single = (sensitivity(model, x, GRADIENT, 1, n_samples=2, chunk_size=k) for k in ("auto", 1))
    assert single.distances == pytest.approx(whole.distances, rel=1e-10)


def test_neither_neighbours_nor_the_process_matter():
    model, x = nn.Sequential(Affine(), nn.Tanh()), 0.1 * pictures(3)
    method = SmoothGrad(n_samples=3)
    before = fingerprint(model)
    with unchecked():
        whole = sensitivity(model, x, method, 1, n_samples=3)
    assert changed(before, fingerprint(model)) == []
    torch.manual_seed(4)
    alone = sensitivity(model, x[1:2], method, 1, n_samples=3)
    assert alone.distances[:, 0] == pytest.approx(whole.distances[:, 1], rel=1e-10)
    assert not torch.equal(sensitivity(model, x, method, 1, n_samples=3, seed=1).mean, whole.mean)


def test_a_function_that_draws_is_given_the_same_numbers_every_time():
    made = sensitivity(Affine(), pictures(), lambda model, inputs, target: torch.rand(2, 4, 4), 1)
    assert torch.equal(made.sensitivity, torch.zeros(2, dtype=torch.float64))


def test_a_stream_can_be_stopped():
    model, x = Affine(), pictures()
    steps = list(sensitivity_stream(model, x, InputXGradient(), 1, n_samples=4))
    assert [len(step.result.distances) for step in steps] == [1, 2, 3, 4]
    assert [step.result.complete for step in steps] == [False, False, False, True]
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        sensitivity(model, x, InputXGradient(), 1, cancel=token)
    assert torch.equal(
        stopped.value.result.distances, sensitivity(model, x, InputXGradient(), 1).distances[:1]
    )


@pytest.mark.parametrize("explain", ["saliency", Saliency, None, 3])
def test_what_is_no_method_is_refused(explain):
    with pytest.raises(MethodError, match="explain"):
        sensitivity(Affine(), pictures(), explain, 1)


@pytest.mark.parametrize("maps", [torch.ones(2, 3, 3), torch.full((2, 4, 4), torch.nan)])
def test_bad_maps_are_refused(maps):
    with pytest.raises(InputError, match="explain"):
        sensitivity(Affine(), pictures(), lambda model, inputs, target: maps, 1)


@pytest.mark.parametrize("options", [{"radius": 0}, {"radius": -1}, {"n_samples": 0}, {"seed": -1}])
def test_a_protocol_is_checked(options):
    with pytest.raises(MethodError, match=next(iter(options))):
        SensitivityProtocol(**options)


def test_as_captum_has_it():
    metrics = pytest.importorskip("captum.metrics")
    model, x = nn.Sequential(Affine(), nn.Tanh()), 0.1 * pictures(1)
    made = sensitivity(model, x, GRADIENT, 1, radius=0.1, share=False, n_samples=5)
    moves = torch.stack([torch.as_tensor(generator(0, i).uniform(-0.1, 0.1, (2, 4, 4))) for i in range(5)])
    expected = metrics.sensitivity_max(
        lambda points: (GRADIENT.attribute(model, points[0], 1).values,),
        (x,),
        lambda points: (points[0] + moves,),
        n_perturb_samples=5,
    )
    np.testing.assert_allclose(made.sensitivity, expected, rtol=1e-10)
