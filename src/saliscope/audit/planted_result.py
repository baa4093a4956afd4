"""What the planted evidence is: values of every method on every network, what they say, and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from saliscope.audit.cards import Measure
from saliscope.audit.intervals import Interval, Ranking, interval, joined, ranking
from saliscope.audit.measures import Row
from saliscope.errors import MethodError

GOAL = 0.95
"""Share of hits that the best methods are expected to reach on the clean networks."""

_READS = 0.5
"""Share of scenes below which a network is said not to read what it should."""

_RANGES = {
    **dict.fromkeys(("mark_share", "mark_hit", "pointing", "pointing_near", "mass", "rank"), (0.0, 1.0)),
    **dict.fromkeys(("rise", "deletion", "insertion", "road"), (-1.0, 1.0)),
    **dict.fromkeys(("randomisation", "randomisation_ssim"), (-1.0, 1.0)),
}
"""Between which values a measure lies: ends of intervals reach no further."""

COLUMNS: tuple[tuple[str, str], ...] = (
    ("mark_share_clean", "share, clean"),
    ("mark_share_shortcut", "share, shortcut"),
    ("rise", "rise"),
    ("mark_hit_shortcut", "mark hit"),
    ("pointing", "digit hit"),
    ("pointing_near", "< 3 px"),
    ("mass", "mass"),
    ("deletion", "deletion"),
    ("insertion", "insertion"),
    ("road", "ROAD"),
    ("randomisation", "randomised"),
)
"""What the table shows of each method, and the heads of its columns."""


@dataclass(frozen=True)
class Network:
    """A network that methods were tried on.

    Attributes
    ----------
    role : {"clean", "shortcut"}
    seed : int
    name : str
    training : str
        How it came about.
    figures : dict
        Accuracy on held-out digits, and in how many scenes the watermark changes the answer, where they are
        known. Of given networks they are those of the scenes of the run.
    """

    role: str
    seed: int
    name: str
    training: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Planted:
    """Methods on networks of several training seeds.

    Attributes
    ----------
    cards : dict of str to Measure
        How each measure was taken.
    methods, references : tuple of str
        Methods, and the maps for comparison.
    seeds : tuple of int
        Training seeds.
    n_scenes, n_tested, size : int
        Scenes of each seed, how many of them deletion, insertion, ROAD and randomisation are measured on, and
        the side of each in pixels.
    networks : tuple of Network
    values : dict of (str, str) to ndarray of shape (seeds, n_scenes)
        By method and key of a measure, of the clean networks on plain scenes. Measures of the mark have a key
        for each role, as "mark_share_clean" and "mark_share_shortcut", both on the same marked scenes. NaN is
        not defined.
    blurred : dict of (str, str) to ndarray of shape (seeds, n_scenes)
        The same of a blurred copy of the maps, where a measure has one.
    errors : dict of str to str
        Methods that failed, and why.
    mark_area : float
        Share of the marked pictures that the mark has: what a flat map has on it.
    complete : bool
        False for what a stream gives before its last step.
    """

    cards: dict[str, Measure]
    methods: tuple[str, ...]
    references: tuple[str, ...]
    seeds: tuple[int, ...]
    n_scenes: int
    n_tested: int
    size: int
    networks: tuple[Network, ...] = ()
    values: dict[tuple[str, str], Float[np.ndarray, "seeds scenes"]] = field(default_factory=dict)
    blurred: dict[tuple[str, str], Float[np.ndarray, "seeds scenes"]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    mark_area: float = float("nan")
    complete: bool = False

    @classmethod
    def empty(
        cls,
        cards: Sequence[Measure],
        rows: Sequence[Row],
        seeds: tuple[int, ...],
        counts: tuple[int, int],
        size: int,
    ) -> "Planted":
        """With nothing measured yet."""
        methods = tuple(row.name for row in rows if not row.reference)
        references = tuple(row.name for row in rows if row.reference)
        return cls({one.key: one for one in cards}, methods, references, seeds, *counts, size)

    def taking(self, role: str, seed: int, row: Row) -> "Planted":
        """With what a method got on one network."""
        if row.error:
            return replace(self, errors={**self.errors, row.name: row.error})
        values, blurred, area = dict(self.values), dict(self.blurred), self.mark_area
        for key, finding in row.findings.items():
            kept = f"{key}_{role}" if self.cards[key].needs == "marks" else key
            for held, one in ((values, finding.values), (blurred, finding.blurred)):
                if one is not None:
                    held[row.name, kept] = self._with(held.get((row.name, kept)), seed, one)
            if key == "mark_share" and finding.chance is not None:
                area = float(finding.chance.mean())
        return replace(self, values=values, blurred=blurred, mark_area=area)

    def _with(self, known: Any, seed: int, values: Any) -> Float[np.ndarray, "seeds scenes"]:
        held = np.full((len(self.seeds), self.n_scenes), np.nan) if known is None else known.copy()
        held[self.seeds.index(seed), : len(values)] = values.numpy()
        return held

    @cached_property
    def keys(self) -> dict[str, Measure]:
        """What `of` takes, and its measure: on marked scenes one of each role; "rise" is of the share."""
        cards = {key: one for key, one in self.cards.items() if one.needs != "marks"}
        for key in ("mark_share", "mark_hit"):
            cards[f"{key}_clean"], cards[f"{key}_shortcut"] = (
                self.cards[key],
                replace(self.cards[key], better="high"),
            )
        return {**cards, "rise": replace(self.cards["mark_share"], better="high")}

    def of(self, name: str, key: str, blurred: bool = False) -> Float[np.ndarray, "seeds scenes"]:
        """A method's values; NaN where they are not known.

        Raises
        ------
        MethodError
            If there is no such method or key.
        """
        if name not in (*self.methods, *self.references):
            raise MethodError("name", repr(name), f"one of {', '.join((*self.methods, *self.references))}")
        if key not in self.keys:
            raise MethodError("key", repr(key), f"one of {', '.join(self.keys)}")
        if key == "rise":
            return self.of(name, "mark_share_shortcut", blurred) - self.of(name, "mark_share_clean", blurred)
        nothing = np.full((len(self.seeds), self.n_scenes), np.nan)
        return (self.blurred if blurred else self.values).get((name, key), nothing)

    def interval(self, name: str, key: str, blurred: bool = False) -> Interval:
        """Mean of a method over the training seeds, with its interval, which ends where the measure does."""
        values = self.of(name, key, blurred)
        found = self._over_seeds(interval(values.ravel(), self._seed_of_each, hits=self.keys[key].hits))
        low, high = _RANGES["rise" if key == "rise" else self.keys[key].key]
        return replace(found, low=max(found.low, low), high=min(found.high, high))

    def _over_seeds(self, found: Interval) -> Interval:
        """Without ends, where only one of several seeds is in: pictures are no independent units then."""
        if len(self.seeds) == 1 or found.per == "seed":
            return found
        return replace(found, low=float("nan"), high=float("nan"), n=min(found.n, 1), per="seed")

    def ranking(self, key: str = "rise") -> Ranking:
        """The methods in the order of a measure, without the references.

        By default in that of the rise of the mark's share, from the clean to the shortcut network on the same
        scenes: how well a map tells that a network reads the mark.
        """
        values = {name: self.of(name, key).ravel() for name in self.methods}
        return ranking(values, self._seed_of_each, self.keys[key].better, hits=self.keys[key].hits)

    @property
    def _seed_of_each(self) -> np.ndarray:
        return np.repeat(np.array(self.seeds), self.n_scenes)

    @cached_property
    def rise(self) -> Ranking:
        """The ranking by the rise of the mark's share."""
        return self.ranking("rise")

    @property
    def order(self) -> tuple[str, ...]:
        """Rows of the table: by rise, then what has none, then the references; as given before the end."""
        if not self.complete:
            return (*self.methods, *self.references)
        return (*self.rise.order, *self.rise.undefined, *self.references)

    def place(self, name: str) -> str:
        """The first and the last place of a method by rise, that it may have."""
        first, last = self.rise.places.get(name, (0, 0)) if self.complete else (0, 0)
        return ("–" if not first else str(first)) if first == last else f"{first}–{last}"

    def sentences(self) -> tuple[str, ...]:
        """What it says: who tells the shortcut, and whether maps lie on the digit."""
        if not self.complete:
            return self.unfinished()
        return (
            *self.doubts(),
            self._risen(),
            self.rise.words,
            *(self._hits(key) for key in ("pointing", "pointing_near")),
            *(self._without(name) for name in self.references),
        )

    def unfinished(self) -> tuple[str, ...]:
        """Before the end, that it is not reached."""
        if self.complete:
            return ()
        last = [self.of(name, "mark_share_shortcut") for name in self.methods if name not in self.errors]
        whole = np.all([(~np.isnan(values)).any(1) for values in last], axis=0).sum() if last else 0
        return (
            f"Not complete: {whole} of {len(self.seeds)} training seeds have values of all methods. Means "
            "are of what was measured so far, and nothing is ranked.",
        )

    def doubts(self) -> tuple[str, ...]:
        """Which networks do not read what those of their role should, where it was measured."""
        return (
            *self._doubt("clean", "accuracy", True, "not read the digit: they are right"),
            *self._doubt("clean", "flipped_by_watermark", False, "read the mark: it changes their answer"),
            *self._doubt(
                "shortcut", "flipped_by_watermark", True, "not read the mark: it changes their answer"
            ),
        )

    def _doubt(self, role: str, figure: str, should: bool, words: str) -> tuple[str, ...]:
        known = [one.figures[figure] for one in self.networks if one.role == role and figure in one.figures]
        wrong = sorted(100 * value for value in known if (value >= _READS) != should)
        if not wrong:
            return ()
        first, last = f"{wrong[0]:.0f}", f"{wrong[-1]:.0f}"
        span = first if first == last else f"{first} to {last}"
        return (
            f"{len(wrong)} of {len(known)} {role} networks do {words} in {span} % of the scenes. What "
            f"is said here of {role} networks rests on the opposite.",
        )

    def _risen(self) -> str:
        grown = [one for one in self.rise.means.values() if one.low > 0]
        return (
            f"From clean to shortcut networks, the watermark's share of the map rises for {len(grown)} of "
            f"{len(self.rise.order)} methods, with all of the interval above 0."
        )

    def _without(self, name: str) -> str:
        """How many methods a map is better than that does not look at the model."""
        behind = []
        for key in ("pointing", "deletion", "insertion", "road"):
            sign, own = (1 if self.keys[key].better == "high" else -1), self.interval(name, key).value
            methods = [self.interval(one, key).value for one in self.methods]
            worse = sum(sign * own > sign * one for one in methods)
            behind += [f"{worse} by {self.keys[key].label}"] if worse else []
        than = f"a better mean than {joined(behind)}" if behind else "no better mean than any"
        return f"{name}, without the model: {than}, of {len(self.methods)} methods."

    def _hits(self, key: str) -> str:
        found = self.ranking(key)
        where = "is a pixel of the digit" if key == "pointing" else "is less than 3 pixels from the digit"
        if not found.order:
            return f"No method has a maximum that {where}."
        best = [one for one in found.means.values() if one.value > GOAL]
        sure = [one for one in best if one.low > GOAL]
        top = found.order[0]
        reached = f"{len(best)} of {len(found.order)} methods are above {100 * GOAL:g} %"
        reached += f", {len(sure)} of them with all of the interval" if best else ""
        others = [f"{name.lower()} {_shares(self.interval(name, key))}" for name in self.references]
        return (
            f"On clean networks the maximum {where}: {top} {_shares(found.means[top])}; {reached}. "
            f"Without the model: {', '.join(others)}."
        )

    def text(self) -> str:
        """The table, and what it says."""
        head = ["method", "place", *(title for _, title in COLUMNS)]
        lines = [
            [name, self.place(name), *(_cell(self.interval(name, key)) for key, _ in COLUMNS)]
            for name in self.order
        ]
        widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
        drawn = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in (head, *lines)
        ]
        first = [] if self.complete else [*self.unfinished(), ""]
        said = self.sentences() if self.complete else self.doubts()
        return "\n".join([*first, *drawn, "", *self.about(), "", *said])

    def about(self) -> tuple[str, ...]:
        """How it was measured, in words."""
        several, planned = len(self.seeds) > 1, "" if self.complete else "Planned: "
        over = "over the seeds" if several else "over the scenes of one network"
        return (
            f"{planned}{self.n_scenes} scenes of {self.size} x {self.size} for each of {len(self.seeds)} "
            f"training seed{'s' * several}; {self.n_tested} of them for deletion, insertion, ROAD, "
            "randomisation.",
            f"Intervals of 95 %, {over}; none reaches beyond the values that its measure can have.",
            *self._given(),
            *(f"{one.role}, seed {one.seed}: {one.training}{_figures(one)}" for one in self.networks),
            *(f"{name} failed: {why}" for name, why in self.errors.items()),
        )

    def _given(self) -> tuple[str, ...]:
        if not any(one.training == "given" for one in self.networks):
            return ()
        return (
            "Accuracy of given networks, and in how many scenes the watermark changes their answer "
            "(flipped by watermark), are measured on these scenes.",
        )


def _figures(network: Network) -> str:
    return "".join(f"; {name.replace('_', ' ')} {value:.4f}" for name, value in network.figures.items())


def _cell(found: Interval) -> str:
    if np.isnan(found.value):
        return "–"
    return f"{found.value:.3f}" + ("" if np.isnan(found.low) else f" [{found.low:.3f} {found.high:.3f}]")


def _shares(found: Interval) -> str:
    if np.isnan(found.value):
        return "no value"
    ends = "" if np.isnan(found.low) else f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{100 * found.value:.1f} %{ends}"
