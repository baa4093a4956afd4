"""The model comes back as it was: after success, an exception or a stop anywhere, and in two threads."""

import contextlib
import random
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import ModelError
from saliscope.attribution import GradCAM, IntegratedGradients, Method, SmoothGrad, methods
from tests.attribution.helpers import (
    FORWARD_ONLY,
    every_method,
    every_method_of_a_layer,
    pictures,
    relative,
    there,
)
from tests.attribution.token_variants import model_of
from tests.attribution.variants import Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked


class Restless(nn.Module):
    """Changes whatever a forward pass can change, and fails at a call of the test's choice."""

    def __init__(self, model: nn.Module, fail: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.model = model
        self.dropout = nn.Dropout(0.5)
        self.calls, self.history, self.sizes = 0, [], {"first": None}
        self.state = torch.zeros(3)
        self.fail = fail
        self.register_buffer("total", torch.zeros(2))
        self.register_buffer("mean", torch.ones(2))
        self.train()
        # Mixed flags must come back mixed, and a gradient that was there must stay.
        self.model.features.norm.eval()
        self.model.last.bias.requires_grad_(False)
        self.model.last.weight.grad = torch.ones_like(self.model.last.weight)
        self.model.features.second.register_forward_hook(lambda *_: None)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.history.append(len(x))
        self.sizes["last"] = len(x)
        self.state += 1
        self.total += x.detach().sum()
        self.mean = self.mean * 0.9
        self.dropout.seen = True
        self.dropout.register_buffer("late", torch.zeros(1))
        self.model.last.register_forward_hook(lambda *_: None)
        self.model.features.register_forward_pre_hook(lambda *_: None)
        noise = torch.rand(())
        y = self.model.features(x)
        self.fail()
        self.model.features.train()
        return self.dropout(self.model.last(y.mean((2, 3)))) + 0 * noise


class FailsAt:
    """Raises at the k-th call."""

    def __init__(self, k: int, error: Exception) -> None:
        self.k, self.error, self.calls = k, error, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.k:
            raise self.error


@pytest.fixture(params=every_method())
def method(request) -> Method:
    return request.param


@pytest.fixture(autouse=True)
def no_draws_of_the_type_checker():
    # beartype looks at a random item of a sequence.
    with unchecked():
        yield


@contextlib.contextmanager
def stays_as_it_is(model: nn.Module):
    before = fingerprint(model)
    yield
    assert changed(before, fingerprint(model)) == []


def test_the_fingerprint_sees_every_change():
    model = Restless(plain(Layers()))
    before = fingerprint(model)
    model(pictures(2))
    model.model.last.weight.grad += 1
    model.model.last.bias.requires_grad_()
    with torch.no_grad():
        model.model.first_of_all = 1
        model.model.features.first.weight.mul_(2)
    random.random()
    np.random.random()  # noqa: NPY002
    seen = set(changed(before, fingerprint(model)))
    assert seen >= {
        ":calls", ":history", ":sizes", ":state", ":_buffers", "dropout:seen", "dropout:_buffers",
        "model.last:_forward_hooks", "model.features:_forward_pre_hooks", "model.last.weight.grad",
        "model.last.bias", "model:first_of_all", "model.features.first.weight",
        "model.features.norm:training", "torch rng", "numpy rng", "python rng",
    }  # fmt: skip


def test_after_success(method):
    model = Restless(model_of(method))
    with stays_as_it_is(model):
        made = method.attribute(model, pictures(2), 1, chunk_size=2)
        if method.refinable:
            method.refine(made, model)
    assert made.values.any()


def test_between_any_two_steps(method):
    model = Restless(model_of(method))
    before = fingerprint(model)
    for step in method.stream(model, pictures(3), 1, chunk_size=1):
        assert changed(before, fingerprint(model)) == []
        assert step.result.values.shape[0] == 3


def test_after_stopping_at_every_step(method):
    model = Restless(model_of(method))
    total = len(list(method.stream(model, pictures(3), 1, chunk_size=1)))
    assert total >= 3
    for stop in range(total):
        with stays_as_it_is(model):
            stream = method.stream(model, pictures(3), 1, chunk_size=1)
            for _ in range(stop):
                next(stream)
            stream.close()


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_after_an_exception_at_every_call(method, error):
    counter = FailsAt(-1, error)
    method.attribute(Restless(model_of(method), counter), pictures(2), 1, chunk_size=1)
    assert counter.calls >= 4
    for k in range(1, counter.calls + 1):
        model = Restless(model_of(method), FailsAt(k, error))
        expected = ModelError if isinstance(error, Exception) else KeyboardInterrupt
        with stays_as_it_is(model), pytest.raises(expected):
            method.attribute(model, pictures(2), 1, chunk_size=1)


def test_after_an_exception_in_the_backward_pass(method):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("no way back")

    model = model_of(method).train()
    model.last.register_forward_hook(lambda _module, _inputs, output: Fails.apply(output))
    if method.key in FORWARD_ONLY:
        with stays_as_it_is(model):
            assert method.attribute(model, pictures(2), 1).values.any()
        return
    with stays_as_it_is(model), pytest.raises(ModelError, match="in the backward pass: no way back"):
        method.attribute(model, pictures(2), 1)


@pytest.mark.parametrize("method", every_method_of_a_layer())
def test_for_a_layer_too(method):
    model, counter = model_of(method), FailsAt(-1, ValueError("broken"))
    restless = Restless(model, counter)
    method = there(method, restless)
    before = fingerprint(restless)
    for step in method.stream(restless, pictures(2), 1, chunk_size=1):
        assert step.result.units is not None
        assert changed(before, fingerprint(restless)) == []
    for k in (1, counter.calls // 2, counter.calls):
        restless = Restless(model_of(method), FailsAt(k, ValueError("broken")))
        with stays_as_it_is(restless), pytest.raises(ModelError):
            method.attribute(restless, pictures(2), 1, chunk_size=1)


def test_after_a_wrong_layer_or_target():
    model = Restless(plain(Layers()))
    with stays_as_it_is(model):
        for layer in ("model.last", "dropout", "nothing"):
            with pytest.raises(ValueError, match="`layer`"):
                GradCAM(layer).attribute(model, pictures(2), 1)
        for target in (17, lambda out: out.logits, lambda out: out.argmax(1)):
            with pytest.raises(ValueError, match="`target`"):
                SmoothGrad(n_samples=1).attribute(model, pictures(2), target)


def test_the_users_model_is_neither_moved_nor_cast():
    model = plain(Layers(torch.float32))
    with stays_as_it_is(model):
        made = IntegratedGradients(n_steps=2).attribute(model, pictures(2), 1)
    assert made.values.dtype == torch.float32
    assert model.last.weight.dtype == torch.float32


class Watched(nn.Module):
    """Notes whether anybody comes in while somebody is inside; the first one waits for that a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.model = plain(Layers()).train()
        self.dropout = nn.Dropout(0.5)
        inside, second = threading.Semaphore(1), threading.Event()

        def enter() -> bool:
            alone = inside.acquire(blocking=False)
            if not alone:
                second.set()
            else:
                second.wait(0.05)
            return alone

        self.enter, self.leave, self.crowded = enter, inside.release, second.is_set

    def forward(self, x: Tensor) -> Tensor:
        alone = self.enter()
        try:
            return self.dropout(self.model(x))
        finally:
            if alone:
                self.leave()


def test_two_threads_wait_for_each_other():
    """Interleaved, one would take the other's eval mode for the user's own, and dropout would be on."""
    model, x = Watched(), pictures(2, size=6)
    method = IntegratedGradients(n_steps=2)
    before = fingerprint(model)
    alone = method.attribute(model, x, 1).values
    made: list[Tensor] = []
    threads = [
        threading.Thread(target=lambda: made.append(method.attribute(model, x, 1, chunk_size=2).values))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not model.crowded()
    assert len(made) == 2
    for values in made:
        assert relative(values, alone) < 1e-12
    assert changed(before, fingerprint(model)) == []


def test_another_model_does_not_wait():
    """A thread inside of one model does not keep another thread out of another."""
    inside, go = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            inside.set()
            assert go.wait(60)
            return x.flatten(1)

    thread = threading.Thread(target=lambda: methods()["saliency"]().attribute(Waits(), pictures(1), 0))
    thread.start()
    assert inside.wait(60)
    made = methods()["saliency"]().attribute(plain(Layers()), pictures(1), 0)
    go.set()
    thread.join()
    assert made.values.any()
