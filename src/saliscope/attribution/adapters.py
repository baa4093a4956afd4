"""Methods of captum and zennit as ours: the objects that their users have already.

Neither package is imported here: what is passed comes from one that is.
"""

import inspect
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field, make_dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.cards import other as cards
from saliscope.attribution.foreign import Recipe, model_of, package_of, rebuilt, recipe_of
from saliscope.attribution.question import gradients_of
from saliscope.attribution.registry import methods, register
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, as_baselines
from saliscope.core.batching import is_out_of_memory
from saliscope.core.borrow import lent
from saliscope.core.device import wide
from saliscope.core.layers import as_maps, enlarged, find_layer, first_tensor
from saliscope.core.seeds import Randomness
from saliscope.errors import MethodError, ModelError, SaliscopeError, TargetError
from saliscope.specs.saliency import Card


def adapt(made: Any, *, title: str | None = None, signed: bool | None = None, **options: Any) -> Method:
    """Make a method from an object of captum or zennit.

    Parameters
    ----------
    made : captum.attr object or zennit composite
        Such as ``captum.attr.Occlusion(model)``, ``LayerGradCam(model, model.layer4)``,
        ``NoiseTunnel(Saliency(model))`` or ``zennit.composites.EpsilonPlus()``. A captum object holds a
        model: it must be the one that is explained.
    title : str, optional
        In menus; what the object is otherwise. A menu has each title once for a model.
    signed : bool, optional
        Whether values below zero have a meaning; they do unless captum's own options say otherwise.
    **options
        What captum's ``attribute`` takes beside inputs and target: ``n_steps=100``,
        ``sliding_window_shapes=(3, 16, 16)``, ``baselines=0``.

    Returns
    -------
    Method
        Runs, streams and is exported like ours. `SaliencyExplorer` takes it as ``method=``; it takes the bare
        object too.

    Raises
    ------
    MethodError
        If `made` is neither, takes no target, or the options do not fit.

    Examples
    --------
    >>> SaliencyExplorer(model, img, method=captum.attr.IntegratedGradients(model))
    >>> adapt(captum.attr.Occlusion(model), sliding_window_shapes=(3, 8, 8)).attribute(model, inputs, 3)
    """
    package = package_of(made)
    if package is None:
        got = f"an object of type {type(made).__name__}"
        raise MethodError("method", got, "a method, a captum.attr object or a zennit composite")
    kind: type[Adapted] = _Captum if package == "captum" else _Zennit
    kind.check(made, options)
    name = title or f"{package} {_words(made, options)}"
    own = tuple((option, _hashable(value)) for option, value in options.items())
    namespace = {
        "made": made,
        "key": re.sub(r"\W+|(?<=[a-z])(?=[A-Z])", "_", name).strip("_").lower(),
        "title": name,
        "summary": f"What {name} gives, with its own conventions and limits.",
        "unit": f"value of {name}",
        "sign_matters": _is_signed(made, options) if signed is None else signed,
        "recipe": recipe_of(made),
    }
    fields: list[Any] = [("options", Any, field(default=own))]
    if _takes_baselines(made) and "baselines" not in options:
        fields.append(("baseline", Any, field(default=None)))
    words = type(made).__name__
    return make_dataclass(words, fields, bases=(kind,), namespace=namespace, frozen=True)()


def adapted(given: Any) -> Any:
    """A method for an object of captum or zennit; anything else as it is.

    Raises
    ------
    MethodError
        As `adapt` does.
    """
    return given if package_of(given) is None else adapt(given)


def adopt(made: Any) -> str:
    """Put a method of `adapt`, or an object for it, into the menu; its key.

    An object that was made like an earlier one, for the same model, takes its place.

    Raises
    ------
    MethodError
        As `adapt` does.
    """
    method = made if isinstance(made, Adapted) else adapt(made)
    cls: Any = type(method)
    number, key, title = 1, method.key, method.title
    while (known := methods().get(cls.key)) not in (None, cls):
        same_model = model_of(getattr(known, "made", None)) is model_of(cls.made)
        if same_model and getattr(known, "recipe", None) == cls.recipe:
            break
        number += 1
        cls.key, cls.title = f"{key}_{number}", f"{title} ({number})"
    register(cls)
    return cls.key


