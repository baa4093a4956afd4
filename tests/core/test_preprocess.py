"""From pictures to inputs, and back to the picture that was fed."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from saliscope.core.preprocess import Preprocessing, expected_channels, prepare, show
from saliscope.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
PLAIN = Preprocessing()
NORMALISED = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
WANTS_RGB = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
WANTS_GREY = nn.Sequential(nn.Flatten(0, -1), nn.Sequential(nn.Conv2d(1, 4, 3)))


class TestSpaces:
    def test_every_byte_comes_back_from_model_space(self):
        ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
        prepared = prepare(ramp, NORMALISED)
        assert (prepared.pictures[0] == ramp).all()
        assert prepared.notes == ()

    def test_the_formula(self):
        expected = (np.moveaxis(RGB, -1, 0) / 255 - np.reshape(NORMALISED.mean, (3, 1, 1))) / np.reshape(
            NORMALISED.std, (3, 1, 1)
        )
        prepared = prepare(RGB, NORMALISED)
        assert prepared.inputs.dtype == torch.float32
        np.testing.assert_allclose(prepared.inputs[0], expected, atol=1e-6)

    def test_black_is_black_and_the_way_back_is_exact(self):
        black = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
        there = NORMALISED.to_model_space(black)
        assert there[0, :, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
        assert torch.allclose(NORMALISED.to_picture_space(there), black, atol=1e-15)
        assert there.dtype == torch.float64

    def test_the_identity_where_nothing_is_known(self):
        x = torch.randn(1, 3, 4, 4)
        assert PLAIN.to_model_space(x) is x
        assert PLAIN.to_picture_space(x) is x

    def test_one_number_serves_all_channels(self):
        half = Preprocessing(mean=(0.5,), std=(0.5,))
        assert half.to_model_space(torch.ones(1, 5, 2, 2)).eq(1).all()

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"mean": (0.5,)}, r"`std`: got None; expected a value, because `mean` was given"),
            ({"std": (0.5,)}, r"`mean`: got None; expected a value, because `std` was given"),
            ({"mean": (0.5,), "std": (0.0,)}, r"`std`: got \(0.0,\); expected positive numbers"),
            (
                {"mean": (0.5, 0.5), "std": (1.0, 1.0, 1.0)},
                "`std`: got 3 numbers; expected as many as `mean` has, 2",
            ),
        ],
    )
    def test_half_a_normalisation_is_refused(self, fields, message):
        with pytest.raises(InputError, match=message):
            Preprocessing(**fields)

    def test_a_normalisation_for_other_channels_is_refused(self):
        with pytest.raises(
            InputError, match="`mean`: got 3 numbers for 1 channel; expected one for each channel"
        ):
            NORMALISED.to_model_space(torch.zeros(1, 1, 4, 4))


class TestPictures:
    @pytest.mark.parametrize(
        "make", [Image.fromarray, lambda a: a, lambda a: np.moveaxis(a, -1, 0), torch.from_numpy]
    )
    def test_one_picture_in_many_guises(self, make):
        prepared = prepare(make(RGB.copy()), PLAIN)
        assert torch.equal(prepared.inputs, torch.from_numpy(RGB).permute(2, 0, 1)[None].float() / 255)
        assert (prepared.pictures == RGB).all()

    def test_a_path(self, tmp_path):
        Image.fromarray(RGB).save(tmp_path / "a.png")
        assert (prepare(tmp_path / "a.png", PLAIN).pictures == RGB).all()
        assert len(prepare([tmp_path / "a.png", str(tmp_path / "a.png")], PLAIN).pictures) == 2

    def test_a_uint8_tensor_has_its_channels_first(self):
        pixels = torch.from_numpy(RNG.integers(0, 256, (3, 9, 3), dtype=np.uint8))
        assert torch.equal(prepare(pixels, PLAIN).inputs[0], pixels / 255)

    def test_lists_and_batches(self):
        batch = np.stack([RGB, 255 - RGB])
        whole = prepare(batch, NORMALISED)
        assert whole.inputs.shape == (2, 3, 6, 9)
        assert (whole.pictures == batch).all()
        as_tensor = torch.from_numpy(np.moveaxis(batch, -1, 1).copy())
        for several in (list(batch), (Image.fromarray(RGB), 255 - RGB), [batch[:1], batch[1]], as_tensor):
            assert torch.equal(prepare(several, NORMALISED).inputs, whole.inputs)

    def test_grey_is_repeated_for_a_model_of_colours(self):
        prepared = prepare(Image.fromarray(GREY), PLAIN, WANTS_RGB)
        assert prepared.inputs.shape == (1, 3, 6, 9)
        assert (prepared.pictures[0] == GREY[..., None]).all()
        assert prepare(GREY, NORMALISED, WANTS_RGB).inputs.shape == (1, 3, 6, 9)

    def test_grey_stays_grey_otherwise_and_is_shown_in_three_channels(self):
        for model in (WANTS_GREY, nn.Linear(3, 3), None):
            prepared = prepare(GREY, PLAIN, model)
            assert prepared.inputs.shape == (1, 1, 6, 9)
            assert (prepared.pictures[0] == GREY[..., None]).all()

    def test_colours_are_refused_by_a_grey_model(self):
        message = r'got 3 channels; expected 1, .* convolution has. Make it grey: `img.convert\("L"\)`.'
        with pytest.raises(InputError, match=message):
            prepare(RGB, PLAIN, WANTS_GREY)
        with pytest.raises(InputError, match=r"got 3 channels; expected 5.* Pass a tensor \(n, channels"):
            prepare(RGB, PLAIN, nn.Conv2d(5, 1, 1))

    def test_what_was_done_to_a_picture_is_said_once(self):
        clear = np.zeros((5, 5, 4), np.uint8)
        assert prepare([clear, clear], PLAIN).notes == ("Transparent pixels were laid on white.",)

    @pytest.mark.parametrize("empty", [[], ()])
    def test_an_empty_list(self, empty):
        with pytest.raises(
            InputError, match=r"`inputs`: got an empty (list|tuple); expected at least one picture"
        ):
            prepare(empty, PLAIN)

    def test_an_empty_batch(self):
        with pytest.raises(InputError, match=r"shape \(0, 4, 4, 3\); expected at least one pixel"):
            prepare(np.zeros((0, 4, 4, 3), np.uint8), PLAIN)
        with pytest.raises(InputError, match=r"tensor of shape \(0, 3, 4, 4\)"):
            prepare(torch.zeros(0, 3, 4, 4), PLAIN)

    def test_mixed_sizes_need_a_size(self):
        small = RGB[:5]
        message = (
            r"`inputs`: got inputs of different shapes: \(3, 6, 9\) from inputs\[0\] and \(3, 5, 9\) from "
            r"inputs\[2\]; expected one shape .* Pass `transform=` with a size"
        )
        with pytest.raises(InputError, match=message):
            prepare([RGB, RGB, small], PLAIN)
        assert prepare([RGB, small], Preprocessing(size=(4, 4))).inputs.shape == (2, 3, 4, 4)

    def test_errors_name_the_picture(self):
        with pytest.raises(InputError, match=r"`inputs\[1\]`: got an array of int64"):
            prepare([RGB, RGB.astype(int)], PLAIN)
        with pytest.raises(InputError, match=r"`inputs\[0\]\[1\]`: got a float array with values"):
            prepare([np.stack([RGB * 0.0, RGB * 1.0])], PLAIN)


class TestTensors:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_they_are_in_model_space_and_keep_their_dtype(self, dtype):
        x = torch.randn(2, 3, 5, 4).to(dtype)
        for preprocessing in (PLAIN, NORMALISED, Preprocessing(size=(8, 8), transform=lambda image: 1 / 0)):
            prepared = prepare(x, preprocessing)
            assert torch.equal(prepared.inputs, x)
            assert prepared.inputs.dtype == dtype
        assert torch.equal(prepare(x[0], PLAIN).inputs, x[:1])
        assert torch.equal(prepare([x[0], x[1]], PLAIN).inputs, x)

    def test_the_user_keeps_the_original(self):
        x = torch.rand(1, 3, 4, 4, requires_grad=True)
        prepared = prepare(x, PLAIN)
        assert not prepared.inputs.requires_grad
        prepared.inputs.zero_()
        assert x.detach().max() > 0

    def test_a_normalised_tensor_is_shown_in_its_true_colours(self):
        fed = prepare(RGB, NORMALISED).inputs
        assert (prepare(fed, NORMALISED).pictures == RGB).all()

    def test_pixels_that_pass_for_normalised_are_noted(self):
        prepared = prepare(torch.rand(1, 3, 4, 4), NORMALISED)
        assert "from 0 to 1 was taken as normalised already" in prepared.notes[0]
        assert prepare(torch.rand(1, 3, 4, 4), PLAIN).notes == ()
        assert prepare(torch.rand(1, 3, 4, 4), Preprocessing(mean=(0.0,), std=(1.0,))).notes == ()

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (
                torch.zeros(4, 4),
                r"tensor of shape \(4, 4\); expected \(channels, height, width\) or .* `x\[None\]`",
            ),
            (
                torch.zeros(7),
                r"tensor of shape \(7,\); expected \(channels, height, width\) or \(n, channels",
            ),
            (torch.zeros(1, 3, 0, 4), r"tensor of shape \(1, 3, 0, 4\)"),
            (
                torch.zeros(3, 4, 4, dtype=torch.int64),
                r"tensor of int64; expected floating-point .* `x.to\(torch.uint8\)`",
            ),
            (torch.zeros(1, 4, 4), r"got 1 channel; expected 3, .* `x.expand\(-1, 3, -1, -1\)` repeats"),
            (torch.zeros(2, 4, 4, 3), r"got 4 channels; expected 3, .* `x.permute\(0, 3, 1, 2\)`"),
            (torch.zeros(2, 2, 4, 4), r"got 2 channels; expected 3"),
        ],
    )
    def test_what_does_not_fit(self, x, message):
        with pytest.raises(InputError, match=message):
            prepare(x, PLAIN, WANTS_RGB)

    def test_broken_values_are_counted_and_found(self):
        x = torch.zeros(2, 3, 5, 4)
        x[1, 2, 3, 0] = torch.nan
        x[1, 2, 4, 1] = torch.inf
        message = (
            "2 NaN or infinite values, the first at image 1, channel 2, row 3, column 0; expected finite"
        )
        with pytest.raises(InputError, match=message):
            prepare(x, PLAIN)


class TestDisplay:
    def test_an_unknown_normalisation_is_stretched_and_said(self):
        x = torch.tensor([[-2.0, 0.0], [1.0, 2.0]]).expand(1, 3, 2, 2)
        prepared = prepare(x, PLAIN)
        assert prepared.pictures[0, :, :, 0].tolist() == [[0, 128], [191, 255]]
        assert "stretched from its smallest value to its largest" in prepared.notes[0]

    def test_a_constant_that_cannot_be_stretched_is_grey(self):
        assert (prepare(torch.full((1, 3, 2, 2), 7.0), PLAIN).pictures == 128).all()

    def test_a_baseline_is_stretched_like_its_input(self):
        x = torch.tensor([[-2.0, 0.0], [1.0, 2.0]]).expand(1, 3, 2, 2)
        pictures, notes = show(torch.zeros(1, 3, 2, 2), PLAIN, like=x)
        assert (pictures == 128).all()
        assert len(notes) == 1

    def test_beyond_black_and_white_is_clipped_and_said(self):
        pictures, notes = show(torch.full((1, 3, 2, 2), 9.0), NORMALISED)
        assert (pictures == 255).all()
        assert notes == ("Some values lie beyond black or white; they are shown as black or white.",)

    def test_other_numbers_of_channels_are_shown_by_their_mean(self):
        x = torch.zeros(1, 5, 2, 2)
        x[:, 0] = 1
        prepared = prepare(x, PLAIN)
        assert (prepared.pictures == 51).all()
        assert prepared.notes == ("The mean of the 5 channels is shown.",)


class TestResizing:
    def test_the_shorter_side_then_the_centre(self):
        pixels = np.zeros((40, 100, 3), np.uint8)
        pixels[:, 45:55] = 255
        prepared = prepare(pixels, Preprocessing(resize=20, size=(20, 10)))
        # 40 x 100 becomes 20 x 50, the white bar 5 columns around the middle of the 10 that are kept.
        assert prepared.inputs.shape == (1, 3, 20, 10)
        row = prepared.pictures[0, 10, :, 0]
        assert row[4] == 255
        assert row[0] == row[9] == 0

    def test_without_a_crop_the_shape_is_kept_or_squashed(self):
        assert prepare(RGB, Preprocessing(resize=12)).inputs.shape == (1, 3, 12, 18)
        assert prepare(np.moveaxis(RGB, 0, 1), Preprocessing(resize=12)).inputs.shape == (1, 3, 18, 12)
        assert prepare(RGB, Preprocessing(size=(4, 4))).inputs.shape == (1, 3, 4, 4)
        assert prepare(RGB, Preprocessing(resize=(8, 8), size=(6, 4))).inputs.shape == (1, 3, 6, 4)

    def test_a_crop_is_never_larger_than_the_picture(self):
        assert prepare(RGB, Preprocessing(resize=10, size=(30, 8))).inputs.shape == (1, 3, 30, 8)

    def test_the_picture_shown_is_the_one_fed(self):
        prepared = prepare(RGB, Preprocessing(size=(3, 3), interpolation="bicubic"))
        expected = np.asarray(Image.fromarray(RGB).resize((3, 3), Image.Resampling.BICUBIC))
        assert (prepared.pictures[0] == expected).all()

    def test_deep_pictures_are_resized_without_losing_bits(self):
        deep = np.full((8, 8), 12345, np.uint16)
        assert prepare(deep, Preprocessing(size=(3, 3))).inputs.unique().tolist() == pytest.approx(
            [12345 / 65535]
        )

    def test_interpolation_never_leaves_the_range_of_pixels(self):
        edge = np.zeros((8, 8), np.float32)
        edge[4:] = 1
        prepared = prepare(edge, Preprocessing(size=(32, 32), interpolation="bicubic"))
        assert 0 <= prepared.inputs.min() <= prepared.inputs.max() <= 1


class TestTransforms:
    def test_what_a_transform_returns_is_fed_and_shown(self):
        def transform(image):
            assert image.mode == "RGB"
            return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[:, ::2] / 127.5 - 1

        prepared = prepare(RGB, Preprocessing(transform=transform, mean=(0.5,), std=(0.5,)))
        assert prepared.inputs.min() < 0
        assert (prepared.pictures[0] == RGB[::2]).all()

    @pytest.mark.parametrize("made", [lambda i: i.resize((4, 5)), lambda i: np.asarray(i.resize((4, 5)))])
    def test_a_picture_that_it_returns_is_finished_here(self, made):
        prepared = prepare(RGB, Preprocessing(transform=made, mean=(0.5,), std=(0.5,)))
        assert prepared.inputs.shape == (1, 3, 5, 4)
        assert prepared.inputs.min() < 0
        assert (prepared.pictures[0] == np.asarray(Image.fromarray(RGB).resize((4, 5)))).all()

    def test_it_sees_an_upright_8_bit_picture_in_the_model_s_channels(self):
        seen = []

        def transform(image):
            seen.append(image.mode)
            return torch.zeros(3, 2, 2)

        preprocessing = Preprocessing(transform=transform, channels=3)
        prepared = prepare([GREY, (RGB / 255)], preprocessing)
        assert seen == ["RGB", "RGB"]
        assert prepared.notes == (
            "Pixels were rounded to 8 bits, because the transform receives a PIL image.",
        )

    def test_it_may_make_the_picture_grey_itself(self):
        def transform(image):
            return torch.from_numpy(np.asarray(image.convert("L")).copy())[None] / 255

        assert prepare(RGB, Preprocessing(transform=transform), WANTS_GREY).inputs.shape == (1, 1, 6, 9)

    def test_the_channels_that_it_returns_are_checked(self):
        with pytest.raises(InputError, match="`inputs`: got 4 channels; expected 3, as the model's first"):
            prepare(RGB, Preprocessing(transform=lambda image: torch.zeros(4, 2, 2)), WANTS_RGB)

    def test_what_it_raises_is_told(self):
        def transform(image):
            raise KeyError("labels")

        message = (
            r"`transform`: got KeyError when it was applied to inputs\[0\]: 'labels'; expected .* mode RGB"
        )
        with pytest.raises(InputError, match=message) as caught:
            prepare([RGB], Preprocessing(transform=transform))
        assert isinstance(caught.value.__cause__, KeyError)

    @pytest.mark.parametrize(
        ("made", "got"),
        [
            (torch.zeros(4), r"Tensor of shape \(4,\)"),
            (torch.zeros(2, 3, 4, 4), r"Tensor of shape \(2, 3, 4, 4\)"),
            ({"image": 1}, "dict"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_no_input_is_refused(self, made, got):
        with pytest.raises(
            InputError, match=f"`transform`: got {got} for one picture; expected a float tensor"
        ):
            prepare(RGB, Preprocessing(transform=lambda image: made))


def test_the_first_convolution_tells_the_channels():
    assert expected_channels(WANTS_RGB) == 3
    assert expected_channels(WANTS_GREY) == 1
    assert expected_channels(nn.Linear(3, 3)) is None
    assert expected_channels(nn.LazyConv2d(3, 3)) is None
    assert expected_channels(None) is None
