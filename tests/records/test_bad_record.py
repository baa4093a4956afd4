"""Records that were changed, damaged, are from another version, or are none."""

import json
import re

import pytest

from saliscope import Record, RecordError, Target
from saliscope.attribution import IntegratedGradients
from saliscope.core.baselines import Blur, Noise
from tests.records.tools import forged, inputs, model


@pytest.fixture(scope="module")
def record() -> Record:
    method = IntegratedGradients(baseline=(Noise(0.1, 3), Blur(2)), n_steps=2)
    made = method.attribute(model(), inputs(2), Target([0, 1], "margin", 2))
    return Record.of(made, model(), view={"alpha": 0.5, "zoom": [1, 0.5, 0.5], "nested": {"deep": ["text"]}})


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for key, item in enumerate(value):
            yield from leaves(item, f"{path}.{key}")
    else:
        yield path, value


def test_no_entry_can_be_changed_unseen(record):
    found = list(leaves(json.loads(record.to_json())))
    assert len(found) > 180
    for path, value in found:
        other = (
            not value
            if isinstance(value, bool)
            else value + 1
            if isinstance(value, (int, float))
            else f"{value}x"
        )
        with pytest.raises(RecordError):
            Record.from_json(forged(record, path, other, sealed=False))


def test_no_entry_can_be_missing(record):
    data = json.loads(record.to_json())
    later = ("map_error", "target.layer", "target.unit")  # which older records do not have
    nested = [
        f"{key}.{name}"
        for key, item in data.items()
        if isinstance(item, dict) and key != "view"
        for name in item
        if f"{key}.{name}" not in later
    ]
    for path in [*data.keys() - set(later), *nested]:
        with pytest.raises(RecordError):
            Record.from_json(forged(record, path, ..., sealed=path != "digest"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("score", [1.0], "`record.score`: got 1 entries; expected one for each of 2 inputs."),
        ("score.0", "12", "`record.score`: got ['12', "),
        ("score.0", True, "`record.score`: got [True, "),
        ("index", -1, "`record.index`: got -1; expected an integer from 0 on."),
        ("index", 2**60, "`record.index`: got 1152921504606846976; expected an integer from 0 on."),
        ("complete", 1, "`record.complete`: got 1; expected true or false."),
        ("inputs.hash", "ff", "`record.inputs.hash`: got 'ff'; expected a SHA-256."),
        ("inputs.dtype", "float31", "`record.inputs.dtype`: got 'float31'; expected one of float64, float32"),
        ("inputs.dtype", ["float64"], "`record.inputs.dtype`: got ['float64']; expected one of float64,"),
        ("inputs.shape", [2, 0, 6, 6], "`record.inputs.shape`: got [2, 0, 6, 6]; expected a list of an inte"),
        ("inputs.shape", [], "entries; expected one for each of 0 inputs."),
        ("values.sketch.0", [1.0], "expected a list of a list of 64 times a number, or null. Take the origi"),
        ("target.output", "odds", "`record.target.output`: got 'odds'; expected one of logit, probability,"),
        ("target.indices", None, "`record.target`: got indices, function and unit; expected one of "),
        ("target.unit", [1], "`record.target`: got indices, function and unit; expected one of them."),
        ("target.unit", [], "`record.target.unit`: got []; expected a list of one to three integers, or "),
        ("target.layer", 3, "`record.target.layer`: got 3; expected a text, or null."),
        ("target.indices.0", -3, "`record.target.indices`: got [-3, 1]; expected a list of an integer from "),
        ("target.labels.0", None, "`record.target.labels`: got [None, 'class 1 over class 2']; expected a l"),
        ("model", {"name": "x"}, "got nothing; expected the fields name, architecture, weights."),
        ("model.path", "/etc", "`record.model.path`: got a field that no record has; expected the fields na"),
        ("__class__", "x", "`record.__class__`: got a field that no record has; expected the fields"),
        ("view", [], "`record.view`: got []; expected an object."),
        ("method", "saliency", "`record.method`: got 'saliency'; expected an object."),
        ("method.key", "integrated_gradient", "got 'integrated_gradient'; expected one of integrated_gradie"),
        ("method.key", "os.system", "`method`: got 'os.system'; expected one of integrated_gradients, "),
        ("method.params", [], "`method`: got {'key': 'integrated_gradients', 'params': []}; expected {\"key"),
        ("method.params.n_steps", 0, "`n_steps`: got 0; expected an integer of at least 1. Define your own "),
        ("method.params.n_steps", 1e9, "`n_steps`: got 1000000000.0; expected a value for this parameter of"),
        ("method.params.rule", "guess", "`rule`: got 'guess'; expected a value for this parameter of Integr"),
        ("method.params.extra", 1, "got parameters of IntegratedGradients in which 'extra' is missing or un"),
        ("method.params.baseline.0.kind", "pickle", "`baseline`: got 'pickle'; expected one of black, white"),
        ("method.params.baseline.0.kind", {}, "`baseline`: got {}; expected one of black, white, grey, blur"),
        ("method.params.baseline.0.level", -1, "`level`: got -1; expected a number from 0 to 100."),
        ("method.params.baseline.1.sigma", "2", "`sigma`: got '2'; expected a value for this parameter of B"),
        ("method.params.baseline", [], "`baseline`: got an empty sequence; expected at least one baseline."),
        ("method.params.baseline", {"rect": [1]}, "got [1]; expected (x, y, width, height) in pixels, or a "),
        ("occlusion", {"region": {}, "fill": {"kind": "black"}}, "`occlusion`: got {}; expected {'rect': [."),
        (
            "occlusion",
            {"region": {"rect": [0, 0, 1, 1]}, "fill": {"key": "grad_cam", "params": {"layer": None}}},
            "`baseline`: got {'key': 'grad_cam', 'params': {'layer': None}}; expected a baseline:",
        ),
        ("format", 2, "`record.format`: got format 2, written by a newer version of Saliscope; expected for"),
        ("format", 0, "`record.format`: got 0; expected the number 1. This is no record of Saliscope."),
        ("format", True, "`record.format`: got True; expected the number 1. This is no record of Saliscope."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_also_when_the_checksum_fits(record, path, value, message):
    with pytest.raises(RecordError, match=re.escape(message)):
        Record.from_json(forged(record, path, value))


def test_the_forger_of_these_tests_makes_records_that_pass(record):
    forgery = Record.from_json(forged(record, "score.0", 3.5))
    assert forgery.score[0] == 3.5


def test_a_deeply_nested_method(record):
    spec: dict = {"key": "saliency", "params": {"absolute": True, "layer": None}}
    for _ in range(400):
        params = {"method": spec, "n_samples": 1, "noise_level": 0.1, "seed": 0}
        spec = {"key": "smooth_grad", "params": params}
    data = json.loads(record.to_json())
    data["method"] = spec
    with pytest.raises(RecordError):
        Record.from_json(data)
    with pytest.raises(RecordError):
        Record.from_json('{"a":' * 100_000)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.json", "`record`: got 'nowhere.json', which cannot be read"),
        ("", "which cannot be read"),
        ("\0", "`record`: got "),
        (None, "`record`: got 'None', which cannot be read"),
        ("{", "`record`: got something else than JSON"),
        ('{"format": NaN}', "`record`: got something else than JSON: NaN is no JSON"),
        ("[1]", "`record`: got a list; expected a record's JSON or the path of one."),
        ("{}", "`record.format`: got None; expected the number 1. This is no record of Saliscope."),
        ({}, "`record.format`: got None; expected the number 1. This is no record of Saliscope."),
    ],
    ids=str,
)
def test_what_is_no_record(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match=re.escape(message)):
        Record.from_json(source)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "record.json"
    path.write_bytes(b"\x80\x04\x95.")
    with pytest.raises(RecordError, match="got something else than JSON"):
        Record.from_json(path)
