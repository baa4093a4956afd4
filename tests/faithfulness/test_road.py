"""ROAD: the infill against a sparse solve, its noise, what it may not depend on, closed forms, bad input."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import BaselineError, InputError, MethodError, Target, TargetError, borrow
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness import Protocol, Road, RoadProtocol, deletion, insertion, road, road_stream
from saliscope.faithfulness.infill import infill
from tests.core.helpers import changed, fingerprint, unchecked
from tests.reference import road as reference


def pictures(n: int = 1, channels: int = 3, height: int = 12, width: int = 12, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, height, width, generator=draw, dtype=torch.float64)


def scattered(n: int, height: int, width: int, share: float, seed: int = 1) -> Tensor:
    return torch.rand(n, height, width, generator=torch.Generator().manual_seed(seed)) < share


def disc(height: int, width: int, row: float, column: float, radius: float) -> Tensor:
    y, x = torch.arange(height)[:, None] - row, torch.arange(width) - column
    return (y**2 + x**2 < radius**2)[None]


def all_but(height: int, width: int, row: int, column: int) -> Tensor:
    hidden = torch.ones(1, height, width, dtype=torch.bool)
    hidden[0, row, column] = False
    return hidden


def right_of(height: int, width: int, known: int) -> Tensor:
    return (torch.arange(width) >= known).expand(1, height, width)


HOLES = {
    "10 %": scattered(2, 16, 16, 0.1),
    "50 %": scattered(2, 16, 16, 0.5),
    "90 %": scattered(2, 31, 18, 0.9),
    "99 %": scattered(1, 24, 24, 0.99),
    "disc": disc(32, 32, 16, 15, 11),
    "disc at the border": disc(30, 23, 3, 20, 12),
    "all but a disc": ~disc(33, 40, 20, 20, 6),
    "all but a corner": all_but(17, 9, 0, 0),
    "all but one": all_but(20, 21, 11, 4),
    "one row": torch.arange(15)[None, None] % 7 > 0,
    "one column": torch.arange(40)[None, :, None] > 3,
    "a corridor, one column known": right_of(3, 300, 1),
    "a corridor, two columns known": right_of(20, 200, 2),
    "two pixels": torch.tensor([[[True, False]]]),
    "a corner": disc(6, 6, 0, 0, 2.5),
    "none": torch.zeros(1, 5, 5, dtype=torch.bool),
}


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("channels", [1, 3])
def test_infill_is_the_solution_of_the_sparse_system(name: str, channels: int) -> None:
    hidden = HOLES[name]
    given = pictures(len(hidden), channels, *hidden.shape[1:])
    expected = [reference.infill(p.numpy(), h.numpy()) for p, h in zip(given, hidden, strict=True)]
    torch.testing.assert_close(infill(given, hidden), torch.tensor(np.stack(expected)), rtol=0, atol=1e-6)


def test_large_pictures_with_holes_of_both_kinds() -> None:
    hidden = torch.cat([disc(96, 96, 40, 50, 35), scattered(1, 96, 96, 0.5)])
    given = pictures(2, 3, 96, 96)
    for picture, holes, found in zip(given, hidden, infill(given, hidden), strict=True):
        expected = torch.tensor(reference.infill(picture.numpy(), holes.numpy()))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_two_pixels_in_the_corner_of_a_large_picture_bind_it_all() -> None:
    """What single precision loses in so many sums is more than what two pixels say."""
    given, hidden = pictures(1, 1, 160, 160), torch.ones(1, 160, 160, dtype=torch.bool)
    hidden[0, 0, 0] = hidden[0, 1, 1] = False
    expected = torch.tensor(reference.infill(given[0].numpy(), hidden[0].numpy()))
    error = (infill(given, hidden)[0] - expected).abs().max()
    assert float(error / (given[0, 0, 0, 0] - given[0, 0, 1, 1]).abs()) < 1e-6


@pytest.mark.parametrize("name", HOLES)
def test_values_stay_between_the_known_ones(name: str) -> None:
    hidden = HOLES[name]
    given = 50 * pictures(len(hidden), 1, *hidden.shape[1:]) - 7
    for picture, holes, found in zip(given, hidden, infill(given, hidden), strict=True):
        known = picture[:, ~holes]
        assert found.min() >= known.min() - 5e-5
        assert found.max() <= known.max() + 5e-5


@pytest.mark.parametrize("share", [0.3, 0.97, 1.0])
def test_a_constant_picture_stays(share: float) -> None:
    given = torch.full((2, 3, 20, 20), 0.3, dtype=torch.float64)
    torch.testing.assert_close(infill(given, scattered(2, 20, 20, share)), given, rtol=0, atol=1e-14)


def test_where_all_is_hidden_the_mean_colour_stands() -> None:
    given = pictures(2)
    expected = given.mean((2, 3), keepdim=True).expand_as(given)
    torch.testing.assert_close(infill(given, torch.ones(2, 12, 12, dtype=torch.bool)), expected)


def test_what_is_hidden_does_not_matter() -> None:
    hidden = scattered(1, 16, 16, 0.6)
    given = pictures(1, 3, 16, 16)
    other = torch.where(hidden[:, None], 1e3, given)
    assert torch.equal(infill(given, hidden), infill(other, hidden))


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    hidden = torch.cat([disc(40, 40, 20, 20, s) for s in (3, 18, 9)] + [scattered(3, 40, 40, 0.4)])
    given = pictures(6, 3, 40, 40)
    together = infill(given, hidden)
    alone = torch.cat([infill(p, h) for p, h in zip(given.split(1), hidden.split(1), strict=True)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-7)


def test_dtype_is_kept() -> None:
    assert infill(pictures().float(), scattered(1, 12, 12, 0.5)).dtype == torch.float32


def test_noise_has_its_size_and_its_seed_and_spares_what_is_known() -> None:
    hidden, given = scattered(1, 64, 64, 0.5), pictures(1, 3, 64, 64)
    noise = Road(0.05, 3).filled(given, hidden) - infill(given, hidden)
    drawn = noise[0][:, hidden[0]]
    assert not noise[0][:, ~hidden[0]].any()
    # The standard errors for so many draws, four times over.
    assert abs(float(drawn.mean())) < 4 * 0.05 / drawn.numel() ** 0.5
    assert abs(float(drawn.std()) / 0.05 - 1) < 4 / (2 * drawn.numel()) ** 0.5
    torch.manual_seed(9)
    assert torch.equal(Road(0.05, 3).filled(given, hidden), Road(0.05, 3).filled(given, hidden))
    assert not torch.equal(Road(0.05, 4).filled(given, hidden), Road(0.05, 3).filled(given, hidden))


class Sums(nn.Module):
    """Two classes: the weighted sum of the pixels, and nothing."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        score = (x * self.weights).sum((1, 2, 3))
        return torch.stack([score, torch.zeros_like(score)], 1)


