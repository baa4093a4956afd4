"""What a record only names, a replay has to be given: functions, tensors, own methods."""

import copy
import json
import re

import pytest
import torch
from torch import nn

import saliscope
from saliscope import Record, RecordError, Target, TargetError, replay
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad, registry
from saliscope.core.baselines import Custom, Mean, Painted
from saliscope.records.record import _digest
from tests.records.tools import inputs, model, recorded


class TestTargets:
    def test_margin_and_labels(self):
        net, x = saliscope.borrow(model(), labels=["a", "b", "c", "d"]), inputs(2)
        record = recorded(Saliency(), net, x, Target(None, "margin"))
        again = replay(record, net, x)
        assert (again.verdict, again.differences) == ("identical", ())
        assert list(again.attribution.target.labels) == record.target["labels"]

    def test_other_names_of_the_classes(self):
        x = inputs()
        record = recorded(Saliency(), saliscope.borrow(model(), labels=list("abcd")), x, 1)
        again = replay(record, model(), x, labels=list("wxyz"))
        assert again.differences == ("target label: 'x' here, 'b' when it was recorded",)
        assert again.verdict == "identical"

    def test_the_recorded_class_is_explained_whatever_is_on_top_now(self):
        net, x = model(), inputs()
        record = recorded(Saliency(), net, x)
        top = record.target["indices"][0]
        other = copy.deepcopy(net)
        with torch.no_grad():
            other.last.bias[top] -= 100
        assert replay(record, other, x).attribution.target.indices.tolist() == [top]

    def test_a_model_with_fewer_classes(self):
        record = recorded(Saliency(), target=3)
        two = nn.Sequential(nn.Flatten(), nn.Linear(72, 2)).double()
        with pytest.raises(
            TargetError, match=r"got class 3 of the record; expected a class from 0 to 1\. This mod"
        ):
            replay(record, two, inputs())

    def test_a_function_has_to_be_given(self):
        def spread(outputs):
            return outputs.std(1)

        record = Record.from_json(recorded(Saliency(), target=spread).to_json())
        with pytest.raises(
            RecordError, match=re.escape("'spread'; expected that function. Pass it: replay(..., ta")
        ):
            replay(record, model(), inputs())
        again = replay(record, model(), inputs(), target=spread)
        assert (again.verdict, again.differences) == ("identical", ())
        again = replay(record, model(), inputs(), target=2)
        assert again.differences[0] == "target: 'class 2' here, 'spread' when it was recorded"

    @pytest.mark.parametrize("unit", [1, (1, 2, 3)])
    def test_a_unit_of_a_layer_is_asked_again(self, unit, tmp_path):
        net, x = model(GradCAM()), inputs(2)
        made = Saliency().attribute(net, x, Target(unit, layer="features.first"))
        record = Record.of(made, net)
        kept = {"function": None, "layer": "features.first", "unit": [*(unit if unit != 1 else (1,))]}
        assert kept.items() <= record.target.items()
        saliscope.save(made, tmp_path / "a.safetensors", net)
        for source in (record.to_json(), tmp_path / "a.safetensors"):
            again = replay(source, net, x)
            assert (again.verdict, again.differences) == ("identical", ())
        again = replay(record, net, x, target=Target(0, layer="features.first"))
        assert again.differences[0].startswith("target: 'mean of channel 0 of features.first' here, '")
        refined = SmoothGrad(n_samples=2).attribute(net, x, saliscope.load(tmp_path / "a.safetensors").target)
        assert refined.target.labels == made.target.labels

    def test_a_function_of_a_layer_has_to_be_given(self):
        def spread(activations):
            return activations.std((1, 2, 3))

        record = recorded(Saliency(), model(GradCAM()), target=Target(spread, layer="features.first"))
        with pytest.raises(RecordError, match=r"function 'spread' of the layer 'features\.first'; expected"):
            replay(record, model(GradCAM()), inputs())
        again = replay(record.to_json(), model(GradCAM()), inputs(), target=spread)
        assert (again.verdict, again.differences) == ("identical", ())

    def test_a_label_that_would_break_a_page(self):
        name = "<img src=x onerror=alert(1)>\u202e" + "x" * 10_000
        net = saliscope.borrow(model(), labels=[name] * 4)
        record = recorded(Saliency(), net, target=0)
        again = replay(record.to_json(), model(), inputs(), labels=list("abcd"))
        assert again.verdict == "identical"
        assert len(repr(again)) < 500


