"""Which number is explained: every shorthand, every kind of output, every way to be wrong."""

import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from saliscope import ModelError, Target, TargetError
from saliscope.core.targets import ResolvedTarget, class_index, class_scores, output_tensor, resolve
from tests.core.helpers import unchecked

LABELS = ("cat", "Dog", "great white shark", "crane", "crane", "dogfish", "polish", "Polish")
LOGITS = torch.tensor(
    [[0.5, 2.0, -1.0, 0.0], [1.0, 3.0, 0.25, 3.5], [2.0, 1.0, 0.0, -1.0]], dtype=torch.float64
)


def resolved(target: Any, outputs: Any = LOGITS, labels: tuple[str, ...] | None = None) -> ResolvedTarget:
    names = labels or [f"class {i}" for i in range(4)]
    return resolve(target, outputs, len(LOGITS), lambda i: names[i], labels)


def score(target: Any, outputs: Any = LOGITS) -> list[float]:
    return resolved(target, outputs).score(outputs).tolist()


@pytest.mark.parametrize("index", [2, np.int64(2), torch.tensor(2), [2], (2,), torch.tensor([2]), [2, 2, 2]])
def test_one_index_for_all(index):
    assert score(index) == [-1.0, 0.25, 0.0]
    assert resolved(index).labels == ("class 2",) * 3


def test_negative_indices_count_from_the_end():
    assert score(-1) == score(3) == [0.0, 3.5, -1.0]
    assert resolved(-4).indices.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "many",
    [
        [0, 1, -1],
        (0, 1, 3),
        np.array([0, 1, 3]),
        torch.tensor([0, 1, 3]),
        list(np.array([0, 1, 3])),
        list(torch.tensor([0, 1, 3])),
    ],
)
def test_one_index_for_each(many):
    assert score(many) == [0.5, 3.0, -1.0]
    assert Target(many) == Target(tuple(int(one) for one in many))


def test_a_range_is_a_sequence_too():
    assert score(range(3)) == [0.5, 3.0, 0.0]


def test_without_a_target_each_input_has_its_own_top_class():
    assert score(None) == [2.0, 3.5, 2.0]
    assert resolved(None).labels == ("class 1", "class 3", "class 0")


@pytest.mark.parametrize(
    ("name", "index"), [("cat", 0), ("CAT", 0), ("dog", 1), ("Polish", 7), ("polish", 6)]
)
def test_a_label_is_found_whatever_its_case(name, index):
    assert class_index(name, len(LABELS), LABELS) == index


def test_labels_for_each_input():
    names = ("left", "right", "up", "down")
    assert resolved(["up", "Left", 1], labels=names).indices.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dgo", "`target`: got 'dgo'; expected one of the 8 labels. Did you mean 'Dog'?"),
        ("GREAT WHITE SHRK", "Did you mean 'great white shark'?"),
        ("zzz", "`target`: got 'zzz'; expected one of the 8 labels."),
        (
            "crane",
            "got 'crane', which names 2 classes; expected a label of one. Pass one of the indices 3, 4.",
        ),
        (
            "POLISH",
            "got 'POLISH', which names 2 classes; expected a label of one. Pass one of the indices 6, 7.",
        ),
    ],
)
def test_labels_that_are_not_there_or_not_one(name, text):
    with pytest.raises(TargetError, match=re.escape(text)):
        class_index(name, len(LABELS), LABELS)


def test_a_label_beyond_the_models_classes():
    with pytest.raises(TargetError, match="got 7; expected an index from 0 to 3"):
        class_index("Polish", 4, LABELS)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (4, "`target`: got 4; expected an index from 0 to 3, or down to -4 from the end."),
        (-5, "`target`: got -5; expected an index from 0 to 3, or down to -4 from the end."),
        (
            "cat",
            "`target`: got 'cat'; expected an index, since the model has no labels. Pass labels=[...] as",
        ),
        ([0, 1], "`target`: got 2 targets for 3 inputs; expected one for each input, or one for all."),
        (True, "`target`: got True of type bool; expected an index, a label, a function or None."),
        (1.5, "`target`: got 1.5 of type float; expected an index, a label, a function or None."),
        ([0, 1, 9], "`target`: got 9; expected an index from 0 to 3, or down to -4"),
        ([], "`target`: got 0 targets for 3 inputs"),
        (Target(0, "margin", against=0), "`against`: got 0; expected another class than the target."),
        (Target([0, 1, 2], "margin", against=2), "`against`: got 2; expected another class than the target."),
        (Target(0, "margin", against=9), "`target`: got 9; expected an index from 0 to 3, or down to -4"),
    ],
)
def test_targets_that_do_not_fit(target, text):
    with unchecked(), pytest.raises(TargetError, match="^" + re.escape(text)):
        resolved(target)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"output": "logits"},
            "`output`: got 'logits'; expected one of logit, probability, log_probability, margin.",
        ),
        ({"against": 2}, "`against`: got 2; expected None unless output='margin'."),
    ],
)
def test_bad_kinds_of_score(options, text):
    with unchecked(), pytest.raises(TargetError, match=re.escape(text)):
        Target(0, **options)


