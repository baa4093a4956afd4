"""What a report says: which methods earn trust, on what evidence, and what nobody can tell from it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saliscope.audit.cards import Better, Measure
from saliscope.audit.intervals import Ranking, difference, figure, interval, joined
from saliscope.audit.measures import Measures, Row

TRUTH = ("deletion", "insertion", "road", "infidelity")
"""Measures that tell whether a map is true of the model; the others ask for stability, or for the object."""

TOGETHER = ("seconds",)
"""Measures taken of all pictures at once: they have no interval, and nobody can tell what is noise."""

UNRANKED = (*TOGETHER, "sensitivity")
"""Measures without a best group: the steadiest map is one that does not look at the picture."""

STUBBORN = 0.5
"""Rank correlation with the maps of a network that has forgotten, above which a map hardly depends on it."""

UNSTABLE = 1.0
"""Change, as a share of the map itself, above which a map is another one when the picture hardly changes."""

FEW = 8
"""Pictures below which an interval says little, whatever it is."""

STOPPED = (
    "The audit was stopped before its end: no method is recommended, since what is missing is unknown, maps "
    "that look at no model included."
)
"""What comes first of one that is not complete: methods are compared with references at its end only."""

_COUNTED = re.compile(r"^([^:]* for )input(s?) (\d+(?:, \d+)*):")
"""How a caveat begins that tells of which inputs it is; an error has a colon before that."""

NOTHING = "Random map"
"""The reference that says what knowing nothing gets, where that is no constant."""


@dataclass(frozen=True)
class Verdict:
    """What speaks for a method, and against it. Measures are named by their labels.

    Attributes
    ----------
    name : str
    tested : tuple of str
        Measures of truth that are defined of it.
    good : tuple of str
        Those by which it is better than a map that knows nothing, by more than noise.
    best : tuple of str
        Those by which it is in the best group, where that leaves somebody out.
    behind : tuple of str
        Those by which it is not in the best group, though there is one.
    blurs : tuple of str
        Those by which it is no better than its own blurred copy.
    place : float
        Its place among the methods by its means, averaged over these measures; the differences may be noise.
    faults : tuple of str
        What speaks against it, in words.
    """

    name: str
    tested: tuple[str, ...]
    good: tuple[str, ...]
    best: tuple[str, ...]
    behind: tuple[str, ...]
    blurs: tuple[str, ...]
    place: float
    faults: tuple[str, ...]


def best_group(ranking: Ranking) -> tuple[str, ...]:
    """The first methods, up to one that is worse than the first by more than noise; nobody if there is none.

    One that scatters so much that nobody can tell is not among the best for that.
    """
    order = ranking.order
    ends = (place for place, name in enumerate(order) if ranking.apart(order[0], name))
    return order[: next(ends, 0)]


def verdicts(measures: Measures, rankings: Mapping[str, Ranking]) -> tuple[Verdict, ...]:
    """One for each method that has maps, those with most in their favour first."""
    rows = [row for row in measures.rows if not row.reference and not row.error]
    made = [_verdict(row, measures, rankings) for row in rows]
    return tuple(sorted(made, key=lambda one: (not one.tested, bool(one.faults), len(one.behind), one.place)))


def direction(card: Measure) -> Better | None:
    """Which end of a measure is good; None of what tells of the model rather than of its maps."""
    return None if card.needs == "marks" else card.better


def chance(measures: Measures, card: Measure) -> Any:
    """What a map that knows nothing gets: a constant, or the values of `NOTHING`; None if nobody can say."""
    if card.chance is not None or card.key not in TRUTH:
        return card.chance
    rows = [row for row in measures.rows if row.reference and row.name == NOTHING]
    return rows[0].findings[card.key].values if rows and card.key in rows[0].findings else None


def _verdict(row: Row, measures: Measures, rankings: Mapping[str, Ranking]) -> Verdict:
    truth = [card for card in measures.cards if card.key in TRUTH and row.name in rankings[card.key].order]
    known = {card.label: rankings[card.key] for card in truth}
    groups = {label: best_group(one) for label, one in known.items()}
    levels = [(card, chance(measures, card)) for card in truth]
    level = [card.label for card, at in levels if at is not None and not _beats(card, row, at)]
    good = [card.label for card, at in levels if at is not None and card.label not in level]
    return Verdict(
        name=row.name,
        tested=tuple(known),
        good=tuple(good),
        best=tuple(label for label, group in groups.items() if row.name in group),
        behind=tuple(label for label, group in groups.items() if group and row.name not in group),
        blurs=tuple(card.label for card in truth if _blurs(card, row)),
        place=float(np.mean([1 + one.order.index(row.name) for one in known.values()])) if known else np.inf,
        faults=tuple(_faults(row, truth, level, measures)),
    )


def _beats(card: Measure, row: Row, other: Any) -> bool:
    """Whether a method's numbers are better than others, by more than noise."""
    values = row.findings[card.key].values.numpy()
    change = difference(values, np.broadcast_to(np.asarray(other, float), values.shape), hits=card.hits)
    return change.high < 0 if card.better == "low" else change.low > 0


