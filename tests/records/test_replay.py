"""Doing it again: the same bits, the same numbers, or a named difference."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import saliscope
from saliscope import InputError, Record, replay
from saliscope.attribution import IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.baselines import Blur, occlude
from saliscope.core.batching import forget
from saliscope.sessions.answers import Occlusion
from saliscope.specs.region import Region
from tests.attribution.helpers import every_method, relative
from tests.records.tools import changed, forged, inputs, model, recorded


@pytest.mark.parametrize("method", every_method())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_the_same_again_to_the_bit(method, dtype):
    net, x = model(method).to(dtype), inputs(3).to(dtype)
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
    net, x = model(method).float(), inputs().float()
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
    net, x = model(method).float(), inputs().float()
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
