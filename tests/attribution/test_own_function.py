"""A user's function as a method: what it is given, what is taken from it, and what becomes of the model."""

import re
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import saliscope
from saliscope import MethodError, ModelError, Target
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad, method
from saliscope.attribution.cam import default_layer
from saliscope.attribution.question import Question
from tests.attribution.helpers import pictures, plain_gradient, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


pytestmark = pytest.mark.usefixtures("registry_as_before")


@pytest.fixture
def model():
    return plain(Layers())


def test_a_function_that_is_the_gradient(model):
    x = pictures(3)
    made, known = (one.attribute(model, x) for one in (method(plain_gradient)(), Saliency(absolute=False)))
    torch.testing.assert_close(made.values, known.values, **TIGHT)
    assert torch.equal(made.score, known.score)
    assert made.target.labels == known.target.labels
    assert (made.signed, made.complete) == (True, True)
    averaged = SmoothGrad(method(plain_gradient)(), n_samples=3).attribute(model, x)
    torch.testing.assert_close(averaged.values, SmoothGrad(n_samples=3).attribute(model, x).values, **TIGHT)


@pytest.mark.parametrize(
    "target",
    [
        None, [3, 0, 1], Target(2, "probability"), Target([1, 2, 3], "log_probability"),
        Target([1, 2, 3], "margin"), Target(2, "margin", against=0), lambda out: out[:, 1] - out[:, 2] ** 2,
    ],
    ids=["top", "each", "probability", "log", "margin", "against", "function"],
)  # fmt: skip
def test_the_column_of_the_target_is_the_score(model, target):
    """However many rows the function asks for."""
    x, seen = pictures(3), []

    @method
    def spy(model, inputs, target):
        copies = model(inputs.repeat(4, 1, 1, 1))[:, target]
        assert copies.shape == (4, 1)
        torch.testing.assert_close(copies[1:], copies[:1].expand(3, 1))
        seen.append(copies[0].detach())
        return plain_gradient(model, inputs, target)

    made = spy().attribute(model, x, target)
    torch.testing.assert_close(torch.cat(seen), made.score, **TIGHT)
    known = Saliency(absolute=False).attribute(model, x, target)
    torch.testing.assert_close(made.values, known.values, **TIGHT)


def test_one_input_comes_at_a_time(model):
    """Dividing by the largest value of a batch would mix its inputs."""

    @method
    def scaled(model, inputs, target):
        assert (len(inputs), target.shape, target.dtype) == (1, (1,), torch.long)
        values = plain_gradient(model, inputs, target)
        return values / values.abs().max()

    together = scaled().attribute(model, pictures(3), 1).values
    alone = torch.cat([scaled().attribute(model, x[None], 1).values for x in pictures(3)])
    assert torch.equal(together, alone)


def test_a_question_holds_the_whole_batch(model):
    x = pictures(3)

    @method
    def product(question, power: float = 1.0):
        assert isinstance(question, Question)
        _, g = question.gradients(question.inputs, torch.arange(len(question.inputs)))
        return question.inputs * g**power

    made = product().attribute(model, x, [0, 1, 2], chunk_size=2)
    known = saliscope.attribution.InputXGradient().attribute(model, x, [0, 1, 2])
    torch.testing.assert_close(made.values, known.values, **TIGHT)
    assert made.method == product(power=1.0)


def of_gradient(change):
    """A function whose map is something made of the gradient."""

    def changed_gradient(model, inputs, target):
        return change(plain_gradient(model, inputs, target))

    return changed_gradient


@pytest.mark.parametrize("keepdim", [True, False])
def test_maps_without_colours(model, keepdim):
    x = pictures(3)
    made = method(of_gradient(lambda g: g.sum(1, keepdim=keepdim)))().attribute(model, x, 1)
    assert made.values.shape == (3, 1, 4, 4)
    known = Saliency(absolute=False).attribute(model, x, 1)
    torch.testing.assert_close(made.map, known.map, **TIGHT)


def test_precision_and_device_are_the_models(model):
    made = method(of_gradient(lambda g: g.double()))().attribute(model.float(), pictures(2), 1)
    assert made.values.dtype == torch.float32
    assert made.notes == ()
    half = method(plain_gradient)().attribute(plain(Layers(torch.float16)), pictures(2), 1)
    assert half.values.dtype == torch.float32
    assert "about 3 digits hold" in half.notes[0]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda g: None, "got an object of type NoneType; expected a tensor. Use torch.as_tensor(values)."),
        (lambda g: g.numpy(), "got an object of type ndarray; expected a tensor."),
        (lambda g: [g], "got an object of type list; expected a tensor."),
        (lambda g: g.long(), "got a tensor of torch.int64; expected floating values. Use values.float()."),
        (lambda g: g + 1j, "got a tensor of torch.complex128; expected floating values."),
        (lambda g: g[0], "got values of shape (2, 4, 4); expected (1, 2, 4, 4) or (1, 4, 4). A coarser"),
        (lambda g: g[..., ::2], "got values of shape (1, 2, 4, 2); expected (1, 2, 4, 4) or (1, 4, 4)."),
        (lambda g: g.sum(), "got values of shape (); expected"),
        (lambda g: g.repeat(2, 1, 1, 1), "got values of shape (2, 2, 4, 4); expected"),
        (lambda g: g / 0 * 0, "got 32 values that are NaN or infinite; expected finite values."),
        (lambda g: {}["red"], "got KeyError: 'red'; expected a map."),
        (lambda g: 1 / 0, "got ZeroDivisionError: division by zero; expected a map. It comes from the"),
    ],
)
def test_what_is_no_map_is_said_in_the_functions_name(model, change, text):
    own = method(of_gradient(change))
    with unchecked(), pytest.raises(MethodError, match="^" + re.escape(f"`changed_gradient`: {text}")):
        own().attribute(model, pictures(2), 1)


