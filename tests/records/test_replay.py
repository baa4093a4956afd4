"""Doing it again: the same bits, the same numbers, or a named difference."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import saliscope
from saliscope import InputError, Record, RecordError, Target, TargetError, replay
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad, registry
from saliscope.attribution.baselines import Blur, Custom, Mean, Painted, occlude
from saliscope.core.batching import forget
from saliscope.sessions.answers import Occlusion
from saliscope.specs.region import Region
from tests.attribution.helpers import every_method, relative
from tests.records.tools import changed, forged, inputs, model


def recorded(method, net=None, x=None, target=None, **more):
    net, x = net or model(), inputs() if x is None else x
    return Record.of(method.attribute(net, x, target), net, **more)


@pytest.mark.parametrize("method", every_method())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_same_again_to_the_bit(method, dtype):
    net, x = model().to(dtype), inputs(3).to(dtype)
    again = replay(recorded(method, net, x).to_json(), copy.deepcopy(net), x)
    assert (again.verdict, again.same, again.differences) == ("identical", True, ())
    assert (again.relative, again.max_abs) == (0.0, 0.0)
    assert repr(again).startswith("Replay: identical (bit for bit)\n  Record(")
    assert len(repr(again).splitlines()) == 2


class Grouped(nn.Module):
    """Rounds differently for every number of rows, as a matrix product may."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = model()

    def forward(self, x):
        return self.inner(x) * (1 + 1e-14 * len(x))


@pytest.mark.parametrize("met_before", [False, True])
@pytest.mark.parametrize("met_again", [False, True])
def test_to_the_bit_whatever_the_process_computed_before(met_before, met_again):
    net, x = Grouped(), inputs()
    if met_before:
        Saliency().attribute(net, x)  # as the explorer's preview does
    record = recorded(IntegratedGradients(n_steps=40), net, x)
    if not met_again:
        forget(net)
    assert replay(record, net, x).verdict == "identical"


def test_another_chunk_size_is_within_the_band():
    net, x = Grouped(), inputs()
    record = Record.of(IntegratedGradients(n_steps=40).attribute(net, x, chunk_size=7), net)
    assert replay(record, net, x).verdict == "within band"
    assert replay(record, net, x, chunk_size=7).verdict == "identical"


@pytest.mark.parametrize("method", every_method())
@pytest.mark.parametrize(
    ("then", "now"),
    [("float32", "float64"), ("float64", "float32"), ("float32", "bfloat16"), ("bfloat16", "float32")],
)
def test_another_dtype_is_within_the_band_and_named(method, then, now):
    net, x = model().float(), inputs().float()
    record = recorded(method, copy.deepcopy(net).to(getattr(torch, then)), x)
    again = replay(record, copy.deepcopy(net).to(getattr(torch, now)), x)
    assert again.verdict == "within band"
    assert again.relative is not None
    assert again.relative <= again.expected
    assert (
        again.expected
        == {"float32": 1e-4, "bfloat16": 0.4}["bfloat16" if "bfloat16" in (then, now) else "float32"]
    )
    assert again.differences[-1] == f"dtype: {now} here, {then} when it was recorded"
    # Rounded weights are told from other ones where that is possible.
    assert len(again.differences) == 1 + (now == "bfloat16")


@pytest.mark.gpu
@pytest.mark.parametrize("method", every_method())
def test_another_device_is_within_the_band_and_named(method):
    net, x = model().float(), inputs().float()
    record = recorded(method, copy.deepcopy(net), x)
    again = replay(record, net.cuda(), x)
    assert again.same
    assert any(difference.startswith("device: cuda (") for difference in again.differences)
    assert not any(difference.startswith(("model", "image", "target")) for difference in again.differences)


def test_a_band_says_what_a_number_must_not_exceed():
    net, x = model().float(), inputs().float()
    record = recorded(Saliency(), net, x)
    doubled = net.double()
    with torch.no_grad():
        doubled.last.weight *= 1.001
    again = replay(record, doubled, x)
    assert again.verdict == "different"
    assert again.relative == pytest.approx(1e-3, rel=0.4)
    assert "model: other weights, or weights that lost" in again.differences[0]


def test_another_model_is_compared_and_named():
    x = inputs()
    record = recorded(IntegratedGradients(n_steps=4), x=x)
    again = replay(record, changed(model()), x)
    assert again.verdict == "different"
    assert not again.same
    assert again.differences[0] == "model: other weights"
    assert re.search(r"^score: .* here, .* when it was recorded$", again.differences[1])
    assert "relative L2 distance about" in repr(again)
    assert "not the recorded numbers" in repr(again)
    other = nn.Sequential(nn.Flatten(), nn.Linear(72, 4)).double()
    again = replay(record, other, x)
    assert again.differences[:2] == (
        "model: Sequential here, Classifier when it was recorded",
        "model: another architecture",
    )


def test_another_model_may_give_the_same_numbers():
    """A weight that the map does not depend on: the numbers are the same, and the record says what is not."""
    net, x = model(), inputs()
    record = recorded(Saliency(), net, x, 0)
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.last.bias[1] += 1
    again = replay(record, other, x)
    assert (again.verdict, again.differences) == ("identical", ("model: other weights",))


