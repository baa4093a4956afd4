"""Where paths start: recipes in picture space, for models with known and unknown normalisation."""

import re

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import saliscope
from saliscope import BaselineError
from saliscope.attribution import IntegratedGradients
from saliscope.core import baselines
from saliscope.core.baselines import as_baseline, as_baselines
from saliscope.core.picture_space import PictureSpace
from tests.attribution.helpers import Affine, pictures
from tests.core.helpers import unchecked

MEAN, STD = (0.4, 0.5), (0.2, 0.25)


@pytest.fixture
def known():
    return saliscope.borrow(Affine(), mean=MEAN, std=STD)


@pytest.fixture
def unknown():
    return saliscope.borrow(Affine())


def per_channel(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[None, :, None, None]


def normalised(values: torch.Tensor) -> torch.Tensor:
    return (values - per_channel(MEAN)) / per_channel(STD)


@pytest.mark.parametrize(
    ("baseline", "pixel"), [(baselines.Black(), 0.0), (baselines.White(), 1.0), (baselines.Grey(0.3), 0.3)]
)
def test_flat_colours_are_normalised_as_the_model_wants(baseline, pixel, known, unknown):
    x = pictures(3)
    torch.testing.assert_close(baseline.make(known, x), normalised(torch.full_like(x, pixel)))
    assert torch.equal(baseline.make(unknown, x), torch.full_like(x, pixel))


def test_of_unknown_values_each_picture_has_its_own_black_and_white(unknown):
    """A picture inside [0, 1] is taken as it is; another one by its own smallest and largest value."""
    x = pictures(3)
    x[1] = 7 * x[1] - 3
    x[2] = 255 * x[2]
    black, white, grey = (
        b.make(unknown, x) for b in (baselines.Black(), baselines.White(), baselines.Grey(0.25))
    )
    for one, low, high in ((0, 0.0, 1.0), (1, x[1].min(), x[1].max()), (2, x[2].min(), x[2].max())):
        assert black[one].unique().item() == pytest.approx(float(low))
        assert white[one].unique().item() == pytest.approx(float(high))
        assert grey[one].unique().item() == pytest.approx(float(low + 0.25 * (high - low)))


def test_rounding_beyond_black_and_white_is_no_other_range(unknown):
    x = pictures(1)
    x[0, 0, 0, 0] = -1e-4
    assert baselines.Black().make(unknown, x).unique().tolist() == [0.0]


def test_an_even_picture_of_unknown_range_has_a_black_too(unknown):
    x = torch.full((1, 2, 4, 4), 5.0, dtype=torch.float64)
    assert baselines.Black().make(unknown, x).unique().tolist() == [5.0]
    assert baselines.White().make(unknown, x).unique().tolist() == [6.0]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_picture_space_and_back(known, unknown, scale):
    x = scale * pictures(3) - 0.5
    for borrowed in (known, unknown):
        space = PictureSpace(borrowed, x)
        torch.testing.assert_close(space.to_model(space.to_picture(x)), x)
    torch.testing.assert_close(PictureSpace(known, x).to_picture(x), x * per_channel(STD) + per_channel(MEAN))


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 2.5, 12.0])
@pytest.mark.parametrize("shape", [(2, 2, 9, 6), (1, 1, 5, 5)])
def test_blur_is_scipys_with_mirrored_borders(sigma, shape, unknown):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = baselines.Blur(sigma).make(unknown, x)
    expected = gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="reflect")
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-12)


def test_blur_in_model_space_is_blur_in_picture_space(known, unknown):
    """It is linear and keeps constants: the normalisation may come before or after, borders do not darken."""
    x = pictures(2, size=6)
    torch.testing.assert_close(baselines.Blur(2).make(known, x), baselines.Blur(2).make(unknown, x))
    flat = torch.full((1, 2, 6, 6), 0.7, dtype=torch.float64)
    torch.testing.assert_close(baselines.Blur(40).make(unknown, flat), flat)


