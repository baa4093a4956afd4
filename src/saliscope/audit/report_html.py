"""A report as one file: words and table are HTML of their own, a script links them to pictures and curves."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliscope.audit.cards import Measure
from saliscope.audit.intervals import figure
from saliscope.audit.measures import Row
from saliscope.audit.report_data import Arrays, script_words
from saliscope.audit.report_words import TOGETHER, direction, footnote
from saliscope.errors import InputError
from saliscope.render.html import Embedded, document
from saliscope.render.packing import packed

if TYPE_CHECKING:
    from saliscope.audit.report_result import AuditReport, Number

_BETTER = {"low": "↓ low is good", "high": "↑ high is good", None: "◦ tells of the model"}
_WHISKER = (84, 8)
_UNSEEN = "position:absolute;inline-size:1px;overflow:hidden;clip-path:inset(50%);white-space:pre"
"""Style of what is heard and not seen."""


def report_page(report: "AuditReport", title: str) -> str:
    """Write a report as one HTML file.

    Parameters
    ----------
    report : AuditReport
    title : str
        Any text.

    Returns
    -------
    str
        To be written in UTF-8.

    Raises
    ------
    SaliscopeError
        If the front end was not built.
    """
    arrays = Arrays()
    words = script_words(report, arrays)
    data = {**words, "blobs": {name: packed(blob) for name, blob in arrays.blobs.items()}}
    parts = [
        Embedded(kind, len(data["blobs"][name]["data"]), of) for name, (kind, of) in arrays.kinds.items()
    ]
    return document(
        "report",
        data,
        parts,
        title=title,
        records=[report.to_json()],
        alt="Maps of the methods",
        main=_main(report, words["shrunk"]),
    )


def check_writable(path: str | Path) -> None:
    """Raise before the work rather than after it, if a report could not be written.

    Raises
    ------
    InputError
        If there is no such folder, or it is a folder.
    SaliscopeError
        If the front end was not built.
    """
    file = Path(path)
    if file.is_dir() or not file.parent.is_dir():
        why = "which is a folder" if file.is_dir() else f"but there is no folder {str(file.parent)!r}"
        raise InputError("out", f"{str(path)!r}, {why}", "a file in a folder that exists")
    if file.suffix.lower() != ".json":
        document("report", {}, [], title="", alt="", main="")


# --- what is HTML by itself ------------------------------------------------------------------------------


def _main(report: "AuditReport", shrunk: int) -> str:
    reasons = _Reasons()
    table = _table(report, reasons)
    answer = "".join(f"<p>{_text(each)}</p>" for each in report.sentences)
    return f"""\
<main>
<p class="soft">{_text(report.what)}</p>
<section class="answer" aria-label="Answer">{answer}</section>
<section><h2>Every method by every measure</h2>
<p class="soft" id="reading">{_text(report.reading)}</p>
<div class="scroll" role="region" aria-label="Table of methods and measures" tabindex="0">{table}</div>
{reasons.html()}
<div id="extremes" class="extremes" aria-live="polite"></div>
{_about_measures(report)}</section>
<section id="maps"><h2>The maps, picture by picture</h2>
{_shrunk(report, shrunk)}<div id="explorer"><noscript><p>Maps and curves need JavaScript; it runs from this
file alone.</p></noscript></div></section>
<section class="words"><h2>What to keep in mind</h2>
<ul>{"".join(f"<li>{_text(each)}</li>" for each in report.caveats)}</ul>
{_about_methods(report)}
<p class="soft">{_text(report.provenance)}</p></section>
</main>"""


def _shrunk(report: "AuditReport", by: int) -> str:
    if by == 1:
        return ""
    height, width = report.pictures.shape[1:3]
    words = (
        f"So that the file stays small, pictures and maps of {height} × {width} pixels are shown as means of "
        f"{by} × {by}; every number is of the whole ones."
    )
    return f'<p class="soft">{words}</p>'


class _Reasons:
    """Footnotes: why something is not defined, or to be doubted, each said once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, notes: Sequence[str], link: bool = True) -> str:
        said = " ".join(dict.fromkeys(footnote(note) for note in notes if note))
        if not said:
            return ""
        number = self._known.setdefault(said, len(self._known) + 1)
        if not link:  # in a cell that becomes a button, which holds no link
            # Its words are part of the button's: without them and a space, a figure of 1.41 would be 1.413.
            return f'<sup><span style="{_UNSEEN}"> reason </span>{number}</sup>'
        return f'<sup><a href="#reason-{number}" aria-label="Reason {number}">{number}</a></sup>'

    def html(self) -> str:
        if not self._known:
            return ""
        items = "".join(f'<li id="reason-{n}">{_text(note)}</li>' for note, n in self._known.items())
        return f'<ol class="reasons soft">{items}</ol>'


