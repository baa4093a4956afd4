"""Methods on trial: every measure of every method, on the same pictures."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from saliscope.audit.cards import DEFAULT, Measure, Needs, chosen
from saliscope.audit.choice import REFERENCES, Explain, as_method, choice
from saliscope.audit.engines import Bench, Finding, explaining, in_words, measuring
from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.query import Query
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import InputError, MethodError
from saliscope.faithfulness.protocol import check_options

_FINE = 100
"""Units of work of each part: the shares that an engine tells are rounded to them."""


@dataclass(frozen=True)
class Row:
    """What was measured of one method.

    Attributes
    ----------
    name : str
    method : Method or callable
        What made the maps.
    reference : bool
        Whether it is a map for comparison, which does not look at the model.
    maps : Tensor of shape (n, height, width), optional
        In float32, on the CPU; None where the method failed.
    signed : bool
        Whether negative values mean evidence against the score.
    findings : dict of str to Finding
        For each measure its values, with notes, and those of a blurred copy of the map.
    error : str
        Why there are no maps, in words; "" where there are.
    notes : tuple of str
        What the method itself says of its maps.
    complete : bool
        False in a partial answer, where measures are still missing.
    """

    name: str
    method: Explain
    reference: bool = False
    maps: Float[Tensor, "n height width"] | None = None
    signed: bool = True
    findings: dict[str, Finding] = field(default_factory=dict)
    error: str = ""
    notes: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Measures:
    """Methods and measures on a batch of pictures.

    Attributes
    ----------
    cards : tuple of Measure
        What was measured, and how.
    rows : tuple of Row
        One for each method, then the references; of a partial answer, those that have begun.
    score : Tensor of shape (n,)
        Score of the target in each picture (float64).
    target : ResolvedTarget
        What was explained.
    skipped : dict of str to str
        Methods that were not tried, since they do not apply to the model, and why.
    complete : bool
        False for what a stream gives before its last step.
    """

    cards: tuple[Measure, ...]
    rows: tuple[Row, ...]
    score: Float[Tensor, " n"]
    target: ResolvedTarget
    skipped: dict[str, str] = field(default_factory=dict)
    complete: bool = True

    def row(self, name: str) -> Row:
        """The row of a method.

        Raises
        ------
        MethodError
            If there is none.
        """
        for one in self.rows:
            if one.name == name:
                return one
        raise MethodError("name", repr(name), f"one of {', '.join(one.name for one in self.rows)}")

    def values(self, name: str, key: str) -> Float[Tensor, " n"]:
        """A method's values of a measure, one for each picture; NaN where not defined, or not known yet."""
        finding = self.row(name).findings.get(key)
        return torch.full_like(self.score, torch.nan) if finding is None else finding.values

    def table(self, key: str) -> dict[str, Float[Tensor, " n"]]:
        """Every method's `values` of a measure, the references' too."""
        return {one.name: self.values(one.name, key) for one in self.rows}


def measure(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    methods: Mapping[str, Explain | str] | None = None,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Measures:
    """Drive `measure_stream` to its end; same parameters.

    Parameters
    ----------
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries what is known.

    Returns
    -------
    Measures

    Examples
    --------
    >>> import saliscope as sp
    >>> scenes, model = sp.demo.scenes(4), sp.demo.cnn()
    >>> methods = {"Grad-CAM": sp.attribution.GradCAM()}
    >>> found = sp.audit.measure(
    ...     model, scenes.inputs(), methods, masks=scenes.digit_mask, measures=("deletion", "mass")
    ... )
    >>> list(found.table("mass"))
    ['Grad-CAM', 'Random map', 'Edges of the picture', 'Centre of the picture']
    """
    check_options(options, (*signature(measure_stream).parameters, "progress", "cancel"))
    return drive(measure_stream(model, inputs, methods, target, **options), progress, cancel)


def measure_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    methods: Mapping[str, Explain | str] | None = None,
    target: Any = None,
    *,
    masks: Any = None,
    marks: Any = None,
    measures: Sequence[str | Measure] = DEFAULT,
    references: Mapping[str, Explain] = REFERENCES,
    random_orders: int = 20,
    seed: int = 0,
    chunk_size: ChunkSize = "auto",
) -> Iterator[Step[Measures]]:
    """Every measure of every method, method by method.

    A method that fails is a row with its error in words, a measure that fails a finding without values; the
    others go on.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    methods : dict of str to Method, key or callable, optional
        By the name of their row; see `saliscope.audit.choice.as_method`. None: see `saliscope.audit.choice`.
    target : see `saliscope.Target`
        None: each input's own top class. Of a function or a layer's unit, scores are its own values.
    masks, marks : Tensor or ndarray of shape (n, height, width), optional
        Which pixels the object has, and which the watermark has: boolean, or 0 and 1.
    measures : sequence of str or Measure
        Those that need a mask are left out where there is none.
    references : dict of str to callable
        Maps that the methods must beat, as rows of their own.
    random_orders : int
        Number of random orders of each picture; they are scored once for all methods. A `Measure` of your own
        has its own number.
    seed : int
        Of the protocol of every measure that is named; a `Measure` of your own has its own.
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.

    Yields
    ------
    Step of Measures
    """

    def steps() -> Generator[Step[Measures], None, None]:
        query = Query(model, inputs, target, chunk_size)
        bench = _bench(model, query, {"masks": masks, "marks": marks}, measures, random_orders, seed)
        tried = choice(model, query.inputs, query.target) if methods is None else None
        named, skipped = (methods, {}) if tried is None else (tried.methods, tried.skipped)
        cards = tuple(bench.cards.values())
        empty = Measures(cards, (), exact(query.score), query.target, skipped, complete=False)
        yield from _Run(bench, empty, _rows(named, references)).steps()

    return steadily(steps())


