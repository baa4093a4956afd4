"""What the page is told about a map: the numbers, the path, the baseline, the notes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core import baselines as bl
from saliscope.render import scales
from saliscope.sessions.publish import PATH_NODES, thinned
from tests.sessions.tools import MEAN, PATIENCE, STD, Session, Watched, photo, tiny

METHODS = [IntegratedGradients(n_steps=8), InputXGradient(), Saliency(), SmoothGrad(n_samples=4), GradCAM()]


class TestNumbers:
    @pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
    def test_the_map_and_the_score_are_the_engines(self, method):
        model = tiny()
        session = Session(model, photo(0, (16, 20, 3)), labels=list("abcde"))
        result = session.answer(method, 2)
        direct = method.attribute(model, session.inputs, 2)
        assert torch.equal(session.attribution.values, direct.values)
        values = direct.map[0].double().numpy()
        np.testing.assert_allclose(session.array(result.map), values, atol=2**-11 * np.abs(values).max())
        assert 0 < result.limit == scales.limit(values) < np.abs(values).max()
        assert result.score == float(direct.score[0])
        assert (result.target, result.target_label) == (2, "c")
        assert (result.signed, result.unit) == (direct.signed, direct.unit)
        assert (result.layer, result.grid) == (direct.layer, direct.grid)

    def test_completeness_is_the_engines(self):
        session = Session(tiny(), mean=MEAN, std=STD)
        told = session.answer(IntegratedGradients(n_steps=8)).completeness
        att = session.attribution
        assert told.sum == float(att.values.double().sum())
        assert told.delta == float(att.convergence_delta[0])
        change = float(att.path.score[0].double() - att.path.baseline_score[0].double())
        assert told.change == pytest.approx(change, rel=1e-12)
        assert told.share == pytest.approx(told.sum / change, rel=1e-12)
        assert told.map_change == float(att.map_change[0])

    def test_a_method_without_a_baseline_has_none(self):
        assert Session(tiny()).answer(Saliency()).completeness is None

    @pytest.mark.parametrize(("slope", "defined"), [(1.0, True), (1e-7, False)])
    def test_the_share_of_a_tiny_change_is_not_defined(self, slope, defined):
        class Almost(nn.Module):
            def forward(self, x):
                return 1.0 + slope * x.double().sum((1, 2, 3))[:, None]

        told = Session(Almost()).answer(IntegratedGradients(n_steps=4)).completeness
        assert told.change != 0
        assert (told.share is not None) == defined

    def test_predictions(self):
        model = tiny(classes=7)
        session = Session(model, labels=list("abcdefg"))
        top = session.answer(Saliency()).probabilities
        with torch.no_grad():
            p = model.eval()(session.inputs)[0].softmax(0)
        best = p.argsort(descending=True)[:5].tolist()
        assert [one.index for one in top] == best
        assert [one.label for one in top] == ["abcdefg"[i] for i in best]
        assert [one.p for one in top] == pytest.approx(p[best].tolist())

    def test_a_single_output_is_a_logit_against_nothing(self):
        model = tiny(classes=1)
        (only,) = Session(model).answer(Saliency()).probabilities
        with torch.no_grad():
            logit = float(model.eval()(Session(model).inputs))
        assert only.p == pytest.approx(1 / (1 + math.exp(-logit)))


class TestPath:
    @pytest.mark.parametrize(("n_steps", "kept"), [(1, 3), (16, 18), (62, 64), (63, 64), (200, 64)])
    def test_it_is_thinned_to_what_a_page_needs_with_both_ends(self, n_steps, kept):
        session = Session(tiny(), photo(0, (4, 5, 3)))
        result = session.answer(IntegratedGradients(n_steps=n_steps))
        path, whole = result.path, session.attribution.path
        assert len(path.alphas) == len(path.scores) == len(path.sums) == kept
        assert (path.alphas[0], path.alphas[-1], path.total_nodes) == (0.0, 1.0, n_steps)
        assert (np.diff(path.alphas) > 0).all()
        assert set(path.alphas) <= set(whole.alphas.tolist())
        stack = session.array(path.stack)
        assert stack.shape == (kept, 4, 5)
        assert (stack[0] == 0).all()
        np.testing.assert_allclose(stack[-1], session.array(result.map), atol=2e-3 * np.abs(stack).max())

    def test_scores_and_sums_belong_to_their_alphas(self):
        session = Session(tiny())
        path = session.answer(IntegratedGradients(n_steps=100), 1).path
        whole = session.attribution.path
        where = np.searchsorted(whole.alphas.numpy(), path.alphas)
        assert path.scores == tuple(whole.scores[:, 0].double().numpy()[where])
        sums = whole.cumulative[:, 0].sum((1, 2, 3)).numpy()[where]
        np.testing.assert_allclose(path.sums, sums, atol=1e-6 * np.abs(sums).max())
        assert path.baseline_score == path.scores[0]
        assert path.scores[-1] == session.result.score

    @pytest.mark.parametrize("n", [2, 3, 63, 64, 65, 100, 1026])
    def test_thinning_keeps_as_many_as_it_may(self, n):
        keep = thinned(n, PATH_NODES)
        assert len(keep) == min(n, 64)
        assert (keep[0], keep[-1]) == (0, n - 1)
        assert np.ptp(np.diff(keep)) <= 1  # evenly

    def test_several_baselines_have_no_common_path(self):
        session = Session(tiny())
        result = session.answer(IntegratedGradients(baseline=("black", "white", "blur"), n_steps=8))
        att = session.attribution
        assert result.path is None
        assert len(att.per_baseline) == 3
        mean = torch.stack([part.map for part in att.per_baseline]).mean(0)
        np.testing.assert_allclose(session.array(result.map), mean[0], rtol=2e-3, atol=1e-6)
        assert result.completeness.delta == float(att.convergence_delta[0])
        session.refine()
        assert session.wait(PATIENCE)
        assert session.result.steps == 16


class TestBaselinePicture:
    def picture(self, baseline, **options):
        session = Session(tiny(), **options)
        result = session.answer(IntegratedGradients(baseline=baseline, n_steps=2))
        return session.array(result.path.baseline), session.array(result.picture), session

    @pytest.mark.parametrize(
        ("baseline", "level"), [("black", 0), ("white", 255), (bl.Grey(0.2), 51), (bl.Grey(0.6), 153)]
    )
    @pytest.mark.parametrize("normalisation", [{}, {"mean": MEAN, "std": STD}], ids=["plain", "normalised"])
    def test_black_is_black_whatever_the_normalisation(self, baseline, level, normalisation):
        shown, _, _ = self.picture(baseline, **normalisation)
        assert shown.shape == (8, 10, 3)
        assert (shown == level).all()

    def test_in_model_space_black_is_no_zero(self):
        _, _, session = self.picture("black", mean=MEAN, std=STD)
        expected = -torch.tensor(MEAN) / torch.tensor(STD)
        torch.testing.assert_close(session.attribution.path.baseline[0, :, 3, 3], expected)

    def test_no_noise_is_the_picture_itself(self):
        shown, picture, _ = self.picture(bl.Noise(level=0.0), mean=MEAN, std=STD)
        assert (shown == picture).all()
        assert (picture == photo()).all()

    def test_the_mean_colour(self):
        shown, _, _ = self.picture("mean", mean=MEAN, std=STD)
        np.testing.assert_allclose(shown[0, 0], photo().reshape(-1, 3).mean(0), atol=0.51)
        assert np.ptp(shown, axis=(0, 1)).max() == 0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_shows_no_other_black(self, dtype):
        session = Session(tiny().to(dtype), mean=MEAN, std=STD)
        result = session.answer(IntegratedGradients(n_steps=2))
        assert (session.array(result.path.baseline) == 0).all()

    def test_channels_beyond_three_are_shown_as_in_the_picture(self):
        inputs = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
        session = Session(tiny(channels=4), inputs)
        result = session.answer(IntegratedGradients(baseline=inputs.clone(), n_steps=2))
        assert (session.array(result.path.baseline) == session.array(result.picture)).all()

    def test_an_unknown_normalisation_is_stretched_as_in_the_picture(self):
        inputs = 3 * torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
        session = Session(tiny(), inputs)
        result = session.answer(IntegratedGradients(n_steps=2))
        assert (session.array(result.path.baseline) == 0).all()
        assert session.array(result.picture).min() == 0


class TestNotes:
    def test_an_ordinary_map_needs_none(self):
        assert Session(tiny()).answer(IntegratedGradients(n_steps=4)).notes == ()

    def test_notes_about_the_picture_stay(self):
        notes = Session(tiny(), 3 * torch.randn(1, 3, 6, 6), mean=MEAN, std=STD).answer(Saliency()).notes
        assert notes == ("Some values lie beyond black or white; they are shown as black or white.",)

    def test_a_baseline_that_is_the_picture(self):
        session = Session(tiny())
        result = session.answer(IntegratedGradients(baseline=bl.Noise(level=0.0), n_steps=4))
        assert result.notes == ("The map is zero everywhere: the baseline is the picture itself.",)
        assert not session.array(result.map).any()
        assert result.limit == 1.0
        assert result.completeness.share is None
        assert [m.notes for m, _ in session.heard if getattr(m, "stage", "") == "preview"] == [()]

    @pytest.mark.parametrize("method", [Saliency(), IntegratedGradients(n_steps=4)])
    def test_a_dead_score(self, method):
        net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        nn.init.constant_(net[0].bias, -100.0)
        notes = Session(net).answer(method).notes
        assert notes == ("The map is zero everywhere: the gradient of this score vanishes here.",)

    def test_a_saturated_probability_and_the_way_out(self):
        net = tiny()
        with torch.no_grad():
            net[-1].bias[2] = 1000.0
        session = Session(net)
        notes = session.answer(Saliency(), 2, "probability").notes
        said = "The map is zero everywhere: the gradient of this score vanishes here. Try output='logit'."
        assert notes == (said,)
        assert session.answer(Saliency(), 2, "logit").notes == ()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
    def test_half_precision(self, method, dtype):
        session = Session(tiny().to(dtype), mean=MEAN, std=STD)
        result = session.answer(method)
        name = str(dtype).removeprefix("torch.")
        assert f"The model computed in {name}: about 3 digits hold." in result.notes
        exact = Session(tiny(), mean=MEAN, std=STD)
        wanted = exact.array(exact.answer(method, result.target).map)
        assert np.corrcoef(session.array(result.map).ravel(), wanted.ravel())[0, 1] > 0.99


def test_a_model_is_asked_no_more_than_by_the_engine():
    model = Watched()
    session = Session(model)
    session.answer(Saliency())  # with it came the menus and the predictions
    model.board.rows.clear()
    session.answer(GradCAM(), 2)
    asked = len(model.board.rows)
    model.board.rows.clear()
    GradCAM().attribute(model, session.inputs, 2)
    assert 0 < asked <= len(model.board.rows)
