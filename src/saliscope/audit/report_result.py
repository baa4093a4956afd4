"""What an audit found: numbers, sentences and pictures, and the files that they go into."""

import json
import math
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from saliscope.audit.cards import Measure
from saliscope.audit.intervals import Ranking, interval, joined, ranking
from saliscope.audit.measures import Measures, Row
from saliscope.audit.report_html import report_page, summary, text_table
from saliscope.audit.report_words import (
    TOGETHER,
    Verdict,
    answer,
    best_group,
    chance,
    direction,
    softness,
    verdicts,
)

LOW = 0.1
"""Probability of a class below which curves have little to lose."""

_ALTERING = {"deletion": "Deletion", "insertion": "Insertion", "road": "ROAD"}


@dataclass(frozen=True)
class Number:
    """A cell of the table: the mean over the pictures where it is defined.

    Attributes
    ----------
    mean, low, high : float
        With Student's interval; NaN where it is not defined, or of a single picture.
    n : int
        How many pictures it is of.
    blurred : float
        Mean of the maps' blurred copies; NaN where they were not measured.
    chance : float
        What a map that knows nothing gets; NaN where nobody can say.
    best : bool
        Whether the method is in the best group: no difference from the first one is more than noise.
    """

    mean: float
    low: float
    high: float
    n: int
    blurred: float
    chance: float
    best: bool


@dataclass(frozen=True)
class Case:
    """A picture of the audit, in words.

    Attributes
    ----------
    number : int
        Its place among the pictures that were given.
    target : str
        The class that is explained.
    predicted : str
        The model's top class.
    probability : float
        Of that class.
    score : float
        Probability of the class that is explained.
    truth : str or None
        The true class, where it is known.
    """

    number: int
    target: str
    predicted: str
    probability: float
    score: float
    truth: str | None

    @property
    def wrong(self) -> bool:
        """Whether the model says another class than the true one."""
        return self.truth is not None and self.truth != self.predicted

    @property
    def other(self) -> bool:
        """Whether another class is explained than the one that the model says."""
        return self.target != self.predicted


