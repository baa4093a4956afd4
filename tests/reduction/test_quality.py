"""Points of a map on trial: shares of neighbours, stretch, Shepard's diagram, and the audit of all that."""

import re
import sys

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import make_swiss_roll

from saliscope.core.anytime import Cancelled, CancelToken, drive
from saliscope.errors import ReductionError
from saliscope.reduction.affinities import uniform_graph
from saliscope.reduction.audit import Audit, audit, audit_stream
from saliscope.reduction.estimators import PCA, TSNE
from saliscope.reduction.map_neighbors import map_neighbors
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.quality import quality
from saliscope.reduction.ranks import continuity, trustworthiness
from saliscope.reduction.shepard import rank_correlation, shepard
from saliscope.reduction.stability import stability
from tests.reference import map_criteria


def cloud(n: int, d: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(n, d, generator=generator)
    return data, data[:, :2] + 0.3 * torch.randn(n, 2, generator=generator)


def test_every_point_as_counted_by_hand():
    data, coordinates = cloud(60)
    found = quality(neighbors(data, 15), coordinates)
    kept, false, missing, stretch = map_criteria.quality(data.tolist(), coordinates.tolist(), 15)
    np.testing.assert_allclose(found.kept, kept, atol=1e-6)
    np.testing.assert_allclose(found.false, false, atol=1e-6)
    np.testing.assert_allclose(found.missing, missing, atol=1e-6)
    np.testing.assert_allclose(found.stretch, stretch, atol=1e-5)
    assert not torch.equal(found.false, found.missing)
    assert found.k == 15
    np.testing.assert_allclose(found.false_neighbors.float().mean(1), found.false)
    np.testing.assert_allclose(found.missing_neighbors.float().mean(1), found.missing)


def test_chunks_change_nothing(monkeypatch):
    data, coordinates = cloud(100)
    whole = quality(neighbors(data, 15), coordinates)
    # By name it would be the function, which the package shows under the name of its file.
    monkeypatch.setattr(sys.modules[quality.__module__], "_CHUNK", 7)
    parts = quality(neighbors(data, 15), coordinates)
    for name in ("kept", "false", "missing", "stretch", "false_neighbors", "missing_neighbors"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_a_faithful_map_and_its_scale():
    data = cloud(80, d=2)[0]
    found = quality(neighbors(data, 20), 40 * data)
    assert found.k == 15
    assert found.kept.min() == 1
    assert found.false.max() == found.missing.max() == 0
    np.testing.assert_allclose(found.stretch, 0, atol=1e-4)


def test_stretch_is_the_logarithm_of_the_local_scale():
    data = cloud(200, d=2)[0]
    data[100:] += 100
    found = quality(neighbors(data, 5), torch.cat([data[:100], 4 * data[100:]]))
    difference = found.stretch[100:] - found.stretch[:100].median()
    np.testing.assert_allclose(difference, np.log(4), atol=1e-3)


def test_duplicates_and_few_points():
    data = torch.zeros(40, 3)
    found = quality(neighbors(data, 15), torch.zeros(40, 2))
    assert found.kept.min() == 1
    assert found.stretch.abs().max() == 0
    # Copies that a map draws apart are no stretch: the data have no distance to compare with.
    copies = torch.cat([data, torch.ones(40, 3)])
    assert quality(neighbors(copies, 15), cloud(80)[1]).stretch.abs().max() == 0
    two = audit(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert (two.kept, two.trustworthiness, two.continuity) == (None, None, None)


@pytest.mark.parametrize(("n", "k"), [(4, 1), (5, 1), (7, 2), (16, 5), (45, 14), (46, 15), (400, 15)])
def test_few_points_are_judged_by_a_third_of_the_others(n, k):
    # By all the others every map would be perfect.
    data, coordinates = cloud(n)
    near = neighbors(data, min(15, n - 1))
    for given in (near, None):
        found = audit(data, coordinates.flip(0), given)
        assert found.quality.k == quality(near, coordinates).k == k
        assert found.kept < 1
        assert found.trustworthiness < 1


@pytest.mark.parametrize("n", [2, 3])
def test_of_three_points_all_are_neighbours_on_every_map(n):
    data, coordinates = cloud(n)
    found = audit(data, coordinates)
    assert (found.quality, found.kept, found.trustworthiness) == (None, None, None)
    assert found.shepard is not None
    with pytest.raises(ReductionError, match=f"got {n} rows; expected at least 4"):
        quality(neighbors(data, n - 1), coordinates)
    assert stability(data, PCA(), 2).kept is None


def test_they_are_printed_in_a_line():
    data, coordinates = cloud(60)
    near = neighbors(data, 15)
    found = audit(data, coordinates, near)
    assert repr(near) == "Neighbors(60 rows, the 15 nearest of each)"
    assert re.fullmatch(
        r"Quality\(60 points, k = 15, kept 0\.\d\d, false 0\.\d\d, missing 0\.\d\d\)", repr(found.quality)
    )
    assert repr(found.shepard) == f"Shepard(1770 pairs, rho = {found.shepard.rho:.2f})"
    assert repr(uniform_graph(near)).startswith("Graph(60 rows, ")
    assert "tensor" not in repr(found)
    assert "tensor" not in repr(Audit())


@pytest.mark.parametrize("kind", ["cloud", "grid", "stack", "pairs"])
def test_neighbours_on_a_map_are_the_neighbours(kind):
    at = cloud(400)[1]
    if kind == "grid":
        at = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    if kind == "stack":
        at[50:90] = at[50]
    if kind == "pairs":
        at[200:] = at[:200]
    expected, found = neighbors(at, 15), map_neighbors(at, 15)
    assert torch.equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-6, atol=1e-6)


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 200), rng.normal(size=200)
    found = rank_correlation(torch.as_tensor(a).double(), torch.as_tensor(b))
    assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert rank_correlation(torch.ones(5), torch.arange(5.0)) is None


def test_shepard_of_all_pairs():
    data, coordinates = cloud(60)
    found = shepard(data, coordinates)
    in_data, on_map = (torch.pdist(one.double()) for one in (data, coordinates))
    assert found.n_pairs == found.counts.sum() == 60 * 59 // 2
    assert found.rho == pytest.approx(spearmanr(in_data, on_map).statistic, abs=1e-6)
    edges = [one.numpy() for one in (found.data_edges, found.map_edges)]
    expected = np.histogram2d(in_data.float(), on_map.float(), edges)[0]
    assert np.abs(found.counts.numpy() - expected).sum() <= 4  # rounding on an edge


def test_shepard_of_sampled_pairs():
    data, coordinates = cloud(800)
    found = shepard(data, coordinates)
    expected = spearmanr(torch.pdist(data), torch.pdist(coordinates)).statistic
    assert found.n_pairs == 20_000
    assert found.rho == pytest.approx(expected, abs=0.02)
    assert found.rho == shepard(data, coordinates).rho != shepard(data, coordinates, random_state=1).rho


def test_shepard_of_one_spot_is_not_defined():
    found = shepard(torch.zeros(10, 3), cloud(10)[1])
    assert found.rho is None
    assert found.counts.sum() == 45


def test_the_audit_says_more_and_more():
    data, coordinates = cloud(300)
    answers = [step.result for step in audit_stream(data, coordinates, neighbors(data, 15))]
    known = [(a.quality is None, a.shepard is None, a.trustworthiness is None) for a in answers]
    assert known == sorted(known, reverse=True)
    last = answers[-1]
    assert last.trustworthiness == trustworthiness(data, coordinates)
    assert last.continuity == continuity(data, coordinates)
    assert last.kept == pytest.approx(quality(neighbors(data, 15), coordinates).kept.mean().item())
    assert last.rows == 300


def test_an_audit_finds_neighbours_itself_and_stops_between_two_steps(monkeypatch):
    monkeypatch.setattr("saliscope.reduction.ranks._BLOCK", 300 * 100)
    data, coordinates = cloud(300)
    given = audit(data, coordinates, neighbors(data, 20))
    assert audit(data, coordinates).kept == given.kept
    token = CancelToken()

    def stop(step):
        if step.result.shepard is not None:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        drive(audit_stream(data, coordinates), progress=stop, cancel=token)
    assert stopped.value.result.quality is not None


def test_another_number_of_rows():
    data, coordinates = cloud(30)
    for call in (
        lambda: quality(neighbors(data, 5), coordinates[:-1]),
        lambda: audit(data, coordinates[:-1]),
        lambda: audit(data, coordinates, neighbors(data[:-1], 5)),
        lambda: shepard(data, coordinates[:-1]),
    ):
        with pytest.raises(ReductionError, match="29"):
            call()


def test_pca_folds_the_swiss_roll_and_tsne_does_not():
    data, along = make_swiss_roll(1500, random_state=0)
    rows = torch.as_tensor(data).float()
    rows[:, 1] *= 2  # longer than wide: the plane of PCA holds its axis, and lays turn upon turn
    folded = audit(rows, PCA().fit(rows).embedding_)
    unrolled = audit(rows, TSNE().fit(rows).embedding_)
    assert unrolled.kept > 0.75 > 0.5 > folded.kept
    assert unrolled.trustworthiness > 0.99 > 0.98 > folded.trustworthiness

    def from_another_turn(found) -> float:
        t = torch.as_tensor(along)
        return ((t[found.map_neighbors.indices] - t[:, None]).abs() > np.pi).float().mean().item()

    assert from_another_turn(folded.quality) > 0.1
    assert from_another_turn(unrolled.quality) < 0.01
