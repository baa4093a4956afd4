"""Trustworthiness and continuity against scikit-learn, ZADU's definition, and the paper."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn import manifold
from sklearn.datasets import load_digits

from saliscope.core.anytime import drive
from saliscope.errors import ReductionError
from saliscope.reduction.ranks import continuity, rank_criteria_stream, sample, trustworthiness
from tests.reference import map_criteria


def cloud(n: int, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(n, d))
    return data, data[:, :2] + 0.3 * rng.normal(size=(n, 2))


@pytest.mark.parametrize(("n", "k"), [(33, 15), (40, 1), (300, 15), (900, 5)])
def test_equal_to_scikit_learn(n, k):
    data, coordinates = cloud(n)
    expected = manifold.trustworthiness(data, coordinates, n_neighbors=k)
    swapped = manifold.trustworthiness(coordinates, data, n_neighbors=k)
    assert trustworthiness(data, coordinates, k) == pytest.approx(expected, abs=1e-6)
    assert continuity(data, coordinates, k) == pytest.approx(swapped, abs=1e-6)
    assert abs(expected - swapped) > 1e-4  # so that the two cannot be mixed up


def test_equal_to_the_paper_where_many_distances_are_equal():
    rng = np.random.default_rng(0)
    data, coordinates = rng.integers(0, 3, (80, 4)), rng.integers(0, 5, (80, 2))
    assert trustworthiness(data, coordinates, 7) == map_criteria.trustworthiness(data, coordinates, 7)
    assert continuity(data, coordinates, 7) == map_criteria.trustworthiness(coordinates, data, 7)


@pytest.mark.skipif(find_spec("zadu") is None, reason="zadu is not installed")
def test_equal_to_zadu():
    from zadu.measures import trustworthiness_continuity

    data = load_digits().data[:600]
    coordinates = data[:, [20, 42]] + np.random.default_rng(0).random((600, 2))
    expected = trustworthiness_continuity.measure(data, coordinates, k=15)
    assert trustworthiness(data, coordinates) == pytest.approx(expected["trustworthiness"], abs=1e-6)
    assert continuity(data, coordinates) == pytest.approx(expected["continuity"], abs=1e-6)


def test_a_tight_cluster_far_from_the_centre():
    # In float32 the squared distances within it would be zero.
    data, coordinates = cloud(120)
    data[:60] = data[:60] * 1e-2 + 1000
    expected = map_criteria.trustworthiness(data, coordinates, 15)
    assert trustworthiness(data, coordinates) == pytest.approx(expected, abs=1e-6)


def test_a_sample_is_the_mean_over_its_rows():
    data, coordinates = cloud(200)
    rows = sample(200, 40, random_state=3)
    expected = map_criteria.trustworthiness(data, coordinates, 15, rows.tolist())
    found = trustworthiness(data, coordinates, rows=40, random_state=3)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found != trustworthiness(data, coordinates, rows=40, random_state=4)


def test_a_sample_has_each_row_once_and_leaves_the_global_random_numbers_alone():
    before = torch.get_rng_state()
    rows = sample(100, 60, random_state=0)
    assert rows.unique().tolist() == rows.tolist()
    assert sample(100, 60, random_state=0).tolist() == rows.tolist()
    assert sample(100, 100, random_state=5).tolist() == list(range(100))
    assert torch.equal(before, torch.get_rng_state())


def test_a_map_without_faults():
    data = cloud(100, d=2)[0]
    assert trustworthiness(data, 3 * data + 7) == continuity(data, 3 * data + 7) == 1


def test_duplicates_are_equally_near():
    data = np.repeat(cloud(20)[0], 5, axis=0)
    coordinates = data[:, :2] * 1e3
    assert trustworthiness(data, coordinates, 4) == continuity(data, coordinates, 4) == 1


def test_the_stream_can_be_left_and_its_answers_are_about_the_rows_so_far(monkeypatch):
    monkeypatch.setattr("saliscope.reduction.ranks._BLOCK", 1)
    data, coordinates = cloud(64)
    steps = list(rank_criteria_stream(data, coordinates, 5))
    assert [step.done for step in steps] == [16, 32, 48, 64]
    expected = map_criteria.trustworthiness(data, coordinates, 5, range(16))
    assert steps[0].result.trustworthiness == pytest.approx(expected, abs=1e-12)
    assert (steps[0].result.rows, steps[-1].result.rows) == (16, 64)


def test_float64_data_stay_as_they_were():
    data, coordinates = (torch.from_numpy(one) for one in cloud(50))
    copies = data.clone(), coordinates.clone()
    drive(rank_criteria_stream(data, coordinates))
    assert torch.equal(data, copies[0])
    assert torch.equal(coordinates, copies[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 15, "n": 30}, "at most 14"),
        ({"k": 0}, "positive"),
        ({"rows": 0}, "positive whole number"),
        ({"short": 1}, "39 rows"),
    ],
)
def test_bad_input(change, words):
    data, coordinates = cloud(change.get("n", 40))
    coordinates = coordinates[change.get("short", 0) :]
    with pytest.raises(ReductionError, match=words):
        trustworthiness(data, coordinates, change.get("k", 5), change.get("rows", 2000))


@pytest.mark.gpu
def test_the_same_on_a_gpu():
    data, coordinates = (torch.from_numpy(one) for one in cloud(500))
    expected = drive(rank_criteria_stream(data, coordinates))
    assert drive(rank_criteria_stream(data.cuda(), coordinates.cuda())) == expected
