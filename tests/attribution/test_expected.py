"""Expected gradients and Gradient SHAP: closed forms, their own standard error, and sample by sample."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import saliscope
from saliscope import MethodError
from saliscope.attribution import Attribution, ExpectedGradients, GradientSHAP, IntegratedGradients
from saliscope.attribution.expected import _Draws
from saliscope.core.baselines import Noise
from saliscope.core.borrow import as_borrowed
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.attribution.test_identities import Quadratic
from tests.reference.networks import small_network

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


GOLDEN = (5**0.5 - 1) / 2


def draws(seed: int, sample: int, n_baselines: int, shape: tuple[int, ...] | None = None):
    """Baseline, alpha and noise of a sample."""

    def stream(key: int) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, key))))

    place, group = divmod(sample, 8)
    own = stream(group)
    alpha = (own.random() + GOLDEN * place) % 1
    which = int(own.permutation(n_baselines)[place % n_baselines])
    return (
        which,
        alpha,
        None if shape is None else torch.from_numpy(stream(8 + sample).standard_normal(shape)),
    )


def said(made: Attribution, expected: Tensor) -> float:
    """Size of a map's error, in standard errors."""
    assert made.standard_error is not None
    return float((made.map - expected).norm() / made.standard_error.norm())


def test_each_baseline_is_drawn_evenly_and_alpha_uniformly_beside_it():
    made = [_Draws(seed, 3) for seed in range(2000)]
    for samples in (range(1), range(20, 21), range(50)):
        alphas = np.stack([draws.alphas(samples) for draws in made])
        which = np.stack([draws.which(samples) for draws in made])
        means = [
            (values * (which == baseline)).mean(1)
            for baseline in range(3)
            for values in (np.ones(alphas.shape) - 1 / 3, alphas - 0.5, np.cos(2 * np.pi * alphas))
        ]
        expected = np.tile([(1 - 1 / 3) / 3, 0, 0], 3)
        off = [one.mean() - truth for one, truth in zip(means, expected, strict=True)]
        assert max(abs(o) / (one.std() / 2000**0.5) for o, one in zip(off, means, strict=True)) < 4


def gradient(model: nn.Module, point: Tensor, target: int) -> Tensor:
    leaf = point.clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[0, target], leaf)[0]


@pytest.mark.parametrize("noise_level", [0.0, 0.2])
@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_sample_by_sample_from_the_definition(noise_level, chunk_size):
    model, x, background = small_network("relu").module(), pictures(2, 1, 8), pictures(3, 1, 8, seed=9)
    n = 11
    method = GradientSHAP(n_samples=n, seed=4, background=background, noise_level=noise_level)
    made = method.attribute(model, x, [2, 0], chunk_size=chunk_size)
    for i, target in enumerate((2, 0)):
        terms, before = [], []
        for k in range(n):
            which, alpha, noise = draws(4, k, 3, (1, 8, 8))
            start, end = background[which], x[i] + noise_level * (x[i].max() - x[i].min()) * noise
            point = start + alpha * (end - start)
            terms.append((end - start) * gradient(model, point[None], target)[0])
            before.append(model(start[None])[0, target].item())
        mean = torch.stack(terms).mean(0)
        torch.testing.assert_close(made.values[i], mean, **TIGHT)
        groups = torch.stack([torch.stack(terms[group::8]).mean(0) for group in range(8)])
        error = groups.sum(1).std(0) / 8**0.5
        torch.testing.assert_close(made.standard_error[i], error, **TIGHT)
        change = model(x[i : i + 1])[0, target].item() - np.mean(before)
        assert made.convergence_delta[i].item() == pytest.approx(mean.sum().item() - change, abs=1e-12)


@pytest.mark.parametrize("n_samples", [1, 5])
def test_affine_with_one_baseline_is_weight_times_difference(n_samples):
    model, x, baseline = Affine(), pictures(3), pictures(1, seed=9)
    made = ExpectedGradients(baseline, n_samples).attribute(model, x, 1)
    torch.testing.assert_close(made.values, model.weight[1].detach() * (x - baseline), **TIGHT)
    assert made.convergence_delta.abs().max() < 1e-12
    assert (made.standard_error is None) == (n_samples == 1)
    if n_samples > 1:
        assert made.standard_error.max() < 1e-12