class TestTensors:
    start = torch.full((2, 6, 6), 0.25, dtype=torch.float64)

    def test_a_tensor_has_to_be_given(self):
        record = recorded(IntegratedGradients(baseline=self.start, n_steps=4))
        with pytest.raises(
            RecordError, match=re.escape("of shape [2, 6, 6]; expected that tensor. Pass it: repl")
        ):
            replay(record, model(), inputs())
        for given in (self.start, self.start.numpy(), Custom(self.start), [self.start * 2, self.start]):
            assert replay(record, model(), inputs(), baseline=given).verdict == "identical"

    def test_another_tensor_is_named(self):
        record = recorded(IntegratedGradients(baseline=self.start, n_steps=4))
        again = replay(record, model(), inputs(), baseline=self.start * 2)
        assert again.differences == ("method: other values of baseline",)
        assert again.verdict == "different"

    def test_deep_inside(self):
        images = torch.ones(3, 2, 6, 6)
        inner = IntegratedGradients(
            baseline=("black", Painted((0, 0, 2, 2), Mean(images), self.start)), n_steps=2
        )
        record = recorded(SmoothGrad(inner, n_samples=2))
        assert (
            replay(record.to_json(), model(), inputs(), baseline=(images, self.start)).verdict == "identical"
        )


def test_a_parameter_that_came_later_has_its_default():
    data = json.loads(recorded(SmoothGrad(IntegratedGradients(n_steps=2), n_samples=2)).to_json())
    del data["target"]["layer"], data["target"]["unit"], data["digest"]
    del data["method"]["params"]["target_error"], data["method"]["params"]["method"]["params"]["tolerance"]
    data["digest"] = _digest(data)
    again = replay(data, model(), inputs())
    assert (again.verdict, again.differences) == ("identical", ())
    assert again.record.target["layer"] is None
    again = replay(data, model(), inputs(), method=SmoothGrad(IntegratedGradients(n_steps=3), n_samples=2))
    assert again.differences == ("method: other values of method",)


def test_a_whole_method_can_be_given():
    record = recorded(GradCAM())
    again = replay(record, model(), inputs(), method=GradCAM("features.after"))
    assert again.differences[0] == "method: other values of layer"
    assert again.attribution.layer == "features.after"
    again = replay(record, model(), inputs(), method=Saliency())
    assert again.differences[0] == "method: saliency here, grad_cam when it was recorded"


def own(power: float):
    """A method of a user, defined in a cell that is run again with another body."""

    @saliscope.method(key="test_own", title="Own", unit="score", signed=True)
    def test_own(model, inputs, target, scale: float = 1.0):
        (gradient,) = torch.autograd.grad(model(inputs)[:, target].sum(), inputs)
        return scale * gradient.abs() ** power

    return test_own


@pytest.fixture
def forgotten():
    yield
    registry.forget("test_own")


def test_a_method_of_the_users_own(forgotten, tmp_path):
    made = own(2)(scale=3.0).attribute(model(), inputs())
    record = Record.of(made, model())
    assert record.method == {"key": "test_own", "params": {"scale": 3.0}}
    again = replay(record.to_json(), model(), inputs())
    assert (again.verdict, again.differences) == ("identical", ())
    saliscope.save(made, tmp_path / "own.safetensors")
    assert saliscope.load(tmp_path / "own.safetensors").method == made.method
    own(3)
    again = replay(record.to_json(), model(), inputs())
    assert again.verdict == "different"
    assert "a function of your own may have changed" in again.differences[0]
    registry.forget("test_own")
    with pytest.raises(
        RecordError, match=r"got 'test_own'; expected one of .* Define your own methods before"
    ):
        Record.from_json(record.to_json())