def test_another_image_is_compared_and_named():
    again = replay(recorded(Saliency()), model(), inputs(2)[1:])
    assert again.verdict == "different"
    assert (
        again.differences[0] == "image: other values in model space (another picture, crop or normalisation)"
    )
    again = replay(recorded(Saliency()), model(), torch.rand(1, 2, 9, 7).double())
    assert (again.verdict, again.relative, again.max_abs) == ("different", None, None)
    assert again.differences[0] == "image: 1×2×9×7 here, 1×2×6×6 when it was recorded"


def test_the_estimate_is_near_the_truth():
    net, x = model(), inputs()
    made = Saliency().attribute(net, x, 1)
    again = replay(Record.of(made, net), changed(net), x)
    assert again.relative == pytest.approx(relative(again.attribution.values, made.values), rel=0.35)
    assert again.max_abs is None


def test_pictures_are_prepared_as_the_explorer_does():
    photo = np.random.default_rng(0).integers(0, 256, (7, 9, 2), dtype=np.uint8)[..., :1].repeat(3, 2)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    explorer = saliscope.SaliencyExplorer(
        net, [photo, 255 - photo], mean=[0.5], std=[0.25], index=1, n_steps=4
    )
    assert explorer.wait()
    borrowed = saliscope.borrow(net, mean=[0.5], std=[0.25])
    record = Record.of(explorer.attribution, borrowed, index=1)
    explorer.close()
    for img in ([photo, 255 - photo], 255 - photo):
        assert replay(record, net, img, mean=[0.5], std=[0.25]).verdict == "identical"
        assert replay(record, borrowed, img).differences == ()
    assert "image: other" in replay(record, net, 255 - photo).differences[0]
    with pytest.raises(InputError, match="`img`: got 3 pictures; expected 2, as many as were explained"):
        replay(recorded(Saliency(), x=inputs(2)), model(), inputs(3))


def test_an_occluded_picture():
    net, x = saliscope.borrow(model()), inputs(2)
    region, fill = Region(rect=(1, 2, 3, 2)), Blur(2)
    made = Saliency().attribute(net, occlude(net, x[1:], region, fill))
    record = Record.of(made, net, index=1, occlusion=Occlusion(region, fill))
    assert record.occlusion == {"region": {"rect": [1, 2, 3, 2]}, "fill": {"kind": "blur", "sigma": 2}}
    again = replay(record.to_json(), net, x)
    assert (again.verdict, again.differences) == ("identical", ())
    # A tensor of the shape that was explained is a picture like any other: it is occluded as well.
    assert replay(record, net, x[1:]).verdict == "identical"


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


def test_a_whole_method_can_be_given():
    record = recorded(GradCAM())
    again = replay(record, model(), inputs(), method=GradCAM("features.after"))
    assert again.differences[0] == "method: other values of layer"
    assert again.attribution.layer == "features.after"
    again = replay(record, model(), inputs(), method=Saliency())
    assert again.differences[0] == "method: saliency here, grad_cam when it was recorded"


def test_versions_and_machine_are_named():
    record = recorded(Saliency())
    other = replace(
        record,
        versions=record.versions | {"torch": "1.0"},
        machine=record.machine | {"device": "cuda (H200)", "tf32": True},
    )
    again = replay(other, model(), inputs())
    assert again.verdict == "identical"
    assert set(again.differences) == {
        f"torch: {torch.__version__} here, 1.0 when it was recorded",
        "device: cpu here, cuda (H200) when it was recorded",
        "tf32: False here, True when it was recorded",
    }
    assert again.expected == 0.15


def test_a_forged_map_is_seen():
    record = recorded(Saliency())
    again = replay(forged(record, "values.hash", "0" * 64), model(), inputs())
    assert (again.verdict, again.relative) == ("within band", 0.0)  # the sketch is still that of the map
    data = forged(record, "values.sketch.0", [1.0] * 64)
    data = forged(Record.from_json(data), "values.hash", "0" * 64)
    assert replay(data, model(), inputs()).verdict == "different"


def test_a_record_without_a_model():
    record = Record.of(Saliency().attribute(model(), inputs()))
    again = replay(record, model(), inputs())
    assert again.differences == ("model: the record does not say which one it was",)


def test_what_was_stopped_is_named():
    partial = next(iter(IntegratedGradients(n_steps=9).stream(model(), inputs(), chunk_size=2))).result
    again = replay(Record.of(partial, model()), model(), inputs())
    assert again.differences[0] == "record: made before the computation was finished"


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


def test_a_map_of_zeros():
    class Flat(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] * 0

    record = recorded(Saliency(), Flat())
    assert replay(record, Flat(), inputs()).verdict == "identical"
    assert replay(record, nn.Flatten(), inputs(), target=0).relative == np.inf


def test_a_refined_map_is_the_one_that_its_record_gives():
    net, x = model(), inputs()
    for method in (IntegratedGradients(n_steps=3), SmoothGrad(n_samples=2)):
        fine = method.refine(method.attribute(net, x), net)
        assert replay(Record.of(fine, net), net, x).same


def test_the_model_comes_back_as_it_was():
    net = model().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    replay(recorded(Saliency(), net), net, inputs())
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
