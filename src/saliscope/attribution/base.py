"""What every attribution method shares."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

from torch import Tensor, nn

from saliscope.attribution.question import Question
from saliscope.attribution.result import Attribution, Path
from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

__all__ = ["Attribution", "Method", "Path", "Question", "check_count", "check_share"]


class Method(ABC):
    """A way to attribute a score to the inputs: a frozen dataclass of its parameters.

    Class attributes
    ----------------
    key, title : str
        Name in code and in menus.
    summary : str
        What the map shows, in one sentence.
    unit : str
        Unit of its values.
    card : Card
        What a reader should know of it.
    family : str
        Heading in menus.
    in_one_call : bool
        Whether a map comes from one call of somebody else's code, which cannot be stopped.
    origin : type or None
        Of an entry of the menu that holds values of the user's own: the class that it was made of.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    unit: ClassVar[str]
    card: ClassVar[Card] = Card()
    family: ClassVar[str] = ""
    refinable: ClassVar[bool] = False
    in_one_call: ClassVar[bool] = False
    origin: "ClassVar[type[Method] | None]" = None

    @property
    def signed(self) -> bool:
        """Whether its values have a meaningful sign."""
        return True

    def stream(
        self,
        model: nn.Module | Borrowed,
        inputs: Tensor,
        target: Any = None,
        *,
        chunk_size: ChunkSize = "auto",
    ) -> Iterator[Step[Attribution]]:
        """Yield better and better attributions.

        Parameters
        ----------
        model : nn.Module or Borrowed
            Comes back as it was, also after an exception.
        inputs : Tensor of shape (n, channels, height, width)
            In model space.
        target : int, str, sequence of them, callable, Target or None
            Score to explain; None for each input's own top class.
        chunk_size : int or "auto"
            Rows at once; the result does not depend on it.

        Yields
        ------
        Step of Attribution

        Raises
        ------
        InputError, TargetError, ModelError
            At the first step, if the question makes no sense to the model.
        """

        def steps() -> Generator[Step[Attribution], None, None]:
            yield from self._steps(self._on(Question(model, inputs, target, chunk_size)))

        return steadily(steps())

    def _on(self, question: Question) -> Question:
        """The question that is answered: that of a layer, where a method is asked of one."""
        return question

    @abstractmethod
    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        """Answer a question, better and better."""

    def attribute(
        self,
        model: nn.Module | Borrowed,
        inputs: Tensor,
        target: Any = None,
        *,
        chunk_size: ChunkSize = "auto",
        progress: Any = None,
        cancel: CancelToken | None = None,
    ) -> Attribution:
        """Drive `stream` to its end; same parameters.

        Parameters
        ----------
        progress : callable, optional
            Called with every `Step`.
        cancel : CancelToken, optional
            Stops between two steps with `Cancelled`, which carries the result so far.

        Returns
        -------
        Attribution
        """
        return drive(self.stream(model, inputs, target, chunk_size=chunk_size), progress, cancel)

    def for_copy(self, model: nn.Module, copy: nn.Module) -> "Method":
        """The same method for a copy of a model: itself, unless it, or one inside of it, holds the model."""
        held = (
            {one.name: getattr(self, one.name) for one in fields(self) if one.init}
            if is_dataclass(self)
            else {}
        )
        inside = {name: one.for_copy(model, copy) for name, one in held.items() if isinstance(one, Method)}
        anew = {name: one for name, one in inside.items() if one is not held[name]}
        return replace(self, **anew) if anew else self  # type: ignore[type-var]

    def refine(
        self,
        attribution: Attribution,
        model: nn.Module | Borrowed,
        *,
        chunk_size: ChunkSize = "auto",
        progress: Any = None,
        cancel: CancelToken | None = None,
    ) -> Attribution:
        """Twice the work, reusing what `attribution` holds; same options as `attribute`."""
        return drive(self.refine_stream(attribution, model, chunk_size=chunk_size), progress, cancel)

    def refine_stream(
        self, attribution: Attribution, model: nn.Module | Borrowed, *, chunk_size: ChunkSize = "auto"
    ) -> Iterator[Step[Attribution]]:
        """`refine` as a stream.

        Raises
        ------
        MethodError
            If there is nothing to refine: the method's result is exact already, or `attribution` is another
            method's, or was not finished.
        """

        def steps() -> Generator[Step[Attribution], None, None]:
            if type(attribution.method) is not type(self):
                raise MethodError(
                    "attribution", f"a result of {attribution.method.title}", f"one of {self.title}"
                )
            if not attribution.complete:
                raise MethodError(
                    "attribution", "a partial result", "a finished one", "Drive its stream to the end first."
                )
            question = attribution.method._on(Question.again(attribution, model, chunk_size))
            yield from self._refined(question, attribution)

        return steadily(steps())

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        """Answer a question again, with twice the work."""
        raise MethodError(
            "method",
            f"'{self.key}'",
            "a method that goes on from what a result holds",
            "If it has steps or samples, ask anew with more of them.",
        )


def check_count(name: str, value: Any, minimum: int = 1) -> None:
    """Raise `MethodError` unless `value` is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise MethodError(name, repr(value), f"an integer of at least {minimum}")


def check_share(name: str, value: Any, what: str = "a number", most: float = 1) -> None:
    """Raise `MethodError` unless `value` is a number from 0 to `most`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:
        raise MethodError(name, repr(value), f"{what}, from 0 to {most}")
