"""The same map however the model is written and whatever mode it is met in, for every registered method."""

import contextlib
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor

from saliscope.attribution import Attribution, Method
from tests.attribution.helpers import every_method, every_method_of_a_layer, pictures, relative, there
from tests.attribution.token_variants import model_of, ways_of

N_INPUTS = 3
TARGET = [1, 0, 3]
WRITTEN = [
    pytest.param(one.values[0], way, id=f"{one.id}-{way}")
    for one in every_method()
    for way in ways_of(one.values[0])
]


@pytest.fixture(params=every_method())
def method(request) -> Method:
    return request.param


@cache
def reference(method: Method, dtype: torch.dtype = torch.float64) -> Tensor:
    return method.attribute(model_of(method, dtype), inputs(dtype), TARGET, chunk_size=N_INPUTS).values


def inputs(dtype: torch.dtype = torch.float64) -> Tensor:
    # Beyond [0, 1] on both sides, so that a baseline must look at the range of each picture by itself.
    scale = torch.tensor([1.0, 3.0, 5.0], dtype=torch.float64)[:, None, None, None]
    return (pictures(N_INPUTS, size=6) * scale - 1).to(dtype)


def assert_same(values: Tensor, expected: Tensor, bound: float = 1e-12) -> None:
    assert values.shape == expected.shape
    assert expected.any()
    assert relative(values, expected) < bound


@pytest.mark.parametrize(("method", "way"), WRITTEN)
def test_however_it_is_written(method, way):
    made = method.attribute(ways_of(method)[way](), inputs(), TARGET, chunk_size=N_INPUTS)
    assert_same(made.values, reference(method))


@pytest.mark.parametrize("chunk_size", [*range(1, 2 * N_INPUTS + 2), 1000, "auto"])
def test_every_chunk_size(method, chunk_size):
    made = method.attribute(model_of(method), inputs(), TARGET, chunk_size=chunk_size)
    assert_same(made.values, reference(method))


def test_one_by_one(method):
    model = model_of(method)
    made = [method.attribute(model, inputs()[i : i + 1], TARGET[i]).values for i in range(N_INPUTS)]
    assert_same(torch.cat(made), reference(method))


def test_in_another_order(method):
    made = method.attribute(model_of(method), inputs().flip(0), TARGET[::-1]).values
    assert_same(made.flip(0), reference(method))


def test_channels_last(method):
    model = model_of(method).to(memory_format=torch.channels_last)
    made = method.attribute(model, inputs().contiguous(memory_format=torch.channels_last), TARGET)
    assert_same(made.values, reference(method))


def test_train_mode_at_entry(method):
    model = model_of(method).train()
    assert_same(method.attribute(model, inputs(), TARGET).values, reference(method))
    assert all(part.training for part in model.modules())


def test_frozen_parameters(method):
    model = model_of(method).requires_grad_(False)
    assert_same(method.attribute(model, inputs(), TARGET).values, reference(method))


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # where the gradient starts at a layer
def test_the_users_hooks_are_there(method):
    model, calls = model_of(method), []
    for part in model.modules():
        part.register_forward_pre_hook(lambda *_: calls.append("before"))
        part.register_forward_hook(lambda *_: calls.append("after"))
        part.register_full_backward_hook(lambda *_: calls.append("backward"))
    assert_same(method.attribute(model, inputs(), TARGET).values, reference(method))
    assert {"before", "after"} <= set(calls)


