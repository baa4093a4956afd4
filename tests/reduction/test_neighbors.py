"""Exact neighbours, also where products of matrices in float32 know nothing of them."""

import numpy as np
import pytest
import torch

from saliscope.core.anytime import Cancelled, CancelToken, drive
from saliscope.errors import MethodError, ReductionError
from saliscope.reduction.neighbors import neighbors, neighbors_stream
from tests.reduction.states import generators
from tests.reference.maps import nearest


def cloud(n, d, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d))).float()


def tight(n=600, d=16, clusters=6, offset=1e3, spread=1e-3):
    generator = np.random.default_rng(1)
    centres = generator.choice([-offset, offset], size=(clusters, d))
    data = centres[np.arange(n) % clusters] + spread * generator.normal(size=(n, d))
    return torch.from_numpy(data).float()


def check(data, k, **options):
    found = neighbors(data, k, **options)
    indices, distances = nearest(data, k, options.get("queries"))
    np.testing.assert_array_equal(found.indices.numpy(), indices)
    np.testing.assert_allclose(found.distances.numpy(), distances, rtol=2e-6, atol=0)
    return found


@pytest.mark.parametrize(("n", "d", "k"), [(2, 1, 1), (50, 3, 49), (700, 20, 15), (3000, 8, 5)])
def test_neighbors_are_those_of_brute_force(n, d, k):
    found = check(cloud(n, d), k)
    assert (found.indices.dtype, found.distances.dtype) == (torch.int64, torch.float32)
    assert (len(found), found.k) == (n, k)


def test_tight_clusters_far_apart_keep_their_neighbors():
    check(tight(), 15)


def test_one_tight_cluster_far_from_the_origin():
    check(tight(clusters=1), 15)


def test_float64_data_are_centred_before_they_become_float32():
    data = 1e6 + torch.from_numpy(np.random.default_rng(0).normal(size=(300, 5))) * 1e-2
    found = neighbors(data, 5)
    indices, distances = nearest(data - data[0], 5)
    np.testing.assert_array_equal(found.indices.numpy(), indices)
    np.testing.assert_allclose(found.distances.numpy(), distances, rtol=1e-5)


def test_equal_rows_are_neighbors_by_number_however_many_they_are():
    data = cloud(400, 4)
    data[100:] = data[7]  # more than all candidates of a first look
    data[50] = -0.0
    data[51] = 0.0
    found = check(data, 6)
    assert found.indices[399].tolist() == [7, 100, 101, 102, 103, 104]
    assert found.indices[7].tolist() == [100, 101, 102, 103, 104, 105]
    assert float(found.distances[51, 0]) == 0


def test_equally_near_rows_come_by_number():
    grid = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    check(grid, 6)


def test_all_rows_equal():
    found = check(torch.full((40, 3), 5.0), 3)
    assert found.distances.abs().max() == 0


def test_a_constant_column_changes_nothing_however_large_it_is():
    data = cloud(300, 6)
    wide = torch.cat([data, torch.full((300, 1), 1e10)], dim=1)
    assert torch.equal(neighbors(wide, 9).indices, check(data, 9).indices)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_squares_neither_underflow_nor_overflow(factor):
    data = cloud(200, 4)
    assert torch.equal(neighbors(data * factor, 5).indices, neighbors(data, 5).indices)
    np.testing.assert_allclose(
        neighbors(data * factor, 5).distances / factor, neighbors(data, 5).distances, 1e-5
    )


def test_one_row_far_out_spoils_nobody_elses_neighbors():
    data = cloud(500, 8)
    data[3] = 1e6
    found, others = neighbors(data, 7), np.arange(500) != 3  # to that row, all the others are equally near
    np.testing.assert_array_equal(found.indices.numpy()[others], nearest(data, 7)[0][others])


def test_queries_have_neighbors_in_the_data_and_may_be_rows_of_it():
    data, asked = cloud(900, 12), cloud(40, 12, seed=5)
    asked[4] = data[17]
    found = check(data, 5, queries=asked)
    assert found.indices[4, 0] == 17
    assert found.distances[4, 0] == 0
    assert neighbors(data, 5, queries=asked[:0]).indices.shape == (0, 5)


@pytest.mark.parametrize("chunk_size", [1, 7, 5000])
def test_blocks_change_nothing(chunk_size):
    data = cloud(400, 10)
    whole, split = neighbors(data, 8), neighbors(data, 8, chunk_size=chunk_size)
    assert torch.equal(whole.indices, split.indices)
    assert torch.equal(whole.distances, split.distances)