def spots() -> tuple[nn.Module, Tensor, Tensor]:
    """Bright pixels on black that the model counts, and the map that says so."""
    inputs = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    inputs[0, 0, 1::3, 1::3] = 1
    inputs[1, 0, 2::5, 2::5] = 2
    return Sums(torch.ones(1, 8, 8, dtype=torch.float64)), inputs, inputs[:, 0]


def test_scores_are_those_of_infilled_pictures() -> None:
    model, inputs = Sums(pictures(1, 3, 10, 10, seed=5)[0]), pictures(2, 3, 10, 10)
    maps = torch.arange(100.0).reshape(10, 10).expand(2, -1, -1)
    found = road(model, inputs, maps, 0, output="logit", noise=0.0, fractions=(0.2, 0.5))
    for k, count in enumerate((20, 50)):
        for order, hidden in ((found.morf, maps >= 100 - count), (found.lerf, maps < count)):
            filled = [reference.infill(p.numpy(), h.numpy()) for p, h in zip(inputs, hidden, strict=True)]
            expected = model(torch.tensor(np.stack(filled)))[:, 0].detach()
            torch.testing.assert_close(order[:, k], expected, rtol=0, atol=1e-5)


def test_a_true_map_beats_its_opposite_and_keeps_the_class() -> None:
    model, inputs, maps = spots()
    options: dict[str, Any] = {"output": "logit", "noise": 0.0, "fractions": (0.2, 0.5)}
    true, false = (road(model, inputs, m, 0, **options) for m in (maps, -maps))
    assert bool((true.difference < 0).all())
    assert bool((false.difference > 0).all())
    # All spots are gone at 20 %; while the least relevant go, every spot stays.
    assert float(true.morf.abs().max()) < 1e-6
    assert true.lerf_accuracy.tolist() == [1.0, 1.0]
    labelled = road(model, inputs, maps, 0, labels=[0, 1], **options)
    assert labelled.lerf_accuracy.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_the_result_does_not_depend_on_chunks_or_global_seeds(chunk_size: int | str) -> None:
    model, inputs = Sums(pictures(1, 3, 10, 10, seed=5)[0]), pictures(3, 3, 10, 10)
    maps = pictures(3, 1, 10, 10, seed=7)[:, 0]
    torch.manual_seed(chunk_size if isinstance(chunk_size, int) else 0)
    found = road(model, inputs, maps, 0, output="logit", chunk_size=chunk_size)  # no probability of 1
    one = road(model, inputs[1:2], maps[1:2], 0, output="logit")
    torch.testing.assert_close(found.morf[1], one.morf[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.lerf[1], one.lerf[0], rtol=0, atol=1e-6)


def test_stream_grows_by_fractions_and_can_be_cancelled() -> None:
    model, inputs, maps = spots()
    before = fingerprint(model)
    with unchecked():
        lengths = [len(step.result.fractions) for step in road_stream(model, inputs, maps, 0, chunk_size=2)]
    assert lengths == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]
    assert not changed(before, fingerprint(model))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        road(model, inputs, maps, 0, chunk_size=2, cancel=token)
    assert bool(stopped.value.result.difference.isnan().all())


