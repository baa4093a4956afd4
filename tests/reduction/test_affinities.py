"""Weights of the neighbour graph against their papers, one row at a time."""

import numpy as np
import pytest
import torch

from saliscope.errors import ReductionError
from saliscope.reduction.affinities import fuzzy_graph, neighbors_needed, perplexity_graph, uniform_graph
from saliscope.reduction.neighbors import Neighbors, neighbors
from tests.core.helpers import unchecked
from tests.reference.maps import conditional, fuzzy, joint


def found(n=120, d=5, k=20, seed=0):
    return neighbors(np.random.default_rng(seed).normal(size=(n, d)) ** 3, k)


def dense(graph):
    n = len(graph)
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        part = slice(int(graph.pointers[i]), int(graph.pointers[i + 1]))
        assert (graph.columns[part].diff() > 0).all()
        matrix[i, graph.columns[part]] = graph.weights[part].double()
    return matrix.numpy()


@pytest.mark.parametrize("perplexity", [1, 3.5, 6, 19])
def test_perplexity_graph(perplexity):
    near = found()
    expected = joint(near.indices.numpy(), conditional(near.distances, perplexity))
    np.testing.assert_allclose(dense(perplexity_graph(near, perplexity)), expected, rtol=2e-4, atol=1e-9)


def test_uniform_graph():
    near = found()
    expected = joint(near.indices.numpy(), np.ones((120, 20)))
    np.testing.assert_allclose(dense(uniform_graph(near)), expected, rtol=1e-6)


def test_fuzzy_graph():
    near = found()
    expected = joint(near.indices.numpy(), fuzzy(near.distances), union=True)
    np.testing.assert_allclose(dense(fuzzy_graph(near)), expected, rtol=1e-4, atol=1e-9)


def test_fuzzy_graph_agrees_with_umap():
    umap_ = pytest.importorskip("umap.umap_")
    near = found()
    own = np.arange(120)[:, None]
    indices = np.concatenate([own, near.indices.numpy()], axis=1)
    distances = np.concatenate([0 * own, near.distances.numpy()], axis=1).astype(np.float32)
    theirs = umap_.fuzzy_simplicial_set(
        np.zeros((120, 1)),
        21,
        np.random.RandomState(0),
        "euclidean",
        knn_indices=indices,
        knn_dists=distances,
    )[0].toarray()
    np.testing.assert_allclose(dense(fuzzy_graph(near)), theirs / theirs.sum(), rtol=2e-3, atol=1e-8)


@pytest.mark.parametrize("make", [uniform_graph, fuzzy_graph, lambda near: perplexity_graph(near, 5.0)])
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_a_graph_is_symmetric_and_sums_to_one_whatever_the_unit(make, scale):
    near = found()
    matrix = dense(make(Neighbors(near.indices, near.distances * scale)))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert matrix.sum() == pytest.approx(1, abs=1e-6)
    assert not matrix.diagonal().any()
    np.testing.assert_allclose(matrix, dense(make(near)), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("make", [fuzzy_graph, lambda near: perplexity_graph(near, 3.0)])
def test_equal_points_weigh_alike(make):
    data = np.random.default_rng(0).normal(size=(60, 3))
    data[:20] = 1.0  # more equally near neighbours than the perplexity
    graph = make(neighbors(data, 10))
    assert graph.weights.isfinite().all()
    first = graph.weights[graph.pointers[3] : graph.pointers[4]]
    assert (first[graph.columns[graph.pointers[3] : graph.pointers[4]] < 11].diff().abs() < 1e-9).all()
    assert make(neighbors(np.ones((30, 2)), 10)).weights.isfinite().all()


def test_the_graph_is_the_same_at_every_run():
    first, second = perplexity_graph(found(), 6.0), perplexity_graph(found(), 6.0)
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.columns, second.columns)


def test_neighbors_needed():
    assert neighbors_needed(30, 1000) == 91
    assert neighbors_needed(30, 50) == 49


@pytest.mark.parametrize(
    ("perplexity", "message"),
    [
        (20, r"`perplexity`: got 20 with 20 neighbours of each of 120 points; expected less than 20"),
        (0.5, "a number, 1 or more"),
        (float("nan"), "a number, 1 or more"),
        (True, "a number, 1 or more"),
        ("30", "a number, 1 or more"),
    ],
)
def test_a_perplexity_that_cannot_be_is_refused(perplexity, message):
    near = found()
    with unchecked(), pytest.raises(ReductionError, match=message):
        perplexity_graph(near, perplexity)


def test_a_perplexity_too_large_for_the_rows_is_refused_before_neighbors_are_sought():
    with pytest.raises(ReductionError, match="expected less than 49"):
        neighbors_needed(49, 50)
