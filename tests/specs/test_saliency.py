"""The messages have the fields that the page expects, and are always JSON."""

import json

import numpy as np
import pytest

from saliscope.specs import saliency as specs

RESULT = {
    "job": 3,
    "stage": "final",
    "method": "integrated_gradients",
    "title": "Integrated Gradients",
    "target": 7,
    "target_label": "digit 7",
    "output": "logit",
    "score": 8.5,
    "signed": True,
    "unit": "logit per pixel",
    "index": 0,
    "picture": "a" * 32,
    "map": "b" * 32,
    "limit": 0.5,
}
CONTROL = {"name": "sigma", "kind": "float", "label": "Blur", "default": 12.0, "min": 0.0, "max": 50.0}

# The page's side of these names is js/lib; a renamed field has to fail here.
FIELDS = {
    specs.Control: "name kind label min max step choices default log when stops",
    specs.MethodInfo: "key title family path controls uses_baseline uses_steps summary card code before",
    specs.Card: "shows assumes costs fails reference",
    specs.BaselineInfo: "kind title controls",
    specs.Info: "methods baselines images outputs luts models version offline replacements",
    specs.ModelInfo: "name device labels layers preprocessing",
    specs.Predictions: "job alphas indices labels p",
    specs.Failure: "type argument message",
    specs.State: "panel phase job done total text eta error at_most",
    specs.Probability: "index label p",
    specs.PathSpec: "stack alphas scores sums baseline baseline_score total_nodes pictures",
    specs.CoverageSpec: "ruled gaps",
    specs.Completeness: "change sum delta share map_change map_error",
    specs.Result: "job stage method title target target_label output score signed unit index picture map "
    "limit probabilities path completeness coverage sampling_error notes seconds can_refine steps work "
    "layer grid baseline panel model",
}


def sent(spec):
    return json.loads(json.dumps(spec.to_json(), allow_nan=False))


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_the_fields_are_the_ones_of_the_page(kind):
    assert set(kind.__dataclass_fields__) == set(FIELDS[kind].split())


def test_a_small_result_has_every_field():
    assert sent(specs.Result(**RESULT)) == RESULT | {
        "probabilities": [],
        "path": None,
        "completeness": None,
        "coverage": None,
        "sampling_error": None,
        "notes": [],
        "seconds": 0.0,
        "can_refine": False,
        "steps": None,
        "work": "steps",
        "layer": None,
        "grid": None,
        "baseline": None,
        "panel": 0,
        "model": 0,
    }


def test_a_full_result_is_nested_json():
    result = specs.Result(
        **RESULT,
        probabilities=[specs.Probability(7, "digit 7", 0.75)],
        path=specs.PathSpec("c" * 32, np.array([0.0, 1.0]), [1, 2], np.float32([0, 3]), "d" * 32, 0.5, 33),
        completeness=specs.Completeness(8.0, 7.5, -0.5, float("nan"), None),
        grid=(7, 7),
    )
    made = sent(result)
    assert made["probabilities"] == [{"index": 7, "label": "digit 7", "p": 0.75}]
    assert made["path"] == {
        "stack": "c" * 32,
        "alphas": [0.0, 1.0],
        "scores": [1, 2],
        "sums": [0.0, 3.0],
        "baseline": "d" * 32,
        "baseline_score": 0.5,
        "total_nodes": 33,
        "pictures": None,
    }
    assert made["completeness"] == {
        "change": 8.0,
        "sum": 7.5,
        "delta": -0.5,
        "share": None,
        "map_change": None,
        "map_error": None,
    }
    assert made["grid"] == [7, 7]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -np.inf, np.float32("nan"), np.array(np.inf)])
def test_no_nan_reaches_json(bad):
    assert sent(specs.State("running", 1, eta=bad))["eta"] is None
    path = specs.PathSpec("", [0.0, bad], [bad], np.array([1.0, bad]), "", 0.0, 2)
    assert sent(path)["alphas"] == [0.0, None]
    assert sent(path)["sums"] == [1.0, None]


def test_numpy_numbers_become_plain_ones():
    state = specs.State("running", np.int64(4), done=np.int32(2), total=3, text="step 2 of 3")
    assert sent(state) == {
        "phase": "running",
        "job": 4,
        "done": 2,
        "total": 3,
        "text": "step 2 of 3",
        "eta": None,
        "error": None,
        "panel": 0,
        "at_most": False,
    }


def test_info_and_errors():
    control = specs.Control(**CONTROL)
    info = specs.Info(
        methods=[specs.MethodInfo("saliency", "Saliency", "The absolute gradient.")],
        baselines=(specs.BaselineInfo("blur", "Blur", (control,)),),
        images=1,
        outputs=["logit"],
        luts={"diverging": "e" * 32},
        models=[specs.ModelInfo("ResNet", "cpu", ["cat"], [], "scaled to 0..1")],
        version="1",
    )
    made = sent(info)
    unsaid = {"step": None, "choices": None, "log": False, "when": None, "stops": False}
    assert made["baselines"][0]["controls"] == [CONTROL | unsaid]
    assert made["methods"][0]["path"] is False
    assert made["luts"] == {"diverging": "e" * 32}
    failed = specs.State("error", 1, error=specs.Failure("TargetError", "target", "`target`: got 12"))
    assert sent(failed)["error"] == {
        "type": "TargetError",
        "argument": "target",
        "message": "`target`: got 12",
    }


def test_messages_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign"):
        specs.State("idle", 0).phase = "done"


def test_what_is_not_data_is_refused():
    with pytest.raises(TypeError, match="set cannot be sent"):
        specs.Result(**RESULT, notes={"a"}).to_json()
