"""Attributions in files: everything comes back, and nothing that was changed does."""

import json
import os
import re
from dataclasses import fields, is_dataclass

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import saliscope
from saliscope import Record, RecordError, Target, TargetError, replay
from saliscope.attribution import IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.baselines import Mean
from saliscope.records.files import _digest, opened
from tests.attribution.helpers import every_method
from tests.core.helpers import unchecked
from tests.records.tools import changed, forged, inputs, model


def same(one, other) -> bool:
    """Whether two values are the same, tensors to the bit, dataclasses field by field."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@pytest.mark.parametrize("method", every_method())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_everything_comes_back(method, dtype, tmp_path):
    net = model(method).to(dtype)
    made = method.attribute(net, inputs(2).to(dtype), Target(None, "margin"))
    saliscope.save(made, tmp_path / "a.safetensors", net)
    back = saliscope.load(tmp_path / "a.safetensors")
    assert same(made, back)
    assert repr(back) == repr(made)
    assert torch.equal(back.map, made.map)


@pytest.mark.parametrize("method", [m for m in every_method() if m.values[0].refinable])
def test_a_loaded_attribution_can_be_refined(method, tmp_path):
    net = model(method)
    made = method.attribute(net, inputs())
    saliscope.save(made, tmp_path / "a.safetensors")
    back = saliscope.load(tmp_path / "a.safetensors")
    assert same(back.method.refine(back, net), method.refine(made, net))


def test_several_baselines_and_their_tensors(tmp_path):
    start, images = torch.ones(2, 6, 6).double(), torch.ones(2, 2, 6, 6)
    method = SmoothGrad(IntegratedGradients(baseline=(start, Mean(images)), n_steps=2), n_samples=2)
    path = tmp_path / "a.safetensors"
    saliscope.save(method.attribute(model(), inputs()), path, model())
    tensors = saliscope.load(path).method.method.baseline
    assert same(tensors[0], start)
    assert same(tensors[1].images, images)
    assert replay(path, model(), inputs()).verdict == "identical"
    made = method.method.attribute(model(), inputs(2))
    saliscope.save(made, path)
    back = saliscope.load(path)
    assert len(back.per_baseline) == 2
    assert same(back.per_baseline[1].path, made.per_baseline[1].path)
    # The inputs belong to three attributions and are written once.
    assert (
        sum(tuple(t.shape) == (2, 2, 6, 6) and torch.equal(t, made.inputs) for t in load_file(path).values())
        == 1
    )


def test_the_record_is_inside_and_readable_by_anything(tmp_path):
    made = Saliency().attribute(model(), inputs())
    record = Record.of(made, model(), view={"colormap": "diverging"})
    saliscope.save(made, tmp_path / "a.safetensors", record=record)
    with safe_open(tmp_path / "a.safetensors", "np") as file:
        assert json.loads(file.metadata()["saliscope.record"])["view"] == {"colormap": "diverging"}
        assert file.get_tensor("values").shape == (1, 2, 6, 6)
    assert opened(tmp_path / "a.safetensors").record == record


def test_replay_compares_the_values_themselves(tmp_path):
    net, x = model(), inputs()
    made = Saliency().attribute(net, x, 0)
    path = tmp_path / "a.safetensors"
    saliscope.save(made, path, net)
    again = replay(path, changed(net), x)
    distance = (again.attribution.values - made.values).norm() / made.values.norm()
    assert again.relative == pytest.approx(float(distance), rel=1e-9)
    assert again.max_abs == float((again.attribution.values - made.values).abs().max())
    assert "about" not in repr(again)
    assert replay(str(path), net, x).verdict == "identical"


def test_a_function_is_missing_until_it_is_given(tmp_path):
    def spread(outputs):
        return outputs.std(1)

    made = IntegratedGradients(n_steps=2).attribute(model(), inputs(), spread)
    saliscope.save(made, tmp_path / "a.safetensors")
    back = saliscope.load(tmp_path / "a.safetensors")
    assert back.target.labels == ("spread",)
    with pytest.raises(
        TargetError, match=re.escape("'spread'. Pass it: saliscope.load(path, target=function).")
    ):
        back.method.refine(back, model())
    back = saliscope.load(tmp_path / "a.safetensors", target=spread)
    assert same(back.method.refine(back, model()).values, made.method.refine(made, model()).values)


def test_a_partial_attribution(tmp_path):
    partial = next(iter(IntegratedGradients(n_steps=9).stream(model(), inputs(), chunk_size=2))).result
    saliscope.save(partial, tmp_path / "a.safetensors")
    assert same(saliscope.load(tmp_path / "a.safetensors"), partial)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    saliscope.save(IntegratedGradients(n_steps=2).attribute(model(), inputs()), path, model())
    return path


def rewritten(path, change) -> None:
    """The file with `change(tensors, metadata)` done to it."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def test_no_byte_can_be_changed_unseen(saved):
    good, whole = saved.read_bytes(), opened(saved)
    for place in range(0, len(good), 61):
        saved.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        try:
            again = opened(saved)
        except RecordError:
            continue
        # The seventeenth digit of a number may change without changing the number.
        assert same(again, whole)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_file_that_was_cut(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(
        RecordError, match=r"`path`: got 'a.safetensors' with something else than safetensors \("
    ):
        saliscope.load(saved)


def drop_values(tensors, metadata):
    del tensors["values"]


def drop_record(tensors, metadata):
    del metadata["saliscope.record"]


def other_values(tensors, metadata):
    tensors["values"] = tensors["values"] + 1


def other_shape(tensors, metadata):
    tensors["score"] = torch.zeros(3)


def other_words(tensors, metadata):
    metadata["saliscope.attribution"] = metadata["saliscope.attribution"].replace("class", "clasp")


def other_record(tensors, metadata):
    other = Record.of(Saliency().attribute(model(), inputs()), model())
    metadata["saliscope.record"] = other.to_json()


def newer(tensors, metadata):
    data = forged(Record.from_json(metadata["saliscope.record"]), "format", 9)
    metadata["saliscope.record"] = json.dumps(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_values, "with contents that do not fit together (KeyError: 'values')"),
        (
            drop_record,
            "got 'a.safetensors', safetensors of something else; expected a file that saliscope.save wrote",
        ),
        (
            other_values,
            "with contents that do not fit together (ValueError: the tensor 'values' was changed)",
        ),
        (other_shape, "with contents that do not fit together (ValueError: the tensor 'score' was changed)"),
        (other_words, "with a checksum that does not fit the rest"),
        (other_record, "with values that are not those of its record"),
        (newer, "got format 9, written by a newer version of Saliscope"),
    ],
)
def test_a_file_that_was_changed(saved, change, message):
    rewritten(saved, change)
    with pytest.raises(RecordError, match=re.escape(message)):
        saliscope.load(saved)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("signed", "yes"),
        ("unit", 3),
        ("notes", [{"tensor": "values"}]),
        ("notes", "none"),
        ("grid", [[1], 2]),
        ("score", None),
        ("score", 1.5),
        ("target", []),
        ("target", {"output": "logit"}),
        ("target.output", "odds"),
        ("target.labels", []),
        ("target.indices", {"tensor": "values"}),
        ("path.nodes", None),
        ("path", 3),
        ("per_baseline", [1]),
        ("per_baseline", 1),
        ("method", None),
        ("method.configuration.key", "os.system"),
        ("method.tensors", [3]),
        ("extra", 1),
    ],
)
def test_an_outline_that_was_forged(saved, path, value):
    def change(tensors, metadata):
        outline = json.loads(metadata["saliscope.attribution"])
        *way, last = path.split(".")
        place = outline
        for part in way:
            place = place[part]
        place[last] = value
        text = json.dumps(outline)
        metadata |= {"saliscope.attribution": text, "saliscope.digest": _digest(text)}

    rewritten(saved, change)
    with unchecked(), pytest.raises(RecordError):
        saliscope.load(saved)


def test_what_is_no_file_of_ours(tmp_path):
    with pytest.raises(
        RecordError, match=r"nothing\.safetensors', which is no file; expected a file that saliscope"
    ):
        saliscope.load(tmp_path / "nothing.safetensors")
    with pytest.raises(RecordError, match="which is no file"):
        saliscope.load(tmp_path)
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(RecordError, match=r"got 'model\.safetensors', safetensors of something else"):
        saliscope.load(tmp_path / "model.safetensors")


def test_a_failed_write_leaves_what_was_there(saved, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        saliscope.save(Saliency().attribute(model(), inputs()), saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["a.safetensors"]