def test_affine_with_a_background_is_that_of_its_mean_within_the_standard_error():
    model, x, background = Affine(), pictures(2), pictures(20, seed=9)
    made = ExpectedGradients(background=background, n_samples=400).attribute(model, x, 1)
    expected = (model.weight[1].detach() * (x - background.mean(0))).sum(1)
    assert 0.3 < said(made, expected) < 2
    assert made.convergence_delta.abs().max() < 1e-12
    assert 0 < relative(made.map, expected) < 0.3


class TestQuadratic:
    """``F = x' Q x / 2``: for one baseline the map is ``(x - x') * Q (x + x') / 2``."""

    @pytest.fixture
    def model(self):
        return Quadratic(16)

    def expected(self, model: Quadratic, x: Tensor, background: Tensor) -> Tensor:
        starts = background[:, None].flatten(2)
        ends = x[None].flatten(2)
        values = (ends - starts) * ((ends + starts) @ model.q.detach()) / 2
        return values.mean(0).reshape(x.shape)

    def test_the_error_is_what_the_standard_error_says(self, model):
        x, background = pictures(1, 1), pictures(3, 1, seed=9)
        expected = self.expected(model, x, background).sum(1)
        errors, squares = [], []
        for seed in range(24):
            method = ExpectedGradients(background=background, n_samples=100, seed=seed)
            made = method.attribute(model, x, 0, chunk_size=256)
            errors.append((made.map - expected).square().mean())
            squares.append(made.standard_error.square().mean())
        assert 0.8 < (np.mean(errors) / np.mean(squares)) ** 0.5 < 1.25

    def test_it_converges_faster_than_independent_samples(self, model):
        x, background = pictures(1, 1), pictures(2, 1, seed=9)
        expected, sizes = self.expected(model, x, background), (16, 64, 256)

        def error(n_samples: int, seed: int) -> float:
            method = ExpectedGradients(background=background, n_samples=n_samples, seed=seed)
            made = method.attribute(model, x, 0, chunk_size=256)
            return made.values.sub(expected).square().mean().item()

        errors = [np.mean([error(n_samples, seed) for seed in range(8)]) ** 0.5 for n_samples in sizes]
        assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -0.7

    def test_the_sum_tends_to_the_change_of_the_score(self, model):
        x = pictures(2, 1)
        gaps = [
            ExpectedGradients(("black", "white"), n).attribute(model, x, 0).convergence_delta.abs().max()
            for n in (10, 640)
        ]
        assert gaps[1] < gaps[0] / 3

    def test_captum_agrees_within_the_noise_of_both(self, model):
        peer = pytest.importorskip("captum.attr")
        x, background = pictures(1, 1), pictures(5, 1, seed=9)
        made = GradientSHAP(background=background, n_samples=500, noise_level=0.0).attribute(model, x, 0)
        with torch.random.fork_rng():
            theirs = peer.GradientShap(model).attribute(x, background, n_samples=500, stdevs=0.0, target=0)
        assert said(made, self.expected(model, x, background).sum(1)) < 2
        assert relative(made.map, theirs.sum(1)) < 0.2


def test_several_baselines_are_drawn_and_averaged():
    model, x = small_network("smooth").module(), pictures(2, 1, 8)
    several = ("black", "white", 0.3)
    made = ExpectedGradients(several, n_samples=600).attribute(model, x, 1)
    expected = IntegratedGradients(several, 24, "gauss_legendre").attribute(model, x, 1)
    assert said(made, expected.map) < 2
    assert relative(made.values, expected.values) < 0.02


