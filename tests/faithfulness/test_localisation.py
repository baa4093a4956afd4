"""Localisation: against loops over pixels, closed forms, and what is not defined."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from saliscope import InputError, MethodError, TargetError
from saliscope.faithfulness.localisation import (
    PointingProtocol,
    RelevanceProtocol,
    pointing_game,
    relevance_mass,
    relevance_rank,
)
from tests.core.helpers import unchecked
from tests.reference import localisation as slow

N, HEIGHT, WIDTH = 12, 17, 13


@pytest.fixture
def maps():
    return np.random.default_rng(0).standard_normal((N, HEIGHT, WIDTH))


@pytest.fixture
def masks():
    return np.random.default_rng(1).random((N, HEIGHT, WIDTH)) < 0.02


def all_hits(values, mask, **options):
    return pointing_game(values, mask, protocol=PointingProtocol(**options)).hits


def at(row, column):
    values = torch.zeros(1, HEIGHT, WIDTH)
    values[0, row, column] = 1
    return values


def test_the_point_is_as_far_from_the_mask_as_a_search_over_all_its_pixels_says(maps, masks):
    game = pointing_game(maps, masks)
    for i in range(N):
        point = np.unravel_index(maps[i].argmax(), (HEIGHT, WIDTH))
        assert tuple(game.points[i].tolist()) == point
        assert game.distances[i].item() == pytest.approx(slow.distance_to_mask(point, masks[i]), abs=1e-12)


@pytest.mark.parametrize("tolerance", [1, 3, 5, 15])
def test_a_hit_is_one_of_torchray_on_the_edge_of_the_disc_too(tolerance):
    mask = np.zeros((1, HEIGHT, WIDTH), bool)
    mask[0, 8, 6] = True
    points = list(np.ndindex(HEIGHT, WIDTH))
    values = torch.cat([at(*point) for point in points])
    hits = all_hits(values, mask.repeat(len(points), 0), tolerance=tolerance)
    assert hits.tolist() == [slow.torchray_hit(point, mask[0], tolerance) for point in points]


def test_without_tolerance_only_the_mask_itself_counts():
    mask = at(3, 4).bool()
    assert all_hits(torch.cat([at(3, 4), at(3, 5)]), mask.expand(2, -1, -1), tolerance=0).tolist() == [1, 0]


def test_of_several_maxima_the_seed_draws_one_and_each_gets_its_share():
    values = at(0, 0) + at(16, 12)
    hits = torch.stack([all_hits(values, at(0, 0).bool(), tolerance=0, seed=seed) for seed in range(200)])
    assert 0.35 < hits.mean() < 0.65
    assert all_hits(values, at(0, 0), tolerance=0, seed=3) == all_hits(values, at(0, 0), tolerance=0, seed=3)


def test_the_magnitude_counts_if_it_is_asked_for():
    values = at(2, 2) - 3 * at(9, 9)
    assert all_hits(values, at(9, 9), tolerance=0).item() == 0
    assert all_hits(values, at(9, 9), tolerance=0, ranking="absolute").item() == 1


def test_an_empty_mask_and_a_constant_map_are_no_hits_and_no_misses(maps, masks):
    masks[0] = False
    masks[1:] = True
    maps[1] = -2.0
    game = pointing_game(maps, masks)
    assert game.hits.isnan().tolist() == [True, True] + [False] * (N - 2)
    assert game.centre_hits.isnan().tolist() == game.hits.isnan().tolist()  # the same games
    assert game.centre_rate().classes[0][1] == game.rate().classes[0][1]
    assert game.points[1].tolist() == [-1, -1]
    assert bool((game.points[2:] >= 0).all())
    assert any("mask is empty" in note for note in game.notes)
    assert any("one value" in note for note in game.notes)
    assert game.rate().value == 1
    assert game.rate().classes == {0: (1.0, N - 2)}
    for measure in (relevance_mass, relevance_rank):
        result = measure(maps, masks)
        assert result.values.isnan().tolist() == game.hits.isnan().tolist()
        assert len(result.notes) == 2


def test_fields_of_the_protocol_are_options(maps, masks):
    masks[:, 3:9, 2:7] = True
    near = pointing_game(maps, masks, tolerance=3, ranking="absolute")
    assert near.protocol == PointingProtocol(3, "absolute")
    again = pointing_game(maps, masks, protocol=PointingProtocol(seed=5), tolerance=3, ranking="absolute")
    assert again.protocol == PointingProtocol(3, "absolute", 5)
    assert again.hits.tolist() == near.hits.tolist()
    for measure in (relevance_mass, relevance_rank):
        expected = measure(maps, masks, protocol=RelevanceProtocol("absolute", 2))
        made = measure(maps, masks, part="absolute", seed=2)
        assert made.protocol == expected.protocol
        assert made.values.tolist() == expected.values.tolist()
        with pytest.raises(MethodError, match=r"`parts`.*Did you mean 'part'"):
            measure(maps, masks, parts="absolute")
    with pytest.raises(MethodError, match=r"`tolerence`.*Did you mean 'tolerance'"):
        pointing_game(maps, masks, tolerence=3)


def test_classes_of_different_kinds_are_different_classes():
    values = torch.cat([at(0, 0), at(16, 12)])
    game = pointing_game(values, at(0, 0).expand(2, -1, -1), [1, "1"], tolerance=0)
    assert game.labels == (1, "1")
    assert game.rate().classes == {1: (1.0, 1), "1": (0.0, 1)}


def test_a_rate_without_any_game_is_not_defined():
    rate = pointing_game(at(0, 0), at(0, 0) * 0).rate()
    assert math.isnan(rate.value)
    assert math.isnan(rate.low)
    assert rate.classes == {}


def test_the_rate_is_the_mean_over_the_classes_not_over_the_pictures():
    values = torch.cat([at(0, 0)] * 3 + [at(16, 12)])
    game = pointing_game(
        values, at(0, 0).expand(4, -1, -1), ["a", "a", "a", "b"], protocol=PointingProtocol(0)
    )
    rate = game.rate()
    assert rate.value == 0.5
    assert rate.classes == {"a": (1.0, 3), "b": (0.0, 1)}


def test_the_interval_of_one_class_is_wilsons_and_of_several_as_wide_as_independence_says():
    mask, n, right = at(0, 0).expand(10, -1, -1), 10, 7
    values = torch.cat([at(0, 0)] * right + [at(16, 12)] * (n - right))
    one = pointing_game(values, mask, protocol=PointingProtocol(0)).rate(0.9)
    expected = binomtest(right, n).proportion_ci(0.9, method="wilson")
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    labels = [0] * n + [1] * n
    two = pointing_game(
        values.repeat(2, 1, 1), mask.repeat(2, 1, 1), labels, protocol=PointingProtocol(0)
    ).rate(0.9)
    assert two.value == one.value
    assert two.value - two.low == pytest.approx((one.value - one.low) / math.sqrt(2), abs=1e-12)
    assert two.high - two.value == pytest.approx((one.high - one.value) / math.sqrt(2), abs=1e-12)


def test_the_centre_of_the_picture_is_played_beside_the_map():
    game = pointing_game(
        torch.cat([at(0, 0)] * 2), torch.cat([at(8, 6), at(0, 0)]), protocol=PointingProtocol(3)
    )
    assert game.centre_hits.tolist() == [1, 0]
    assert game.hits.tolist() == [0, 1]


def test_mass_and_rank_are_those_of_the_paper(maps, masks):
    masks[:, 3:9, 2:7] = True
    mass, rank = relevance_mass(maps, masks), relevance_rank(maps, masks)
    for i in range(N):
        assert mass.values[i].item() == pytest.approx(slow.relevance_mass(maps[i], masks[i]), abs=1e-12)
        assert rank.values[i].item() == pytest.approx(slow.relevance_rank(maps[i], masks[i]), abs=1e-12)
    assert mass.area.tolist() == pytest.approx(masks.mean((1, 2)))


def test_mass_and_rank_do_not_depend_on_the_scale_of_a_map(maps, masks):
    for measure in (relevance_mass, relevance_rank):
        for scale in (1e-300, 1e307):  # a sum of the largest would be infinite
            assert measure(maps * scale, masks).values == pytest.approx(
                measure(maps, masks).values, abs=1e-12
            )


def test_evidence_against_the_class_counts_only_if_it_is_asked_for():
    values = at(2, 2) - 3 * at(9, 9)
    both = RelevanceProtocol("absolute")
    assert relevance_mass(values, at(9, 9)).values.item() == 0
    assert relevance_mass(values, at(9, 9), protocol=both).values.item() == 0.75
    assert relevance_rank(values, at(9, 9)).values.item() == 0
    assert relevance_rank(values, at(9, 9), protocol=both).values.item() == 1


def test_a_map_without_any_value_that_counts_has_no_mass():
    for measure in (relevance_mass, relevance_rank):
        result = measure(-at(2, 2), at(2, 2))
        assert result.values.isnan().all()
        assert "positive part" in result.notes[0]


def test_pixels_that_do_not_count_are_drawn_for_the_rank():
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, :8] = 1  # 104 of 221 pixels, of which the map knows one
    protocols = [RelevanceProtocol(seed=seed) for seed in range(50)]
    found = torch.cat([relevance_rank(at(0, 0), mask, protocol=one).values for one in protocols])
    assert found.mean().item() == pytest.approx(104 / 221, abs=0.03)
    assert found.std() > 0


def test_what_does_not_fit_says_so(maps, masks):
    with pytest.raises(InputError, match=r"maps.*shape \(12, 9, 9\)"):
        pointing_game(np.zeros((N, 9, 9)), masks)
    for labels, words in (
        ([1, 2], "2 labels for 12 maps"),
        (3, "got 3; expected a list with the class of each of 12 maps"),
        ("twelve words", "got 'twelve words'; expected a list"),
        ([[1]] * N, r"`labels\[0\]`: got \[1\]; expected a class index or the name of a class"),
    ):
        with pytest.raises(InputError, match=words):
            pointing_game(maps, masks, labels)
    with pytest.raises(TargetError, match=r"`labels\[11\]`: got -1; expected a class index from 0 on"):
        pointing_game(maps, masks, [0] * 11 + [-1])
    with pytest.raises(InputError, match="beside 0 and 1"):
        relevance_mass(maps, masks * 2)
    with pytest.raises(InputError, match="masks"):
        relevance_rank(maps, masks[None])
    with unchecked(), pytest.raises(MethodError, match="a RelevanceProtocol"):
        relevance_mass(maps, masks, protocol=PointingProtocol())
    for wrong in (masks[:, :5], masks[:1], masks.transpose(0, 2, 1)):
        with pytest.raises(InputError, match=r"`masks`.*a mask for each map") as caught:
            pointing_game(maps, wrong)
        assert not caught.value.way_out
    maps[3, 2, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        pointing_game(maps, masks)


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        (PointingProtocol, {"tolerance": -1}),
        (PointingProtocol, {"tolerance": math.nan}),
        (PointingProtocol, {"seed": -1}),
        (RelevanceProtocol, {"seed": -1}),
    ],
)
def test_a_protocol_outside_of_its_range_names_the_field(protocol, changes):
    with pytest.raises(MethodError, match=next(iter(changes))):
        protocol(**changes)
