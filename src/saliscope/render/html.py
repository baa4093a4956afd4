"""An explorer as one file that opens from a disk: no kernel, no network, everything inside and listed."""

import base64
import hashlib
import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from saliscope.errors import SaliscopeError
from saliscope.render.packing import packed
from saliscope.specs.blobs import Blob
from saliscope.version import __version__

Event = tuple[str, Mapping[str, Any], Sequence[Blob]]
"""What a kernel tells a page: "info", "state" or "result", its JSON, and the blobs that it names."""

Answers = Mapping[str, Mapping[int, tuple[Mapping[str, Any], Sequence[Blob]]]]
"""What it would answer when asked: by request and panel, the JSON and the blobs that it names."""

_STATIC = Path(__file__).parent.parent / "static"

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="saliscope $version">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$main
<footer>
<details id="embedded"><summary>What is embedded: $summary</summary>
<table><tr><th>what</th><th>in this file</th></tr>$rows</table>
<p>Nothing else: this page asks no server for anything, and runs no script but its own.</p></details>
$records</footer>
<script type="application/json" id="saliscope-data">$data</script>
<script type="module">$script</script>
</body>
</html>
""")


@dataclass(frozen=True)
class Embedded:
    """Something that an exported page carries.

    Parameters
    ----------
    kind : str
        "map", "picture".
    letters : int
        Its share of the file.
    of : str
        What tells it from others of its kind.
    """

    kind: str
    letters: int
    of: str = ""


def page(
    events: Sequence[Event],
    traits: Mapping[str, Any],
    *,
    title: str = "Saliscope",
    record: str | Sequence[str] = (),
    answers: Answers | None = None,
    picture: bytes | None = None,
) -> str:
    """Write an explorer as one HTML file.

    Arrays travel without loss: the page's pixels are the notebook's.

    Parameters
    ----------
    events : sequence of (kind, JSON, blobs)
        What a kernel would send to a page that says hello. Blobs are embedded once, whoever names them.
    traits : mapping
        All traits, as plain data.
    title : str
        Of the page; any text.
    record : str or sequence of str
        JSON of the records of the maps, shown at the foot of the page.
    answers : mapping, optional
        ``{"gradients": {panel: (JSON, blobs)}, "predictions": {panel: (JSON, blobs)}}``: what the page can
        show beyond. Gradients along a path are as large as its maps.
    picture : bytes, optional
        A PNG for readers whose browser runs no scripts.

    Returns
    -------
    str
        To be written in UTF-8.

    Raises
    ------
    SaliscopeError
        If the front end was not built.
    """
    answers = answers or {}
    records = [record] if isinstance(record, str) else list(record)
    blobs = {name: packed(blob) for name, blob in _blobs(events, answers).items()}
    data = {
        "traits": dict(traits),
        "events": [{"event": kind, kind: message} for kind, message, _ in events],
        "answers": {
            request: {str(panel): message for panel, (message, _) in panels.items()}
            for request, panels in answers.items()
        },
        "record": records[0] if len(records) == 1 else f"[{','.join(records)}]" if records else None,
        "blobs": blobs,
    }
    parts = embedded(events, answers, {name: len(blob["data"]) for name, blob in blobs.items()})
    return document("page", data, parts, title=title, records=records, picture=picture, alt="Attribution map")


def document(
    bundle: str,
    data: Mapping[str, Any],
    parts: Sequence[Embedded],
    *,
    title: str,
    records: Sequence[str] = (),
    picture: bytes | None = None,
    alt: str,
    main: str | None = None,
) -> str:
    """Write a page around the data that its script finds in it.

    Parameters
    ----------
    bundle : str
        Name of the script and the style sheet in ``static``.
    data : mapping
        Plain JSON data.
    parts : sequence of Embedded
        What `data` holds, for a reader who asks. Records and picture are listed after it.
    title : str
        Any text.
    records : sequence of str
        JSON, each shown at the foot of the page.
    picture : bytes, optional
        A PNG for readers whose browser runs no scripts.
    alt : str
        What it is a picture of.
    main : str, optional
        HTML of the page, in which the script finds the element with the id "explorer". It is taken as it is:
        text from data must be escaped in it. None: that element alone, with the picture.

    Returns
    -------
    str
        To be written in UTF-8.

    Raises
    ------
    SaliscopeError
        If the front end was not built.
    """
    parts = [*parts, *(Embedded("record of how it was computed", len(text)) for text in records)]
    if picture is not None:
        parts.append(Embedded("picture for browsers without scripts", 4 * len(picture) // 3))
    script = _static(f"{bundle}.js")
    return _PAGE.substitute(
        policy=policy(script),
        version=__version__,
        title=html.escape(title),
        style=_static(f"{bundle}.css"),
        main=f'<main id="explorer">{_before(picture, alt)}</main>' if main is None else main,
        summary=html.escape(_summary(parts)),
        rows="".join(map(_row, parts)),
        records="".join(_record(text, i) for i, text in enumerate(records, 1)),
        data=harmless(data),
        script=script,
    )


def policy(script: str) -> str:
    """The Content-Security-Policy of a page with one script: no other one, and no request at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = (
        "default-src 'none'",
        f"script-src 'sha256-{digest}'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def harmless(data: Any) -> str:
    """JSON that ends no element and opens none, whatever is written in it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def embedded(events: Sequence[Event], answers: Answers, letters: Mapping[str, int]) -> list[Embedded]:
    """Everything that a page carries, in words; `letters` is the size of each blob.

    What two panels share is listed once.
    """
    found: list[Embedded] = []
    left = dict(letters)

    def add(kind: str, of: str, *names: str) -> None:
        new = [left.pop(name) for name in names if name in left]
        if new:
            found.append(Embedded(kind, sum(new), of))

    for kind, message, _ in events:
        if kind == "result":
            of = f"{message['title']} of '{_short(str(message['target_label']))}'"
            add("picture", f"number {message['index'] + 1} of the explorer", message["picture"])
            add("map", of, message["map"])
            path = message.get("path")
            if path:
                add("path", f"{len(path['alphas'])} maps of {of}", path["stack"])
                add("baseline picture", of, path["baseline"])
                if path["pictures"]:
                    add("pictures on the way", of, path["pictures"])
        elif kind == "trial" and message["ranks"]:
            of = f"{message['title']} of '{_short(str(message['target_label']))}'"
            fed = [curve["replaced"] or curve["pictures"] for curve in message["curves"]]
            add("order of pixels", of, message["ranks"])
            add("pictures of its trial", of, *fed)
            strip = message["randomisation"]
            if strip:
                maps = [strip["map"], *(stage["map"] for stage in strip["stages"])]
                add("maps of randomised networks", of, *maps)
    for panel, (message, _) in answers.get("gradients", {}).items():
        add("gradients along the path", f"panel {panel + 1}", message["stack"])
    for kind, message, _ in events:
        if kind == "info":
            add("colour maps", ", ".join(message["luts"]), *message["luts"].values())
            found.extend(map(_names, message["models"]))
    add("other arrays", "", *list(left))
    for panel, (message, _) in answers.get("predictions", {}).items():
        found.append(Embedded("predictions along the path", len(harmless(message)), f"panel {panel + 1}"))
    return found


def _names(model: Mapping[str, Any]) -> Embedded:
    of = f"{model['name']} with {len(model['labels'])} classes and {len(model['layers'])} layers"
    return Embedded("names", len(harmless(model)), of)


def _summary(parts: Sequence[Embedded]) -> str:
    counts = Counter(part.kind for part in parts)
    return ", ".join(kind if n == 1 else f"{kind} ({n})" for kind, n in counts.items())


def _row(part: Embedded) -> str:
    what = f"{part.kind}: {part.of}" if part.of else part.kind
    return f"<tr><td>{html.escape(what)}</td><td>{_size(part.letters)}</td></tr>"


def _blobs(events: Sequence[Event], answers: Answers) -> dict[str, Blob]:
    named = [blobs for _, _, blobs in events]
    named += [blobs for panels in answers.values() for _, blobs in panels.values()]
    return {blob.hash: blob for blobs in named for blob in blobs}


def _record(text: str, number: int) -> str:
    return (
        f'<details class="record"><summary>Record {number}</summary>'
        f'<pre data-file="record-{number}.json">{html.escape(text)}</pre></details>\n'
    )


def _before(picture: bytes | None, alt: str) -> str:
    if picture is None:
        return (
            "<noscript>This page needs JavaScript to draw its maps; it runs from this file alone.</noscript>"
        )
    data = base64.b64encode(picture).decode("ascii")
    return f'<noscript><img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"></noscript>'


def _size(letters: int) -> str:
    return f"{letters / 1e6:.1f} MB" if letters >= 1e6 else f"{max(letters, 100) / 1e3:.1f} kB"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _static(name: str) -> str:
    path = _STATIC / name
    if not path.is_file():
        got = f"an installation without its front end ({name})"
        way_out = "In a source checkout, run `make build` or `pip install .` first."
        raise SaliscopeError("saliscope", got, "a built package", way_out)
    return path.read_text(encoding="utf-8")
