"""What the maps of a report explain in each picture: a class of the model, or a function of its output."""

from collections import Counter
from collections.abc import Sized
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from torch import Tensor

from saliscope.core.borrow import Borrowed
from saliscope.core.labels import class_labels
from saliscope.core.query import Query
from saliscope.core.targets import ResolvedTarget, Target
from saliscope.errors import InputError, MethodError, TargetError
from saliscope.faithfulness.protocol import check_choice

NAMES = "`labels` are the true classes; names of all classes go into sp.borrow(model, labels=[...])."

_ONE_OUTPUT = (
    "The model has one output, which is read as the logit of a class: of a regression, numbers that rest on "
    "a probability (deletion, insertion, ROAD) mean nothing. There, audit the number itself: "
    "target=lambda out: out[:, 0]."
)


@dataclass(frozen=True)
class Case:
    """A picture of the audit, in words.

    Attributes
    ----------
    number : int
        Its place among the pictures that were given.
    target : str
        The class that is explained, or the function.
    predicted : str or None
        The model's top class; None where a function is explained, for which the model need not have classes.
    probability : float or None
        Of that class.
    score : float
        Probability of the class that is explained, or value of the function.
    truth : str or None
        The true class, where it is known.
    target_index, predicted_index, truth_index : int or None
        The classes by their index: several may have one name.
    """

    number: int
    target: str
    predicted: str | None
    probability: float | None
    score: float
    truth: str | None
    target_index: int | None = None
    predicted_index: int | None = None
    truth_index: int | None = None

    @property
    def wrong(self) -> bool:
        """Whether the model says another class than the true one."""
        return self.truth_index is not None and self.truth_index != self.predicted_index

    @property
    def other(self) -> bool:
        """Whether another class is explained than the one that the model says."""
        return self.predicted_index is not None and self.target_index != self.predicted_index


@dataclass(frozen=True)
class Explained:
    """What is explained.

    Attributes
    ----------
    target : ResolvedTarget
    cases : tuple of Case
    notes : tuple of str
        Caveats in words.
    """

    target: ResolvedTarget
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()


def function_of(target: Any, labels: Any, explain: str) -> Target | None:
    """The function, or unit of a layer, that is explained; None where a class is.

    Raises
    ------
    TargetError
        If `target` is a class.
    InputError
        If labels are missing, or stand beside a function.
    """
    check_choice("explain", explain, ("model", "label"))
    if target is None:
        if explain == "label" and labels is None:
            raise InputError("labels", "None", "the class of each picture, since explain='label'", NAMES)
        return None
    asked = Target.of(target)
    if isinstance(asked, ResolvedTarget):  # as attributions have it, of other pictures
        asked = Target(asked.function, layer=asked.layer)
    if asked.layer is None and not callable(asked.index):
        expected = "a function of the model's output, or a unit of a layer"
        way_out = "Classes go into labels=[...], with explain='label'."
        raise TargetError("target", repr(target)[:80], expected, way_out)
    if explain == "label":
        raise MethodError("explain", "'label' beside a target", "one of the two")
    if labels is not None:
        way_out = "A function has no class that could be right or wrong: leave the labels out."
        raise InputError("labels", "labels beside a target that is a function", "one of the two", way_out)
    return asked


def by_function(borrowed: Borrowed, inputs: Tensor, picks: tuple[int, ...], target: Target) -> Explained:
    """What a function makes of the pictures; the model's output may be of any kind."""
    query = Query(borrowed, inputs, target, "auto")
    rows = zip(picks, query.target.labels, query.score.double().tolist(), strict=True)
    return Explained(query.target, tuple(Case(i, name, None, None, value, None) for i, name, value in rows))


