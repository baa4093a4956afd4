"""What the page is told, as JSON: every name and type that the front end relies on, and no other."""

import json

import pytest
import torch
from torch import nn

from saliscope.attribution import (
    GradCAM,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
    methods,
)
from saliscope.core import baselines as bl
from tests.sessions.tools import MEAN, STD, Session, photo, tiny

METHODS = [
    IntegratedGradients(n_steps=8),
    InputXGradient(),
    Saliency(),
    SmoothGrad(n_samples=4),
    GradCAM(),
    GuidedBackprop(),
]
WITH_CONTROLS = {
    "integrated_gradients": ["rule", "tolerance"],
    "input_x_gradient": [],
    "saliency": ["absolute"],
    "smooth_grad": ["n_samples", "noise_level", "seed", "target_error"],
    "grad_cam": ["layer"],
}
NUMBER, NONE = (int, float), type(None)
CONTROL = {
    "name": str,
    "kind": str,
    "label": str,
    "default": (bool, *NUMBER, str, NONE),
    "min": (*NUMBER, NONE),
    "max": (*NUMBER, NONE),
    "step": (*NUMBER, NONE),
    "choices": ([str], NONE),
    "log": bool,
    "stops": bool,
    "when": ([str], NONE),
}
INFO = {
    "methods": [
        {
            "key": str,
            "title": str,
            "summary": str,
            "family": str,
            "path": bool,
            "uses_baseline": bool,
            "uses_steps": bool,
            "controls": [CONTROL],
            "card": dict.fromkeys(("shows", "assumes", "costs", "fails", "reference"), str),
            "code": str,
            "before": [str],
        }
    ],
    "baselines": [{"kind": str, "title": str, "controls": [CONTROL]}],
    "images": int,
    "outputs": [str],
    "luts": dict,
    "models": [{"name": str, "device": str, "labels": [str], "layers": [str], "preprocessing": str}],
    "version": str,
    "offline": bool,
    "replacements": [{"kind": str, "title": str, "controls": [CONTROL]}],
}
STATE = {
    "phase": str,
    "job": int,
    "done": int,
    "total": int,
    "text": str,
    "eta": (float, NONE),
    "at_most": bool,
    "error": ({"type": str, "argument": (str, NONE), "message": str}, NONE),
    "panel": int,
}
RESULT = {
    "job": int,
    "stage": str,
    "method": str,
    "title": str,
    "target": (int, NONE),
    "target_label": str,
    "output": str,
    "score": float,
    "signed": bool,
    "unit": str,
    "index": int,
    "picture": str,
    "map": str,
    "limit": float,
    "probabilities": [{"index": int, "label": str, "p": float}],
    "path": (
        {
            "stack": str,
            "alphas": [float],
            "scores": [float],
            "sums": [float],
            "baseline": str,
            "baseline_score": float,
            "total_nodes": int,
            "pictures": (str, NONE),
        },
        NONE,
    ),
    "completeness": (
        {
            "change": float,
            "sum": float,
            "delta": float,
            "share": (float, NONE),
            "map_change": (float, NONE),
            "map_error": (float, NONE),
        },
        NONE,
    ),
    "coverage": ({"ruled": int, "gaps": dict}, NONE),
    "sampling_error": (float, NONE),
    "notes": [str],
    "seconds": float,
    "can_refine": bool,
    "steps": (int, NONE),
    "work": str,
    "layer": (str, NONE),
    "grid": ([int], NONE),
    "baseline": (str, NONE),
    "panel": int,
    "model": int,
}


def fits(value, schema, where=""):
    """Assert that JSON data has exactly the schema's names and types."""
    if isinstance(schema, tuple):
        kinds = [kind for kind in schema if type(value) is base_of(kind)]
        assert kinds, f"{where}: {value!r}"
        fits(value, kinds[0], where)
    elif isinstance(schema, dict):
        assert isinstance(value, dict), where
        assert set(value) == set(schema), where
        for name, part in schema.items():
            fits(value[name], part, f"{where}.{name}")
    elif isinstance(schema, list):
        assert isinstance(value, list), where
        for item in value:
            fits(item, schema[0], f"{where}[]")
    else:
        assert type(value) is schema, f"{where}: {value!r}"


def base_of(schema):
    return type(schema) if isinstance(schema, (dict, list)) else schema


class TestJson:
    @pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
    def test_every_message_is_what_the_page_expects(self, method):
        session = Session(tiny(), labels=["a", "b"], chunk_size=3)
        session.answer(method)
        schemas = {"Info": INFO, "State": STATE, "Result": RESULT}
        for message, _ in session.heard:
            sent = json.loads(json.dumps(message.to_json(), allow_nan=False))
            fits(sent, schemas[type(message).__name__])

    def test_an_error_too(self):
        session = Session(tiny())
        with pytest.raises(ValueError, match="target"):
            session.answer(Saliency(), 77)
        sent = json.loads(json.dumps(session.state.to_json(), allow_nan=False))
        fits(sent, STATE)
        assert sent["error"]["type"] == "TargetError"
        assert sent["error"]["argument"] == "target"

    def test_the_schema_above_can_fail(self):
        session = Session(tiny())
        session.answer(Saliency())
        good = session.result.to_json()
        for bad in (good | {"extra": 1}, good | {"score": None}, good | {"target": 1.0}, good | {"path": {}}):
            with pytest.raises(AssertionError):
                fits(bad, RESULT)

    def test_what_is_no_number_is_null(self):
        # The map does not move at all: its relative change is 0/0.
        session = Session(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        with torch.no_grad():
            session.borrowed.module[0].bias.fill_(-100.0)
        sent = session.answer(IntegratedGradients(n_steps=4)).to_json()
        assert sent["completeness"]["map_change"] is None
        json.dumps(sent, allow_nan=False)


class TestInfo:
    def test_menus(self):
        session = Session(tiny(), [photo(0), photo(1)], labels=["ant", "bee"], mean=MEAN, std=STD)
        session.answer(Saliency())
        info, luts = session.info()
        assert info.models[0].labels == ("ant", "bee", "class 2", "class 3", "class 4")
        assert info.models[0].layers == ("0", "1", "2", "3", "4", "5")
        assert (info.images, info.models[0].name, info.models[0].device) == (2, "Sequential", "cpu")
        assert {blob.hash: blob.shape for blob in luts} == dict.fromkeys(info.luts.values(), (257, 3))
        assert [method.key for method in info.methods] == list(methods())
        assert [baseline.kind for baseline in info.baselines] == list(bl.BASELINES)

    def test_controls_come_from_the_dataclasses(self):
        info, _ = Session(tiny()).info()
        some = {method.key: method for method in info.methods if method.key in WITH_CONTROLS}
        controls = {key: [control.name for control in method.controls] for key, method in some.items()}
        assert controls == WITH_CONTROLS
        path = {key: (method.path, method.uses_baseline, method.uses_steps) for key, method in some.items()}
        assert path.pop("integrated_gradients") == (True, True, True)
        assert set(path.values()) == {(False, False, False)}