def _bench(
    model: Any,
    query: Query,
    regions: Mapping[Needs, Any],
    measures: Sequence[str | Measure],
    random_orders: int,
    seed: int,
) -> Bench:
    """What is measured, and on what."""
    pictures = query.pictures("to measure maps of")
    checked = {name: _region(name, given, pictures) for name, given in regions.items()}
    known: list[Needs] = ["maps", *(name for name, given in regions.items() if given is not None)]
    output = None if query.target.function is not None else query.target.output
    cards = chosen(measures, known, random_orders, seed, output=output)
    if not cards:
        raise MethodError("measures", "only measures that need masks or marks", "one that does not")
    return Bench(model, query, {one.key: one for one in cards}, checked)


class _Run:
    """Method after method; a part is the maps of one, or one engine's measures of them."""

    def __init__(self, bench: Bench, empty: Measures, rows: tuple[Row, ...]) -> None:
        self.bench, self.empty, self.rows = bench, empty, rows
        self.parts = 1 + len(bench.engines)
        self.total = _FINE * (bool(bench.shared) + self.parts * len(rows))
        self.done = 0

    def steps(self) -> Iterator[Step[Measures]]:
        finished: tuple[Row, ...] = ()
        if self.bench.shared:
            yield from self._part(self.bench.prepare(), finished)
        for row in self.rows:
            try:
                row, answer = yield from self._part(self._explained(row), finished)
            except Exception as error:  # a user's own method may raise anything
                row, answer = replace(row, error=in_words(error)), None
                self.done += _FINE * self.parts
            else:
                for engine in self.bench.engines:
                    found = yield from self._part(
                        measuring(self.bench, engine, row, answer), (*finished, row)
                    )
                    row = replace(row, findings={**row.findings, **found})
            finished = (*finished, replace(row, complete=True))
            yield self._step(finished, self.done)

    def _explained(self, row: Row) -> Generator[float, None, tuple[Row, Any]]:
        answer, values, seconds = yield from explaining(self.bench, row.method)
        per_picture = torch.full_like(self.empty.score, seconds / len(values))
        findings = {"seconds": Finding(per_picture)} if "seconds" in self.bench.cards else {}
        made = replace(
            row,
            complete=False,
            maps=values.sum(1).float(),
            signed=bool(getattr(answer, "signed", True)),
            findings=findings,
            notes=tuple(getattr(answer, "notes", ())),
        )
        return made, answer

    def _part(
        self, work: Generator[float, None, Any], rows: tuple[Row, ...]
    ) -> Generator[Step[Measures], None, Any]:
        """Run a part, and tell how far it is; what it returns is what it is for."""
        while True:
            try:
                share = next(work)
            except StopIteration as end:
                self.done += _FINE
                return end.value
            # The last step is the one with all rows.
            yield self._step(rows, min(self.done + int(_FINE * share), self.total - 1))

    def _step(self, rows: tuple[Row, ...], done: int) -> Step[Measures]:
        complete = len(rows) == len(self.rows) and done >= self.total
        return Step(partial(replace, self.empty, rows=rows, complete=complete), done, self.total)


def _rows(methods: Any, references: Any) -> tuple[Row, ...]:
    for name, given in (("methods", methods), ("references", references)):
        if not isinstance(given, Mapping):
            way_out = "For one of them: {'Grad-CAM': GradCAM()}."
            raise MethodError(name, f"a {type(given).__name__}", "a dict from names to methods", way_out)
    twice = [name for name in references if name in methods]
    if twice:
        raise MethodError("methods", repr(twice[0]), "a name that no reference has")
    if not methods and not references:
        raise MethodError("methods", "no method", "at least one")
    given = (("methods", methods, False), ("references", references, True))
    return tuple(
        Row(str(name), as_method(method, f"{kind}[{name!r}]"), reference)
        for kind, named, reference in given
        for name, method in named.items()
    )


def _region(name: str, given: Any, pictures: Tensor) -> Bool[Tensor, "n height width"] | None:
    if given is None:
        return None
    shape = (len(pictures), *pictures.shape[2:])
    try:
        region = torch.as_tensor(given).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(name, f"an object of type {type(given).__name__}", "a boolean array") from None
    if tuple(region.shape) != shape:
        raise InputError(name, f"shape {tuple(region.shape)}", f"shape {shape}, one mask for each picture")
    if not torch.equal(region.bool().to(region.dtype), region):
        raise InputError(name, "values beside 0 and 1", "a boolean for each pixel", "As in masks > 0.5.")
    return region.bool()