def by_class(
    borrowed: Borrowed, inputs: Tensor, picks: tuple[int, ...], truth: list[int | str] | None, explain: str
) -> Explained:
    """What the model says of the pictures, and what the labels say.

    Raises
    ------
    TargetError
        If the model has no such class, or none at all.
    """
    top = _top(borrowed, inputs)
    alone = _alone(borrowed, inputs, top.target)
    if alone and truth is not None:
        way_out = (
            "Wrap it in a module that gives torch.cat([torch.zeros_like(out), out], 1): its class 1 has the "
            "same probability."
        )
        got = "labels for a model with one output, the logit of a single class"
        raise TargetError("labels", got, "none, or a model with an output for each class", way_out)
    true = None if truth is None else _true(borrowed, inputs, tuple(truth[i] for i in picks))
    asked = true if true is not None and explain == "label" else top
    probability, score = (one.score.double().tolist() for one in (top, asked))
    names, indices = _classes([one.target for one in (asked, top, true) if one is not None])
    unknown = [[None] * len(picks)] * (true is None)
    rows = zip(picks, *names[:2], probability, score, *names[2:], *unknown, *indices, *unknown, strict=True)
    cases = tuple(Case(*row) for row in rows)
    return Explained(replace(asked.target, output="logit"), cases, (_ONE_OUTPUT,) if alone else ())


def _classes(targets: list[ResolvedTarget]) -> tuple[list[list[str]], list[list[int]]]:
    """Names and indices of the classes of each target; where two classes have one name, it has both."""
    indices = [one.indices.tolist() for one in targets if one.indices is not None]
    pairs = [list(zip(one.labels, own, strict=True)) for one, own in zip(targets, indices, strict=True)]
    named = Counter(name for name, _ in set(chain(*pairs)))
    names = [[name if named[name] == 1 else f"{name} (class {i})" for name, i in own] for own in pairs]
    return names, indices


def true_classes(labels: Any, given: int) -> list[int | str] | None:
    """The labels as a list, one for each picture that was given.

    Raises
    ------
    InputError
        If they are not.
    TargetError
        If one is below zero.
    """
    if labels is None:
        return None
    plain = labels.tolist() if hasattr(labels, "tolist") else labels
    several = [plain] if isinstance(plain, (int, str)) else plain
    if callable(labels):
        way_out = "A function of the model's output goes into target=."
        got = f"an object of type {type(labels).__name__}"
        raise InputError("labels", got, "the class of each picture", way_out)
    if isinstance(several, Sized) and len(several) != given:
        got = f"{len(several)} label{'s' * (len(several) != 1)} for {given} picture{'s' * (given != 1)}"
        raise InputError("labels", got, "the true class of each picture", NAMES)
    return list(class_labels(several, given, "pictures"))


def _top(borrowed: Borrowed, inputs: Tensor) -> Query:
    query = Query(borrowed, inputs, Target(output="probability"), "auto")
    try:
        _ = query.target  # resolved, and refused, when it is looked at
    except TargetError as error:
        way_out = "Audit a function of it, as target=lambda out: out['out'][:, 3].mean((1, 2))."
        raise TargetError(
            "model", error.got.replace("a model whose", "one whose"), error.expected, way_out
        ) from error
    return query


def _true(borrowed: Borrowed, inputs: Tensor, truth: tuple[int | str, ...]) -> Query:
    query = Query(borrowed, inputs, Target(truth, output="probability"), "auto")
    try:
        _ = query.target  # resolved, and refused, when it is looked at
        return query
    except TargetError as error:
        if error.argument != "target":
            raise
        way_out = error.way_out.replace(
            "Pass labels=[...] as well.", "Say them: sp.borrow(model, labels=[...])."
        )
        raise TargetError("labels", error.got, error.expected, way_out) from error


def _alone(borrowed: Borrowed, inputs: Tensor, top: ResolvedTarget) -> bool:
    """Whether the model has no second class."""
    assert top.indices is not None
    if top.indices.any():
        return False
    try:
        _ = Query(borrowed, inputs[:1], Target(1), "auto").target
    except TargetError:
        return True
    return False