def _table(report: "AuditReport", reasons: _Reasons) -> str:
    cards = report.measures.cards
    ends = {card.key: _ends(report, card) for card in cards}
    heads = "".join(_head(card, reasons.of(_shared(report, card))) for card in cards)
    body = "".join(_row(report, row, i, ends, reasons) for i, row in enumerate(report.rows))
    return (
        '<table id="methods" class="methods" aria-describedby="reading"><thead><tr><th scope="col">'
        f'<span class="name">Method</span></th>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _shared(report: "AuditReport", card: Measure) -> tuple[str, ...]:
    """Caveats of every number of a column: said once, at its head."""
    notes = [row.findings[card.key].notes for row in report.rows if card.key in row.findings]
    return tuple(note for note in notes[0] if all(note in own for own in notes)) if len(notes) > 1 else ()


def _head(card: Measure, why: str) -> str:
    return (
        f'<th scope="col" data-better="{direction(card) or "high"}">'
        f'<span class="name">{_text(card.label)}</span>'
        f'<span class="sub">{_text(card.unit)}</span>'
        f'<span class="sub">{_BETTER[direction(card)]}{why}</span></th>'
    )


def _row(report: "AuditReport", row: Row, number: int, ends: Any, reasons: _Reasons) -> str:
    cards = report.measures.cards
    wary = any(one.faults for one in report.ranking if one.name == row.name)
    sub = "looks at no model" if row.reference else "be wary" if wary else ""
    head = f'<th scope="row">{_text(row.name)}{_sub(sub, "sub wary" if wary else "sub")}</th>'
    if row.error:
        why = reasons.of([f"The method failed: {row.error}"])
        said = f'<td class="none" colspan="{len(cards)}">failed{why}</td>'
        return f'<tr data-method="{number}">{head}{said}</tr>'
    kind = ' class="reference"' if row.reference else ""
    cells = "".join(_cell(report, row, card, i, ends[card.key], reasons) for i, card in enumerate(cards))
    return f'<tr data-method="{number}"{kind}>{head}{cells}</tr>'


def _cell(
    report: "AuditReport", row: Row, card: Measure, place: int, ends: tuple[float, float], reasons: _Reasons
) -> str:
    found = row.findings.get(card.key)
    if found is None:
        return '<td class="none">not measured</td>'
    number = report.table[row.name][card.key]
    total = len(report.pictures)
    if not number.n:
        return f'<td class="none">not defined{reasons.of(found.notes)}</td>'
    shared = _shared(report, card) if number.n == total else ()
    link = "" if row.reference or card.key in TOGETHER else f' data-measure="{place}"'
    why = reasons.of([note for note in found.notes if note not in shared], not link)
    subs = [] if math.isnan(number.low) else [f"{figure(number.low)} to {figure(number.high)}"]
    if not math.isnan(number.blurred):
        subs.append(f"blurred {figure(number.blurred)}")
    if number.n < total:
        subs.append(f"{number.n} of {total} pictures")
    best = ' class="best" title="in the best group"' if number.best else ""
    mean = f'<span class="figure">{figure(number.mean)}</span>{why}'
    below = "".join(map(_sub, subs))
    return f'<td{link}{best} data-value="{number.mean:.9g}">{mean}{_whisker(number, ends)}{below}</td>'


def _ends(report: "AuditReport", card: Measure) -> tuple[float, float]:
    """Ends of the axis on which the intervals of a column are drawn; maps of no model may lie outside."""
    numbers = [report.table[row.name][card.key] for row in report.rows if not row.reference]
    values = [value for each in numbers for value in (each.mean, each.low, each.high, each.chance)]
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def _whisker(number: "Number", ends: tuple[float, float]) -> str:
    low, high = ends
    if not low <= number.mean <= high or low == high:
        return ""
    width, height = _WHISKER

    def x(value: float) -> str:
        return f"{3 + (width - 6) * (min(max(value, low), high) - low) / (high - low):.1f}"

    middle = height / 2
    line = (
        ""
        if math.isnan(number.low)
        else f'<line x1="{x(number.low)}" x2="{x(number.high)}" y1="{middle}" y2="{middle}"/>'
    )
    chance = (
        ""
        if math.isnan(number.chance)
        else f'<line class="zero" x1="{x(number.chance)}" x2="{x(number.chance)}" y1="0" y2="{height}"/>'
    )
    return (
        f'<svg class="whisker" viewBox="0 0 {width} {height}" aria-hidden="true">{chance}{line}'
        f'<circle cx="{x(number.mean)}" cy="{middle}" r="2.5"/></svg>'
    )


def _about_measures(report: "AuditReport") -> str:
    items = "".join(
        f"<dt>{_text(card.label)}</dt><dd>{_text(card.says)} {_BETTER[direction(card)][2:].capitalize()}."
        f'<br><span class="soft">{_text(report.protocol[card.key])}</span></dd>'
        for card in report.measures.cards
    )
    return (
        '<details class="words" id="protocol">'
        "<summary>What each measure tells, and how it was taken</summary>"
        f"<dl>{items}</dl></details>"
    )


def _about_methods(report: "AuditReport") -> str:
    items = "".join(
        f"<dt>{_text(row.name)}</dt><dd>{_text(_written(row.method))}"
        + "".join(f'<br><span class="soft">{_text(note)}</span>' for note in row.notes)
        + "</dd>"
        for row in report.rows
    )
    return f"<details><summary>The methods, with their parameters</summary><dl>{items}</dl></details>"


def _written(method: Any) -> str:
    doc = (getattr(method, "__doc__", None) or "").strip().split("\n")[0]
    return doc if callable(method) and not hasattr(method, "title") else str(method)


def _sub(text: str, kind: str = "sub") -> str:
    return f'<span class="{kind}">{_text(text)}</span>' if text else ""


def _text(text: str) -> str:
    return html.escape(str(text))


# --- what a notebook shows -------------------------------------------------------------------------------

_CELL = "padding:2px 10px;text-align:right"


def summary(report: "AuditReport") -> str:
    """The sentences and the means, as HTML for the output of a cell; the page has all else."""
    cards = report.measures.cards
    said = "".join(f"<p style='max-width:46em;margin:4px 0'>{_text(each)}</p>" for each in report.sentences)
    heads = "".join(
        f"<th style='{_CELL}'>{_text(card.label)} {_BETTER[direction(card)][0]}</th>" for card in cards
    )
    rows = "".join(
        f"<tr><th style='{_CELL};text-align:left'>{_text(row.name)}</th>"
        + "".join(f"<td style='{_CELL}'>{_brief(report, row, card)}</td>" for card in cards)
        + "</tr>"
        for row in report.rows
    )
    return (
        f"<div>{said}<table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p style='margin:4px 0'>{_text(report.what)} ↓ low is good, ↑ high is good, ● best group. "
        "<code>.to_html(path)</code> has maps, curves and intervals.</p></div>"
    )


def text_table(report: "AuditReport") -> list[str]:
    """The means in lines of text."""
    cards = report.measures.cards
    heads = [["", *(f"{card.label} {_BETTER[direction(card)][0]}" for card in cards)]]
    cells = heads + [[row.name, *(_brief(report, row, card) for card in cards)] for row in report.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, line, widths[1:])]).rstrip()
        for name, *line in cells
    ]


def _brief(report: "AuditReport", row: Row, card: Measure) -> str:
    number = report.table[row.name][card.key]
    if row.error:
        return "failed"
    if not number.n:
        return "not defined" if card.key in row.findings else "not measured"
    return f"● {figure(number.mean)}" if number.best else figure(number.mean)