def test_a_noisy_baseline_is_new_in_each_sample():
    model, x = Affine(), pictures(2)
    made = ExpectedGradients(Noise(0.5, seed=3), n_samples=6).attribute(model, x, 1, chunk_size=5)
    starts = torch.stack([Noise(0.5, seed=3 + k).make(as_borrowed(model), x) for k in range(6)])
    torch.testing.assert_close(made.values, model.weight[1].detach() * (x - starts.mean(0)), **TIGHT)
    assert made.convergence_delta.abs().max() < 1e-12
    assert made.standard_error.min() > 1e-3


def test_gradient_shap_without_noise_is_expected_gradients():
    model, x = small_network("relu").module(), pictures(2, 1, 8)
    a = GradientSHAP("white", 5, noise_level=0.0).attribute(model, x, 1)
    same = ExpectedGradients("white", 5).attribute(model, x, 1)
    torch.testing.assert_close(a.values, same.values, **TIGHT)
    assert relative(GradientSHAP("white", 5).attribute(model, x, 1).values, a.values) > 1e-3


def test_noise_on_the_input_averages_out_on_an_affine_model():
    model, x = Affine(), pictures(2)
    made = GradientSHAP("white", n_samples=400).attribute(model, x, 1)
    expected = (model.weight[1].detach() * (x - 1)).sum(1)
    assert said(made, expected) < 2
    # To F(x), as the documentation says: what the noise itself changes is part of the gap.
    assert made.convergence_delta.abs().max() > 1e-3


@pytest.mark.parametrize("made", [ExpectedGradients, GradientSHAP])
@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_a_refinement_goes_on_with_the_next_samples(made, chunk_size):
    model, x = Counted(small_network("relu").module()), pictures(2, 1, 8)
    first = made("white", 6).attribute(model, x, 1)
    model.forget()
    refined = first.method.refine(first, model, chunk_size=chunk_size)
    assert sum(model.seen()) == 2 * (6 + 1)
    fresh = made("white", 12).attribute(model, x, 1)
    assert refined.method == fresh.method
    for name in ("values", "standard_error", "convergence_delta", "sample_groups"):
        torch.testing.assert_close(getattr(refined, name), getattr(fresh, name), **TIGHT)
    for name in ("nodes", "weights", "node_scores", "gradients", "terms", "difference", "baseline_score"):
        torch.testing.assert_close(getattr(refined.path, name), getattr(fresh.path, name), **TIGHT)


@pytest.mark.parametrize("noise_level", [0.0, 0.2])
def test_the_path_gathers_the_samples_by_their_alpha(noise_level):
    model, x, background = small_network("relu").module(), pictures(2, 1, 8), pictures(3, 1, 8, seed=9)
    method = GradientSHAP(n_samples=70, seed=2, background=background, noise_level=noise_level)
    made = method.attribute(model, x, [2, 0])
    path = made.path
    torch.testing.assert_close(path.cumulative[-1], made.values, **TIGHT)
    assert path.weights.sum().item() == pytest.approx(1)
    at = np.array([draws(2, k, 3)[1] for k in range(70)])
    bins = np.floor(at * 32).astype(int)
    assert len(path.nodes) == len(set(bins)) < 33
    for node, part in enumerate(sorted(set(bins))):
        own, terms, scores = np.flatnonzero(bins == part), [], []
        for k in own:
            which, alpha, noise = draws(2, k, 3, (1, 8, 8))
            start, end = background[which], x[1] + noise_level * (x[1].max() - x[1].min()) * noise
            point = start + alpha * (end - start)
            terms.append((end - start) * gradient(model, point[None], 0)[0])
            scores.append(model(point[None])[0, 0].item())
        assert path.nodes[node].item() == pytest.approx(at[own].mean())
        assert path.weights[node].item() == pytest.approx(len(own) / 70)
        assert path.node_scores[node, 1].item() == pytest.approx(np.mean(scores))
        torch.testing.assert_close(path.terms[node, 1], torch.stack(terms).mean(0), **TIGHT)
    start = torch.stack([background[draws(2, k, 3)[0]] for k in range(70)]).mean(0)
    torch.testing.assert_close(path.baseline[1], start, **TIGHT)
    halfway = path.of(1).points_at(torch.tensor([0.5]), x[1:])
    torch.testing.assert_close(halfway[0], (start + x[1]) / 2, **TIGHT)


