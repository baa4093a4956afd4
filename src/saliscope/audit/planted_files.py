"""Planted evidence as files: text, JSON, a figure, and a page of documentation."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saliscope.audit.intervals import Interval, Ranking
from saliscope.audit.planted_result import COLUMNS, Planted
from saliscope.render.palette import categorical
from saliscope.render.paper import HAIRLINE, INK, MUTED, WHITE, Paper, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _HEAD, _FOOT, _NAMES, _PLACES, _PANEL, _GAP = 15.0, 44.0, 40.0, 122.0, 40.0, 142.0, 16.0
_WORDS, _TITLE = 8.5, 9.5
"""Points; sizes of words that can be read where the page is as wide as a README."""
_BOTH = ("clean networks", "shortcut networks")
_PANELS = (
    ("Share on the mark", ("mark_share_clean", "mark_share_shortcut"), _BOTH),
    ("Maximum at the mark", ("mark_hit_clean", "mark_hit_shortcut"), _BOTH),
    ("Maximum at the digit, clean", ("pointing", "pointing_near"), ("in it", "less than 3 px from it")),
)
_ROLES = ("clean", "shortcut")
_HOLLOW = ("pointing_near",)
_READING = (
    "Rows are in the order of the *rise*: the share of a map's positive values on the watermark, of the "
    "shortcut network minus of the clean network, on the same marked scenes. It is high for a method that "
    "shows what the network reads, and 0 for one that shows the picture alone.",
    "*Place* is the first and the last place that a method may have by its rise. One is put before another "
    "only where the interval of their paired difference over the training seeds leaves out 0, with "
    "Bonferroni's correction for all pairs; the rest of the order is noise.",
    "Brackets hold 95 % intervals: Student's over the training seeds; for hits at least Wilson's over all "
    "scenes. After the slash is the blurred copy of the map, which knows where but not which pixel: a method "
    "whose copy is as good owes nothing to its detail.",
    "The last rows look at the picture and not at the network. What they reach can be had without it.",
)
_LIMITS = (
    "The edges of a scene point at the digit, since it stands out, and at the mark: so the pointing game "
    "finds methods out, but a hit is no proof. The rise says more: both networks see the same pictures, and "
    "a map that shows these alone does not rise.",
    "The digit's mask is its strokes: a maximum in a gap between two of them, where ink would make another "
    "digit, misses by a pixel or two. So hits are counted with a tolerance too.",
    "A share is bounded by resolution. The mark is small, and a map of 8 x 8 cells cannot lie within it: "
    "Grad-CAM and its kin can point at the mark, see *mark hit*, and still have half the share of a map of "
    "pixels.",
    "What is explained changes with the network, since each is asked about its own top class: on marked "
    "scenes the digit of the clean one, class 3 of the shortcut one (here). So the rise is a change of map "
    "and of class.",
    "How much of a score is due to the mark is not known: there is no true share that a map should reach.",
    "Deletion, insertion and ROAD show a network pictures unlike those that it was trained with, and favour "
    "one piece over many pixels: the centre of the picture does well by them and knows nothing.",
    "Randomisation compares signed maps: one whose sign alone turns with the weights has a mean of about 0 "
    "too.",
    "These are small networks of one architecture on small pictures: what leads here need not lead "
    "elsewhere. `saliscope.audit.planted.run` takes networks of yours, `saliscope.audit.report` pictures.",
)


def write_all(found: Planted, out: Path, docs: Path | None = None) -> tuple[Path, ...]:
    """Write planted.txt, planted.json and planted.svg; into `docs`, a page with its figure.

    Returns
    -------
    tuple of Path
        What was written.
    """
    made = [out / f"planted.{ending}" for ending in ("txt", "json", "svg")]
    made[0].write_text(found.text() + "\n", encoding="utf-8")
    made[1].write_text(json.dumps(as_json(found), indent=1) + "\n", encoding="utf-8")
    save_figure(found, made[2])
    if docs is not None:
        page, picture = docs / "planted_evidence.md", docs / "planted_evidence.svg"
        page.write_text(as_page(found, picture.name), encoding="utf-8")
        save_figure(found, picture)
        made += [page, picture]
    return tuple(made)


def as_json(found: Planted) -> dict[str, Any]:
    """All numbers: means with intervals, means of each seed, and the ranking."""
    rows = {}
    for name in (*found.methods, *found.references):
        rows[name] = {
            key: {
                **_ends(found.interval(name, key)),
                "seeds": [_plain(one) for one in _means(found.of(name, key))],
                "blurred": _ends(found.interval(name, key, True)) if (name, key) in found.blurred else None,
            }
            for key in found.keys
        }
    return {
        "seeds": list(found.seeds),
        "scenes": found.n_scenes,
        "tested": found.n_tested,
        "size": found.size,
        "networks": [vars(one) for one in found.networks],
        "measures": {
            key: {"says": one.says, "better": one.better, "protocol": repr(one.protocol)}
            for key, one in found.keys.items()
        },
        "methods": list(found.methods),
        "references": list(found.references),
        "rows": rows,
        "ranking": _ranked(found.rise),
        "errors": found.errors,
        "says": list(found.sentences()),
        "complete": found.complete,
    }


def as_page(found: Planted, picture: str) -> str:
    """The page of documentation, as Markdown."""
    return "\n".join(_page(found, picture)) + "\n"


def _page(found: Planted, picture: str) -> Iterator[str]:
    yield from ("# Planted evidence", "")
    if not found.complete:
        yield from (*found.unfinished(), "")
    yield (
        "Methods on scenes whose every cause is known. Clean networks are to read the digit, and then a map "
        "should lie on it; shortcut networks the watermark, and then a map's share on the mark should rise "
        f"on the same marked scenes. {_premise(found)} Each training seed has networks and scenes of its own."
    )
    yield from ("", "Written by `python -m saliscope.audit.planted --docs docs`; do not edit.", "")
    yield from _bullets(found.sentences() if found.complete else found.doubts())
    yield from ("", f"![Shares and maxima on the watermark, and maxima on the digit]({picture})", "")
    yield from ("## Table", "")
    yield f"| place | method | {' | '.join(title for _, title in COLUMNS)} |"
    yield f"|---|---|{'---:|' * len(COLUMNS)}"
    for name in found.order:
        cells = [_cell(found, name, key) for key, _ in COLUMNS]
        yield f"| {found.place(name)} | {name} | {' | '.join(cells)} |"
    yield from ("", "## How to read it", "")
    yield from _bullets(_READING)
    yield from ("", "## What it does not show", "")
    yield from _bullets((*_LIMITS[:-1], *_draws(found), _LIMITS[-1]))
    yield from ("", "## Protocol", "")
    yield from _bullets(found.about())
    yield (
        "- What is explained is each network's own top class. Clean networks are measured on scenes without "
        "the mark, and both on the same scenes with it, where the columns of the mark come from. All scenes "
        "show held-out digits."
    )
    for key, title in COLUMNS:
        card = found.keys[key]
        if key != "rise":
            protocol = "" if card.protocol is None else f" `{card.protocol!r}`"
            yield f"- *{title}* ({card.better} is good): {card.says}{protocol}"


def _premise(found: Planted) -> str:
    """Whether the networks read what they should."""
    told = {
        role: {key for one in found.networks if one.role == role for key in one.figures} for role in _ROLES
    }
    if "accuracy" not in told["clean"] or "flipped_by_watermark" not in told["shortcut"]:
        return "Whether they do is not known yet."
    return "Not all of them do, see below." if found.doubts() else "They do: see the figures in *Protocol*."


def _draws(found: Planted) -> Iterator[str]:
    """What the means are of."""
    if not any(one.training == "given" for one in found.networks):
        yield (
            "The networks of seed 0 are the bundled ones, which were trained for more epochs than those of "
            "other seeds (*Protocol*). All are treated as draws of one kind."
        )
    yield (
        f"Deletion, insertion, ROAD and randomisation rest on {found.n_tested} scenes of each clean network "
        "and say nothing of shortcut networks."
    )


def _bullets(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {line}" for line in lines)


def _cell(found: Planted, name: str, key: str) -> str:
    one = found.interval(name, key)
    if np.isnan(one.value):
        return "–"
    said = f"{one.value:.3f}" + ("" if np.isnan(one.low) else f" [{one.low:.3f}, {one.high:.3f}]")
    soft = found.interval(name, key, True).value
    return said if np.isnan(soft) else f"{said} / {soft:.3f}"


def _ranked(found: Ranking) -> dict[str, Any]:
    pairs = [
        {"better": a, "worse": b, "noise": one.noise, **_ends(one)} for (a, b), one in found.pairs.items()
    ]
    return {"order": list(found.order), "places": found.places, "pairs": pairs, "says": found.words}


def _ends(one: Interval) -> dict[str, Any]:
    return {"mean": _plain(one.value), "low": _plain(one.low), "high": _plain(one.high), "level": one.level}


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _means(values: np.ndarray) -> list[float]:
    return [float(row[~np.isnan(row)].mean()) if (~np.isnan(row)).any() else float("nan") for row in values]


def save_figure(found: Planted, path: Path) -> None:
    """Write the figure; the same numbers give the same file."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "planted"}):
        figure(found).savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def figure(found: Planted) -> "Figure":
    """Every method's share and maxima on the mark and on the digit, with intervals over the seeds."""
    names = found.order
    height = _HEAD + _ROW * len(names) + _FOOT
    left = _NAMES + _PLACES
    with plain_text():
        paper = Paper(left + len(_PANELS) * (_PANEL + _GAP), height, dpi=150)
        paper.write(_NAMES, 4, "Place", _TITLE, INK, bold=True)
        for row, name in enumerate(names):
            colour, y = MUTED if name in found.references else INK, _HEAD + _ROW * row + 3
            paper.write(_NAMES - 6, y, name, _WORDS, colour, "right")
            paper.write(_NAMES, y, found.place(name), _WORDS, colour)
        for i, (title, keys, words) in enumerate(_PANELS):
            x = left + i * (_PANEL + _GAP)
            paper.write(x, 4, title, _TITLE, INK, bold=True)
            for j, (key, word) in enumerate(zip(keys, words, strict=True)):
                dot = "○" if key in _HOLLOW else "●"
                paper.write(x, 17 + 11 * j, f"{dot} {word}", _WORDS, _colour(key))
            axes = paper.axes(x, _HEAD, _PANEL, _ROW * len(names))
            _draw(axes, found, names, keys)
        said = "" if found.complete else "Not complete. "
        said += (
            "Means with 95 % intervals over training seeds. Place: the first and the last that a method may "
            "have by the rise of its share, within noise."
        )
        paper.write(6, height - 16, said, _WORDS, MUTED)
    return paper.figure


def _draw(axes: "Axes", found: Planted, names: tuple[str, ...], keys: tuple[str, ...]) -> None:
    axes.set(xlim=(-0.03, 1.03), ylim=(len(names) - 0.5, -0.5), xticks=np.linspace(0, 1, 5))
    axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(labelsize=_WORDS - 1, length=2, colors=MUTED, width=0.5)
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.4)
    axes.axhline(len(names) - len(found.references) - 0.5, color=HAIRLINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for j, key in enumerate(keys):
        every = [found.interval(name, key) for name in names]
        at, colour = np.arange(len(names)) + (j - 0.5) * 0.36, _colour(key)
        inside = WHITE if key in _HOLLOW else colour
        axes.hlines(at, [one.low for one in every], [one.high for one in every], color=colour, linewidth=1.2)
        values = [one.value for one in every]
        axes.plot(values, at, "o", color=colour, markerfacecolor=inside, markersize=3.6, markeredgewidth=0.9)


def _colour(key: str) -> str:
    """One for each kind of network."""
    return "#{:02x}{:02x}{:02x}".format(*categorical(4)[3 if key.endswith("_shortcut") else 0])
