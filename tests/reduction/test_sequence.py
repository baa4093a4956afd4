"""Maps one after another, and the same map again from other starts."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from saliscope.core.anytime import Cancelled, CancelToken, drive
from saliscope.errors import ReductionError
from saliscope.reduction.align import disparity, displacement, procrustes
from saliscope.reduction.estimators import PCA, TSNE
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.quality import quality
from saliscope.reduction.sequence import sequence, sequence_stream
from saliscope.reduction.stability import Stability, stability, stability_stream


@pytest.fixture(scope="module")
def layers() -> list[torch.Tensor]:
    """The same 300 rows in three spaces, as a network's layers are."""
    rows = torch.as_tensor(load_digits().data[:300]).float()
    generator = torch.Generator().manual_seed(0)
    tables = [rows]
    for width in (48, 32):
        weights = torch.randn(tables[-1].shape[1], width, generator=generator)
        tables.append((tables[-1] @ weights).relu())
    return tables


def by_itself(table, seed):
    start = torch.randn(len(table), 2, generator=torch.Generator().manual_seed(seed)) * 1e-4
    *_, last = TSNE().stream(table, start=start)
    return last.result.coordinates


def test_neighbouring_maps_are_near_and_as_good_as_maps_of_their_own(layers):
    maps = sequence(layers, TSNE(), ["a", "b", "c"])
    assert [one.title for one in maps] == ["t-SNE, a", "t-SNE, b", "t-SNE, c"]
    apart = [by_itself(one, seed) for seed, one in enumerate(layers)]
    apart = [apart[0], procrustes(apart[1], apart[0]), apart[2]]
    apart[2] = procrustes(apart[2], apart[1])
    moved = displacement([one.coordinates for one in maps])
    assert moved.shape == (2, 300)
    assert moved.mean() < 0.8 * displacement(apart).mean()
    for table, ours, theirs in zip(layers, maps, apart, strict=True):
        near = neighbors(table, 15)
        kept = quality(near, ours.coordinates).kept.mean()
        assert kept > 0.93 * quality(near, theirs).kept.mean()


def test_every_map_lies_over_the_one_before(layers):
    maps = [one.coordinates for one in sequence(layers, PCA())]
    own = [PCA().fit(one).result_.coordinates for one in layers]
    assert torch.equal(maps[0], own[0])
    for i in (1, 2):
        np.testing.assert_allclose(maps[i], procrustes(own[i], maps[i - 1]), atol=1e-3)
        assert disparity(maps[i], maps[i - 1]) > 0.01


def test_a_sweep_over_a_parameter_searches_neighbours_once(layers, monkeypatch):
    calls = []
    original = neighbors.__globals__["neighbors_stream"]

    def counted(*arguments, **options):
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr("saliscope.reduction.work.neighbors_stream", counted)
    maps = sequence(layers[:1], [TSNE(perplexity=p, n_iter=60) for p in (40, 20, 10)])
    assert len(maps) == 3
    assert len(calls) == 1
    # What was given is used.
    near = [neighbors(one, 20) for one in layers]
    sequence(layers, TSNE(n_iter=30), neighbors=near)
    assert len(calls) == 1


def test_the_first_start_and_the_last_map_are_used(layers):
    start = 5 * torch.randn(300, 2, generator=torch.Generator().manual_seed(1))
    begun = []

    class Noted(TSNE):
        def stream(self, data, *, neighbors=None, start=None):
            begun.append(start)
            return super().stream(data, neighbors=neighbors, start=start)

    maps = sequence(layers[:2], Noted(n_iter=30), start=start)
    assert torch.equal(begun[0], start)
    assert torch.equal(begun[1], maps[0].coordinates)


def test_a_sequence_can_be_stopped_with_the_maps_so_far(layers):
    token = CancelToken()
    seen = []

    def progress(step):
        seen.append(step.done / step.total)
        if len(step.result) == 2:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        drive(sequence_stream(layers, TSNE(n_iter=40)), progress, token)
    assert len(stopped.value.result) == 2
    assert seen == sorted(seen)


def test_bad_sequences(layers):
    for arguments, words in (
        (([], PCA()), "0 tables"),
        ((layers, [PCA(), PCA()]), "3 tables and 2 reducers"),
        (([layers[0], layers[1][:-1]], PCA()), "299, 300"),
        ((layers, PCA(), ["one"]), "1 of them"),
    ):
        with pytest.raises(ReductionError, match=words):
            sequence(*arguments)


def test_random_starts_keep_neighbours_and_not_the_shape(layers):
    reducer = TSNE(random_state=5)
    state = torch.get_rng_state()
    found = stability(layers[0], reducer)
    assert torch.equal(state, torch.get_rng_state())
    assert reducer.random_state == 5
    assert found == stability(layers[0], reducer, neighbors=neighbors(layers[0], 15))
    assert found.n_runs == 3
    assert found.kept > 0.6
    assert 0.02 < found.disparity < 1


def test_what_has_no_start_is_the_same_every_time(layers):
    found = stability(layers[0], PCA(), n_runs=2)
    assert (found.kept, found.n_runs) == (1, 2)
    assert found.disparity == pytest.approx(0, abs=1e-9)


def test_stability_grows_with_the_runs(layers):
    steps = [step.result for step in stability_stream(layers[0], TSNE(n_iter=30), n_runs=2)]
    assert steps[0] == Stability(None, None, 0)
    assert steps[-2] == Stability(None, None, 1)
    assert steps[-1].n_runs == 2
    with pytest.raises(ReductionError, match="at least 2"):
        stability(layers[0], PCA(), n_runs=1)


def test_disparity_of_runs_is_the_mean_over_pairs(layers, monkeypatch):
    maps = []

    class Noted(TSNE):
        def stream(self, data, *, neighbors=None, start=None):
            for step in super().stream(data, neighbors=neighbors, start=start):
                if step.complete:
                    maps.append(step.result.coordinates)
                yield step

    found = stability(layers[0], Noted(n_iter=60))
    pairs = [disparity(maps[a], maps[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found.disparity == pytest.approx(sum(pairs) / 3)