def _blurs(card: Measure, row: Row) -> bool:
    blurred = row.findings[card.key].blurred
    return blurred is not None and not _beats(card, row, blurred)


def _faults(row: Row, truth: Sequence[Measure], level: Sequence[str], measures: Measures) -> Iterator[str]:
    if level:
        yield f"not shown to be better than a map that knows nothing by {joined(level)}"
    elif truth and not any(_leads(card, row, measures) for card in truth):
        yield "by no test shown to be better than every map that looks at no model"
    mean = interval(measures.values(row.name, "randomisation")).value
    if mean > STUBBORN:
        yield f"much the same when the network forgets (rank correlation {mean:.2f})"
    changes = measures.values(row.name, "sensitivity")
    wild = int((changes > UNSTABLE).sum())
    if wild:
        yield (
            f"changed by more than its own size on {wild} of {len(changes)} pictures that were hardly altered"
        )


def _leads(card: Measure, row: Row, measures: Measures) -> bool:
    """Whether a method is better than every map that looks at no model."""
    others = [one for one in measures.rows if one.reference and card.key in one.findings]
    return all(_beats(card, row, one.findings[card.key].values) for one in others)


def answer(
    measures: Measures, rankings: Mapping[str, Ranking], n: int, *, wrong: int = 0, other: int = 0
) -> tuple[str, ...]:
    """The answer in few sentences: whom to trust, whom not, what is noise, what was not measured.

    Parameters
    ----------
    measures, rankings
        What was found.
    n : int
        How many pictures it is of.
    wrong : int
        On how many the model says another class than the true one.
    other : int
        On how many another class is explained than the one that the model says.
    """
    found = verdicts(measures, rankings)
    truth = [card for card in measures.cards if card.key in TRUTH]
    trusted = _trusted(found) if truth and n > 1 and measures.complete else []
    first = _first(measures, rankings, found, trusted, truth, n) if measures.complete else STOPPED
    said = [first, _wrong(n, wrong, other), _missing(measures, truth)]
    if n > 1:
        said[2:2] = [
            _weak(measures, rankings, truth),
            _object(measures, trusted),
            _mark(measures, trusted, n, other),
            _faulty(found),
            _noise(rankings, truth),
        ]
    return tuple(each for each in said if each)


def _trusted(found: Sequence[Verdict]) -> list[Verdict]:
    """Methods without a fault that pass every test, and of these those that are most often among the best."""
    most = max((len(one.tested) for one in found), default=0)
    sound = [one for one in found if one.good and not one.faults and len(one.tested) == most]
    return [one for one in sound if len(one.behind) == len(sound[0].behind)]


def _wrong(n: int, wrong: int, other: int) -> str:
    if 2 * wrong < n or not wrong:
        return ""
    tell = (
        "maps of the label's class do not tell why it says another one"
        if other
        else "maps tell why it says what it says, not what would be right"
    )
    return f"The model is wrong on {wrong} of {n} picture{'s' * (n != 1)}: {tell}."


