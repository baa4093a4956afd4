"""A map beside random orders and beside its blurred copy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, MethodError
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness import (
    ControlProtocol,
    Protocol,
    against_random,
    blurred,
    control,
    deletion,
    trial,
)
from tests.attribution.helpers import Affine, pictures
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked
from tests.faithfulness.test_curves import Saturated, contributions, maps_of

EXACT = {"rtol": 0, "atol": 1e-12}
STEP = Protocol(step=1)


@pytest.fixture
def model():
    return plain(Layers())


class Positive(nn.Module):
    """A sum of which every pixel has a positive part, and nothing else: no area crosses zero."""

    def __init__(self, size: int = 6) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        self.weight = 1 + torch.rand(1, size, size, generator=draw, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum((1, 2, 3))[:, None]

    def parts(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum(1)


def test_ratio_interval_and_share_are_those_of_the_areas(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    made = control(model, x, m, 0, protocol=ControlProtocol(n_random=7, level=0.8))
    result = trial(model, x, {"map": m}, 0, protocols=(Protocol(),), n_random=7)
    area = result.curves["map"][0].auc.numpy()
    random = np.stack([one[0].auc.numpy() for one in result.random])
    own = made.map
    np.testing.assert_allclose(own.area, area, atol=1e-13)
    np.testing.assert_allclose(own.random, random, atol=1e-13)
    np.testing.assert_allclose(own.ratio, area / random.mean(0), atol=1e-12)
    low, high = np.quantile(area / random, [0.1, 0.9], axis=0)
    np.testing.assert_allclose(own.low, low, atol=1e-12)
    np.testing.assert_allclose(own.high, high, atol=1e-12)
    np.testing.assert_allclose(own.beaten, (random > area).mean(0), atol=0)
    soft = deletion(model, x, blurred(m, x), 0).auc
    torch.testing.assert_close(made.to_blurred, own.area / soft, **EXACT)
    assert made.protocol.n_random == 7
    assert own.protocol == made.protocol.curve
    assert made.notes == ()


def test_a_perfect_map_beats_all_and_its_opposite_none():
    model, x = Positive(), pictures(2, channels=1, size=6)
    for kind, sign in (("deletion", 1), ("insertion", -1)):
        curve = Protocol(kind, "zero", step=1, output="logit")
        asked = ControlProtocol(curve)
        best = control(model, x, model.parts(x), 0, protocol=asked)
        worst = control(model, x, -model.parts(x), 0, protocol=asked)
        assert best.map.beaten.tolist() == [1, 1]
        assert worst.map.beaten.tolist() == [0, 0]
        assert (sign * best.map.ratio < sign).all()
        assert (sign * worst.map.ratio > sign).all()
        # The sum does not know neighbours: the detail of its map is all there is.
        assert (sign * best.to_blurred < sign).all()


def test_a_random_order_is_beaten_by_half_of_the_others():
    model, x = Positive(16), pictures(1, channels=1, size=16)
    shares = []
    for seed in range(40):
        drawn = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(seed))
        result = trial(model, x, {"drawn": drawn}, 0, protocols=(Protocol(output="logit"),), n_random=19)
        shares.append(float(against_random(result, "drawn").beaten))
    # Uniform on 0 to 1: the mean of 40 has a standard deviation of 0.05. All share their random orders.
    assert 0.3 < np.mean(shares) < 0.7


def test_the_blurred_copy_is_a_gaussian_of_a_share_of_the_side():
    x, m = pictures(1, size=20), torch.zeros(1, 20, 20)
    m[0, 10, 9] = 1
    made = blurred(m, x, 0.1)[0]  # sigma 2
    assert float(made.sum()) == pytest.approx(1, abs=1e-12)
    assert float(made[10, 9] / made[10, 11]) == pytest.approx(np.exp(4 / 8), rel=1e-9)
    assert float(made[10, 9] / made[8, 9]) == pytest.approx(np.exp(4 / 8), rel=1e-9)
    signed = maps_of(1, 20)
    torch.testing.assert_close(blurred(signed, x, ranking="absolute"), blurred(signed.abs(), x), **EXACT)
    assert not torch.allclose(blurred(signed, x), blurred(signed.abs(), x))
    flat = torch.full((1, 17, 23), 0.1, dtype=torch.float64)
    assert torch.equal(blurred(flat, flat[:, None]), flat)


def test_another_seed_is_another_sample_and_the_same_is_the_same(model):
    x, m = pictures(1, size=6), maps_of(1, 6)
    first, again, other = (
        control(model, x, m, 0, protocol=ControlProtocol(Protocol(seed=seed), 3)).map.random
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_neither_chunks_nor_neighbours_change_it(model):
    x, m = pictures(3, size=6), maps_of(3, 6)
    asked = ControlProtocol(n_random=3)
    whole = control(model, x, m, 0, protocol=asked)
    small = control(model, x, m, 0, protocol=asked, chunk_size=2)
    alone = control(model, x[1:2], m[1:2], 0, protocol=asked)
    for name in ("ratio", "low", "high", "beaten"):
        ours = getattr(whole.map, name)
        torch.testing.assert_close(ours, getattr(small.map, name), **EXACT)
        torch.testing.assert_close(ours[1:2], getattr(alone.map, name), **EXACT)


def test_it_can_be_watched_and_stopped(model):
    x, m, seen = pictures(1, size=6), maps_of(1, 6), []
    made = control(model, x, m, 0, chunk_size=8, progress=seen.append)
    assert torch.equal(seen[-1].result.map.ratio, made.map.ratio)
    assert seen[0].result.map.ratio.shape == (1,)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        control(model, x, m, 0, chunk_size=8, cancel=token)


def test_it_is_not_defined_where_there_is_no_order_or_no_score(model):
    m = maps_of(2, 6)
    m[0] = 0.3
    made = control(model, pictures(2, size=6), m, 0)
    for value in (made.map.ratio, made.map.low, made.map.high, made.map.beaten, made.to_blurred):
        assert value.isnan().tolist() == [True, False]
    assert "input 0" in made.notes[0]
    x = torch.stack([torch.full((2, 6, 6), 0.5), torch.ones(2, 6, 6)]).double()
    made = control(Saturated(), x, maps_of(2, 6), 1)
    assert made.map.ratio.isnan().tolist() == [False, True]
    assert "probability" in made.notes[0]


def test_a_ratio_of_areas_about_zero_is_none():
    model, x = Affine(), pictures(1)
    parts = contributions(model, x, 0)
    # From F(x) down to F(x) - 2 F(x): the areas of random orders lie on both sides of zero.
    middle = x * 0 + x - 2 * x * (model(x)[0, 0] / parts.sum()).detach()
    curve = Protocol("deletion", middle, step=1, output="logit")
    made = control(model, x, maps_of(1), 0, protocol=ControlProtocol(curve)).map
    assert float(made.random.amin()) < 0 < float(made.random.amax())
    assert made.ratio.isnan().all()
    assert made.high.isnan().all()
    assert made.area.isfinite().all()
    assert made.notes == ("No ratio to the random orders for input 0: the score is negative somewhere.",)


def test_bad_input_is_refused(model):
    x, m = pictures(1, size=6), maps_of(1, 6)
    with pytest.raises(InputError, match="6 x 6"):
        control(model, x, torch.ones(1, 3, 3), 0)
    with unchecked():
        for wrong, words in (
            ({"curve": "deletion"}, "a Protocol"),
            ({"n_random": 1}, "at least 2"),
            ({"level": 1.0}, "between 0 and 1"),
            ({"blur": 0}, "between 0 and 1"),
        ):
            with pytest.raises(MethodError, match=words):
                ControlProtocol(**wrong)
    result = trial(model, x, {"map": m}, 0, n_random=0)
    with pytest.raises(MethodError, match="a map of the trial: map"):
        against_random(result, "maps")
    with pytest.raises(MethodError, match="n_random=20"):
        against_random(result, "map")
    result = trial(model, x, {"map": m}, 0, n_random=2)
    for wrong in (2, 5, -1, "insertion"):
        with unchecked(), pytest.raises(MethodError, match=r"`protocol`: got .*; expected .*"):
            against_random(result, "map", wrong)
    with pytest.raises(MethodError, match=r"got 2; expected one of the trial's: 0 \(deletion\), 1 \(ins"):
        against_random(result, "map", 2)
    assert against_random(result, "map", 1).protocol.kind == "insertion"
    with pytest.raises(MethodError, match=r"`n_randon`.*Did you mean 'n_random'"):
        control(model, x, m, 0, n_randon=3)


def test_fields_of_the_protocol_are_options(model):
    x, m = pictures(1, size=6), maps_of(1, 6)
    made = control(model, x, m, 0, protocol=ControlProtocol(level=0.5), n_random=3, blur=0.2)
    assert made.protocol == ControlProtocol(n_random=3, level=0.5, blur=0.2)
    expected = control(model, x, m, 0, protocol=made.protocol)
    torch.testing.assert_close(made.to_blurred, expected.to_blurred, **EXACT)


def test_a_map_of_one_magnitude_is_no_order_by_magnitudes(model):
    x, signs = pictures(1, size=6), maps_of(1, 6).sign()
    found = control(model, x, signs, 0, protocol=ControlProtocol(Protocol(ranking="absolute"), n_random=2))
    for number in (found.map.ratio, found.blurred.ratio, found.to_blurred, found.map.beaten):
        assert number.isnan().all()
    assert "one magnitude" in found.notes[0]