class Adapted(Method):
    """A method of another package; `adapt` makes a class for each object."""

    family: ClassVar[str] = "Other packages"
    in_one_call: ClassVar[bool] = True
    made: ClassVar[Any]
    sign_matters: ClassVar[bool]
    recipe: ClassVar[Recipe]
    options: Any

    @classmethod
    @abstractmethod
    def check(cls, made: Any, options: dict[str, Any]) -> None:
        """Raise `MethodError` unless the object and its options can answer a question."""

    @property
    def signed(self) -> bool:
        """As declared."""
        return self.sign_matters

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, where the package's method takes any and these were chosen here."""
        baseline = getattr(self, "baseline", None)
        return () if baseline is None else as_baselines(baseline)

    @abstractmethod
    def _begin(self, question: Question) -> tuple[Callable[[int, Tensor | None], Any], dict[str, Any]]:
        """What gives the map of a row from its baseline, and what is to be said of it."""

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        _ = question.score  # what is wrong with model or target comes first
        map_of, details = self._begin(question)
        starts = [one.make(question.borrowed, question.inputs) for one in self.baselines] or [None]
        finished, maps, total = list[Tensor](), list[Tensor](), len(question.inputs) * len(starts)
        for done in range(1, total + 1):
            row, start = len(finished), starts[len(maps)]
            work = partial(map_of, row, None if start is None else start[row : row + 1].clone())
            maps.append(self._checked(self._lent(question, work)))
            parts = (*finished, torch.stack(maps).mean(0) if len(maps) > 1 else maps[0])
            yield Step(
                partial(self._answer, question, parts, {**details, "complete": done == total}), done, total
            )
            if len(maps) == len(starts):
                finished, maps = [*parts], []

    def _lent(self, question: Question, work: Callable[[], Any]) -> Any:
        # Whatever is drawn depends on no other input, and the same is drawn every time.
        randomness = Randomness(0, question.inputs.device)
        with self._in_words(), lent(question.borrowed.module), randomness.going_on(), _seeded_numpy():
            return work()

    def _checked(self, values: Any) -> Tensor:
        tensor = first_tensor(values)
        if tensor is None:
            raise MethodError("method", f"a {type(values).__name__} from {self.title}", "a tensor of floats")
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise MethodError(
                "method", f"{bad} values of {self.title} that are NaN or infinite", "finite ones"
            )
        return tensor.detach().to(dtype=wide(tensor.dtype), copy=True)

    def _answer(self, question: Question, parts: tuple[Tensor, ...], details: dict[str, Any]) -> Attribution:
        values = torch.cat(parts)
        missing = len(question.inputs) - len(values)
        values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
        if values.shape != question.inputs.shape and values.shape[2:] != question.inputs.shape[2:]:
            coarse = as_maps(values, question.picture).sum(1, keepdim=True)
            details = {**details, "units": values, "grid": (coarse.shape[2], coarse.shape[3])}
            values = enlarged(coarse, question.picture)
        return question.answer(self, values, **details)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if isinstance(error, SaliscopeError) or is_out_of_memory(error):
                raise
            got = f"{type(error).__name__} from {self.title}: {error}"
            way_out = "Options of captum's methods are given to saliscope.attribution.adapt(object, ...)."
            raise MethodError("method", got, "a map", way_out) from error