@dataclass(frozen=True, repr=False, eq=False)
class AuditReport:
    """What an audit found.

    Attributes
    ----------
    measures : Measures
        Every number of every method on every picture, the maps, and why something is missing.
    pictures : ndarray of uint8, shape (n, height, width, 3)
        What the model was fed.
    cases : tuple of Case
        The pictures in words.
    given : int
        How many pictures were given, of which these are a sample.
    model : str
        Name of its class.
    seed : int
    versions : dict of str to str
        Of what computed, and where.
    notes : tuple of str
        How the pictures came about.
    seconds : float
        How long it took.
    """

    measures: Measures
    pictures: UInt8[np.ndarray, "n height width 3"]
    cases: tuple[Case, ...]
    given: int
    model: str
    seed: int
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """False for one that was stopped before its end."""
        return self.measures.complete

    @cached_property
    def rankings(self) -> dict[str, Ranking]:
        """By measure: the methods in order, and which of them cannot be told apart."""
        rows = [row for row in self.measures.rows if not row.reference and not row.error]
        return {
            card.key: ranking(
                {row.name: self.measures.values(row.name, card.key).numpy() for row in rows},
                better=card.better,
                hits=card.hits,
            )
            for card in self.measures.cards
        }

    @cached_property
    def ranking(self) -> tuple[Verdict, ...]:
        """What speaks for each method and against it, those with most in their favour first."""
        return verdicts(self.measures, self.rankings)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The methods in the order of `ranking`, then those that failed, then maps for comparison."""
        order = {one.name: place for place, one in enumerate(self.ranking)}
        last = len(order)
        return tuple(sorted(self.measures.rows, key=lambda row: (row.reference, order.get(row.name, last))))

    @cached_property
    def table(self) -> dict[str, dict[str, Number]]:
        """By method, then by measure, references included."""
        groups = {
            card.key: best_group(self.rankings[card.key])
            if direction(card) and card.key not in TOGETHER
            else ()
            for card in self.measures.cards
        }
        return {
            row.name: {
                card.key: self._number(row.name, card, row.name in groups[card.key])
                for card in self.measures.cards
            }
            for row in self.measures.rows
        }

    def _number(self, name: str, card: Measure, best: bool) -> Number:
        mean = interval(self.measures.values(name, card.key).numpy(), hits=card.hits)
        if card.key in TOGETHER:
            mean = replace(mean, low=math.nan, high=math.nan)
        found = self.measures.row(name).findings.get(card.key)
        blurred = found.blurred if found is not None else None
        own = found.chance if found is not None else None
        nothing = own if own is not None else chance(self.measures, card)
        return Number(mean.value, mean.low, mean.high, mean.n, _mean(blurred), _mean(nothing), best)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The answer: whom to trust, on what evidence, what is noise, and what was not measured."""
        wrong, other = sum(case.wrong for case in self.cases), sum(case.other for case in self.cases)
        return answer(self.measures, self.rankings, len(self.pictures), wrong=wrong, other=other)

    @property
    def protocol(self) -> dict[str, str]:
        """How each measure was taken, in words."""
        return {card.key: _agreed(card.protocol) for card in self.measures.cards}

    @property
    def what(self) -> str:
        """What was audited, in a line."""
        n, methods = len(self.pictures), [row for row in self.measures.rows if not row.reference]
        of = f" of {self.given}, drawn by seed {self.seed}" if n < self.given else ""
        right = n - sum(case.wrong for case in self.cases)
        told = "" if self.cases[0].truth is None else f", right on {right} of them"
        return (
            f"{self.model} on {n} picture{'s' * (n != 1)}{of}{told}; {len(methods)} methods, "
            f"{len(self.measures.cards)} measures."
        )

    @property
    def reading(self) -> str:
        """How the table is read."""
        return (
            "Means over the pictures with 95 % intervals; the small upright line is what a map that knows "
            "nothing gets. ● is the best group of a column: its first methods, up to one that is worse than "
            "the first by more than noise, in differences on the same pictures, all comparisons of a column "
            "together; no mark where none is."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What keeps the numbers from being taken at face value."""
        n, wrong = len(self.cases), [i + 1 for i, case in enumerate(self.cases) if case.wrong]
        low = sum(case.score < LOW for case in self.cases)
        other = sum(case.other for case in self.cases)
        keys = {card.key for card in self.measures.cards}
        altering = [_ALTERING[key] for key in _ALTERING if key in keys]
        said = [
            f"Maps explain the class of the label, on {other} of {n} pictures not the one the model says."
            if other
            else "Maps explain the model's own top class of each picture, be it right or wrong.",
            f"The model is wrong on {len(wrong)} of {n} pictures: {', '.join(map(str, wrong))}."
            if wrong
            else "",
            f"On {low} of {n} pictures the class that is explained has a probability below {LOW}: a curve "
            "that starts there has little to lose."
            if low
            else "",
            softness(self.measures, self.rankings),
            f"{joined(altering)} reward{'s' * (len(altering) == 1)} blur (arXiv 2304.13836): a map that only "
            "knows where does well. The number of the map's own blurred copy stands beside."
            if altering
            else "",
            "Altered pictures are unlike what the model has learnt from, and each measure alters them in "
            "its own way: a method that is good by one of them alone has proved little."
            if altering
            else "",
            "A map on the object is no proof that it is true, since a model may look elsewhere: ● of such a "
            "column means most on the object, not most true."
            if {"pointing", "pointing_near", "mass", "rank"} & keys
            else "",
            "Sensitivity is the largest change that was found, and so a lower bound."
            if "sensitivity" in keys
            else "",
            "Intervals are over pictures: they say nothing of other models, or of other kinds of pictures.",
            *(f"{name} was left out: {why}" for name, why in self.measures.skipped.items()),
            *self.notes,
        ]
        return tuple(each for each in said if each)

    @property
    def provenance(self) -> str:
        """Versions, machine and seed."""
        of = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{of}; seed {self.seed}; {self.seconds:.0f} s."

    def to_html(self, path: str | Path, *, title: str | None = None) -> Path:
        """Write the report as one file that opens from disk, without network and without kernel.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, optional
            Any text; by default it names the model.

        Returns
        -------
        Path
            The file.
        """
        file = Path(path)
        file.write_text(report_page(self, title or f"Which maps to trust for {self.model}"), encoding="utf-8")
        return file

    def to_json(self, path: str | Path | None = None) -> str:
        """The numbers, sentences and protocols as JSON; written to a file if one is named."""
        text = json.dumps(self._plain(), allow_nan=False, ensure_ascii=False, indent=1)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def save(self, path: str | Path) -> Path:
        """Write the report: as JSON to a file that ends so, and else as a page (`to_html`)."""
        if Path(path).suffix.lower() != ".json":
            return self.to_html(path)
        self.to_json(path)
        return Path(path)

    def _plain(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "complete": self.complete,
            "sentences": list(self.sentences),
            "ranking": [_flat(one) for one in self.ranking],
            "measures": [
                {
                    "key": card.key,
                    "label": card.label,
                    "unit": card.unit,
                    "better": direction(card),
                    "protocol": self.protocol[card.key],
                }
                for card in self.measures.cards
            ],
            "methods": [
                {
                    "name": row.name,
                    "method": str(row.method) if hasattr(row.method, "title") else row.name,
                    "reference": row.reference,
                    "error": row.error,
                    "numbers": {key: _flat(number) for key, number in self.table[row.name].items()},
                    "values": {key: _finite(found.values.tolist()) for key, found in row.findings.items()},
                    "notes": {key: list(found.notes) for key, found in row.findings.items() if found.notes},
                }
                for row in self.rows
            ],
            "pictures": [_flat(case) for case in self.cases],
            "caveats": list(self.caveats),
            "versions": self.versions,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
        }

    def _repr_html_(self) -> str:
        return summary(self)

    def __repr__(self) -> str:
        return f"AuditReport({self.what})\n" + "\n".join(self.sentences)

    def __str__(self) -> str:
        return "\n".join([self.what, "", *self.sentences, "", *text_table(self)])


def _mean(values: Tensor | float | None) -> float:
    return math.nan if values is None else float(torch.as_tensor(values).nanmean())


def _agreed(protocol: Any) -> str:
    """A protocol in words: its own ones, or else its fields."""
    if protocol is None:
        return "There is nothing to agree on."
    if not is_dataclass(protocol) or _speaks(protocol):
        return str(protocol)
    words = []
    for name, value in ((field.name, getattr(protocol, field.name)) for field in fields(protocol)):
        text = _value(value)
        label = name.replace("n_random", "random orders").removeprefix("n_").replace("_", " ")
        words += [text if _speaks(value) else f"{label}: {text}"] if text else []
    own = "as the method itself has it" if fields(protocol) else type(protocol).__name__.lower()
    return "; ".join(words) or own


def _speaks(one: Any) -> bool:
    return is_dataclass(one) and "__str__" in vars(type(one))


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_dataclass(value) and not isinstance(value, type):
        return _agreed(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _flat(one: Number | Case | Verdict) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(one).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