def test_blur_is_not_rounded_by_autocast(unknown):
    x = pictures(1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = IntegratedGradients(baselines.Blur(1), 1).attribute(Affine().float(), x, 0)
    assert made.path is not None
    assert torch.equal(made.path.baseline, baselines.Blur(1).make(unknown, x))


def test_noise_is_the_picture_plus_seeded_noise_clipped(known):
    x = normalised(pictures(2))
    made = baselines.Noise(0.2, seed=3).make(known, x)
    noise = np.random.Generator(np.random.SFC64(np.random.SeedSequence((3, 0)))).standard_normal((2, 4, 4))
    expected = (pictures(2) + 0.2 * torch.as_tensor(noise)).clamp(0, 1)
    torch.testing.assert_close(made, normalised(expected))
    assert (expected == 0).any()
    assert torch.equal(made, baselines.Noise(0.2, seed=3).make(known, x))
    assert not torch.equal(made, baselines.Noise(0.2, seed=4).make(known, x))
    torch.testing.assert_close(baselines.Noise(0.0).make(known, x), x)


def test_the_mean_picture_and_the_mean_colour(known):
    x, images = normalised(pictures(2)), pictures(5, seed=8).float()
    made = baselines.Mean(images).make(known, x)
    torch.testing.assert_close(made, normalised(images.double().mean(0)).expand_as(x))
    colour = baselines.Mean().make(known, x)
    torch.testing.assert_close(colour, x.mean((2, 3), keepdim=True).expand_as(x))


@pytest.mark.parametrize("shape", [(2, 2, 4, 4), (1, 2, 4, 4), (2, 4, 4), (2, 1, 1), (1,), ()])
def test_a_tensor_in_model_space_for_all_or_for_each(shape, known):
    tensor = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    made = as_baseline(tensor).make(known, pictures(2))
    assert torch.equal(made, tensor.detach().expand(2, 2, 4, 4))
    assert not made.requires_grad
    assert torch.equal(as_baseline(tensor.detach().numpy()).make(known, pictures(2)), made)


@pytest.mark.parametrize(
    ("baseline", "text"),
    [
        (
            torch.zeros(3, 4, 4),
            "`baseline`: got a tensor of shape (3, 4, 4); expected a shape that broadcasts to",
        ),
        (
            torch.zeros(4, 2, 4, 4),
            "got a tensor of shape (4, 2, 4, 4); expected a shape that broadcasts to the inputs'",
        ),
        (
            torch.tensor(torch.nan),
            "`baseline`: got a tensor with NaN or infinite values; expected finite values.",
        ),
        (
            baselines.Mean(torch.zeros(5, 2, 6, 6)),
            "got a tensor of shape (2, 6, 6); expected a shape that broadcasts",
        ),
        (
            baselines.Mean(torch.zeros(2, 4, 4)),
            "`images`: got float32 values of shape (2, 4, 4); expected a batch of",
        ),
        (
            baselines.Mean(torch.full((1, 2, 4, 4), 200, dtype=torch.uint8)),
            "`images`: got uint8 values of shape",
        ),
        (baselines.Mean(torch.zeros(0, 2, 4, 4)), "`images`: got float32 values of shape (0, 2, 4, 4)"),
    ],
)
def test_tensors_that_do_not_fit(baseline, text):
    with pytest.raises(BaselineError, match=re.escape(text)):
        IntegratedGradients(baseline, 2).attribute(Affine(), pictures(2), 0)


def test_only_pictures_can_be_blurred():
    with pytest.raises(
        BaselineError, match=re.escape("got inputs of shape (2, 5); expected pictures (n, channels,")
    ):
        IntegratedGradients("blur", 2).attribute(nn.Linear(5, 2).double(), torch.ones(2, 5), 0)


def test_shorthands():
    assert as_baseline("white") == baselines.White()
    assert as_baseline("blur") == baselines.Blur(12.0)
    assert as_baseline(0.3) == baselines.Grey(0.3)
    assert as_baseline(1) == baselines.Grey(1.0)
    assert as_baselines(("black", 0.5)) == (baselines.Black(), baselines.Grey(0.5))
    assert as_baselines("noise") == (baselines.Noise(),)
    assert set(baselines.BASELINES) == {"black", "white", "grey", "blur", "noise", "mean"}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: as_baseline("blak"),
            "`baseline`: got 'blak'; expected one of black, white, grey, blur, noise, mean",
        ),
        (lambda: as_baseline(None), "`baseline`: got an object of type NoneType; expected one of black"),
        (lambda: as_baseline(True), "`baseline`: got an object of type bool"),
        (lambda: as_baselines(()), "`baseline`: got an empty sequence; expected at least one baseline."),
        (lambda: IntegratedGradients("blak"), "`baseline`: got 'blak'"),
        (lambda: baselines.Grey(1.5), "`level`: got 1.5; expected a number from 0 to 1."),
        (lambda: baselines.Grey(float("nan")), "`level`: got nan; expected a number from 0 to 1."),
        (lambda: baselines.Blur(-1.0), "`sigma`: got -1.0; expected a number from 0 to 1000."),
        (lambda: baselines.Blur("wide"), "`sigma`: got 'wide'; expected a number"),
        (lambda: baselines.Noise(-0.1), "`level`: got -0.1; expected a number from 0 to 100."),
        (lambda: baselines.Noise(seed=-1), "`seed`: got -1; expected an integer of at least 0."),
        (lambda: baselines.Noise(seed=1.5), "`seed`: got 1.5; expected an integer of at least 0."),
    ],
)
def test_bad_recipes(make, text):
    with unchecked(), pytest.raises(BaselineError, match="^" + re.escape(text)):
        make()


def test_baselines_say_what_they_are():
    assert str(baselines.Blur(3.0)) == "blur (sigma=3.0)"
    assert str(baselines.Noise()) == "noise (level=0.2, seed=0)"
    assert str(baselines.Black()) == "black"
    assert str(as_baseline(torch.zeros(3))) == "custom"
