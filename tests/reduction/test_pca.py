"""Principal components against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from saliscope.errors import ReductionError
from saliscope.reduction.pca import principal_components
from tests.core.helpers import unchecked
from tests.reduction.states import generators


def correlated(n, d, seed=0):
    generator = np.random.default_rng(seed)
    scales = 2.0 ** -np.arange(min(n, d))
    return generator.normal(size=(n, len(scales))) * scales @ generator.normal(size=(len(scales), d)) + 3


@pytest.mark.parametrize(
    "data",
    [load_digits().data, correlated(500, 12), correlated(40, 300), correlated(900, 1000)],
    ids=["digits", "tall", "wide", "iterated"],
)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_components_are_those_of_scikit_learn(data, count):
    coordinates, ratio = principal_components(data, count)
    peer = PCA(count, svd_solver="full").fit(data)
    expected = peer.transform(data)
    signs = np.sign((expected * coordinates.numpy()).sum(0))
    reach = np.abs(expected).max()
    np.testing.assert_allclose(coordinates, expected * signs, atol=2e-4 * reach)
    np.testing.assert_allclose(ratio, peer.explained_variance_ratio_, rtol=1e-4)


def test_the_largest_loading_is_positive():
    data = torch.from_numpy(correlated(300, 8))
    coordinates, _ = principal_components(data, 3)
    other, _ = principal_components(-data, 3)
    loadings = (data - data.mean(0)).T @ coordinates.double()
    assert (loadings.gather(0, loadings.abs().argmax(0, keepdim=True)) > 0).all()
    torch.testing.assert_close(other, -coordinates, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "data", [np.ones((20, 3)), np.ones((1, 4)), np.arange(12.0)[:, None]], ids=["equal", "one row", "line"]
)
def test_directions_that_are_not_there_are_zero(data):
    coordinates, ratio = principal_components(data)
    assert coordinates.shape == (len(data), 2)
    assert coordinates.isfinite().all()
    assert float(coordinates[:, 1].abs().max()) == 0
    assert float(ratio[0]) == pytest.approx(float(np.ptp(data) > 0))


def test_a_large_offset_and_a_constant_column_change_nothing():
    data = correlated(200, 5)
    moved = np.concatenate([data, np.full((200, 1), 1e9)], axis=1)
    moved[:, :5] += 1e5
    torch.testing.assert_close(
        principal_components(moved)[0], principal_components(data)[0], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("factor", [1e-25, 1e25])
def test_any_unit_will_do(factor):
    data = correlated(100, 5)
    torch.testing.assert_close(
        principal_components(data * factor)[0] / factor, principal_components(data)[0], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("shape", [(200, 30), (800, 900)])
def test_runs_are_equal_to_the_bit_and_leave_global_generators_alone(shape):
    data = correlated(*shape)
    before = generators()
    first, second = principal_components(data), principal_components(data)
    assert torch.equal(first[0], second[0])
    assert generators() == before


@pytest.mark.parametrize("count", [0, 1.5, True])
def test_a_number_of_components_that_cannot_be_is_refused(count):
    with unchecked(), pytest.raises(ReductionError, match="n_components"):
        principal_components(np.ones((4, 3)), count)


def test_rows_that_are_no_numbers_are_named():
    with pytest.raises(ReductionError, match="row 1 "):
        principal_components([[0.0, 1.0], [np.nan, 1.0]])
