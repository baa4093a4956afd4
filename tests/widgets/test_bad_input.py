"""What users get wrong, each with the words that help them; the explorer stays usable after all of it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import saliscope as sp
from saliscope import SaliencyExplorer
from tests.sessions.tools import MEAN, PATIENCE, STD, Segmenter, Watched, photo, tiny
from tests.widgets.tools import Explorer, Page

NAN = torch.zeros(1, 3, 4, 4)
NAN[0, 1, 2, 3] = float("nan")
INFINITE = np.zeros((4, 4, 3), np.float32)
INFINITE[2, 3, 1] = np.inf


def broken_file(folder):
    path = folder / "photo.png"
    path.write_bytes(b"this is no picture")
    return path


IMAGES = [
    (None, "`images`: got an object of type NoneType; expected a picture: a PIL image, a path, an array"),
    ([], "`images`: got an empty list; expected at least one picture."),
    ([photo(), None], "`images[1]`: got an object of type NoneType; expected a picture"),
    ("nowhere.png", "`images`: got 'nowhere.png'"),
    (broken_file, "`images`: got "),
    (
        np.zeros(5),
        "`images`: got an array of shape (5,); expected (height, width), (height",
    ),
    (np.zeros((8, 8, 7)), "`images`: got an array of shape (8, 8, 7); expected (height, width)"),
    (np.zeros((0, 8, 3), np.uint8), "`images`: got an array of shape (0, 8, 3); expected at least one pixel"),
    (torch.zeros(8, 8), "`images`: got a tensor of shape (8, 8); expected (channels, height, width)"),
    (torch.zeros(1, 1, 3, 8, 8), "`images`: got a tensor of shape (1, 1, 3, 8, 8); expected"),
    (torch.zeros(1, 4, 8, 8), "`images`: got 4 channels; expected 3, as the model's first convolution has."),
    (
        torch.zeros(1, 8, 8, 3),
        "`images`: got 8 channels; expected 3, as the model's first convolution has",
    ),
    (
        torch.zeros(1, 1, 8, 8),
        "`images`: got 1 channel; expected 3, as the model's first convolution has",
    ),
    ([photo(0, (8, 8, 3)), photo(0, (8, 9, 3))], "(3, 8, 8) from images[0] and (3, 8, 9) from images[1]"),
    (
        NAN,
        "got a batch with 1 NaN or infinite value, the first at image 0, channel 1, row 2, column 3",
    ),
    (
        INFINITE,
        "got a picture with 1 NaN or infinite value, the first at row 2, column 3, channel 1",
    ),
    (
        photo().astype(np.float32),
        "`images`: got a float array with values from 0 to 255; expected floats",
    ),
    (
        photo().astype(np.int64),
        "`images`: got an array of int64; expected uint8, uint16, or float",
    ),
]


@pytest.mark.parametrize(("images", "text"), IMAGES, ids=lambda value: str(value)[:25].replace("\n", " "))
def test_pictures(images, text, tmp_path):
    given = images(tmp_path) if callable(images) else images
    with pytest.raises(sp.InputError) as caught:
        SaliencyExplorer(tiny(), given)
    assert text in str(caught.value)
    assert "inputs[" not in str(caught.value)
    assert caught.value.argument.startswith("images")


def test_a_picture_in_colour_for_a_grey_model():
    with pytest.raises(sp.InputError, match=r"got 3 channels; expected 1.* Make it grey: `img\.convert\("):
        SaliencyExplorer(tiny(channels=1), Image.fromarray(photo()))


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"mean": MEAN}, sp.InputError, "`std`: got None; expected a value, because `mean` was given."),
        ({"mean": MEAN, "std": (0, 1, 1)}, sp.InputError, "`std`: got (0.0, 1.0, 1.0); expected positive"),
        (
            {"mean": (1, 2), "std": (1, 2)},
            sp.InputError,
            "`mean`: got 2 numbers for 3 channels; expected",
        ),
        ({"transform": 3}, sp.InputError, "`transform`: got an object of type int; expected a callable"),
        ({"transform": lambda image: image.nothing}, sp.InputError, "`transform`: got "),
        ({"chunk_size": 0}, sp.MethodError, "`chunk_size`: got 0; expected a positive integer or 'auto'."),
        ({"chunk_size": "some"}, sp.MethodError, "`chunk_size`: got 'some'; expected a positive integer or"),
        (
            {"chunk_size": None},
            sp.MethodError,
            "`chunk_size`: got None; expected a positive integer or",
        ),
        (
            {"mean": "grey", "std": 1},
            sp.InputError,
            "`mean`: got 'grey'; expected a finite number, or one",
        ),
    ],
    ids=lambda case: str(case)[:30],
)
def test_other_arguments(arguments, kind, text, unchecked):
    with pytest.raises(kind) as caught:
        SaliencyExplorer(tiny(), photo(), **arguments)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "model", [None, lambda x: x, "resnet18", {}], ids=["None", "function", "str", "dict"]
)
def test_no_model(model, unchecked):
    with pytest.raises(
        sp.errors.ModelError, match=r"`model`: got an object of type \w+; expected a torch\.nn"
    ):
        SaliencyExplorer(model, photo())


class Fixable(nn.Module):
    """A model that fails until it is mended."""

    def __init__(self, wrong):
        super().__init__()
        self.net = tiny()
        self.wrong = wrong

    def forward(self, x):
        return (self.wrong or self.net)(x)


def out_of_memory(x):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def in_the_middle(x):
    return nn.functional.linear(x.flatten(1), torch.zeros(7, 5))


def without_a_gradient(x):
    return (x - x.detach()).sqrt().mean((2, 3))


def colours(x):
    return x.mean((2, 3))


MODELS = {
    "raises": (
        in_the_middle,
        {},
        "ModelError",
        "`model`: got RuntimeError from Fixable: mat1 and mat2",
    ),
    "text": (
        lambda x: "text",
        {},
        "ModelError",
        "`model`: got an output of type str without a tensor",
    ),
    "detached": (lambda x: colours(x).detach(), {}, "TargetError", "which does not depend on the input;"),
    "argmax": (
        lambda x: x.flatten(1).argmax(1),
        {},
        "TargetError",
        "has shape (1, 1) and type torch.int64;",
    ),
    "pixels": (
        lambda x: x,
        {},
        "TargetError",
        "has shape (1, 3, 8, 10) and type torch.float32;",
    ),
    "infinite": (
        lambda x: colours(x) / 0,
        {},
        "TargetError",
        "got a score that is NaN or infinite;",
    ),
    "small": (colours, {"target": 3}, "TargetError", "`target`: got 3; expected an index from 0 to 2,"),
    "sqrt": (
        without_a_gradient,
        {"method": "saliency"},
        "NotDefinedError",
        "got 80 pixels whose value is",
    ),
    "memory": (
        out_of_memory,
        {},
        "OutOfMemoryError",
        "`images`: got a picture that needs more memory",
    ),
    "flat": (colours, {"method": "grad_cam"}, "LayerError", "`layer`: got a model in which no layer with a"),
}


@pytest.mark.parametrize(("wrong", "traits", "kind", "text"), MODELS.values(), ids=MODELS)
def test_models(wrong, traits, kind, text):
    model = Fixable(wrong)
    explorer = Explorer(model, n_steps=4, **traits)
    with pytest.raises(getattr(sp.errors, kind)) as caught:
        explorer.wait(PATIENCE)
    assert text in str(caught.value)
    page = Page(explorer)
    page.ask("hello", have=[])
    (state,) = page.events("state")
    assert state["phase"] == "error"
    assert (state["error"]["type"], state["error"]["message"]) == (kind, str(caught.value))
    assert state["error"]["argument"] == caught.value.argument
    assert explorer.attribution is None
    model.wrong = None
    explorer.output = "probability"
    assert explorer.wait(PATIENCE)
    assert explorer.attribution is not None


class TestQuestions:
    @pytest.fixture
    def explorer(self):
        explorer = Explorer(tiny(), labels=list("abcde"), n_steps=4).ready()
        yield explorer
        explorer.method, explorer.baseline = "integrated_gradients", "black"
        explorer.target = 1  # still usable
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.target.labels == ("b",)

    def wrong(self, explorer, kind, text, **traits):
        def attempt():
            for name, value in traits.items():
                setattr(explorer, name, value)
            explorer.wait(PATIENCE)

        with pytest.raises(kind) as caught:
            attempt()
        assert text in str(caught.value)

    def test_a_target_out_of_range(self, explorer):
        self.wrong(explorer, sp.TargetError, "`target`: got 5; expected an index from 0 to 4,", target=5)

    def test_an_unknown_layer(self, explorer):
        text = "`layer`: got 'layer4'; expected the name of one of the model's 9 layers."
        self.wrong(explorer, sp.LayerError, text, method="grad_cam", layer="layer4")

    def test_a_layer_without_a_grid(self, explorer):
        self.wrong(explorer, sp.LayerError, "a layer with output shape (1, 5)", method="grad_cam", layer="8")

    def test_an_unknown_method(self, explorer):
        self.wrong(explorer, sp.InputError, "`method`: got 'shapley'; expected one of", method="shapley")

    def test_a_baseline_of_another_shape(self, explorer):
        text = "`baseline`: got a tensor of shape (3, 5, 5); expected a shape that broadcasts to the inputs'"
        self.wrong(explorer, sp.BaselineError, text, baseline=torch.zeros(3, 5, 5))

    def test_a_function_that_does_not_fit(self, explorer):
        text = "`target`: got a score of shape (1, 5) from the target function; expected shape (1,)"
        self.wrong(explorer, sp.TargetError, text, target=lambda out: out)

    def test_a_score_that_does_not_depend_on_the_picture(self, explorer):
        text = "which does not depend on the input; expected a score that can be differentiated. argmax,"
        self.wrong(explorer, sp.TargetError, text, target=lambda out: out.argmax(1).float())


def test_segmentation_without_a_function():
    explorer = Explorer(Segmenter(), n_steps=4)
    with pytest.raises(sp.TargetError, match="Pass a function, for example target=lambda out"):
        explorer.wait(PATIENCE)
    explorer.target = lambda out: out["out"][:, 1].mean((1, 2))
    assert explorer.wait(PATIENCE)


def test_a_model_without_parameters():
    class Brightness(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    explorer = Explorer(Brightness(), n_steps=2)
    assert explorer.wait(PATIENCE)
    torch.testing.assert_close(
        explorer.attribution.score[0], explorer._panels.subjects[0].inputs.mean((2, 3)).max()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_said(dtype):
    explorer = Explorer(tiny().to(dtype), method="saliency", mean=MEAN, std=STD).ready()
    name = str(dtype).removeprefix("torch.")
    assert explorer._panels.lead.result.notes == (f"The model computed in {name}: about 3 digits hold.",)


def test_an_all_zero_map_is_said_and_drawn():
    explorer = Explorer(Watched(), baseline=sp.baselines.Noise(level=0.0)).ready()
    note = "The map is zero everywhere: the baseline is the picture itself."
    assert explorer._panels.lead.result.notes == (note,)
    assert explorer.png().startswith(b"\x89PNG")
    explorer.baseline = "black"
    explorer.ready()
    assert explorer._panels.lead.result.notes == ()
