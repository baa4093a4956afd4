"""LIME and Kernel SHAP on superpixels: against closed forms, and against the definition of Shapley values."""

import ast
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from saliscope import InputError, MethodError
from saliscope.attribution import LIME, KernelSHAP, superpixels, surrogate
from saliscope.attribution.base import Question
from saliscope.attribution.superpixels import Superpixels
from saliscope.core.baselines import as_baselines
from saliscope.core.borrow import as_borrowed
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.core.helpers import unchecked
from tests.reference.networks import small_network
from tests.reference.shapley import over_orders, over_subsets

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
PAIRS = torch.arange(16).reshape(4, 4) // 2
"""Eight superpixels of two pixels, for pictures of 4 x 4."""


def grid(players: int) -> Tensor:
    """As many superpixels for pictures of 8 x 8, of different sizes."""
    return (torch.arange(64).reshape(8, 8) * players // 67) % players


def game(model: nn.Module, x: Tensor, start: Tensor, segments: Tensor, target: int):
    """The score as a function of the superpixels that are kept, in a frozenset; one picture."""

    @cache
    def value(kept: frozenset[int]) -> float:
        mask = torch.isin(segments, torch.tensor(sorted(kept), dtype=torch.long))
        with torch.no_grad():
            return model(torch.where(mask, x, start))[0, target].item()

    return value


def coefficients(values: Tensor, segments: Tensor) -> Tensor:
    """The sum of a map over each superpixel."""
    return torch.stack([values[segments == k].sum() for k in range(int(segments.max()) + 1)])


class Together(nn.Module):
    """The smallest value of the upper six rows: a game that these win together only."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :6].flatten(1).amin(1, keepdim=True)


class TestSuperpixels:
    @staticmethod
    def of(x: Tensor, n_segments: int = 9, segments=None) -> Superpixels:
        class Bare(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x.flatten(1)

        return Superpixels.of(Question(Bare(), x, 0, "auto"), n_segments, segments)

    @pytest.mark.parametrize("channels", [1, 2, 3, 5])
    @pytest.mark.parametrize("size", [1, 6, 40])
    def test_any_picture_is_cut(self, channels, size):
        x = pictures(2, channels, size)
        made = self.of(x)
        assert made.labels.shape == (2, size, size)
        for labels, count in zip(made.labels, made.counts, strict=True):
            assert labels.unique().tolist() == list(range(count))
        assert made.counts[0] <= max(18, 9)
        assert (made.labels == self.of(x).labels).all()

    def test_superpixels_follow_the_edges_of_a_picture(self):
        x = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
        x[:, 0, :, 13:] = 1
        labels = self.of(x, 4).labels[0]
        left, right = (set(part.unique().tolist()) for part in (labels[:, :13], labels[:, 13:]))
        assert not left & right

    def test_a_picture_of_noise_is_not_one_superpixel(self):
        made = self.of(pictures(1, 3, 64), 50)
        assert 25 <= made.counts[0] <= 100

    def test_as_many_superpixels_as_pixels_are_the_pixels(self):
        assert self.of(pictures(1), 16).labels.flatten().tolist() == list(range(16))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_a_picture_is_cut_alike_in_every_precision_and_company(self, dtype):
        x = pictures(3, 3, 24) * torch.tensor([1, 3, 5])[:, None, None, None] - 1
        expected = self.of(x).labels
        assert (self.of(x.to(dtype)).labels == expected).all()
        assert (self.of(x[1:2]).labels == expected[1:2]).all()
        exactly, rounded = (superpixels.seen(Question(nn.Flatten(), one, 0, 1)) for one in (x, x.to(dtype)))
        np.testing.assert_array_equal(exactly, rounded)

    def test_the_users_own_are_renumbered(self):
        own = PAIRS * 10 - 40
        for given in (own, own.numpy().astype(np.int16), own.tolist(), own.expand(2, 4, 4)):
            made = self.of(pictures(2), 9, given)
            assert (made.labels == PAIRS).all()
            assert made.counts == (8, 8)

    @pytest.mark.parametrize(
        ("segments", "text"),
        [
            (
                torch.zeros(5, 4, dtype=torch.int64),
                "got int64 values of shape (5, 4); expected an integer",
            ),
            (
                torch.zeros(3, 4, 4, dtype=torch.int64),
                "shape (4, 4) or (2, 4, 4). Cut the picture at the",
            ),
            (torch.zeros(4, 4), "got float32 values of shape (4, 4)"),
            ("quickshift", "of shape (); expected an integer for each pixel"),
        ],
    )
    def test_what_does_not_match_the_picture(self, segments, text):
        for method in (LIME(segments=segments), KernelSHAP(segments=segments)):
            with pytest.raises(MethodError, match="^`segments`: .*" + re.escape(text)):
                method.attribute(Affine(), pictures(2), 0)

    def test_what_is_no_picture(self):
        with pytest.raises(InputError, match=r"expected pictures \(n, .*\) for superpixels"):
            LIME().attribute(nn.Linear(3, 2).double(), torch.zeros(2, 3, dtype=torch.float64), 0)

    def test_a_value_is_shared_out_over_its_pixels(self):
        made = self.of(pictures(1), segments=PAIRS)
        value = torch.arange(8.0)
        values = made.spread([value], torch.zeros((), dtype=torch.float64))
        assert values.shape == (1, 1, 4, 4)
        torch.testing.assert_close(values[0, 0], (value / 2)[PAIRS].double())

    def test_the_library_is_imported_where_it_is_used_only(self):
        for file in Path(superpixels.__file__).parent.glob("*.py"):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = (
                        [node.module] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
                    )
                    assert not {str(name).partition(".")[0] for name in names} & {
                        "skimage",
                        "scipy",
                        "sklearn",
                    }


@pytest.mark.parametrize(
    "method",
    [LIME, KernelSHAP],
)
@pytest.mark.parametrize("baseline", ["white", ("white", 0.25, pictures(1, seed=9))], ids=["one", "three"])
class TestAffine:
    """Each superpixel has the sum of ``w (x - x')`` over it, whatever is sampled."""

    def test_by_superpixels(self, method, baseline):
        model, x = Affine(), pictures(3)
        options = {"ridge": 0.0} if method is LIME else {}
        made = method(baseline, n_samples=40, segments=PAIRS, **options).attribute(model, x, 1)
        starts = torch.stack([b.make(as_borrowed(model), x) for b in as_baselines(baseline)])
        pixels = (model.weight[1].detach() * (x - starts).mean(0)).sum(1)
        for values, expected in zip(made.map, pixels, strict=True):
            torch.testing.assert_close(coefficients(values, PAIRS), coefficients(expected, PAIRS), **TIGHT)
        assert made.values.shape == (3, 1, 4, 4)
        assert made.convergence_delta.abs().max() < 1e-10
        assert made.standard_error.max() < 1e-10
        if method is LIME:
            assert made.notes[0].startswith("The linear model explains 100 % of the weighted")

    def test_pixels_are_superpixels_of_their_own(self, method, baseline):
        model, x = Affine(), pictures(2)
        options = {"ridge": 0.0} if method is LIME else {}
        made = method(baseline, n_segments=16, n_samples=64, **options).attribute(model, x, 0)
        starts = torch.stack([b.make(as_borrowed(model), x) for b in as_baselines(baseline)])
        pixels = (model.weight[0].detach() * (x - starts).mean(0)).sum(1)
        torch.testing.assert_close(made.map, pixels, **TIGHT)


class TestShapley:
    @pytest.fixture
    def model(self):
        return small_network("relu").module()

    @pytest.fixture
    def x(self):
        return pictures(2, channels=1, size=8)

    @pytest.mark.parametrize(
        ("players", "definition"), [(2, over_orders), (6, over_orders), (10, over_subsets)]
    )
    def test_exact_ones_are_the_definition(self, model, x, players, definition):
        segments = grid(players)
        made = KernelSHAP("white", segments=segments, sampling="exact").attribute(model, x, [0, 2])
        for i, target in enumerate((0, 2)):
            value = game(model, x[i : i + 1], torch.ones(1, 1, 8, 8), segments, target)
            expected = torch.from_numpy(definition(value, players))
            assert (coefficients(made.map[i], segments) - expected).abs().max() < 1e-10
        assert made.convergence_delta.abs().max() < 1e-12
        assert not made.standard_error.any()

    def test_both_definitions_are_one(self, model, x):
        value = game(model, x[:1], torch.ones(1, 1, 8, 8), grid(5), 0)
        np.testing.assert_allclose(over_orders(value, 5), over_subsets(value, 5), atol=1e-14)

    def test_all_coalitions_are_asked_once_where_the_samples_suffice(self, model, x):
        counted = Counted(model)
        method = KernelSHAP(n_samples=2**6 - 2, segments=grid(6))
        exact = method.attribute(counted, x, 1)
        assert sum(counted.seen()) == 2 * 2**6
        same = KernelSHAP(segments=grid(6), sampling="exact").attribute(model, x, 1)
        assert torch.equal(exact.values, same.values)
        fewer = KernelSHAP(n_samples=2**6 - 3, segments=grid(6)).attribute(model, x, 1)
        assert 1e-6 < relative(fewer.values, exact.values) < 1

    def test_pictures_of_different_games_in_one_batch(self, model, x):
        both = torch.stack([grid(3), torch.zeros_like(grid(3))])
        made = KernelSHAP("white", segments=both).attribute(model, x, 0, chunk_size=5)
        alone = KernelSHAP("white", segments=grid(3)).attribute(model, x[:1], 0)
        torch.testing.assert_close(made.values[:1], alone.values, **TIGHT)
        # A single player gets everything.
        change = (model(x[1:]) - model(torch.ones(1, 1, 8, 8, dtype=torch.float64)))[0, 0].item()
        torch.testing.assert_close(made.map[1], torch.full((8, 8), change / 64, dtype=torch.float64), **TIGHT)
        assert made.convergence_delta.abs().max() < 1e-12

    def test_the_error_of_sampling_falls_as_one_over_the_root_of_the_samples(self, model, x):
        x, segments, sizes = x[:1], grid(9), (32, 128, 512)
        exact = KernelSHAP("white", segments=segments).attribute(model, x, 1).values
        errors = []
        for n_samples in sizes:
            squares = [
                KernelSHAP("white", n_samples=n_samples, seed=seed, segments=segments, sampling="sampled")
                .attribute(model, x, 1, chunk_size=512)
                .values.sub(exact)
                .square()
                .mean()
                for seed in range(6)
            ]
            errors.append(torch.stack(squares).mean().sqrt())
        slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
        assert -0.7 < slope < -0.3

    def test_samples_are_right_on_average_and_their_standard_error_is_theirs(self, x):
        rows, z = torch.arange(8)[:, None].expand(8, 8), []
        expected = torch.where(rows < 6, x[:, :, :6].amin((1, 2, 3))[:, None, None] / 6 / 8, 0.0)
        for seed in range(12):
            method = KernelSHAP(n_samples=512, seed=seed, segments=rows, sampling="sampled")
            made = method.attribute(Together(), x, 0, chunk_size=512)
            assert made.convergence_delta.abs().max() < 1e-12
            z.append(((made.map - expected) / made.standard_error).flatten())
        sample = torch.stack(z)
        assert 0.7 < sample.square().mean().sqrt() < 1.4
        assert sample.abs().max() < 5.5
        assert sample.mean(0).abs().max() * 12**0.5 < 4

    def test_too_few_samples_for_a_standard_error(self, model, x):
        made = KernelSHAP(n_samples=20, segments=grid(30)).attribute(model, x, 1)
        assert made.standard_error is None
        assert torch.isfinite(made.values).all()
        assert made.convergence_delta.abs().max() < 1e-12

    def test_partial_answers_of_many_superpixels_leave_out_the_error_only(self, model, x, monkeypatch):
        method = KernelSHAP("white", segments=grid(6), n_samples=80, sampling="sampled")
        whole = [step.result for step in method.stream(model, x, 1, chunk_size=40)]
        monkeypatch.setattr(surrogate, "_MOST_COPIED", 5)
        light = [step.result for step in method.stream(model, x, 1, chunk_size=40)]
        for a, b in zip(light, whole, strict=True):
            torch.testing.assert_close(a.values, b.values)
        assert [one.standard_error is None for one in light] == [True] * (len(light) - 1) + [False]
        assert any(one.standard_error is not None for one in whole[:-1])

    def test_it_counts_the_coalitions_that_it_asked_about(self, model, x):
        for method, n in ((KernelSHAP(segments=grid(5)), 30), (LIME(segments=grid(5), n_samples=40), 40)):
            assert method.attribute(model, x, 1).sample_counts.tolist() == [n] * len(x)

    def test_a_superpixel_that_is_like_the_baseline_gets_nothing(self, model, x):
        painted = torch.where(grid(6) == 2, 1.0, x)
        made = KernelSHAP("white", segments=grid(6)).attribute(model, painted, 1)
        assert made.map[:, grid(6) == 2].abs().max() < 1e-12
        assert made.map[:, grid(6) == 3].abs().min() > 1e-6

    def test_partial_maps_get_better_and_always_add_up(self, model, x):
        exact = KernelSHAP("white", segments=grid(9)).attribute(model, x, 1).values
        method = KernelSHAP("white", n_samples=512, segments=grid(9), sampling="sampled")
        steps = [step.result for step in method.stream(model, x, 1, chunk_size=64)]
        errors = [relative(step.values, exact) for step in steps]
        assert errors[-1] < errors[1] / 2 < errors[0] / 2
        assert all(step.convergence_delta.abs().max() < 1e-12 for step in steps)

    def test_too_many_players(self, model, x):
        text = "got exact Shapley values of 64 superpixels, which are 2^64 coalitions; expected at most 16"
        with pytest.raises(MethodError, match="^`sampling`: " + re.escape(text) + ".*Too many players"):
            KernelSHAP(n_segments=64, sampling="exact").attribute(model, x, 1)
        with unchecked(), pytest.raises(MethodError, match="`sampling`: got 'all'; expected one of auto, ex"):
            KernelSHAP(sampling="all")  # type: ignore[arg-type]

    def test_captum_agrees_where_it_goes_through_all_orders(self, model, x):
        peer = pytest.importorskip("captum.attr")
        segments = grid(4)
        made = KernelSHAP("white", segments=segments).attribute(model, x, 1)
        theirs = peer.ShapleyValues(model).attribute(
            x, baselines=torch.ones_like(x), target=1, feature_mask=segments[None, None]
        )
        area = torch.bincount(segments.flatten())
        torch.testing.assert_close(made.map, theirs[:, 0].double() / area[segments], rtol=1e-6, atol=1e-8)


class TestLIME:
    @pytest.mark.parametrize(("ridge", "width"), [(0.0, 0.25), (1.0, 0.25), (30.0, 1.0)])
    def test_it_is_the_weighted_ridge_regression_of_scikit_learn(self, ridge, width):
        model, x, segments = small_network("relu").module(), pictures(1, channels=1, size=8), grid(7)
        method = LIME("white", n_samples=50, seed=3, segments=segments, kernel_width=width, ridge=ridge)
        made = method.attribute(model, x, 2)
        value = game(model, x, torch.ones(1, 1, 8, 8), segments, 2)
        kept = [np.ones(7, dtype=bool)]
        for k in range(50):
            stream = np.random.Generator(np.random.SFC64(np.random.SeedSequence((3, k // 2))))
            drawn = stream.standard_normal(8)[1:] > 0
            kept.append(~drawn if k % 2 else drawn)
        distance = 1 - np.sqrt(np.mean(kept, 1))
        weights = np.sqrt(np.exp(-(distance**2) / width**2))
        scores = [value(frozenset(np.flatnonzero(z).tolist())) for z in kept]
        fit = Ridge(alpha=ridge).fit(kept, scores, sample_weight=weights)
        torch.testing.assert_close(coefficients(made.map[0], segments), torch.from_numpy(fit.coef_), **TIGHT)
        explained = 100 * fit.score(kept, scores, sample_weight=weights)
        assert made.notes == (
            f"The linear model explains {explained:.0f} % of the weighted variance of the sampled scores.",
            "Superpixels: 7.",
        )

    def test_on_an_additive_model_it_is_exact_without_a_penalty(self):
        class Additive(nn.Module):
            """A sum over pairs of pixels of products within the pair."""

            def forward(self, x: Tensor) -> Tensor:
                return x.flatten(1).unflatten(1, (-1, 2)).prod(2).cumsum(1)[:, -2:]

        model, x = Additive(), pictures(1, channels=1)
        made = LIME(0.5, n_samples=40, segments=PAIRS, ridge=0.0).attribute(model, x, 1)
        expected = x.flatten().unflatten(0, (8, 2)).prod(1) - 0.25
        torch.testing.assert_close(coefficients(made.map[0], PAIRS), expected, **TIGHT)
        shrunk = LIME(0.5, n_samples=40, segments=PAIRS).attribute(model, x, 1)
        assert 0.01 < relative(shrunk.values, made.values) < 0.5

    def test_its_standard_error_is_that_of_the_samples(self):
        model, x = small_network("relu").module(), pictures(1, channels=1, size=8)
        made = [
            LIME("white", n_samples=200, seed=seed, segments=grid(7)).attribute(model, x, 1, chunk_size=256)
            for seed in range(12)
        ]
        spread = torch.stack([one.map for one in made]).std(0)
        said = torch.stack([one.standard_error for one in made]).square().mean(0).sqrt()
        assert 0.6 < (spread / said).square().mean().sqrt() < 1.6

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"kernel_width": 0}, "`kernel_width`: got 0; expected a number from 0.01"),
            ({"ridge": -1.0}, "`ridge`: got -1.0; expected a number from 0"),
            ({"ridge": True}, "`ridge`: got True"),
            ({"n_segments": 0}, "`n_segments`: got 0; expected an integer of at least 1"),
            ({"n_samples": 0}, "`n_samples`: got 0"),
            ({"seed": -1}, "`seed`: got -1"),
        ],
    )
    def test_what_is_wrong_is_named(self, options, text):
        with pytest.raises(MethodError, match=re.escape(text)):
            LIME(**options)


@pytest.mark.parametrize("method", [LIME, KernelSHAP])
def test_one_forward_pass_for_each_sample_and_baseline(method):
    counted = Counted(Affine())
    method(("white", "black"), n_samples=30, segments=PAIRS).attribute(counted, pictures(3), 1)
    assert sum(counted.seen()) == 3 * (1 + 2 + 2 * 30)


def test_how_many_superpixels_there_are_is_said_and_that_samples_are_too_few():
    x = torch.linspace(0, 1, 3 * 64, dtype=torch.float64).reshape(1, 3, 8, 8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).double()
    segments = torch.arange(64).reshape(8, 8) // 8
    few = KernelSHAP(segments=segments, n_samples=12, sampling="sampled").attribute(model, x, 1)
    enough = KernelSHAP(segments=segments, n_samples=200, sampling="sampled").attribute(model, x, 1)
    caution = "Too few samples to tell their error: take at least three times as many as superpixels."
    assert few.notes == ("Superpixels: 8.", caution)
    assert few.standard_error is None
    assert enough.notes == ("Superpixels: 8.",)
