"""What cannot be explained says so, in words, whichever method is asked."""

import re

import pytest
import torch
from torch import Tensor, nn

import saliscope
from saliscope import InputError, LayerError, MethodError, ModelError, Target, TargetError
from saliscope.attribution import CAM, GradCAM, IntegratedGradients, Method, Saliency, methods
from saliscope.attribution.cam import LayerMaps
from saliscope.attribution.registry import find_method
from tests.attribution.helpers import (
    FORWARD_ONLY,
    NEEDS_ATTENTION,
    SCORELESS,
    every_method,
    pictures,
    relative,
)
from tests.attribution.token_variants import model_of
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked


@pytest.fixture
def model(request):
    asked = "method" in request.fixturenames
    return model_of(request.getfixturevalue("method")) if asked else plain(Layers())


@pytest.fixture(params=every_method())
def method(request) -> Method:
    return request.param


class Applied(nn.Module):
    """A model with something done to its output."""

    def __init__(self, function, model: nn.Module | None = None) -> None:
        super().__init__()
        self.model, self.function = model or plain(Layers()), function

    def forward(self, x: Tensor):
        return self.function(self.model(x))


def infinite(at: tuple[int, ...], value: float) -> Tensor:
    x = pictures(2)
    x[at] = value
    return x


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (
            "cat.png",
            "got an object of type str; expected a tensor of shape (n, channels, height, width). Saliency",
        ),
        (None, "got an object of type NoneType; expected a tensor of shape (n, channels, height, width)."),
        (
            torch.zeros(1, 2, 4, 4, dtype=torch.uint8),
            "got a tensor of torch.uint8; expected floating values. Use",
        ),
        (torch.zeros(0, 2, 4, 4), "got shape (0, 2, 4, 4); expected a batch with at least one input"),
        (torch.zeros(4), "got shape (4,); expected a batch with at least one input, batch dimension first."),
        (
            infinite((1, 0, 2, 3), float("nan")),
            "got 1 NaN or infinite values, the first at index (1, 0, 2, 3);",
        ),
        (
            infinite((0, 1), float("inf")),
            "got 16 NaN or infinite values, the first at index (0, 1, 0, 0); expected f",
        ),
    ],
)
def test_inputs(method, model, inputs, text):
    with unchecked(), pytest.raises(InputError, match="^`inputs`: " + re.escape(text)):
        method.attribute(model, inputs, 0)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (2, 4, 4), (1, 2, 4)], ids=str)
def test_another_shape_or_number_of_channels(method, model, shape):
    expected = re.escape(f"expected an output for inputs of shape {shape}, float64")
    with pytest.raises(ModelError, match="got (Runtime|Value)Error from Classifier: .*" + expected):
        method.attribute(model, torch.zeros(shape), 0)


def test_what_is_no_model(method):
    with (
        unchecked(),
        pytest.raises(ModelError, match="got an object of type function; expected a"),
    ):
        method.attribute(lambda x: x, pictures(1), 0)


def test_a_model_that_raises_in_the_middle(method, model):
    def broken(*_):
        raise KeyError("gamma")

    model.last.register_forward_hook(broken)
    with pytest.raises(
        ModelError, match="`model`: got KeyError from Classifier: 'gamma'; expected an output"
    ) as raised:
        method.attribute(model, pictures(1), 0)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (4, "`target`: got 4; expected an index from 0 to 3, or down to -4 from the end."),
        (
            "cat",
            "`target`: got 'cat'; expected an index, since the model has no labels. Pass labels=[...] as",
        ),
        ([0, 1, 2], "`target`: got 3 targets for 2 inputs; expected one for each input, or one for all."),
        (
            lambda out: out.sum(),
            "got a score of shape () from the target function; expected shape (2,), one score",
        ),
        (
            lambda out: out.argmax(1),
            "which does not depend on the input; expected a score that can be differentiated",
        ),
        (
            lambda out: out.detach()[:, 0],
            "got the score 'the given function', which does not depend on the input",
        ),
        (
            lambda out: out[:, 0] / 0,
            "`target`: got a score that is NaN or infinite; expected a finite score.",
        ),
    ],
    ids=["range", "label", "count", "shape", "argmax", "detached", "infinite"],
)
def test_targets(model, target, text):
    with unchecked(), pytest.raises(TargetError, match=re.escape(text)):
        Saliency().attribute(model, pictures(2), target, chunk_size=2)


