"""Reading pictures: every way in which they come, and every way in which they are broken."""

import numpy as np
import pytest
from PIL import Image

from saliscope.core.pictures import read
from saliscope.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
RGB[0, 0] = (0, 128, 255)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def reading(item, **options):
    notes = []
    return read(item, "inputs", notes, **options), notes


def same(item, expected, notes=()):
    pixels, said = reading(item)
    assert pixels.dtype == expected.dtype
    assert pixels.shape == expected.shape
    assert (pixels == expected).all()
    assert tuple(said) == tuple(notes)


class TestImages:
    def test_rgb_and_grey(self):
        same(Image.fromarray(RGB), RGB)
        same(Image.fromarray(GREY), GREY[..., None])

    def test_black_and_white(self):
        bits = GREY > 127
        same(Image.fromarray(bits), (bits * 255).astype(np.uint8)[..., None])

    def test_a_palette_is_resolved(self):
        image = Image.fromarray(RGB).quantize(8)
        assert image.mode == "P"
        same(image, np.asarray(image.convert("RGB")))

    def test_transparency_is_laid_on_white_and_said(self):
        rgba = np.dstack([RGB, np.full((6, 9), 255, np.uint8)])
        same(Image.fromarray(rgba), RGB)  # opaque: nothing to say
        rgba[0, 0, 3] = 0
        rgba[0, 1] = (100, 200, 0, 51)
        expected = RGB.copy()
        expected[0, 0] = 255
        expected[0, 1] = (224, 244, 204)  # a fifth of the colour, four fifths of white
        same(Image.fromarray(rgba), expected, ["Transparent pixels were laid on white."])

    def test_grey_with_transparency_stays_grey(self):
        pixels = np.dstack([GREY, np.zeros_like(GREY)])
        image = Image.fromarray(pixels)
        assert image.mode == "LA"
        same(image, np.full((6, 9, 1), 255, np.uint8), ["Transparent pixels were laid on white."])

    def test_a_transparent_palette_colour(self):
        image = Image.new("P", (2, 1), 0)
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        image.info["transparency"] = 0
        expected = np.array([[[255, 255, 255], [40, 50, 60]]], np.uint8)
        same(image, expected, ["Transparent pixels were laid on white."])

    def test_sixteen_bits_are_not_thrown_away(self):
        deep = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)
        expected = (deep / 65535).astype(np.float32)[..., None]
        same(Image.fromarray(deep), expected)
        same(Image.fromarray(deep.astype(np.int32)), expected)

    def test_cmyk(self):
        image = Image.fromarray(RGB).convert("CMYK")
        note = "CMYK colours were converted to RGB without a colour profile."
        same(image, np.asarray(image.convert("RGB")), [note])

    def test_float_images_follow_the_rule_of_float_arrays(self):
        same(Image.fromarray((GREY / 255).astype(np.float32)), (GREY / 255).astype(np.float32)[..., None])
        with pytest.raises(InputError, match="expected floats from 0"):
            read(Image.fromarray(GREY.astype(np.float32)), "inputs", [])

    def test_exif_rotation_is_applied(self, tmp_path):
        image = Image.fromarray(RGB)
        exif = image.getexif()
        exif[0x0112] = 6  # the camera was turned: rotate clockwise to see it upright
        image.save(tmp_path / "turned.png", exif=exif)
        same(tmp_path / "turned.png", np.rot90(RGB, -1))
        same(Image.open(tmp_path / "turned.png"), np.rot90(RGB, -1))

    def test_the_first_frame_of_several_is_used_and_said(self, tmp_path):
        frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
        frames[0].save(tmp_path / "two.tif", save_all=True, append_images=frames[1:])
        same(tmp_path / "two.tif", GREY[..., None], ["Frame 1 of 2 was used."])

    def test_a_picture_without_pixels(self):
        with pytest.raises(InputError, match="got a picture of 0 x 4 pixels; expected at least one pixel"):
            read(Image.new("RGB", (0, 4)), "inputs", [])

    def test_thirty_two_bits_out_of_range(self):
        image = Image.fromarray(np.array([[0, 70000]], np.int32))
        with pytest.raises(InputError, match=r"32-bit picture with values from 0 to 70000; expected"):
            read(image, "inputs", [])


