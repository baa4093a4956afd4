"""Borrowing: what is said of a model, and everything put back."""

import re

import pytest
import torch
from torch import nn

import saliscope
from saliscope import ModelError
from saliscope.core.borrow import as_borrowed, untouched
from tests.core.helpers import changed, fingerprint, unchecked


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8, 3))


def test_labels_name_the_outputs(model):
    borrowed = saliscope.borrow(model, labels=["left", "right"])
    assert [borrowed.label(i) for i in range(-1, 3)] == ["class -1", "left", "right", "class 2"]
    assert saliscope.borrow(model).label(0) == "class 0"


def test_a_bare_module_is_in_its_own_space(model):
    borrowed = as_borrowed(model)
    assert borrowed.module is model
    assert borrowed.preprocessing.mean is None
    assert as_borrowed(borrowed) is borrowed
    assert saliscope.borrow(borrowed, mean=[0.5], std=[0.2]).preprocessing.mean == (0.5,)


@pytest.mark.parametrize("what", [lambda x: x, "resnet18", None])
def test_only_modules_are_models(what):
    text = f"`model`: got an object of type {type(what).__name__}; expected a torch.nn.Module. Wrap a plain"
    with unchecked(), pytest.raises(ModelError, match=re.escape(text)):
        saliscope.borrow(what)


def test_inputs_go_to_the_model_as_a_copy(model):
    inputs = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    placed = as_borrowed(model).place(inputs)
    assert placed.dtype == torch.float32
    assert not placed.requires_grad
    same = as_borrowed(model.double()).place(inputs)
    assert torch.equal(same, inputs)
    assert same.data_ptr() != inputs.data_ptr()
    with torch.inference_mode():
        frozen = torch.rand(2, 1, 4, 4)
        assert not as_borrowed(model).place(frozen).is_inference()
    assert as_borrowed(nn.Identity()).place(frozen.half()).dtype == torch.float16


def test_what_the_model_raises_names_the_shape(model):
    borrowed = as_borrowed(model)
    text = re.escape("expected an output for inputs of shape (2, 3, 4, 4), float32")
    with pytest.raises(ModelError, match="`model`: got RuntimeError from Sequential: .*" + text) as raised:
        borrowed(torch.rand(2, 3, 4, 4))
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert "`transform=` resizes and normalises" in str(raised.value)
    with pytest.raises(ModelError, match=r"float16\. Half precision is not supported by every operation"):
        borrowed(torch.rand(2, 3, 4, 4).half())


def test_memory_that_runs_out_is_not_the_models_error():
    class Hungry(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        as_borrowed(Hungry())(torch.rand(1))


def test_eval_mode_and_gradients_inside_and_the_callers_modes_outside(model):
    model[1].eval()
    model[2].train()
    before = fingerprint(model)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        with untouched(model):
            assert not any(part.training for part in model.modules())
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            assert not torch.is_autocast_enabled("cpu")
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")
    assert changed(before, fingerprint(model)) == []


def test_a_module_with_its_own_idea_of_train_is_not_asked():
    class Frozen(nn.BatchNorm2d):
        def train(self, mode=True):
            raise AssertionError("the flag is set, the method is not called")

    model = nn.Sequential(Frozen(2))
    model.training = True
    with untouched(model):
        assert not model.training
    assert model.training


def test_nested_borrowing_restores_in_layers(model):
    before = fingerprint(model)
    with untouched(model):
        with untouched(model):
            model[1].running_mean.add_(1)
        assert not model.training
        assert model[1].running_mean.sum() == 0
    assert changed(before, fingerprint(model)) == []


def test_shared_modules_and_cycles(model):
    twice = nn.Sequential(model, model)
    object.__setattr__(model[4], "parent_of_mine", twice)
    before = fingerprint(twice)
    with untouched(twice):
        model[4].seen = 1
        twice.train()
    assert changed(before, fingerprint(twice)) == []


def test_changes_of_the_user_outside_stay(model):
    with untouched(model):
        pass
    model[1].running_mean.add_(1)
    model.eval()
    with untouched(model):
        model[1].running_mean.add_(1)
    assert model[1].running_mean.tolist() == [1, 1]
    assert not model.training


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_models_too():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9)))
    scripted.train()
    with untouched(scripted):
        assert not any(part.training for part in scripted.modules())
        assert torch.equal(scripted(torch.ones(1, 2)), scripted(torch.ones(1, 2)))
    assert all(part.training for part in scripted.modules())
