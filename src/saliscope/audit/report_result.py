"""What an audit found: numbers, sentences and pictures, and the files that they go into."""

import json
import math
from dataclasses import asdict, dataclass, replace
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
from saliscope.audit.report_cases import Case
from saliscope.audit.report_html import report_page, summary, text_table
from saliscope.audit.report_protocol import mixed, protocol_words
from saliscope.audit.report_words import (
    TOGETHER,
    UNRANKED,
    Verdict,
    answer,
    best_group,
    chance,
    direction,
    footnote,
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

    @property
    def function(self) -> str:
        """Name of the function of the model's output that is explained; "" where a class is."""
        return self.cases[0].target if self.cases[0].predicted is None else ""

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
            if direction(card) and card.key not in UNRANKED
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
        """How each measure was taken, in words, which name methods where it was not the same for all."""
        return {card.key: protocol_words(self.measures, card) for card in self.measures.cards}

    @property
    def what(self) -> str:
        """What was audited, in a line."""
        n, methods = len(self.pictures), [row for row in self.measures.rows if not row.reference]
        of = f" of {self.given}, drawn by seed {self.seed}" if n < self.given else ""
        right = n - sum(case.wrong for case in self.cases)
        told = "" if self.cases[0].truth is None else f", right on {right} of them"
        function = f"; {self.function} is explained" if self.function else ""
        cards = len(self.measures.cards)
        return (
            f"{self.model} on {n} picture{'s' * (n != 1)}{of}{told}{function}; {len(methods)} "
            f"method{'s' * (len(methods) != 1)}, {cards} measure{'s' * (cards != 1)}."
        )

    @property
    def reading(self) -> str:
        """How the table is read."""
        return (
            "Means over the pictures with 95 % intervals; the small upright line, where there is one, is "
            "what a map that knows nothing gets. ● is the best group of a column: its first methods, up to "
            "one that is worse than the first by more than noise, in differences on the same pictures, all "
            "comparisons of a column together; no mark where none is."
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What keeps the numbers from being taken at face value."""
        n, wrong = len(self.cases), [i + 1 for i, case in enumerate(self.cases) if case.wrong]
        low = 0 if self.function else sum(case.score < LOW for case in self.cases)
        keys = {card.key for card in self.measures.cards}
        altering = [_ALTERING[key] for key in _ALTERING if key in keys]
        several = mixed(self.measures)
        said = [
            self._explained,
            f"{joined(altering)} {'are' if len(altering) > 1 else 'is'} in units of {self.function}: "
            "pictures on which it changes more weigh more, and no number can be compared with one of a "
            "probability."
            if altering and self.function
            else "",
            f"The model is wrong on {len(wrong)} of {n} pictures: {', '.join(map(str, wrong))}."
            if wrong
            else "",
            f"On {low} of {n} pictures the class that is explained has a probability below {LOW}: a curve "
            "that starts there has little to lose."
            if low
            else "",
            f"{joined(several)} {'were' if len(several) > 1 else 'was'} not taken in one way for all: "
            "maps do not all mean the same. See how it was taken before numbers are compared."
            if several
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
            "Sensitivity is the largest change that was found, and so a lower bound. It has no ●: a map that "
            "does not look at the picture changes least."
            if "sensitivity" in keys
            else "",
            "Intervals are over pictures: they say nothing of other models, or of other kinds of pictures.",
            *(f"{name} was left out: {why}" for name, why in self.measures.skipped.items()),
            *self.notes,
        ]
        return tuple(each for each in said if each)

    @property
    def _explained(self) -> str:
        """What the maps explain."""
        n, other = len(self.cases), sum(case.other for case in self.cases)
        if self.function:
            return (
                f"Maps explain {self.function}, which has no class that could be right or wrong: good maps "
                "put first what raises it, and last what lowers it."
            )
        if other:
            return f"Maps explain the label's class, on {other} of {n} pictures not the one the model says."
        return "Maps explain the model's own top class of each picture, be it right or wrong."

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
                    "notes": {
                        key: list(map(footnote, found.notes))
                        for key, found in row.findings.items()
                        if found.notes
                    },
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


def _flat(one: Number | Case | Verdict) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(one).items()}


def _finite(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