def _first(
    measures: Measures,
    rankings: Mapping[str, Ranking],
    found: Sequence[Verdict],
    trusted: Sequence[Verdict],
    truth: Sequence[Measure],
    n: int,
) -> str:
    pictures = f"{n} picture{'s' * (n != 1)}"
    if not found:
        return "There is no answer: no method has given maps."
    if not truth:
        return "Which maps are true of the model is not known: no test of that was measured."
    if n == 1 or not any(one.tested for one in found):
        return f"On {pictures} nothing can be told: a comparison needs several on which tests are defined."
    few = " These are few pictures: take it as a hint." if n < FEW else ""
    if not trusted:
        return f"No method earns trust here: on {pictures} none passes every test without a fault.{few}"
    names, many = joined([one.name for one in trusted]), len(trusted) > 1
    return (
        f"Trust {names} first for this model: on {pictures} {'each is' if many else 'it is'} better than "
        f"chance by every test of truth ({joined(trusted[0].tested)}){_among(trusted, len(found))}. "
        f"{_lead(measures, rankings, trusted[0], truth)}{few}"
    )


def _among(trusted: Sequence[Verdict], n_methods: int) -> str:
    """By which tests methods that are trusted are in the best group, where there is one."""
    if n_methods == 1:
        return ""
    first = trusted[0]
    groups = len(first.best) + len(first.behind)
    if not groups:
        return f"; which {'of them' if len(trusted) > 1 else 'method'} is the best cannot be told from noise"
    if not first.best:
        return ", though in the best group by none"
    if any(one.best != first.best for one in trusted):
        return f", and in the best group by {len(first.best)} of the {groups} tests that have one"
    return f", and in the best group by {joined(first.best)}"


def _lead(measures: Measures, rankings: Mapping[str, Ranking], one: Verdict, truth: Sequence[Measure]) -> str:
    """The numbers of a method, and by which tests its mean is before those of all others."""
    known = [card for card in truth if card.label in one.tested]
    ahead = [card for card in known if rankings[card.key].order[0] == one.name and _several(rankings, card)]
    means = {card.key: figure(float(measures.values(one.name, card.key).nanmean())) for card in known}
    if not ahead:
        return f"Numbers of {one.name}: {', '.join(f'{card.label} {means[card.key]}' for card in known)}."
    sure = [rankings[card.key].apart(*rankings[card.key].order[:2]) for card in ahead]
    figures = [
        f"{card.label} ({means[card.key]}{'' if known else '; may be noise'})"
        for card, known in zip(ahead, sure, strict=True)
    ]
    return f"On average {one.name} comes first by {joined(figures)}."


def _several(rankings: Mapping[str, Ranking], card: Measure) -> bool:
    return len(rankings[card.key].order) > 1


def _weak(measures: Measures, rankings: Mapping[str, Ranking], truth: Sequence[Measure]) -> str:
    """Tests that most methods do not pass better than a map which looks at no model."""
    level: dict[str, list[str]] = {}
    for card in truth:
        methods = [measures.row(name) for name in rankings[card.key].order]
        for other in (row for row in measures.rows if row.reference and card.key in row.findings):
            values = other.findings[card.key].values
            if methods and 2 * sum(not _beats(card, row, values) for row in methods) >= len(methods):
                level.setdefault(other.name, []).append(card.label)
    tests: dict[str, list[str]] = {}
    for name, labels in level.items():
        tests.setdefault(joined(labels), []).append(f"‘{name}’")
    said = ", nor than ".join(f"{joined(names)} by {labels}" for labels, names in tests.items())
    if not said:
        return ""
    return (
        f"Half of the methods or more are not shown to be better than {said}: there a map that looks at no "
        "model does as well, so a good number is no proof."
    )


def _object(measures: Measures, trusted: Sequence[Verdict]) -> str:
    """Whether maps that are trusted lie beside the object: that tells of the model, not of them."""
    more, _, n = _on(measures, trusted, "mass")
    if n < 2 or 2 * len(more) >= len(trusted):
        return ""
    return (
        f"{len(trusted) - len(more)} of {len(trusted)} trusted methods do not lie on the object by more than "
        "its area and noise would give: the model may look at something else."
    )


