"""XRAI: the segments, the ranking by hand and by brute force, and what the map adds up to."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from saliscope import InputError
from saliscope.attribution import XRAI, IntegratedGradients
from saliscope.attribution.xrai import ranked, regions
from tests.attribution.helpers import Affine, pictures
from tests.reference.networks import small_network


def scene(size: int = 48) -> np.ndarray:
    """A bright square on a dark ground; (height, width, 3)."""
    picture = np.full((size, size, 3), 0.2)
    third = size // 3
    picture[third : 2 * third, third : 2 * third] = 0.8
    return picture


class OfTheSquare(nn.Module):
    """The mean over the square of `scene`, which is bright, and over a corner, which is dark."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :, 16:32, 16:32].mean((1, 2, 3)) + x[:, :, :8, :8].mean((1, 2, 3)))[:, None]


def by_sets(segments: list[set[int]], values: list[float], least: int) -> list[float]:
    """The greedy ranking of the paper, written with sets."""
    result, rest = dict[int, float](), list(segments)
    while True:
        new = [segment - result.keys() for segment in rest]
        new = [segment for segment in new if len(segment) >= least]
        if not new:
            break
        gains = [sum(values[p] for p in segment) / len(segment) for segment in new]
        best = int(np.argmax(gains))
        result.update(dict.fromkeys(new[best], gains[best]))
    left = [p for p in range(len(values)) if p not in result]
    result.update(dict.fromkeys(left, sum(values[p] for p in left) / max(1, len(left))))
    return [result[p] for p in range(len(values))]


def test_ranking_by_hand():
    segments = csr_array(np.array([[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]]))
    # The last one holds 7 / 2. Of what is then left, the second holds 4 / 2, and the first -1 alone.
    made = ranked(segments, np.array([[-1.0, 3, 1, 2, 5]]))
    np.testing.assert_allclose(made, [[-1, 2, 2, 3.5, 3.5]])


@pytest.mark.parametrize("seed", range(5))
def test_ranking_by_brute_force(seed):
    draw = np.random.default_rng(seed)
    members, values = draw.random((12, 36)) < 0.3, draw.standard_normal((6, 6))
    segments = [set(np.flatnonzero(row).tolist()) for row in members]
    expected = by_sets(segments, values.ravel().tolist(), 1)
    made = ranked(csr_array(members.astype(np.int64)), values)
    np.testing.assert_allclose(made.ravel(), expected, atol=1e-12)
    assert made.sum() == pytest.approx(values.sum(), abs=1e-12)


def test_a_few_new_pixels_make_no_region():
    size = 224
    values = np.zeros((size, size))
    values[:, 7] = 1.0
    first, second = np.zeros((size, size), dtype=np.int64), np.zeros((size, size), dtype=np.int64)
    first[:, :7] = 1
    second[:, :8] = 1
    both = csr_array(np.stack([first.ravel(), second.ravel()]))
    made = ranked(both, values)
    assert set(np.unique(made)) == {0.0, 0.125}
    # 49 pixels beyond the first segment: they stay with the rest.
    second[49:, 7] = 0
    values[:, 0] = 20.0
    both = csr_array(np.stack([first.ravel(), second.ravel()]))
    assert ranked(both, values)[0, 7] == pytest.approx(values[:, 7:].mean())


def test_segments_of_every_scale_cover_the_picture_and_follow_its_edges():
    found = regions(scene())
    assert found.shape[1] == 48 * 48
    assert (found.sum(0) >= 6).all()
    square = np.zeros((48, 48), dtype=bool)
    square[16:32, 16:32] = True
    # At 48 pixels a segment grows by one.
    grown = np.zeros((48, 48), dtype=bool)
    grown[15:33, 15:33] = True
    masks = found.toarray().reshape(-1, 48, 48) > 0
    like_it = [mask for mask in masks if mask[square].all() and not mask[~grown].any()]
    assert like_it
    assert all(mask.sum() == 16 * 16 + 4 * 16 for mask in like_it)


def test_scales_go_with_the_size_of_the_picture():
    mosaic = pictures(1, 3, 7)[0].permute(1, 2, 0).numpy()
    small, large = (regions(mosaic.repeat(times, 0).repeat(times, 1)) for times in (8, 16))
    assert 0.7 * small.shape[0] < large.shape[0] < 1.4 * small.shape[0]


def test_the_region_that_the_score_reads_comes_first_and_what_speaks_against_it_last():
    x = torch.from_numpy(scene()).permute(2, 0, 1)[None]
    made = XRAI(n_steps=2).attribute(OfTheSquare(), x, 0)
    values = made.map[0]
    assert (values[17:31, 17:31] == values.max()).all()
    assert (values == values.max()).sum() <= 18 * 18
    assert values[:8, :8].mean() < 0
    assert made.signed


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 6), (2, 4), (3, 30)])
def test_the_map_adds_up_to_integrated_gradients(channels, size):
    if channels == 1 and size == 8:
        model: nn.Module = small_network("relu").module()
    else:
        model = (
            Affine()
            if channels == 2
            else nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, 2)).double()
        )
    x = pictures(2, channels, size)
    made = XRAI(n_steps=3).attribute(model, x, 1)
    path = IntegratedGradients(("black", "white"), 3, "midpoint").attribute(model, x, 1)
    assert made.values.shape == (2, 1, size, size)
    torch.testing.assert_close(made.map.sum((1, 2)), path.map.sum((1, 2)))
    torch.testing.assert_close(made.convergence_delta, path.convergence_delta)


def test_what_is_no_picture():
    with pytest.raises(InputError, match=r"expected pictures \(n, channels, height, width\) for segments"):
        XRAI().attribute(nn.Linear(3, 2).double(), torch.zeros(2, 3, dtype=torch.float64), 0)
