"""How alike two maps are: against scipy, scikit-image, and drawing the ties."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from saliscope import InputError, MethodError
from saliscope.faithfulness.similarity import similarity, spearman, ssim, top_overlap
from tests.core.helpers import unchecked


def maps(seed: int, n: int = 3, side: int = 12, values: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if values is not None:
        return torch.randint(-values, values + 1, (n, side, side), generator=generator).double()
    return torch.randn(n, side, side, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("values", [None, 1, 4])
def test_rank_correlation_is_that_of_scipy_with_and_without_ties(values):
    a, b = maps(0, values=values), maps(1, values=values)
    expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, a + b, strict=True)]
    assert spearman(a, a + b) == pytest.approx(torch.tensor(expected, dtype=torch.float64), abs=1e-12)


def test_rank_correlation_knows_order_only():
    a = maps(0)
    assert torch.equal(spearman(a, a.exp()), torch.ones(3, dtype=torch.float64))
    assert torch.equal(spearman(a, -3 * a), -torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize(("shape", "span"), [((20, 13), 2), ((7, 9), 2), ((30, 30), 1)])
def test_ssim_is_that_of_scikit_image_on_maps_scaled_to_one(shape, span):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(3, *shape, dtype=torch.float64, generator=generator)
    b = a + torch.randn(3, *shape, dtype=torch.float64, generator=generator)
    a, b = (a, b) if span == 2 else (a.abs(), b.abs())
    expected = [
        structural_similarity((x / x.abs().max()).numpy(), (y / y.abs().max()).numpy(), data_range=span)
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b) == pytest.approx(torch.tensor(expected, dtype=torch.float64), abs=1e-12)


@pytest.mark.parametrize("measure", [spearman, ssim, top_overlap])
def test_a_map_is_as_its_own_copy_at_another_scale(measure):
    a = maps(0)
    assert measure(a, 7 * a) == pytest.approx(torch.ones(3, dtype=torch.float64), abs=1e-12)


@pytest.mark.parametrize("measure", [spearman, ssim, top_overlap])
def test_neither_neighbours_nor_order_nor_precision_of_the_numbers_matter(measure):
    a, b = maps(0), maps(1)
    whole = measure(a, b)
    assert torch.equal(whole[1:2], measure(a[1:2], b[1:2]))
    assert measure(b, a) == pytest.approx(whole, abs=1e-15)
    assert measure(a.float(), b.float()).dtype == torch.float64


@pytest.mark.parametrize("measure", [spearman, ssim, top_overlap])
def test_an_empty_map_is_like_none(measure: Callable[[Tensor, Tensor], Tensor]):
    a = maps(0, 2)
    a[1] = 0
    found = measure(a, maps(1, 2))
    assert torch.isnan(found).tolist() == [False, True]


def test_a_constant_map_has_neither_order_nor_top():
    a, constant = maps(0, 1), torch.full((1, 12, 12), 0.1, dtype=torch.float64)
    assert torch.isnan(spearman(a, constant)).all()
    assert torch.isnan(top_overlap(a, constant)).all()
    assert torch.isnan(ssim(a, constant)).all()
    assert torch.isnan(ssim(constant, constant)).all()


def test_ssim_of_maps_smaller_than_its_window_is_not_defined():
    assert torch.isnan(ssim(maps(0, side=6), maps(1, side=6))).all()


def test_the_overlap_of_top_pixels_is_counted():
    a, b = maps(0, 1, 10), maps(1, 1, 10)
    tops = [set(np.argsort(-m.flatten().numpy())[:20].tolist()) for m in (a, b)]
    assert top_overlap(a, b, 0.2).item() == pytest.approx(len(tops[0] & tops[1]) / 20)


def test_ties_at_the_edge_count_as_if_they_were_drawn():
    a, b = maps(0, 1, 6, values=2), maps(1, 1, 6, values=2)
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        tops = []
        for m in (a, b):
            order = random.permutation(36)
            tops.append(set(order[np.argsort(-m.flatten().numpy()[order], kind="stable")[:11]].tolist()))
        drawn.append(len(tops[0] & tops[1]) / 11)
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(top_overlap(a, b, 11 / 36).item() - np.mean(drawn)) < 4 * error
    assert error > 0


def test_maps_that_share_their_empty_parts_only_have_no_common_top():
    a = torch.zeros(1, 100, 100, dtype=torch.float64)
    b = a.clone()
    a[0, 0, 0], b[0, 50, 50] = 1, 1
    assert top_overlap(a, b, 0.01).item() < 0.02


def test_all_at_once_is_each_by_itself():
    a, b = maps(0), maps(1)
    found = similarity(a, b, 0.1)
    assert torch.equal(found.signed, spearman(a, b))
    assert torch.equal(found.absolute, spearman(a.abs(), b.abs()))
    assert torch.equal(found.ssim, ssim(a, b))
    assert torch.equal(found.ssim_absolute, ssim(a.abs(), b.abs()))
    assert torch.equal(found.top, top_overlap(a, b, 0.1))


@pytest.mark.parametrize("measure", [spearman, ssim, top_overlap])
def test_maps_of_other_shapes_are_refused(measure):
    with unchecked(), pytest.raises(InputError, match=r"shapes \(3, 12, 12\) and \(3, 6, 6\)"):
        measure(maps(0), maps(0, side=6))


@pytest.mark.parametrize("share", [0, 1, -0.1, True, "half"])
def test_the_share_of_top_pixels_is_checked(share):
    with unchecked(), pytest.raises(MethodError, match="share"):
        top_overlap(maps(0), maps(1), share)
