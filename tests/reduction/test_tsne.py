"""The t-SNE engine: its gradient, its grid, its minimum, its stream."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from saliscope.core.anytime import Cancelled, CancelToken, drive
from saliscope.errors import ReductionError
from saliscope.reduction import tsne as engine
from saliscope.reduction.affinities import Graph, neighbors_needed, perplexity_graph, uniform_graph
from saliscope.reduction.fft import GridRepulsion
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.pca import principal_components
from saliscope.reduction.segments import doubling_sum, segment_sum
from saliscope.reduction.tsne import gradient, kl, small_start, tsne_stream
from tests.reduction.states import generators
from tests.reference.maps import divergence, repulsion

DIGITS = torch.from_numpy(load_digits().data).float()


def graph_of(data, k=15):
    return uniform_graph(neighbors(data, k))


def precise(graph):
    return Graph(graph.pointers, graph.columns, graph.weights.double() / graph.weights.double().sum())


def dense(graph):
    n = len(graph)
    rows = torch.arange(n).repeat_interleave(graph.pointers.diff())
    return torch.zeros(n, n, dtype=torch.float64).index_put_((rows, graph.columns), graph.weights.double())


def scattered(n, reach, seed=0):
    """Clusters of a map, `reach` wide, and some points between them."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(-reach / 2, reach / 2, size=(20, 2))
    points = centres[generator.integers(20, size=n)] + generator.normal(size=(n, 2)) * reach / 30
    points[: n // 20] = generator.uniform(-reach / 2, reach / 2, size=(n // 20, 2))
    return torch.from_numpy(points)


@pytest.mark.parametrize("attraction", [1.0, 4.0])
@pytest.mark.parametrize("reach", [1e-4, 1.0, 40.0])
def test_the_gradient_is_that_of_autograd(attraction, reach):
    graph = precise(graph_of(DIGITS[:150]))
    points = torch.rand(150, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * reach
    points.requires_grad_()
    divergence(dense(graph), points, attraction).backward()
    found = gradient(graph, points.detach(), attraction)
    torch.testing.assert_close(found, points.grad, rtol=1e-9, atol=1e-12)


def test_kl_is_that_of_the_definition():
    graph = precise(graph_of(DIGITS[:150]))
    points = scattered(150, 30.0)
    assert kl(graph, points) == pytest.approx(float(divergence(dense(graph), points)), rel=1e-9)


@pytest.mark.parametrize("reach", [1e-3, 1.0, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_grid_gives_the_forces_and_the_normaliser(reach, dtype):
    points = scattered(3000, reach)
    exact, total = repulsion(points)
    force, normaliser = GridRepulsion()(points.T.contiguous().to(dtype))
    error = (force.T.double() - exact).norm() / exact.norm()
    assert float(error) < (0.005 if reach < 50 else 0.02)
    assert float(normaliser) == pytest.approx(float(total), rel=1e-3)


def test_the_grid_follows_a_map_that_grows_moves_and_shrinks():
    grid = GridRepulsion()
    base = scattered(2600, 1.0)
    for scale, shift in [(1e-3, 0), (1, 0), (1.05, 0.01), (30, 5), (31, 5), (60, -40), (0.01, 0)]:
        points = base * scale + shift
        exact, total = repulsion(points)
        force, normaliser = grid(points.T.contiguous())
        assert float((force.T - exact).norm() / exact.norm()) < 0.02
        assert float(normaliser) == pytest.approx(float(total), rel=1e-3)


def test_a_box_serves_while_the_points_stay_in_it():
    grid, base = GridRepulsion(), scattered(2600, 50.0).T.contiguous()
    grid(base)
    kernel = grid._kernel
    grid(base * 1.05)
    assert grid._kernel is kernel
    grid(base * 1.5)
    assert grid._kernel is not kernel


def test_equal_points_on_the_grid_do_not_move():
    force, normaliser = GridRepulsion()(torch.full((2, 3000), 2.5))
    assert float(force.abs().max()) < 1e-3
    assert float(normaliser) == pytest.approx(3000 * 2999, rel=1e-4)


@pytest.mark.parametrize("total", [segment_sum, doubling_sum])
def test_sums_of_runs(total):
    lengths = [0, 1, 5, 0, 0, 130, 2, 7, 0]
    values = torch.randn(sum(lengths), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pointers = torch.tensor([0, *np.cumsum(lengths)])
    expected = [float(part.sum()) for part in values.split(lengths)]
    np.testing.assert_allclose(total(values, pointers), expected, atol=1e-12)
    assert torch.equal(total(values[:0], pointers * 0), torch.zeros(9, dtype=torch.float64))


@pytest.fixture(scope="module")
def unfolded():
    graph = graph_of(DIGITS)
    start = small_start(principal_components(DIGITS)[0])
    steps = list(tsne_stream(graph, start))
    return graph, start, steps


def test_the_objective_is_as_small_as_that_of_scikit_learn():
    perplexity = 30
    graph = perplexity_graph(neighbors(DIGITS, neighbors_needed(perplexity, len(DIGITS))), perplexity)
    start = small_start(principal_components(DIGITS)[0])
    peer = TSNE(perplexity=perplexity, init=start.numpy(), max_iter=500, random_state=0).fit(DIGITS)
    ours = drive(tsne_stream(graph, start, n_iter=500, early=250, tolerance=0))
    assert kl(graph, torch.from_numpy(peer.embedding_)) == pytest.approx(peer.kl_divergence_, rel=0.01)
    assert kl(graph, ours) < 1.03 * peer.kl_divergence_


def test_most_neighbors_are_kept(unfolded):
    _, _, steps = unfolded
    near, on_map = neighbors(DIGITS, 15).indices, neighbors(steps[-1].result, 15).indices
    kept = (near[:, :, None] == on_map[:, None, :]).any(2).float().mean()
    assert float(kept) > 0.6


def test_a_stream_takes_one_step_an_iteration_and_keeps_its_answers(unfolded):
    graph, start, steps = unfolded
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].complete
    assert not steps[-2].complete
    assert steps[0].result.shape == (1797, 2)
    first = drive(tsne_stream(graph, start, n_iter=1))
    assert torch.equal(steps[0].result, first)  # looked at only now, after 300 iterations


def test_runs_are_equal_to_the_bit_and_leave_global_generators_alone(unfolded):
    graph, _, steps = unfolded
    before = generators()
    again = small_start(principal_components(DIGITS)[0])
    assert torch.equal(drive(tsne_stream(graph, again, n_iter=40)), steps[39].result)
    assert generators() == before


def test_runs_on_the_grid_are_equal_to_the_bit():
    data = scattered(2700, 50.0).float()
    graph, start = graph_of(data), small_start(data)
    first, second = (drive(tsne_stream(graph, start, n_iter=30, early=20)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.isfinite().all()


def test_exact_and_grid_reach_the_same_objective(unfolded, monkeypatch):
    graph, start, steps = unfolded
    monkeypatch.setattr(engine, "EXACT", 100)
    coordinates = drive(tsne_stream(graph, start))
    monkeypatch.undo()
    assert kl(graph, coordinates) == pytest.approx(kl(graph, steps[-1].result), rel=0.03)


def test_a_run_stops_when_it_no_longer_improves():
    graph = graph_of(DIGITS[:200])
    start = small_start(principal_components(DIGITS[:200])[0])
    steps = list(tsne_stream(graph, start, n_iter=2000))
    assert steps[-1].complete
    assert steps[-1].done < 1000
    long = drive(tsne_stream(graph, start, n_iter=2000, tolerance=0))
    assert kl(graph, steps[-1].result) < 1.03 * kl(graph, long)


def cloud(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [1500, 2600])
def test_hubs_are_not_thrown_out_of_the_map(n):
    # Points of many dimensions have hubs, on which hundreds of others pull.
    data = cloud(n, 32)
    near = neighbors(data, 15)
    steps = tsne_stream(uniform_graph(near), small_start(principal_components(data)[0]), n_iter=101)
    for step in steps:
        if step.done in (32, 64, 100):
            far = step.result.norm(dim=1)
            assert float(far.max() / far.quantile(0.99)) < 4


@pytest.mark.parametrize(("n", "d", "k", "least"), [(80, 2, 15, 0.8), (15, 5, 4, 0.6)])
def test_few_points_come_to_rest_in_a_good_place(n, d, k, least):
    data = cloud(n, d)
    near = neighbors(data, k)
    steps = list(tsne_stream(uniform_graph(near), small_start(principal_components(data)[0]), tolerance=0))
    last, before = steps[-1].result, steps[-2].result
    assert float((last - before).norm(dim=1).mean() / last.std()) < 0.03
    on_map = neighbors(last, k).indices
    assert float((near.indices[:, :, None] == on_map[:, None]).any(2).float().mean()) > least


def test_many_points_get_far_enough_in_300_iterations():
    data = cloud(4000, 32, seed=1) + 3 * cloud(10, 32)[torch.arange(4000) % 10]
    near = neighbors(data, 15)
    found = drive(tsne_stream(uniform_graph(near), small_start(principal_components(data)[0]), tolerance=0))
    on_map = neighbors(found, 15).indices
    assert float((near.indices[:, :, None] == on_map[:, None]).any(2).float().mean()) > 0.241


def test_a_cancel_is_heard_within_an_iteration(unfolded):
    graph, start, _ = unfolded
    token = CancelToken()

    def progress(step):
        if step.done == 3:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        drive(tsne_stream(graph, start), progress, token)
    assert torch.equal(stopped.value.result, drive(tsne_stream(graph, start, n_iter=3)))


def test_more_attraction_draws_neighbors_together(unfolded):
    graph, start, steps = unfolded
    drawn = drive(tsne_stream(graph, start, attraction=8.0))
    rows = torch.arange(1797).repeat_interleave(graph.pointers.diff())

    def length(points):
        return float((points[rows] - points[graph.columns]).norm(dim=1).median() / points.std())

    assert length(drawn) < 0.7 * length(steps[-1].result)


def test_a_map_can_be_gone_on_with(unfolded):
    graph, _, steps = unfolded
    further = drive(tsne_stream(graph, steps[149].result, n_iter=100, early=0))
    assert kl(graph, further) < kl(graph, steps[149].result)


@pytest.mark.parametrize("data", [torch.ones(40, 3), torch.arange(40.0)[:, None], DIGITS[:3]])
def test_degenerate_data_have_a_map_in_two_dimensions(data):
    graph = graph_of(data, 2)
    coordinates = drive(tsne_stream(graph, small_start(principal_components(data)[0]), n_iter=150))
    assert coordinates.isfinite().all()
    assert float(coordinates.std(dim=0).min()) > 1e-3


def test_a_start_depends_on_its_seed_only():
    coordinates = principal_components(DIGITS)[0]
    assert torch.equal(small_start(coordinates, 3), small_start(coordinates, 3))
    assert not torch.equal(small_start(coordinates, 3), small_start(coordinates, 4))
    assert float(small_start(coordinates).std(dim=0).max()) == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": torch.zeros(9, 2)}, r"`start`: got shape \(9, 2\); expected \(20, 2\)"),
        ({"start": torch.full((20, 2), torch.nan)}, "`start`: got NaN"),
        ({"attraction": 0.0}, "`attraction`: got 0.0; expected a number above 0"),
        ({"attraction": float("nan")}, "`attraction`: got nan"),
        ({"n_iter": 0}, "n_iter"),
        ({"early": -1}, "n_iter"),
    ],
)
def test_what_cannot_be_unfolded_is_refused_at_once(options, message):
    with pytest.raises(ReductionError, match=message):
        tsne_stream(graph_of(DIGITS[:20], 4), **{"start": torch.zeros(20, 2), **options})


@pytest.mark.gpu
def test_runs_on_a_gpu_are_equal_to_the_bit():
    data = scattered(5000, 50.0).float().cuda()
    graph, start = graph_of(data), small_start(data)
    first, second = (drive(tsne_stream(graph, start, n_iter=60, early=20)) for _ in range(2))
    assert torch.equal(first, second)