def test_kinds_of_score():
    p = LOGITS.softmax(1)
    assert score(Target(1, "probability")) == pytest.approx(p[:, 1].tolist())
    assert score(Target(1, "log_probability")) == pytest.approx(p[:, 1].log().tolist())
    assert score(Target(1, "margin", against=0)) == [1.5, 2.0, -1.0]
    assert score(Target(1, "margin", against=torch.tensor(0))) == [1.5, 2.0, -1.0]
    # The strongest other class: 0, 3 and 0.
    assert score(Target(1, "margin")) == [1.5, -0.5, -1.0]
    assert resolved(Target(1, "margin")).labels == (
        "class 1 over class 0",
        "class 1 over class 3",
        "class 1 over class 0",
    )
    assert score(Target(None, "margin")) == [1.5, 0.5, 1.0]


def test_the_other_class_of_a_margin_is_that_at_the_inputs():
    target = resolved(Target(1, "margin"))
    assert target.score(torch.flip(LOGITS, [0])).tolist() == [-1.0, -0.5, 1.5]


@pytest.mark.parametrize("shape", [(3, 1), (3,)])
def test_a_single_logit_is_against_zero(shape):
    outputs = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64).reshape(shape)
    p = outputs.flatten().sigmoid()
    assert score(None, outputs) == score(Target(0, "margin"), outputs) == [-1.0, 0.0, 2.0]
    assert score(Target(0, "probability"), outputs) == pytest.approx(p.tolist())
    assert score(Target(0, "log_probability"), outputs) == pytest.approx(p.log().tolist())
    with pytest.raises(TargetError, match="expected an index from 0 to 0"):
        resolved(1, outputs)
    with pytest.raises(TargetError, match="expected another class than the target"):
        resolved(Target(0, "margin", against=0), outputs)


def test_a_score_that_was_squeezed_away_is_still_one():
    assert class_scores(torch.tensor(3.0)).tolist() == [[3.0]]


def test_large_logits_keep_their_log_probability():
    outputs = torch.tensor([[1e4, 0.0]] * 3, dtype=torch.float64)
    assert score(Target(1, "log_probability"), outputs) == [-1e4] * 3


def test_a_function_of_the_whole_output():
    outputs = {"logits": LOGITS, "maps": LOGITS[:, :, None] * 2}
    target = resolved(lambda out: out["maps"].sum((1, 2)), outputs)
    assert target.score(outputs).tolist() == pytest.approx([3.0, 15.5, 4.0])
    assert target.labels == ("the given function",) * 3
    assert resolved(lambda out: out[:, :1]).score(LOGITS).tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda out: out["nope"], "`target`: got KeyError from the target function: 'nope'"),
        (
            lambda out: out["logits"],
            "got a score of shape (3, 4) from the target function; expected shape (3,)",
        ),
        (
            lambda out: out["logits"].sum(),
            "got a score of shape () from the target function; expected shape (3,)",
        ),
        (lambda out: 3.0, "got a float from the target function; expected a tensor"),
    ],
)
def test_functions_that_do_not_fit(function, text):
    outputs = {"logits": LOGITS}
    with unchecked(), pytest.raises(TargetError, match=re.escape(text)):
        resolved(function, outputs).score(outputs)


def test_memory_that_runs_out_in_a_function_is_not_the_functions_fault():
    def hungry(out: Any) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        resolved(hungry).score(LOGITS)


def test_rows_repeat_and_reorder_a_target():
    target = resolved(Target([0, 1, 2], "margin"), labels=("a", "b", "c", "d")).rows(torch.tensor([2, 2, 0]))
    assert target.indices.tolist() == [2, 2, 0]
    assert target.against.tolist() == [0, 0, 1]
    assert target.labels == ("c over a", "c over a", "a over b")


@dataclass
class ModelOutput:
    logits: Tensor
    hidden: tuple[Tensor, ...] = ()


Pair = namedtuple("Pair", "scores state")
AUX = torch.zeros(3, 7)


@pytest.mark.parametrize(
    "outputs",
    [
        LOGITS,
        (LOGITS, AUX),
        [LOGITS, AUX],
        Pair(LOGITS, AUX),
        ("text", LOGITS),
        {"logits": LOGITS, "aux": AUX},
        OrderedDict(out=LOGITS, aux=AUX),
        {"loss": None, "scores": LOGITS},
        ModelOutput(LOGITS, (AUX,)),
    ],
    ids=["tensor", "tuple", "list", "namedtuple", "later", "logits", "out", "only tensor", "object"],
)
def test_the_scores_are_found_in_any_output(outputs):
    assert output_tensor(outputs) is LOGITS
    assert score(0, outputs) == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ("text", "`model`: got an output of type str without a tensor in it; expected a tensor, or a tuple"),
        ({"a": 1}, "got an output of type dict without a tensor in it"),
        ((), "got an output of type tuple without a tensor in it"),
        ({"a": LOGITS, "b": AUX}, "got an output with the tensors 'a', 'b'; expected one of them"),
    ],
)
def test_outputs_without_scores(outputs, text):
    with pytest.raises(ModelError, match=re.escape(text)):
        output_tensor(outputs)


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (torch.zeros(3, 4, 8, 8), "got a model whose output has shape (3, 4, 8, 8) and type torch.float32"),
        (
            torch.zeros(3, 4, dtype=torch.long),
            "got a model whose output has shape (3, 4) and type torch.int64",
        ),
    ],
)
def test_outputs_that_are_no_class_scores(outputs, text):
    with pytest.raises(TargetError, match=re.escape(text) + ".*Pass a function"):
        resolved(0, outputs)


def test_another_number_of_rows():
    with pytest.raises(TargetError, match="`model`: got 2 output rows for 3 inputs; expected one output row"):
        resolved(0, LOGITS[:2])
