"""How each measure was taken, in words; where that differs between methods, for each of them."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from saliscope.audit.cards import Measure
from saliscope.audit.intervals import joined
from saliscope.audit.measures import Measures
from saliscope.audit.report_words import TRUTH
from saliscope.core.baselines import Baseline
from saliscope.faithfulness import InfidelityProtocol
from saliscope.records.fingerprint import tensor_hash

_IDLE = {
    "square": ("channels", "noise_level"),
    "noisy_baseline": ("side",),
    "noise": ("side", "replacement"),
}
"""Fields of an infidelity that do nothing, by the perturbation."""

_OF_A_SCORE = ("infidelity", "completeness")
"""Measures in which a score counts whose kind is no part of the protocol."""


def protocol_words(measures: Measures, card: Measure) -> str:
    """The protocol that a measure's numbers rest on, with what it left open as it was for each method."""
    if card.protocol is None:
        return "There is nothing to agree on."
    known = _taken(measures, card) or {"": dict(_parts(card.protocol))}
    labels = dict.fromkeys(label for parts in known.values() for label in parts)
    words = [
        _differing(label, {name: parts.get(label, "as given") for name, parts in known.items()})
        for label in labels
    ]
    own = [] if words else ["as the method itself has it"]
    return "; ".join([*words, *own, *_score(measures, card)])


def mixed(measures: Measures) -> list[str]:
    """Labels of measures that were not taken in one way for all methods.

    References count where a method is trusted for being better than one of them.
    """
    methods = {row.name for row in measures.rows if not row.reference}

    def ways(card: Measure) -> set[tuple[tuple[str, str], ...]]:
        every = card.key in TRUTH and card.chance is None
        taken = _taken(measures, card)
        return {tuple(parts.items()) for name, parts in taken.items() if every or name in methods}

    return [card.label for card in measures.cards if len(ways(card)) > 1]


def _taken(measures: Measures, card: Measure) -> dict[str, dict[str, str]]:
    """By method the parts of the protocol that its numbers rest on."""
    found = {row.name: row.findings[card.key].protocol for row in measures.rows if card.key in row.findings}
    return {name: dict(_parts(one)) for name, one in found.items() if one is not None}


def _differing(label: str, texts: dict[str, str]) -> str:
    """A part of a protocol that may not be the same for all methods."""
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        names.setdefault(text, []).append(name)
    *few, most = sorted(names, key=lambda text: len(names[text]))
    said = [f"{text} ({joined(names[text])})" for text in few]
    said.append(f"{most} (all others)" if few else most)
    return f"{label}: {', '.join(said)}" if label else ", ".join(said)


def _score(measures: Measures, card: Measure) -> Iterator[str]:
    if card.key in _OF_A_SCORE:
        target = measures.target
        yield f"score: {target.output.replace('_', ' ') if target.function is None else target.labels[0]}"


def _parts(protocol: Any) -> Iterator[tuple[str, str]]:
    """Labels and values of a protocol; without a label, words of its own."""
    if _speaks(protocol):
        yield "", str(protocol)
        return
    idle = _IDLE[protocol.perturbation] if isinstance(protocol, InfidelityProtocol) else ()
    for field in fields(protocol):
        value = getattr(protocol, field.name)
        if value is None or field.name in idle:
            continue
        label = field.name.replace("n_random", "random orders").removeprefix("n_").replace("_", " ")
        yield "" if _speaks(value) else label, _value(value)


def _speaks(one: Any) -> bool:
    return is_dataclass(one) and not isinstance(one, Baseline) and "__str__" in vars(type(one))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Baseline):
        return " ".join([str(value), *_contents(value)])
    if is_dataclass(value) and not isinstance(value, type) and not _speaks(value):
        return "; ".join(f"{label}: {text}" for label, text in _parts(value))
    return ", ".join(map(_value, value)) if isinstance(value, (tuple, list)) else str(value)


def _contents(baseline: Any) -> Iterator[str]:
    """A few letters for each tensor of a baseline, whose words are the same whatever is in it."""
    for value in vars(baseline).values():  # one of a user's own need be no dataclass
        if isinstance(value, (torch.Tensor, np.ndarray)):
            yield f"#{tensor_hash(torch.as_tensor(value))[:8]}"
        elif isinstance(value, Baseline):
            yield from _contents(value)