def test_runs_are_equal_to_the_bit_and_leave_global_generators_alone():
    before = generators()
    first, second = neighbors(tight(), 12), neighbors(tight(), 12)
    assert torch.equal(first.indices, second.indices)
    assert torch.equal(first.distances, second.distances)
    assert generators() == before


def test_coarse_products_of_matrices_change_no_neighbor():
    data, before = cloud(500, 30), torch.get_float32_matmul_precision()
    exact = neighbors(data, 10).indices
    try:
        torch.set_float32_matmul_precision("medium")
        assert torch.equal(neighbors(data, 10).indices, exact)
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_stream_gives_the_rows_done_and_stops_at_a_block():
    data = cloud(100, 5)
    steps = list(neighbors_stream(data, 4, chunk_size=30))
    assert [(s.done, s.total) for s in steps] == [(30, 100), (60, 100), (90, 100), (100, 100)]
    whole = neighbors(data, 4)
    assert torch.equal(steps[1].result.indices, whole.indices[:60])
    assert torch.equal(steps[-1].result.indices, whole.indices)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as stopped:
        drive(neighbors_stream(data, 4, chunk_size=30), cancel=token)
    assert len(stopped.value.result) == 30


@pytest.mark.parametrize(
    "data",
    [
        np.arange(60).reshape(20, 3),
        np.random.default_rng(0).normal(size=(20, 3)).astype(np.float16),
        [[0, 1], [2, 3], [5, 5], [9, 0]],
        torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).bfloat16(),
    ],
)
def test_any_real_numbers_will_do(data):
    rows = data.double() if isinstance(data, torch.Tensor) else np.asarray(data, dtype=np.float64)
    check_indices, _ = nearest(rows, 3)
    np.testing.assert_array_equal(neighbors(data, 3).indices.numpy(), check_indices)


@pytest.mark.parametrize(
    ("data", "k", "message"),
    [
        (torch.zeros(5, 2), 5, r"`n_neighbors`: got 5 neighbours of 5 rows; expected at most 4"),
        (torch.zeros(1, 2), 1, "at most 0"),
        (torch.zeros(5, 2), 0, "a positive whole number"),
        (torch.zeros(5, 2), True, "a positive whole number"),
        (torch.zeros(5), 1, r"float32 of shape \(5,\)"),
        (torch.zeros(5, 0), 1, r"shape \(5, 0\)"),
        (torch.zeros(5, 2, dtype=torch.complex64), 1, "complex64"),
        (["a", "b"], 1, "got list"),
        (torch.tensor([[0.0], [3e38], [-3e38]]), 1, "1e38"),
        (torch.zeros(1).expand(10_000_000, 2), 15, r"10,000,000 rows .* on a CPU.*sample.*device=\"cuda\""),
    ],
)
def test_what_has_no_neighbors_is_refused(data, k, message):
    with pytest.raises(ReductionError, match=message):
        neighbors(data, k)


def test_rows_with_nan_or_infinity_are_named():
    data = cloud(30, 3)
    data[4, 1] = torch.nan
    data[9, 0] = torch.inf
    with pytest.raises(ReductionError, match=r"NaN or infinity in rows 4, 9 \(2 of 30\)"):
        neighbors(data, 3)
    with pytest.raises(ReductionError, match=r"`queries`: got NaN or infinity in row 2 \(1 of 3\)"):
        neighbors(cloud(30, 3), 3, queries=torch.tensor([[0.0] * 3, [1.0] * 3, [torch.nan] * 3]))


def test_finite_numbers_whose_sum_is_not_are_no_error():
    neighbors(torch.tensor([[3e37], [3e37], [3e37], [2e37]]).repeat(20, 1), 2)


def test_queries_and_chunks_are_checked():
    with pytest.raises(ReductionError, match="`queries`: got 3 columns; expected 2"):
        neighbors(cloud(9, 2), 2, queries=cloud(4, 3))
    with pytest.raises(MethodError, match="chunk_size"):
        neighbors(cloud(9, 2), 2, chunk_size=0)


@pytest.mark.gpu
def test_the_same_neighbors_on_a_gpu():
    data = cloud(3000, 40)
    found = neighbors(data, 15, device="cuda")
    assert found.indices.device.type == "cuda"
    assert torch.equal(found.to("cpu").indices, neighbors(data, 15).indices)