def _mark(measures: Measures, trusted: Sequence[Verdict], n_pictures: int, other: int) -> str:
    if not trusted or not any(card.key == "mark_share" for card in measures.cards):
        return ""
    if other:
        return (
            "Whether the model uses the mark cannot be told from maps of another class than the one that it "
            f"says, as here on {other} of {n_pictures} pictures."
        )
    more, area, n = _on(measures, trusted, "mark_share")
    if n < 2:
        return f"Whether the model uses the mark cannot be told from {n} picture{'s' * (n != 1)} with one."
    if not more:
        return "Trusted maps do not lie on the mark: nothing shows that the model uses it."
    ends = sorted((share, name) for name, share in more.items())
    shares = " to ".join(f"{figure(share)} ({name})" for share, name in dict.fromkeys((ends[0], ends[-1])))
    return (
        f"The model seems to use the mark, which has {figure(area)} of the picture: {len(more)} of "
        f"{len(trusted)} trusted methods put more of their mass on it, {shares}."
    )


def _on(measures: Measures, trusted: Sequence[Verdict], key: str) -> tuple[dict[str, float], float, int]:
    """Mass of trusted maps on a region, of those with more than its area; the area, and pictures with one."""
    more: dict[str, float] = {}
    area, n = 0.0, 0
    for one in trusted:
        found = measures.row(one.name).findings.get(key)
        if found is None or found.chance is None:
            continue
        area, n = float(found.chance.nanmean()), max(n, int(found.values.isfinite().sum()))
        if difference(found.values, found.chance).low > 0:
            more[one.name] = interval(found.values).value
    return more, area, n


def _faulty(found: Sequence[Verdict]) -> str:
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.faults:
            reasons.setdefault(joined(one.faults), []).append(one.name)
    said = "; and of ".join(f"{joined(names)}: {why}" for why, names in reasons.items())
    return f"Be wary of {said}." if said else ""


def _noise(rankings: Mapping[str, Ranking], truth: Sequence[Measure]) -> str:
    same, apart = [], []
    for ranking, label in ((rankings[card.key], card.label) for card in truth):
        group = best_group(ranking)
        if group:
            apart.append(f"{len(group)} of {len(ranking.order)} methods by {label}")
        elif len(ranking.order) > 1:
            same.append(label)
    said = []
    if apart:
        said.append(f"In the best group, where differences may be noise, are {joined(apart)}.")
    if same:
        said.append(f"By {joined(same)} no method can be told from the best one.")
    if said:
        said.append("More pictures tell more apart.")
    return " ".join(said)


def _missing(measures: Measures, truth: Sequence[Measure]) -> str:
    keys = {card.key for card in measures.cards}
    said = []
    if not keys & {"pointing", "pointing_near", "mass", "rank"}:
        said.append("whether maps lie on the object (masks= says where it is)")
    if "randomisation" not in keys:
        said.append("whether maps depend on what the network has learnt")
    if "sensitivity" not in keys:
        said.append("whether maps stay when the picture hardly changes")
    if not truth:
        said.append("whether maps are true of the model")
    failed = [row.name for row in measures.rows if row.error]
    if failed:
        said.append(f"{joined(failed)}, which failed")
    return f"Not measured: {'; '.join(said)}." if said else ""


def footnote(note: str) -> str:
    """A caveat of an engine, which counts inputs from 0, as a page has it, which counts pictures from 1.

    Errors, which stand in the place of a caveat where a measure failed, are left as they are.
    """

    def counted(found: re.Match[str]) -> str:
        numbers = ", ".join(str(1 + int(one)) for one in found[3].split(", "))
        return f"{found[1]}picture{found[2]} {numbers}:"

    return _COUNTED.sub(counted, note)


def softness(measures: Measures, rankings: Mapping[str, Ranking]) -> str:
    """Which maps are as good when they are blurred."""
    found = verdicts(measures, rankings)
    soft = [one.name for one in found if 2 * len(one.blurs) > len(one.tested)]
    if not soft:
        return ""
    do, their = ("do", "their") if len(soft) > 1 else ("does", "its")
    return (
        f"{joined(soft)} {do} no better than {their} own blurred copy by most tests of truth, or not by "
        "more than noise: read such a map as a region, not pixel by pixel."
    )
