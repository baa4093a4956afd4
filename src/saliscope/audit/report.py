"""An audit: methods on trial for a model and a sample of pictures, as numbers, sentences and one file."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from saliscope.audit.cards import Measure
from saliscope.audit.measures import Measures, measure_stream
from saliscope.audit.report_html import check_writable
from saliscope.audit.report_inputs import Sample, fed, methods_of, sampled
from saliscope.audit.report_result import AuditReport
from saliscope.core.anytime import CancelToken, Step, closed, drive
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.faithfulness.protocol import check_options
from saliscope.records.record import machine, versions

MEASURED = (
    "deletion",
    "insertion",
    "road",
    "infidelity",
    "randomisation",
    "sensitivity",
    "pointing",
    "mass",
    "mark_share",
    "seconds",
)
"""What a report measures where nobody says: of measures that tell much the same, one."""

_PACE = 0.2
"""Seconds between two lines of progress."""


def report(
    model: nn.Module | Borrowed,
    images: Any,
    labels: Any = None,
    *,
    progress: bool | Callable[[Step[AuditReport]], None] = True,
    cancel: CancelToken | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> AuditReport:
    """Put attribution methods on trial: which one to trust for this model and these pictures, and why.

    Parameters
    ----------
    model : nn.Module or Borrowed
        ``sp.borrow(model, transform=..., labels=...)`` says how it is fed and what its classes are called.
    images : picture, batch or list of pictures
        As `SaliencyExplorer` takes them: PIL images, files, arrays, tensors in model space.
    labels : sequence of int or str, optional
        True class of each picture, by index or name: tells where the model is wrong. What is explained is
        the model's own top class all the same (see ``explain`` and ``target`` of `report_stream`).
    progress : bool or callable
        True: a line that tells how far it is. A function is called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the report so far.
    out : str or Path, optional
        File that the report is written to, as by its `save`: as JSON if the name ends so, and else as HTML.
        Also where it is stopped.
    **options
        As of `report_stream`.

    Returns
    -------
    AuditReport
        After an interrupt from the keyboard, what was measured until then; it says so.

    Raises
    ------
    InputError
        If there is no picture, or labels or masks are not one for each.
    TargetError
        If the model has no such class, or `target` is no function that gives one score for each picture.
    MethodError
        If a method or a measure is not known.

    Examples
    --------
    >>> scenes = sp.demo.scenes(8, seed=0)
    >>> quick = {"methods": ["saliency", "grad_cam"], "measures": ["deletion", "insertion"]}
    >>> found = sp.audit.report(sp.demo.cnn(), scenes.images, scenes.labels, progress=False, **quick)
    >>> print(found)  # the answer, and the means as a table
    >>> found.save("report.html")
    """
    check_options(options, (*signature(report_stream).parameters, "progress", "cancel", "out"))
    if out is not None:  # what was computed for minutes must not be lost at its end
        check_writable(out)
    last = _Last(_Line() if progress is True else progress or None)
    try:
        return drive(report_stream(model, images, labels, **options), last, cancel)
    except KeyboardInterrupt:
        if last.step is None:
            raise
        return last.step.result
    finally:
        last.end(out)


def report_stream(
    model: nn.Module | Borrowed,
    images: Any,
    labels: Any = None,
    *,
    target: Any = None,
    methods: Any = None,
    masks: Any = None,
    marks: Any = None,
    measures: Sequence[str | Measure] = MEASURED,
    layer: str | None = None,
    explain: str = "model",
    n_images: int = 16,
    random_orders: int = 20,
    seed: int = 0,
    chunk_size: ChunkSize = "auto",
    transform: Any = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Iterator[Step[AuditReport]]:
    """Measure method by method; every step's result is a report of what is known.

    Parameters
    ----------
    model, images, labels
        See `report`.
    target : callable or Target, optional
        What is explained in the place of a class, with its own values as scores: a function of the model's
        output, as ``lambda out: out[:, 3] - out[:, 5]``, for which the model need have no classes, or a unit
        of a layer (see `saliscope.Target`). There are no labels then.
    methods : list or dict, optional
        Keys ("grad_cam"), method objects, objects of captum or zennit, or functions of model, inputs and
        target that give maps; a dict gives them names. None: one or two of each family that is quick, if they
        suit the model.
    masks, marks : arrays of shape (n, height, width), optional
        Which pixels the object has, and which a watermark or another shortcut has: of each picture, in the
        size that the model is fed.
    measures : sequence of str or Measure
        See `saliscope.audit.MEASURES`; those that need a mask are left out where there is none.
    layer : str, optional
        What class activation maps read. None: the last layer that can be read.
    explain : {"model", "label"}
        The model's own top class, which tells what it does; or the class of the label, which where the model
        is wrong tells only what speaks for a class that it does not say.
    n_images : int
        Of more pictures, so many are drawn.
    random_orders : int
        Of each picture, to compare deletion and insertion with; a `Measure` of your own has its own number.
    seed : int
        Draws the pictures, and all else that is random, but by a `Measure` of your own.
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.
    transform, mean, std
        See `saliscope.borrow`.

    Yields
    ------
    Step of AuditReport
    """
    start = time.perf_counter()
    model = fed(model, transform=transform, mean=mean, std=std)
    regions = {"masks": masks, "marks": marks}
    sample = sampled(model, images, labels, target, explain, n_images=n_images, seed=seed, **regions)
    chosen = methods_of(methods, sample, layer)
    stream = measure_stream(
        model,
        sample.inputs,
        chosen.methods,
        sample.explained.target,
        masks=sample.masks,
        marks=sample.marks,
        measures=measures,
        random_orders=random_orders,
        seed=seed,
        chunk_size=chunk_size,
    )
    make = _Maker(sample, chosen.skipped, seed)
    with closed(stream) as steps:
        for step in steps:
            yield make.step(step, time.perf_counter() - start)


class _Maker:
    """Makes a report of what was measured; it holds no model."""

    def __init__(self, sample: Sample, skipped: dict[str, str], seed: int) -> None:
        borrowed = sample.borrowed
        self.pictures, self.given, self.notes = sample.pictures, sample.given, sample.notes
        self.cases = sample.explained.cases
        self.model = type(borrowed.module).__name__
        self.versions = {**versions(), "on": str(machine(borrowed.place(sample.inputs[:1]))["device"])}
        self.skipped, self.seed = skipped, seed

    def step(self, step: Step[Measures], seconds: float) -> Step[AuditReport]:
        def made() -> AuditReport:
            found = step.result
            return AuditReport(
                measures=replace(found, skipped={**self.skipped, **found.skipped}),
                pictures=self.pictures,
                cases=self.cases,
                given=self.given,
                model=self.model,
                seed=self.seed,
                versions=self.versions,
                notes=self.notes,
                seconds=seconds,
            )

        return Step(made, step.done, step.total)


class _Last:
    """Keeps the last step, and tells of every one."""

    def __init__(self, tell: Callable[[Step[AuditReport]], None] | None) -> None:
        self.tell = tell
        self.step: Step[AuditReport] | None = None

    def __call__(self, step: Step[AuditReport]) -> None:
        self.step = step
        if self.tell is not None:
            self.tell(step)

    def end(self, out: str | Path | None) -> None:
        """End the line, and write what is known."""
        if isinstance(self.tell, _Line):
            self.tell.end()
        if self.step is not None and out is not None:
            self.step.result.save(out)


class _Line:
    """Progress in one line, which is written over again."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.told = 0.0

    def __call__(self, step: Step[AuditReport]) -> None:
        now = time.perf_counter()
        if now - self.told < _PACE and not step.complete:
            return
        self.told = now
        rows = step.result.measures.rows
        at = f" ({rows[-1].name})" if rows and not step.complete else ""
        words = f"audit: {100 * step.done / step.total:.0f} %{at}, {now - self.start:.0f} s"
        print(f"\r{words:<72}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.told:
            print(file=sys.stderr)