@contextmanager
def _seeded_numpy() -> Iterator[None]:
    """Numpy's global numbers from one start, and the user's own afterwards: GradientShap draws from them."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


class _Captum(Adapted):
    card: ClassVar[Card] = cards.CAPTUM

    @classmethod
    def check(cls, made: Any, options: dict[str, Any]) -> None:
        name = type(made).__name__
        taken = inspect.signature(made.attribute).parameters
        anything = any(each.kind is each.VAR_KEYWORD for each in taken.values())
        if "target" not in taken and not anything:
            way_out = (
                "For a unit of a layer pass target=saliscope.Target(index, layer=...) to another method."
            )
            raise MethodError("method", f"captum's {name}, which takes no target", "one that does", way_out)
        for option in options:
            if option in ("inputs", "target") or (option not in taken and not anything):
                known = ", ".join(key for key in taken if key not in ("inputs", "target"))
                raise MethodError(option, f"an option of {name}", f"one of {known}")
        needed = [n for n, p in taken.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        for option in needed:
            if option not in ("inputs", "target", *options):
                way_out = f"Pass saliscope.attribution.adapt({name}(...), {option}=...)."
                raise MethodError("method", f"captum's {name} without {option}", f"{option} as well", way_out)

    def _begin(self, question: Question) -> tuple[Callable[[int, Tensor | None], Any], dict[str, Any]]:
        target = question.target
        if target.indices is None or target.output != "logit":
            got = f"'{target.labels[0]}', which is no plain output of the model"
            way_out = "Explain an index with output='logit', or choose one of Saliscope's own methods."
            raise TargetError("target", got, "an index, which is all that captum takes", way_out)
        details: dict[str, Any] = {}
        if "baselines" in dict(self.options):
            details["notes"] = ("Its baselines are those that were given to adapt(...).",)
        layer = getattr(self.made, "layer", None)
        if isinstance(layer, nn.Module):
            details["layer"] = find_layer(question.borrowed.module, layer)[0]
        indices = target.indices.tolist()
        flat = self._lent(question, partial(self._check_model, question))

        def map_of(row: int, start: Tensor | None) -> Any:
            inputs = question.inputs[row : row + 1].clone().requires_grad_()
            asked = None if flat else indices[row]
            from_where = {} if start is None else {"baselines": start}
            return self.made.attribute(inputs, target=asked, **dict(self.options), **from_where)

        return map_of, details

    def _held(self, module: nn.Module) -> Any:
        """What the object runs: the module explained, or a function of which nothing is known."""
        held = model_of(self.made)
        if isinstance(held, nn.Module) and held is not module:
            got = f"a captum object that holds another model, a {type(held).__name__}"
            way_out = f"Make it with this very model: {type(self.made).__name__}(model)."
            raise MethodError("method", got, f"one that holds the {type(module).__name__} explained", way_out)
        return held

    def for_copy(self, model: nn.Module, copy: nn.Module) -> Adapted:
        """One for the copy, made as this one was.

        Raises
        ------
        MethodError
            If the object holds another model already, or does not say all that it was made with.
        """
        whole = self._held(model) is model and self.recipe["whole"]
        if not whole:
            name, given = (
                type(self.made).__name__,
                "a function for a model, or arguments that it does not say",
            )
            call = (
                f"lambda model, inputs, target: {name}(model, ...).attribute(inputs, target=target.indices)"
            )
            raise MethodError(
                "method",
                f"captum's {name} with {given}",
                "one that can be made again for a copy of the model",
                f"Pass a function that makes it: {call}.",
            )
        made, options = rebuilt(self.recipe, copy), dict(self.options)
        again: Any = adapt(made, title=self.title, signed=self.sign_matters, **options)
        baseline = getattr(self, "baseline", None)
        return again if baseline is None else replace(again, baseline=baseline)

    def _check_model(self, question: Question) -> bool:
        """Whether the model gives one number for each input, after a look at whether it is the right one."""
        module, held = question.borrowed.module, self._held(question.borrowed.module)
        with torch.no_grad():
            outputs = held(question.inputs[:1].clone())
        if not isinstance(outputs, Tensor):
            got = f"a model that returns a {type(outputs).__name__}"
            way_out = "Wrap it in a module that returns its scores, and explain that one."
            raise ModelError("model", got, "a tensor, which is all that captum reads", way_out)
        if held is not module:  # a function: all that can be seen is what it gives
            assert question.target.indices is not None
            score = outputs.reshape(len(outputs), -1)[:, int(question.target.indices[0])].double()
            if not torch.allclose(score, question.score[:1].double(), rtol=1e-3, atol=1e-5):
                got = f"a captum object whose function gives {score[0]:.5g}"
                raise MethodError("method", got, f"the model's own score, {float(question.score[0]):.5g}")
        return outputs.ndim < 2


class _Zennit(Adapted):
    card: ClassVar[Card] = cards.ZENNIT

    @classmethod
    def check(cls, made: Any, options: dict[str, Any]) -> None:
        if options:
            got, name = ", ".join(options), type(made).__name__
            raise MethodError("options", got, "none: a composite has its own", f"Give them to {name}(...).")

    def _begin(self, question: Question) -> tuple[Callable[[int, Tensor | None], Any], dict[str, Any]]:
        def map_of(row: int, start: Tensor | None) -> Any:
            leaf = question.inputs[row : row + 1].clone().requires_grad_()
            with self.made.context(question.borrowed.module):
                outputs = question.borrowed(leaf.clone())
                score = question.target.rows(torch.tensor([row])).score(outputs)
                return gradients_of(score, (leaf,))

        return map_of, {}


def _words(made: Any, options: dict[str, Any]) -> str:
    """What it is, short enough for a menu."""
    inner = getattr(made, "attribution_method", None)
    inside = [] if inner is None else [_words(inner, {})]
    model, layer = model_of(made), getattr(made, "layer", None)
    if isinstance(layer, nn.Module) and isinstance(model, nn.Module):
        inside.append(find_layer(model, layer)[0])
    inside += [
        f"{key}={value}" for key, value in options.items() if isinstance(value, (int, float, str, tuple))
    ]
    return type(made).__name__ + (f"({', '.join(inside)})" if inside else "")


def _takes_baselines(made: Any) -> bool:
    """Whether captum's ``attribute`` takes ``baselines=``, itself or by what is inside."""
    if package_of(made) != "captum":
        return False
    inner, taken = getattr(made, "attribution_method", None), inspect.signature(made.attribute).parameters
    return "baselines" in taken or (inner is not None and _takes_baselines(inner))


def _is_signed(made: Any, options: dict[str, Any]) -> bool:
    name = type(made).__name__
    if name == "NoiseTunnel":
        kind = options.get("nt_type", "smoothgrad")
        return kind == "smoothgrad" and _is_signed(made.attribution_method, options)
    return not (name == "Saliency" and options.get("abs", True))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