def test_the_same_of_every_method(method, model):
    with pytest.raises(TargetError, match="got 9; expected an index from 0 to 3"):
        method.attribute(model, pictures(2), 9)
    with pytest.raises(TargetError, match="got a score that is NaN or infinite"):
        method.attribute(Applied(lambda y: y * float("nan"), model), pictures(2), 1)
    with pytest.raises(TargetError, match="floating scores of shape"):
        method.attribute(Applied(lambda y: y.argmax(1, keepdim=True), model), pictures(2), 0)
    with pytest.raises(
        TargetError, match="`model`: got 1 output rows for 2 inputs; expected one output row for each"
    ):
        method.attribute(Applied(lambda y: y[:1], model), pictures(2), 0, chunk_size=2)


def test_further_inputs_and_how_they_are_fixed():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = plain(Layers())

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.model(x * mask)

    class Fixed(nn.Module):
        def __init__(self, model: nn.Module, *others: Tensor) -> None:
            super().__init__()
            self.model, self.others = model, others

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x, *self.others)

    way_out = (
        "If it has further inputs, wrap it: an nn.Module that keeps the model and them, and whose forward"
    )
    with pytest.raises(ModelError, match=f"got TypeError from Two: .*'mask'; expected .* {way_out}"):
        Saliency().attribute(Two(), pictures(1), 0)
    made = Saliency().attribute(Fixed(Two(), torch.ones(())), pictures(1), 0).values
    torch.testing.assert_close(made, Saliency().attribute(plain(Layers()), pictures(1), 0).values)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_forward_method_that_builds_no_graph(mode):
    class Served(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = plain(Layers())

        @mode()
        def forward(self, x: Tensor) -> Tensor:
            return self.model(x)

    text = (
        "got the score 'class 0', which does not depend on the input; .* as does torch.no_grad in the model's"
    )
    for method in (Saliency(), IntegratedGradients(n_steps=2)):
        with pytest.raises(TargetError, match=text):
            method.attribute(Served(), pictures(1), 0)


def test_a_layer_that_is_gone():
    """The name was right until the model was changed."""
    model = plain(Layers())
    names = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    method = GradCAM(names[-1])
    method.attribute(model, pictures(1), 0)
    changed = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.LazyLinear(2)).double()
    changed(pictures(1))
    with pytest.raises(
        LayerError, match=f"`layer`: got '{names[-1]}'; expected the name of one of the model's 3"
    ):
        method.attribute(changed, pictures(1), 0)


def test_the_only_output_is_no_class():
    model = Applied(lambda y: y[:, :1])
    assert Saliency().attribute(model, pictures(2)).target.labels == ("the only output",) * 2
    assert Saliency().attribute(saliscope.borrow(model, labels=["price"]), pictures(1), 0).target.labels == (
        "price",
    )