def test_with_one_baseline_the_path_is_that_of_integrated_gradients():
    model, x = small_network("smooth").module(), pictures(1, 1, 8)
    made = ExpectedGradients("white", 400).attribute(model, x, 1)
    exact = IntegratedGradients("white", 128).attribute(model, x, 1)
    a, b = made.path, exact.path
    torch.testing.assert_close(a.baseline, b.baseline)
    for values, others in ((a.scores, b.scores), (a.cumulative.sum(2)[:, 0], b.cumulative.sum(2)[:, 0])):
        flat = others.flatten(1).numpy()
        along = np.stack([np.interp(a.alphas, b.alphas, one) for one in flat.T], 1)
        assert relative(values.flatten(1), torch.from_numpy(along)) < 0.02


def test_a_file_holds_all_that_a_refinement_needs(tmp_path):
    model, x = small_network("relu").module(), pictures(1, 1, 8)
    method = ExpectedGradients(background=pictures(3, 1, 8, seed=9), n_samples=20)
    saliscope.save(method.attribute(model, x, 1), tmp_path / "map.safetensors", model)
    loaded = saliscope.load(tmp_path / "map.safetensors")
    refined = loaded.method.refine(loaded, model)
    fresh = replace(method, n_samples=40).attribute(model, x, 1)
    torch.testing.assert_close(refined.values, fresh.values, **TIGHT)
    torch.testing.assert_close(refined.path.cumulative, fresh.path.cumulative, **TIGHT)


def test_all_that_is_drawn_from():
    x, background = pictures(2, 1, 8), pictures(3, 1, 8, seed=9)
    method, borrowed = ExpectedGradients(background=background), as_borrowed(Affine())
    assert method.baselines == ()
    assert torch.equal(method.starts(borrowed, x), background[:, None].expand(-1, 2, -1, -1, -1))
    assert ExpectedGradients().starts(borrowed, x).shape == (2, *x.shape)


def test_an_answer_without_its_sums_cannot_be_refined():
    model, x = Affine(), pictures(1)
    made = replace(ExpectedGradients("white", 4).attribute(model, x, 1), sample_groups=None)
    with pytest.raises(MethodError, match="a result without its path and sample_groups"):
        made.method.refine(made, model)


def test_partial_answers_are_means_of_the_samples_so_far():
    model, x = small_network("relu").module(), pictures(2, 1, 8)
    steps = list(ExpectedGradients(("black", "white"), 5).stream(model, x, 1, chunk_size=2))
    for k, step in enumerate(steps, 1):
        alone = ExpectedGradients(("black", "white"), k).attribute(model, x, 1)
        torch.testing.assert_close(step.result.values, alone.values, **TIGHT)
        torch.testing.assert_close(step.result.convergence_delta, alone.convergence_delta, **TIGHT)


def test_each_baseline_is_scored_once():
    counted = Counted(Affine())
    ExpectedGradients(("black", "white"), 20).attribute(counted, pictures(3), 1)
    assert sum(counted.seen()) == 3 * (1 + 2 + 20)


@pytest.mark.parametrize(
    ("background", "text"),
    [
        (
            torch.zeros(3, 2, 4, 5),
            "got a tensor of shape (3, 2, 4, 5); expected pictures as the model is fed them",
        ),
        (torch.zeros(2, 4, 4), "shape (m, 2, 4, 4)"),
        (torch.zeros(0, 2, 4, 4), "got a tensor of shape (0, 2, 4, 4)"),
        (torch.full((1, 2, 4, 4), float("nan")), "got a tensor with NaN or infinite values"),
    ],
)
def test_a_background_that_does_not_fit(background, text):
    with pytest.raises(MethodError, match="^`background`: .*" + re.escape(text)):
        ExpectedGradients(background=background).attribute(Affine(), pictures(1), 0)


def test_a_noise_level_out_of_range():
    with pytest.raises(MethodError, match=r"`noise_level`: got -0\.1; expected a share of the input range"):
        GradientSHAP(noise_level=-0.1)
