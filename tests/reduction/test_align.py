"""Maps laid over each other, against scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes

from saliscope.errors import ReductionError
from saliscope.reduction.align import disparity, displacement, procrustes


def two(seed: int = 0, n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, n, 2, generator=generator)
    return 3 * a + torch.tensor([5.0, -2.0]), a @ torch.tensor([[0.0, 2.0], [1.0, 0.3]]) + 0.2 * b


@pytest.mark.parametrize("seed", range(4))
def test_as_scipy(seed):
    moving, fixed = two(seed)
    a, b, expected = scipy_procrustes(fixed.numpy(), moving.numpy())
    assert disparity(moving, fixed) == pytest.approx(expected, abs=1e-6)
    assert disparity(fixed, moving) == pytest.approx(expected, abs=1e-6)
    # scipy gives the fixed map in units of its own size, and shifted to the origin.
    size = (fixed - fixed.mean(0)).norm()
    found = (procrustes(moving, fixed) - fixed.mean(0)) / size
    np.testing.assert_allclose(found, b, atol=1e-6)
    np.testing.assert_allclose((fixed - fixed.mean(0)) / size, a, atol=1e-6)


@pytest.mark.parametrize("mirrored", [1.0, -1.0])
def test_a_turned_mirrored_scaled_and_shifted_map_comes_back(mirrored):
    fixed = two()[1]
    turn = torch.tensor([[0.6, 0.8], [-0.8, 0.6]]) @ torch.diag(torch.tensor([1.0, mirrored]))
    moving = 7 * fixed @ turn + 100
    np.testing.assert_allclose(procrustes(moving, fixed), fixed, atol=1e-4)
    assert disparity(moving, fixed) == pytest.approx(0, abs=1e-9)
    assert procrustes(moving, fixed).dtype == torch.float32


def test_one_spot():
    fixed = two()[1]
    spot = torch.full_like(fixed, 3.0)
    np.testing.assert_allclose(procrustes(spot, fixed), fixed.mean(0).expand_as(fixed), atol=1e-6)
    assert disparity(spot, fixed) == disparity(fixed, spot) == 1
    assert disparity(spot, 2 * spot) == 0


def test_displacement_is_in_radii_of_the_former_map():
    square = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    moved = square.clone()
    moved[0] += torch.tensor([0.0, 2.0])
    found = displacement([square, moved, moved])
    assert found.shape == (2, 4)
    np.testing.assert_allclose(found[0], [2 / np.sqrt(2), 0, 0, 0])
    assert found[1].max() == 0
    assert displacement([square]).shape == (0, 4)


def test_maps_of_other_rows():
    with pytest.raises(ReductionError, match="same points"):
        procrustes(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ReductionError, match="same points"):
        disparity(torch.zeros(3, 2), torch.zeros(4, 2))