AT_ENTRY: dict[str, Callable[[], contextlib.AbstractContextManager]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("entry", AT_ENTRY)
def test_the_callers_mode(method, entry):
    # Single precision: autocast leaves double alone.
    model, x = model_of(method, torch.float32), inputs(torch.float32)
    with AT_ENTRY[entry]():
        made = method.attribute(model, x, TARGET, chunk_size=N_INPUTS)
    assert torch.equal(made.values, reference(method, torch.float32))
    assert not made.values.requires_grad
    assert not made.values.is_inference()


@pytest.mark.parametrize("entry", AT_ENTRY)
def test_the_callers_mode_may_change_between_two_steps(method, entry):
    model, x = model_of(method, torch.float32), inputs(torch.float32)
    stream, steps = method.stream(model, x, TARGET, chunk_size=1), []
    while True:
        with AT_ENTRY[entry]() if len(steps) % 2 else contextlib.nullcontext():
            step = next(stream, None)
        if step is None:
            break
        steps.append(step)
    with AT_ENTRY[entry]():
        made = steps[-1].result
    assert_same(made.values, reference(method, torch.float32), 1e-5)


def test_inputs_made_in_inference_mode(method):
    with torch.inference_mode():
        x = inputs()
    assert_same(method.attribute(model_of(method), x, TARGET).values, reference(method))


def test_inputs_that_need_a_gradient_or_change_later(method):
    x = inputs().requires_grad_()
    made = method.attribute(model_of(method), x, TARGET)
    with torch.no_grad():
        x.zero_()
    assert_same(made.values, reference(method))
    assert torch.equal(made.inputs, inputs())
    assert x.grad is None


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_lower_precision_stays_in_its_band(method, dtype, bound):
    made = method.attribute(model_of(method, dtype), inputs(), TARGET)
    assert_same(made.values, reference(method), bound)
    assert relative(made.values, reference(method)) > 0
    half = [note for note in made.notes if "computed in bfloat16" in note]
    assert len(half) == (dtype == torch.bfloat16)


@pytest.mark.gpu
def test_on_a_gpu(method):
    made = method.attribute(model_of(method).cuda(), inputs(), TARGET)
    assert made.values.is_cuda
    assert_same(made.values.cpu(), reference(method))


def test_a_refined_map_too(method):
    """Where there is something to refine: whatever the chunk size, and for a batch as for one."""
    if not method.refinable:
        pytest.skip("its map is final")

    def refined(x: Tensor, target: list[int], chunk_size: int) -> Attribution:
        model = model_of(method)
        first = method.attribute(model, x, target, chunk_size=chunk_size)
        return method.refine(first, model, chunk_size=chunk_size)

    together = refined(inputs(), TARGET, 5).values
    single = [refined(inputs()[i : i + 1], TARGET[i : i + 1], 3).values for i in range(N_INPUTS)]
    assert_same(torch.cat(single), together)


@pytest.fixture(params=every_method_of_a_layer())
def of_a_layer(request) -> Method:
    return request.param


def test_of_a_layer_however_it_is_written(of_a_layer):
    for way in ways_of(of_a_layer).values():
        model = way()
        made = there(of_a_layer, model).attribute(model, inputs()[:1], TARGET[0])
        assert_same(made.units, layer_reference(of_a_layer)[:1])


def test_of_a_layer_in_other_chunks_and_other_company(of_a_layer):
    model, expected = model_of(of_a_layer), layer_reference(of_a_layer)
    turned = of_a_layer.attribute(model, inputs().flip(0), TARGET[::-1], chunk_size=2)
    assert_same(turned.units.flip(0), expected)
    assert_same(of_a_layer.attribute(model, inputs()[1:2], TARGET[1]).units, expected[1:2])


def test_of_a_layer_in_other_modes(of_a_layer):
    model = model_of(of_a_layer).train().requires_grad_(False).to(memory_format=torch.channels_last)
    for part in model.modules():
        part.register_forward_hook(lambda *_: None)
    with torch.no_grad():
        made = of_a_layer.attribute(model, inputs(), TARGET)
    assert_same(made.units, layer_reference(of_a_layer))
    assert not made.units.requires_grad
    assert all(part.training for part in model.modules())
    half = of_a_layer.attribute(model_of(of_a_layer, torch.bfloat16), inputs(), TARGET)
    assert_same(half.units, layer_reference(of_a_layer), 0.1)


@cache
def layer_reference(method: Method) -> Tensor:
    units = method.attribute(model_of(method), inputs(), TARGET, chunk_size=N_INPUTS).units
    assert units is not None
    return units