def test_what_is_not_defined_is_said() -> None:
    model, inputs, maps = spots()
    given = torch.stack([maps[0], torch.ones(8, 8)])
    found = road(model, inputs, given, 0)
    assert found.difference.isnan().tolist() == [False, True]
    assert len(found.notes) == 1
    assert "input 1" in found.notes[0]
    # What is not defined is in no mean: it is as if the other pictures were alone.
    labels = [1, 0]
    mixed, alone = (
        road(model, inputs, given, 0, labels=labels),
        road(model, inputs[:1], given[:1], 0, labels=[1]),
    )
    assert torch.equal(mixed.morf_accuracy, alone.morf_accuracy)
    assert torch.equal(mixed.lerf_accuracy, alone.lerf_accuracy)
    assert not torch.equal(mixed.lerf_right.double().mean(0), alone.lerf_accuracy)
    nowhere = road(model, inputs[1:], given[1:], 0)
    assert nowhere.morf_accuracy.isnan().all()
    assert nowhere.lerf_accuracy.isnan().all()
    signs = torch.where(maps[1] > maps[1].mean(), 1.0, -1.0)
    flat = road(model, inputs, torch.stack([maps[0], signs]), 0, ranking="absolute")
    assert flat.difference.isnan().tolist() == [False, True]
    assert "one magnitude" in flat.notes[0]
    nothing = road(model, torch.cat([inputs[:1], -100 * inputs[1:]]), maps, 0)
    assert nothing.difference.isnan().tolist() == [False, True]
    assert "probability" in nothing.notes[0]


def test_curves_take_it_as_their_replacement() -> None:
    model, inputs, maps = spots()
    for protocol in (Road(noise=0.0), "road"):
        gone = deletion(model, inputs, maps, 0, replacement=protocol, output="logit")
        come = insertion(model, inputs, maps, 0, replacement=protocol, output="logit")
        torch.testing.assert_close(gone.scores[:, 0], come.scores[:, -1], rtol=0, atol=1e-9)
    assert Protocol(replacement="road") != Protocol()