class TestFiles:
    def test_paths_as_text_and_as_path(self, tmp_path):
        Image.fromarray(RGB).save(tmp_path / "a.png")
        same(tmp_path / "a.png", RGB)
        same(str(tmp_path / "a.png"), RGB)

    def test_what_cannot_be_read(self, tmp_path):
        (tmp_path / "text.png").write_text("no picture")
        Image.fromarray(RGB).save(tmp_path / "whole.png")
        whole = (tmp_path / "whole.png").read_bytes()
        (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
        for name in ("text.png", "half.png"):
            with pytest.raises(
                InputError, match=rf"{name}', which cannot be read \(.+\); expected a picture that"
            ):
                read(tmp_path / name, "inputs", [])
        with pytest.raises(
            InputError, match=r"none\.png', which does not exist; expected the path of a picture"
        ):
            read(tmp_path / "none.png", "inputs", [])
        with pytest.raises(InputError, match="which is a folder; expected the path of a picture"):
            read(tmp_path, "inputs", [])

    def test_nothing_is_fetched(self):
        with pytest.raises(InputError, match="Nothing is fetched from the network: download it first"):
            read("https://localhost/cat.png", "inputs", [])


class TestArrays:
    def test_bytes_in_every_order_of_axes(self):
        same(RGB, RGB)
        same(np.moveaxis(RGB, -1, 0), RGB)
        same(GREY, GREY[..., None])
        same(GREY[None], GREY[..., None])
        same(GREY[..., None], GREY[..., None])
        same(RGB[::-1, ::-1], RGB[::-1, ::-1])

    def test_where_both_ends_could_be_channels_the_last_is(self):
        pixels = RNG.integers(0, 256, (3, 9, 3), dtype=np.uint8)
        same(pixels, pixels, ["An array of shape (3, 9, 3) was read as (height, width, channels)."])
        first, notes = reading(pixels, channels_first=True)
        assert (first == np.moveaxis(pixels, 0, -1)).all()
        assert notes == []

    def test_an_alpha_channel(self):
        rgba = np.dstack([RGB, np.zeros((6, 9), np.uint8)])
        same(rgba, np.full_like(RGB, 255), ["Transparent pixels were laid on white."])
        same(
            (rgba / 255).astype(np.float32),
            np.ones((6, 9, 3), np.float32),
            ["Transparent pixels were laid on white."],
        )

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_floats_from_0_to_1(self, dtype):
        pixels = (RGB / 255).astype(dtype)
        same(pixels, pixels.astype(np.float32))

    def test_sixteen_bits_of_either_byte_order(self):
        deep = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)
        same(deep, (deep / 65535).astype(np.float32))
        same(deep.astype(">u2"), (deep / 65535).astype(np.float32))

    def test_rounding_just_beyond_white_is_forgiven(self):
        assert reading(np.full((2, 2), 1 + 5e-7))[0].max() == 1

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (
                RGB.astype(float),
                r"float array with values from 0 to 255; expected .* 1 \(white\). Pass `array / 255`",
            ),
            (
                RGB / 255 - 0.5,
                r"values from -0.5 to 0.5; .* already normalised .* `torch.from_numpy\(array\)`",
            ),
            (RGB.astype(np.int64), r"array of int64; expected uint8, .* pass `array.astype\(numpy.uint8\)`"),
            (RGB > 3, "array of bool; expected uint8"),
            (np.zeros((2, 5, 5, 3), np.uint8), r"shape \(2, 5, 5, 3\); expected .* with 1, 3 or 4 channels"),
            (np.zeros((5, 5, 2), np.uint8), r"shape \(5, 5, 2\); expected \(height, width\)"),
            (np.zeros(5, np.uint8), r"shape \(5,\); expected \(height, width\)"),
            (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\); expected at least one pixel"),
        ],
    )
    def test_what_is_no_picture(self, array, message):
        with pytest.raises(InputError, match=message):
            read(array, "inputs", [])

    def test_broken_pixels_are_counted_and_found(self):
        pixels = RGB / 255
        pixels[2, 7, 1] = np.nan
        pixels[5, 0, 0] = -np.inf
        with pytest.raises(
            InputError, match="2 NaN or infinite values, the first at row 2, column 7, channel 1"
        ):
            read(pixels, "inputs", [])
        grey = GREY / 255
        grey[4, 8] = np.inf
        with pytest.raises(
            InputError, match="1 NaN or infinite value, the first at row 4, column 8; expected"
        ):
            read(grey, "inputs", [])


@pytest.mark.parametrize(
    ("item", "kind"), [(3.5, "float"), (None, "NoneType"), ([1, 2], "list"), (b"x", "bytes")]
)
def test_anything_else_is_named(item, kind):
    with pytest.raises(
        InputError, match=rf"`inputs\[2\]`: got an object of type {kind}; expected a picture: a PIL image"
    ):
        read(item, "inputs[2]", [])