def test_a_score_that_does_not_depend_on_the_input(method):
    """The layers are there, but the score comes from elsewhere."""

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model_of(method)
            self.bias = nn.Parameter(torch.zeros(3, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            self.model(x)
            return self.bias.expand(len(x), 3)

    if method.key in FORWARD_ONLY:  # it hides what it will, and nothing changes
        made = method.attribute(Constant(), pictures(2), 0)
        assert bool(made.values.any()) == (method.key in SCORELESS)
        return
    error = (
        "no layer with a spatial output reaches the score"
        if isinstance(method, LayerMaps)
        else "does not depend on"
    )
    with pytest.raises(saliscope.SaliscopeError, match=error):
        method.attribute(Constant(), pictures(2), 0)


def test_a_score_that_overflows_in_half_precision():
    model = Applied(lambda y: (y + 3e2) ** 2 * 1e2, plain(Layers(torch.float16)))
    with pytest.raises(
        TargetError, match=r"NaN or infinite.*Half precision overflows easily: try model.float\(\)\."
    ):
        Saliency().attribute(model, pictures(1), 0)


def test_half_precision_works_where_it_does_and_says_so(method):
    made = method.attribute(model_of(method, torch.float16), pictures(2), 1)
    assert made.values.any()
    assert made.values.dtype == torch.float32
    assert "The model computed in float16: about 3 digits hold." in made.notes


def test_a_model_without_parameters():
    class Bare(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.square().sum((1, 2, 3)), x.sum((1, 2, 3))], 1)

    x = pictures(2).float()
    assert relative(Saliency(absolute=False).attribute(Bare(), x, 0).values, 2 * x) < 1e-6
    assert IntegratedGradients().attribute(Bare(), x).values.dtype == torch.float32


def test_a_map_that_is_zero_everywhere(method):
    """A score without slope is no error: the gradient exists, and it is zero."""

    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * x.flatten(1)

    if isinstance(method, LayerMaps):
        with pytest.raises(LayerError, match="a model in which no layer with a spatial output reaches"):
            method.attribute(Flat(), pictures(2), 0)
        return
    flat = Applied(lambda y: 0 * y, model_of(method)) if method.key in NEEDS_ATTENTION else Flat()
    made = method.attribute(flat, pictures(2), 0)
    assert bool(made.values.any()) == (method.key in SCORELESS)
    assert made.map_change is None or made.map_change.isnan().all()


def test_a_segmentation_model_wants_a_function(method):
    class Segments(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            tokens = method.key in NEEDS_ATTENTION
            self.body = model_of(method) if tokens else nn.Conv2d(2, 3, 3, padding=1).double()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            y = (1 + self.body(x)).square()
            return {"out": y if y.ndim == 4 else y[:, :3, None, None] * x[:, :1], "aux": x}

    model, x = Segments(), pictures(3)
    with pytest.raises(
        TargetError, match=re.escape("shape (3, 3, 4, 4)") + ".*Pass a function, for example target="
    ):
        method.attribute(model, x, 1)
    if isinstance(method, CAM):  # which knows classes only
        with pytest.raises(TargetError, match=r"got a function; .* Grad-CAM takes any score\."):
            method.attribute(model, x, lambda out: out["out"][:, 1].mean((1, 2)))
        return
    made = method.attribute(model, x, lambda out: out["out"][:, 1].mean((1, 2)), chunk_size=2)
    assert made.values.any()
    assert made.target.labels == ("the given function",) * 3


def test_unknown_methods():
    assert find_method("grad_cam") is methods()["grad_cam"]
    text = (
        "`method`: got 'gradcam'; expected one of integrated_gradients, .* others. Did you mean 'grad_cam'?"
    )
    with pytest.raises(MethodError, match=text):
        find_method("gradcam")
    with pytest.raises(MethodError, match="Did you mean 'grad_cam'"):
        find_method("GradCAM")
    for key in ("xyzzy", "nonsense"):
        text = rf"`method`: got '{key}'; expected one of [a-z_, ]* and \d+ others\.$"
        with pytest.raises(MethodError, match=text):
            find_method(key)


def test_every_method_says_what_it_is():
    for key, made in methods().items():
        one = made()
        assert one.key == key
        assert one.title
        assert one.unit
        assert one.summary.endswith(".")
        assert isinstance(one.signed, bool)
        assert made() == one


def test_labels_and_kinds_of_score_reach_the_result(model):
    borrowed = saliscope.borrow(model, labels=["a", "b", "c", "d"])
    x = pictures(2)
    made = Saliency().attribute(borrowed, x, Target("C", "margin", against="a"))
    assert made.target.labels == ("c over a",) * 2
    logits = model(x).detach()
    torch.testing.assert_close(made.score, logits[:, 2] - logits[:, 0])
    made = Saliency().attribute(borrowed, x, ["d", 0], chunk_size=1)
    assert made.target.labels == ("d", "a")
    torch.testing.assert_close(made.score, torch.stack([logits[0, 3], logits[1, 0]]))
    top = Saliency().attribute(borrowed, x, chunk_size=1)
    assert top.target.indices.tolist() == logits.argmax(1).tolist()


def test_a_binary_model_that_squeezes_its_output():
    model = Applied(lambda y: y[:, 0].squeeze())
    together = Saliency().attribute(model, pictures(3), Target(0, "probability")).values
    alone = [Saliency().attribute(model, x[None], Target(0, "probability")).values for x in pictures(3)]
    assert relative(together, torch.cat(alone)) < 1e-12
