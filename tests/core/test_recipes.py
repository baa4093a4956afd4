"""What transforms and configs of the libraries say; the libraries themselves are imitated by their shape."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from saliscope.core.preprocess import Preprocessing, prepare
from saliscope.errors import InputError

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TIMM = {
    "input_size": (3, 16, 16),
    "interpolation": "bicubic",
    "mean": MEAN,
    "std": STD,
    "crop_pct": 0.8,
    "crop_mode": "center",
}


class ToTensor:
    def __call__(self, image):
        pixels = torch.from_numpy(np.array(image, copy=True))
        return pixels.reshape(image.height, image.width, -1).permute(2, 0, 1).float() / 255


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def __call__(self, x):
        mean, std = (torch.as_tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (x - mean) / std


class Compose:
    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x


class Preset(nn.Module):
    """Like the transforms of torchvision's weights."""

    def __init__(self):
        super().__init__()
        self.crop_size, self.resize_size, self.mean, self.std = [16], [20], list(MEAN), list(STD)

    def forward(self, image):
        return Normalize(self.mean, self.std)(ToTensor()(image.resize((20, 20)).crop((2, 2, 18, 18))))


class Processor:
    """Like an image processor of transformers: settings as attributes, called by keyword."""

    def __init__(self, **settings):
        self.image_mean, self.image_std = [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
        self.size = {"height": 12, "width": 10}
        vars(self).update(settings)

    def __call__(self, *, images, return_tensors):
        assert return_tensors == "pt"
        made = Normalize(self.image_mean, self.image_std)(ToTensor()(images.resize((10, 12))))
        return {"pixel_values": made[None]}


def shows_what_it_feeds(preprocessing, expected):
    prepared = prepare(RGB, preprocessing)
    assert prepared.notes == ()
    assert (prepared.pictures[0] == np.asarray(expected)).all()
    return prepared.inputs


class TestNothing:
    def test_pixels_from_0_to_1(self):
        made = Preprocessing.of()
        assert made == Preprocessing()
        assert made.source == "scaled to 0..1, not normalised"

    def test_the_model_tells_its_channels(self):
        assert Preprocessing.of(model=nn.Conv2d(1, 2, 3)).channels == 1
        assert Preprocessing.of(mean=MEAN, std=STD).channels == 3
        assert Preprocessing.of(mean=0.5, std=0.5).channels is None
        assert Preprocessing.of(TIMM, model=nn.Conv2d(1, 2, 3)).channels == 1

    @pytest.mark.parametrize(
        "mean", [MEAN, list(MEAN), np.array(MEAN), torch.tensor(MEAN, dtype=torch.float64)]
    )
    def test_mean_and_std_alone(self, mean):
        made = Preprocessing.of(mean=mean, std=STD)
        assert made.mean == MEAN
        assert made.source == "normalised by the given mean and std"

    @pytest.mark.parametrize("mean", ["grey", float("nan"), [], [0.5, None]])
    def test_a_mean_that_is_no_number(self, mean):
        with pytest.raises(
            InputError, match=r"`mean`: got .*; expected a finite number, or one for each channel"
        ):
            Preprocessing.of(mean=mean, std=0.5)

    def test_a_mean_without_std(self):
        with pytest.raises(InputError, match="`std`: got None"):
            Preprocessing.of(ToTensor(), mean=0.5)


class TestTransforms:
    def test_a_preset_is_called_and_undone(self):
        preset = Preset()
        made = Preprocessing.of(preset)
        assert made.source == "resized to 20, cropped to 16 x 16, normalised by the transform's mean and std"
        fed = shows_what_it_feeds(made, Image.fromarray(RGB).resize((20, 20)).crop((2, 2, 18, 18)))
        assert torch.equal(fed[0], preset(Image.fromarray(RGB)))

    def test_a_normalisation_is_found_however_deep(self):
        made = Preprocessing.of(
            Compose(Compose(ToTensor()), Compose(Compose(Normalize(torch.tensor(MEAN), STD))))
        )
        assert made.mean == pytest.approx(MEAN)
        assert made.source.startswith(
            "prepared by the transform (ToTensor, Normalize), normalised by the transform's"
        )
        shows_what_it_feeds(made, RGB)
        assert Preprocessing.of(nn.Sequential(nn.Identity(), Preset())).mean == MEAN

    def test_a_function_is_measured(self):
        def transform(image):
            return Normalize(MEAN, STD)(ToTensor()(image.resize((8, 8))))

        made = Preprocessing.of(transform)
        assert (made.mean, made.std) == (MEAN, STD)
        shows_what_it_feeds(made, Image.fromarray(RGB).resize((8, 8)))

    def test_two_normalisations_are_measured_as_one(self):
        twice = Compose(ToTensor(), Normalize(MEAN, STD), Normalize((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)))
        shows_what_it_feeds(Preprocessing.of(twice), RGB)

    def test_pixels_up_to_255_are_measured(self):
        made = Preprocessing.of(Compose(ToTensor(), lambda x: 255 * x))
        assert made.std == pytest.approx((1 / 255,), abs=1e-6)

    def test_a_grey_function_is_asked_in_grey(self):
        def transform(image):
            assert image.mode == "L"
            return (ToTensor()(image) - 0.1307) / 0.3081

        made = Preprocessing.of(transform, model=nn.Conv2d(1, 2, 3))
        assert (made.mean, made.std) == ((0.1307,), (0.3081,))

    @pytest.mark.parametrize(
        "transform",
        [
            lambda image: ToTensor()(image) + torch.rand(()),
            lambda image: ToTensor()(image) ** 2.2,
            lambda image: 1 - ToTensor()(image),
            lambda image: {"image": image},
            lambda image, more: image,
        ],
        ids=["random", "curved", "negative", "dict", "another signature"],
    )
    def test_what_cannot_be_measured_is_unknown(self, transform):
        state = torch.random.get_rng_state()
        made = Preprocessing.of(transform)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert made.mean is None
        assert made.source.endswith("normalisation unknown")

    def test_a_given_normalisation_follows_a_transform_that_has_none(self):
        made = Preprocessing.of(Compose(ToTensor()), MEAN, STD)
        assert made.source == "prepared by the transform (ToTensor), normalised by the given mean and std"
        fed = shows_what_it_feeds(made, RGB)
        assert torch.equal(fed[0], Normalize(MEAN, STD)(ToTensor()(Image.fromarray(RGB))))

    def test_a_given_normalisation_is_not_done_twice(self):
        made = Preprocessing.of(Compose(ToTensor(), Normalize(MEAN, STD)), MEAN, STD)
        fed = shows_what_it_feeds(made, RGB)
        assert torch.equal(fed[0], Normalize(MEAN, STD)(ToTensor()(Image.fromarray(RGB))))

    def test_a_transform_that_returns_a_picture(self):
        made = Preprocessing.of(lambda image: image.resize((8, 8)), MEAN, STD)
        fed = shows_what_it_feeds(made, Image.fromarray(RGB).resize((8, 8)))
        assert fed.min() < 0
        assert Preprocessing.of(lambda image: image).source.endswith("scaled to 0..1, not normalised")

    def test_a_preprocessing_is_taken_as_it_is(self):
        own = Preprocessing(size=(8, 8), mean=MEAN, std=STD, source="my own")
        assert Preprocessing.of(own, model=nn.Conv2d(3, 2, 3)) == Preprocessing(
            size=(8, 8), mean=MEAN, std=STD, source="my own", channels=3
        )
        assert Preprocessing.of(own, 0.5, 0.5).mean == (0.5,)

    @pytest.mark.parametrize(
        ("transform", "message"),
        [
            (3, "got an object of type int; expected a callable from PIL image to tensor"),
            ({}, "got an empty dict; expected a timm data config"),
            ({"foo": 1, "bar": 2}, "got a dict with the keys 'foo', 'bar'; expected a timm data config"),
            (
                TIMM | {"crop_mode": "border"},
                r"got a data config .* 'border'; expected .* `timm.data.create_transform\(\*\*config\)`",
            ),
        ],
    )
    def test_what_is_no_transform(self, transform, message):
        with pytest.raises(InputError, match=f"`transform`: {message}"):
            Preprocessing.of(transform)


class TestTimm:
    def test_a_config(self):
        made = Preprocessing.of(TIMM)
        assert (made.size, made.resize, made.channels) == ((16, 16), 20, 3)
        assert (made.mean, made.std, made.interpolation) == (MEAN, STD, "bicubic")
        assert made.source == "resized to 20, cropped to 16 x 16, normalised by the config's mean and std"
        expected = Image.fromarray(RGB).resize((30, 20), Image.Resampling.BICUBIC).crop((7, 2, 23, 18))
        shows_what_it_feeds(made, expected)

    def test_a_squashing_config(self):
        made = Preprocessing.of(TIMM | {"crop_mode": "squash"})
        assert (made.size, made.resize) == ((16, 16), (20, 20))

    def test_the_default_share_and_a_whole_picture(self):
        assert Preprocessing.of({"input_size": (3, 224, 224), "mean": MEAN, "std": STD}).resize == 256
        whole = Preprocessing.of(TIMM | {"crop_pct": 1.0})
        assert whole.source.startswith("resized to 16, cropped to 16 x 16")

    @pytest.mark.parametrize("wrap", [lambda config: config, lambda config: SimpleNamespace(**config)])
    @pytest.mark.parametrize("attribute", ["pretrained_cfg", "default_cfg"])
    def test_a_model_that_carries_its_config(self, attribute, wrap):
        model = nn.Conv2d(3, 2, 3)
        setattr(model, attribute, wrap(TIMM))
        made = Preprocessing.of(model=model)
        assert (made.size, made.mean) == ((16, 16), MEAN)
        assert made.source.endswith("normalised by the model's own mean and std")
        assert Preprocessing.of(lambda image: image, model=model).size is None

    def test_a_config_without_numbers_is_no_config(self):
        model = nn.Conv2d(3, 2, 3)
        model.default_cfg = {"url": "", "num_classes": 10}
        assert Preprocessing.of(model=model) == Preprocessing(channels=3)


class TestHuggingFace:
    def test_a_processor_is_called(self):
        made = Preprocessing.of(Processor())
        assert made.source == "resized to 12 x 10, normalised by the image processor's mean and std"
        fed = shows_what_it_feeds(made, Image.fromarray(RGB).resize((10, 12)))
        assert torch.equal(fed, Processor()(images=Image.fromarray(RGB), return_tensors="pt")["pixel_values"])
        assert Preprocessing.of(SimpleNamespace(image_processor=Processor())).mean == (0.5, 0.5, 0.5)

    def test_settings_alone_are_followed(self):
        settings = {"size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 16}, "resample": 3}
        made = Preprocessing.of(settings | {"image_mean": MEAN, "image_std": STD, "do_center_crop": True})
        assert (made.size, made.resize, made.interpolation) == ((16, 16), 20, "bicubic")
        shows_what_it_feeds(
            made, Image.fromarray(RGB).resize((30, 20), Image.Resampling.BICUBIC).crop((7, 2, 23, 18))
        )

    @pytest.mark.parametrize(
        ("settings", "size", "resize"),
        [
            ({"size": 24}, None, 24),
            ({"size": SimpleNamespace(height=8, width=6, shortest_edge=None)}, None, (8, 6)),
            ({"size": {"height": 8, "width": 6}, "do_resize": False}, None, None),
            ({"size": {"shortest_edge": 8}, "crop_size": 6, "do_center_crop": False}, None, 8),
            ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 224), 256),
            ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384), (384, 384)),
        ],
    )
    def test_sizes_in_every_notation(self, settings, size, resize):
        made = Preprocessing.of(settings)
        assert (made.size, made.resize) == (size, resize)

    @pytest.mark.parametrize(
        ("settings", "mean", "std"),
        [
            ({}, (0.5,), (0.25,)),
            ({"do_normalize": False}, None, None),
            ({"do_normalize": False, "do_rescale": False}, (0.0,), (1 / 255,)),
            ({"do_rescale": False}, (0.5 / 255,), (0.25 / 255,)),
            ({"rescale_factor": 1 / 127.5}, (0.25,), (0.125,)),
        ],
    )
    def test_the_normalisation_is_the_one_of_pixels_from_0_to_1(self, settings, mean, std):
        made = Preprocessing.of({"image_mean": [0.5], "image_std": [0.25], "size": 8} | settings)
        assert made.mean == (mean and pytest.approx(mean))
        assert made.std == (std and pytest.approx(std))


def test_torchvision_itself_agrees(torchvision):
    from torchvision import transforms as T
    from torchvision.transforms._presets import ImageClassification

    image = Image.fromarray(RGB)
    for resize, crop in ((20, 16), (21, 15), (33, 33)):
        own = Preprocessing(size=(crop, crop), resize=resize, mean=MEAN, std=STD)
        preset = ImageClassification(crop_size=crop, resize_size=resize)
        compose = T.Compose([T.Resize(resize), T.CenterCrop(crop), T.ToTensor(), T.Normalize(MEAN, STD)])
        for theirs in (preset, compose):
            read = Preprocessing.of(theirs)
            assert (read.mean, read.std) == (MEAN, STD)
            assert torch.equal(prepare(image, read).inputs, theirs(image)[None])
            assert torch.equal(prepare(image, own).inputs, theirs(image)[None])