def test_bad_input() -> None:
    model, inputs, maps = spots()
    with pytest.raises(InputError, match="maps"):
        road(model, inputs, maps[:, :4])
    with pytest.raises(InputError, match="NaN"):
        road(model, inputs, maps * torch.nan)
    with pytest.raises(InputError, match="labels"):
        road(model, inputs, maps, labels=[0])
    for noise in (-1.0, "a", True, float("nan")):
        with unchecked(), pytest.raises(BaselineError, match="noise"):
            Road(noise=noise)
        with unchecked(), pytest.raises(BaselineError, match="noise"):
            RoadProtocol(noise=noise)
    for seed in (-1, 1.5, "a", True):
        with unchecked(), pytest.raises(BaselineError, match="seed"):
            Road(seed=seed)
        with unchecked(), pytest.raises(MethodError, match="seed"):
            RoadProtocol(seed=seed)


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.2), 0.5, None, "ab", (0.1, "a"), (0.1,), (0.1, float("nan")), (0.1, 1)]
)
def test_fractions_are_checked(fractions: Any) -> None:
    with unchecked(), pytest.raises(MethodError, match="fractions"):
        RoadProtocol(fractions=fractions)


def test_fractions_may_be_a_list() -> None:
    listed: Any = [0.1, np.float64(0.5)]
    made = RoadProtocol(fractions=listed)
    assert made == RoadProtocol(fractions=(0.1, 0.5))
    assert hash(made) == hash(RoadProtocol(fractions=(0.1, 0.5)))


@pytest.mark.parametrize("fractions", [(0.001, 0.002), (0.5, 0.501)])
def test_fractions_that_hide_nothing_more_are_refused(fractions: tuple[float, ...]) -> None:
    model, inputs, maps = spots()
    with pytest.raises(MethodError, match=r"fractions.* of 64 pixels"):
        road(model, inputs, maps, 0, fractions=fractions)


@pytest.mark.parametrize(
    "labels",
    [[-1, -1], [1, 9], ["a", "b"], [0.0, 1.0], [True, False], 3, "ab", [[0], [1]], [0, 1, 1], [None, 0]],
)
def test_labels_are_classes_of_the_model(labels: Any) -> None:
    model, inputs, maps = spots()
    with pytest.raises((InputError, TargetError), match="labels"):
        road(model, inputs, maps, 0, labels=labels)


def test_labels_come_as_people_have_them() -> None:
    model, inputs, maps = spots()
    named = borrow(model, labels=["spots", "nothing"])
    forms = [[0, 1], (0, 1), np.array([0, 1]), [np.int64(0), torch.tensor(1)], ["spots", "nothing"]]
    options: dict[str, Any] = {"output": "logit", "fractions": (0.2, 0.5)}
    right = [road(named, inputs, maps, 0, labels=form, **options).lerf_right for form in forms]
    assert right[0].tolist() == [[True, True], [False, False]]
    assert all(torch.equal(one, right[0]) for one in right)
    single = nn.Sequential(model, Column())
    with pytest.raises(TargetError, match=r"labels.*one logit"):
        road(single, inputs, maps, 0, labels=[0, 1])


class Column(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1]


def test_a_picture_of_one_colour_has_no_number() -> None:
    model, inputs, maps = spots()
    colours = torch.where(torch.arange(2)[:, None, None, None] > 0, 0.3, inputs)
    made = road(model, colours, maps, 0, output="logit")
    assert made.difference.isnan().tolist() == [False, True]
    assert made.notes == (
        "Not defined for input 1: the picture has one colour throughout, and no infill changes it.",
    )


def test_the_protocol_says_what_was_scored() -> None:
    model, inputs, maps = spots()
    assert road(model, inputs, maps, 0).protocol.output == "probability"
    assert road(model, inputs, maps, Target(0, "logit"), output=None).protocol.output == "logit"
    assert road(model, inputs, maps, lambda out: out[:, 0]).protocol.output is None
