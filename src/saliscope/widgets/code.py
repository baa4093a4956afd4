"""The call that makes this view again, as a person would type it.

The page writes the same; `tests/wire/code.json` holds both languages to it.
"""

import keyword
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH = 88
_LONGEST_NAME = 60
_TAKEN = {"SaliencyExplorer", "images", "model", "my_baseline", "my_function"}
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass
class _Brackets:
    """Brackets around pieces that may stand on lines of their own."""

    open: str
    items: list[tuple[str, "_Piece"]]
    close: str

    def __str__(self) -> str:
        return self.open + ", ".join(f"{lead}{piece}" for lead, piece in self.items) + self.close


_Piece = str | _Brackets


@dataclass(frozen=True)
class _Made:
    """A method that is made where it is used: its key is known in this session only."""

    text: str
    before: Sequence[str]


def code_of(
    state: Mapping[str, Any],
    usual: Mapping[str, Any],
    models: int,
    methods: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Write the call that makes an explorer with this state.

    Parameters
    ----------
    state : mapping
        The traits as plain data, in the order in which they are written.
    usual : mapping
        Their defaults; what equals them is left out.
    models : int
        How many there are.
    methods : mapping, optional
        By key, what `saliscope.specs.saliency.MethodInfo` says of them: those with ``code`` are made where
        they are used, for other sessions do not know their keys.

    Returns
    -------
    str
        Python code for the variables `model` (or `model_a`, `model_b`, ...) and `images`; functions and
        baselines of the user's own are named in comments before it.
    """
    names = ["model"] if models == 1 else [f"model_{letter}" for letter in string.ascii_lowercase[:models]]
    usual = {**usual, "compare": [{"model": i} for i in range(1, models)]}
    lead, known = {**usual, **state}, methods or {}

    def made(question: Mapping[str, Any]) -> dict[str, Any]:
        of = known.get(question.get("method", ""), {})
        if not of.get("code") and not of.get("before"):
            return {**question}
        text = of["code"].replace("{model}", names[question.get("model", 0)]) or _quoted(question["method"])
        return {**question, "method": _Made(text, of["before"]), **_said_with(of, question, lead)}

    own = _said_with(known.get(state.get("method", ""), {}), state, lead)
    state = made(state)
    if "compare" in state:
        state["compare"] = [made(entry) for entry in state["compare"]]
    shown = names[0] if models == 1 else f"[{', '.join(names)}]"
    return call_of("SaliencyExplorer", [shown, "images"], state, {**usual, **dict.fromkeys(own, _NEVER)})


_NEVER = object()
"""Usual of nothing: what is to be written whatever it is."""


def _said_with(of: Mapping[str, Any], question: Mapping[str, Any], lead: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be said beside a method that is an object, for the object brings values of its own."""
    if not of.get("code"):
        return {}
    params = {one["name"]: one["default"] for one in of["controls"]}
    shared = {"n_steps": of["uses_steps"], "baseline": of["uses_baseline"], "layer": "layer" in params}
    params.pop("layer", None)
    said = {"params": {**params, **question.get("params", {})}} if params else {}
    names = [name for name, used in shared.items() if used]
    return said | {name: question.get(name, lead[name]) for name in names}


def call_of(name: str, positional: Sequence[str], state: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """Write a call: its positional arguments, and of a state what is not as usual."""
    notes: dict[str, None] = {}
    items: list[tuple[str, _Piece]] = [("", word) for word in positional]
    changed = [key for key in usual if key in state and state[key] != usual[key]]
    items += [(f"{key}=", _piece(state[key], notes)) for key in changed]
    first = sorted(notes, key=lambda note: note.startswith("#"))  # imports, then comments
    return "\n".join([*first, *_laid_out(_Brackets(f"{name}(", items, ")"), "", "", "")])


def _piece(value: Any, notes: dict[str, None]) -> _Piece:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, _Made):
        notes.update(dict.fromkeys(value.before))
        return value.text
    if isinstance(value, Sequence):
        return _Brackets("[", [("", _piece(item, notes)) for item in value], "]")
    own = _stand_in(value, notes)
    if own is not None:
        return own
    return _Brackets("{", [(f"{_quoted(key)}: ", _piece(item, notes)) for key, item in value.items()], "}")


def _stand_in(value: Mapping[str, Any], notes: dict[str, None]) -> str | None:
    """A name for what only the user's own session has: a function, a tensor."""
    if value.get("kind") == "custom":
        notes["# my_baseline: your own baseline"] = None
        return "my_baseline"
    if not isinstance(value.get("callable"), str):
        return None
    name = value["callable"][:_LONGEST_NAME]
    usable = name == value["callable"] and name.isascii() and name.isidentifier()
    if usable and not keyword.iskeyword(name) and name not in _TAKEN:
        notes[f"# {name}: your own function"] = None
        return name
    notes[f"# my_function: your own function {_quoted(name)}"] = None
    return "my_function"


def _number(value: float) -> str:
    """Whole numbers as they are, others to six digits."""
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    short = float(f"{value:.6g}")
    return repr(short) if short != int(short) or abs(short) >= 1e16 else str(int(short))


def _quoted(text: str) -> str:
    """A literal in double quotes.

    Whatever is not plain ASCII is escaped: a character that turns the direction of writing could make a line
    read otherwise than it runs.
    """
    return '"' + "".join(map(_letter, text)) + '"'


def _letter(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    if 0x20 <= code < 0x7F:
        return letter
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _laid_out(piece: _Piece, indent: str, lead: str, tail: str) -> list[str]:
    """One line where it fits, else an item a line."""
    line = f"{indent}{lead}{piece}{tail}"
    if isinstance(piece, str) or not piece.items or len(line) <= _WIDTH:
        return [line]
    inner = [text for name, item in piece.items for text in _laid_out(item, indent + "    ", name, ",")]
    return [indent + lead + piece.open, *inner, indent + piece.close + tail]