def test_an_unsigned_map_has_no_negative_values(model):
    own = method(signed=False)(plain_gradient)
    with pytest.raises(MethodError, match="`plain_gradient`: got negative values; expected values from 0 on"):
        own().attribute(model, pictures(2), 1)
    own = method(signed=False)(of_gradient(torch.abs))
    assert own().attribute(model, pictures(2), 1).signed is False


def test_an_error_names_the_line_and_keeps_its_cause(model):
    def broken(model, inputs, target):
        one = 1
        return one / 0

    line = broken.__code__.co_firstlineno + 2
    with pytest.raises(MethodError, match=rf"own code, line {line}\.$") as caught:
        method(broken)().attribute(model, pictures(1), 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_errors_of_the_model_and_of_memory_keep_their_names(model):
    @method
    def wrong_size(model, inputs, target):
        return model(inputs[:, :1])

    with pytest.raises(ModelError, match=r"an output for inputs of shape \(1, 1, 4, 4\)"):
        wrong_size().attribute(model, pictures(1), 0)

    @method
    def hungry(model, inputs, target):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        hungry().attribute(model, pictures(1), 0)


class TestShared:
    def test_a_baseline_comes_as_a_tensor(self, model):
        @method
        def difference(model, inputs, target, baseline="white"):
            assert baseline.shape == inputs.shape
            return (inputs - baseline) * plain_gradient(model, inputs, target)

        x = pictures(2)
        slope = Saliency(absolute=False).attribute(model, x, 1).values
        torch.testing.assert_close(difference().attribute(model, x, 1).values, (x - 1) * slope, **TIGHT)
        one = difference(baseline="blur").attribute(model, x, 1).values
        several = difference(baseline=("white", "blur"))
        torch.testing.assert_close(
            several.attribute(model, x, 1).values, ((x - 1) * slope + one) / 2, **TIGHT
        )
        assert [str(one) for one in several.baselines] == ["white", "blur (sigma=12.0)"]
        assert len(list(several.stream(model, x, 1))) == 4

    def test_a_path_of_ones_own_is_integrated_gradients(self, model):
        @method
        def path(question, baseline=None, n_steps: int = 8):
            rows = torch.arange(len(question.inputs))
            total = torch.zeros_like(question.inputs)
            for k in range(n_steps):
                points = torch.lerp(baseline, question.inputs, (k + 0.5) / n_steps)
                total = total + question.gradients(points, rows)[1]
                yield (question.inputs - baseline) * total / (k + 1), k + 1, n_steps

        x = pictures(2)
        for baseline in ("white", ("white", "black", "blur")):
            made = path(baseline, n_steps=5).attribute(model, x, 1)
            known = IntegratedGradients(baseline, 5).attribute(model, x, 1)
            torch.testing.assert_close(made.values, known.values, **TIGHT)

    def test_a_layer_comes_by_name_and_is_found_where_none_is_named(self, model):
        seen = []

        @method
        def named(model, inputs, target, layer=None):
            seen.append(layer)
            assert isinstance(model.module.get_submodule(layer), nn.Module)
            return plain_gradient(model, inputs, target)

        made = named().attribute(model, pictures(1), 0)
        assert seen == [default_layer(Question(model, pictures(1), 0, 1))] == [made.layer]
        named("features.first").attribute(model, pictures(1), 0)
        assert seen[1] == "features.first"
        with pytest.raises(saliscope.LayerError, match=r"Did you mean 'features.first'"):
            named("features.firts").attribute(model, pictures(1), 0)

    def test_a_cam_of_ones_own(self, model):
        """With a hook on the module, as many would write it."""

        @method
        def my_cam(model, inputs, target, layer=None):
            kept = []
            model.module.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
            score = model(inputs)[:, target].sum()
            (slope,) = torch.autograd.grad(score, kept)
            coarse = (slope.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True)
            return torch.nn.functional.interpolate(coarse, inputs.shape[2:], mode="bilinear")

        with unchecked():
            before = fingerprint(model)
            made = my_cam().attribute(model, pictures(2), 1)
            assert changed(before, fingerprint(model)) == []
        known = GradCAM().attribute(model, pictures(2), 1)
        torch.testing.assert_close(made.values, known.values, **TIGHT)


@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode])
def test_the_callers_modes_do_not_matter(model, grad):
    expected = method(plain_gradient)().attribute(model, pictures(2), 1).values
    with grad():
        made = method(plain_gradient)().attribute(model, pictures(2), 1).values
    assert relative(made, expected) < 1e-12


def test_a_model_that_works_in_place_on_its_input():
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2).flatten(1)[:, :3]

    made = method(plain_gradient)().attribute(InPlace(), pictures(2).float(), 1).values
    assert made.flatten(1)[:, 1].tolist() == [2, 2]
    assert made.sum() == 4


def test_functions_of_any_kind_that_can_be_called(model):
    halved = partial(lambda model, inputs, target, by: inputs / by, by=2)
    own = method(key="halved", summary="Half.")(halved)
    assert torch.equal(own().attribute(model, pictures(1), 0).values, pictures(1) / 2)
    assert (own.key, own.title, own.summary) == ("halved", "Halved", "Half.")
    assert method(key="again")(halved).summary == "Again, a method of your own."
