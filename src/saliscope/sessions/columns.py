"""What is known of every row, to colour and to search by: categories, numbers, texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from saliscope.errors import InputError
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import MISSING_CODE, Column

MOST_NAMES = 1000
"""Categories with a name of their own; a column with more of them is a text, to be searched."""

_FEW = 24
"""Whole numbers with so many values are categories, with more of them a scale."""


@dataclass(frozen=True)
class Known:
    """A column: codes of named categories, numbers, or texts, one a row.

    Parameters
    ----------
    name, title : str
        For the wire and for people.
    codes : ndarray of uint16, optional
        Indices of `names`; `MISSING_CODE` where the row has none.
    values : ndarray of float64, optional
        NaN where the row has none.
    texts : list of str, optional
    """

    name: str
    title: str
    names: tuple[str, ...] = ()
    codes: np.ndarray | None = None
    values: np.ndarray | None = None
    texts: Sequence[str] | None = None

    @property
    def kind(self) -> Literal["category", "number", "text"]:
        """What it is made of."""
        if self.codes is not None:
            return "category"
        return "number" if self.values is not None else "text"

    def text(self, row: int) -> str:
        """What the row has, for people; "" if nothing."""
        if self.codes is not None:
            code = int(self.codes[row])
            return "" if code == MISSING_CODE else self.names[code]
        if self.values is not None:
            value = float(self.values[row])
            return "" if np.isnan(value) else f"{value:.6g}"
        return self.texts[row] if self.texts is not None else ""

    def value(self, row: int) -> str | float | None:
        """What the row has, for a table: a number, None where it is missing, or a text."""
        if self.values is None:
            return self.text(row)
        value = float(self.values[row])
        return None if np.isnan(value) else float(f"{value:.6g}")

    def keys(self) -> np.ndarray:
        """What the rows are sorted by."""
        if self.codes is not None:
            return self.codes
        return self.values if self.values is not None else np.asarray(self.texts)

    def spec(self) -> tuple[Column, list[Blob]]:
        """What the page is told of a category or a number."""
        if self.codes is not None:
            blob = Blob.from_codes(self.codes)
            return Column(self.name, self.title, "category", self.names, codes=blob.hash), [blob]
        assert self.values is not None
        blob = Blob.from_map(self.values, gaps=True)
        return Column(self.name, self.title, "number", values=blob.hash), [blob]


def columns_of(columns: Any, n: int) -> dict[str, Known]:
    """The user's columns by name: a dict of sequences, or a data frame.

    Raises
    ------
    InputError
        If it is neither, or a column has not one value for each row.
    """
    if columns is None:
        return {}
    if not hasattr(columns, "items"):
        raise InputError("columns", f"a {type(columns).__name__}", "a dict of sequences, or a data frame")
    return {f"column:{name}": _column(str(name), values, n) for name, values in columns.items()}


def labels_of(labels: Any, classes: Sequence[str] | None, n: int) -> Known | None:
    """The true classes of the rows, as whole numbers or names; floats are a scale.

    Raises
    ------
    InputError
        If there is not one for each row, or one of them is no class.
    """
    if labels is None:
        return None
    given = _array(labels, "labels", n, "labels")
    if given.dtype.kind == "f":
        return Known("label", "Label", values=_finite(given, "labels"))
    if given.dtype.kind in "iub":
        return _numbered(given.astype(np.int64), classes)
    if classes is not None and {*map(str, given)} <= {*classes}:
        index = {name: i for i, name in enumerate(classes)}
        codes = np.array([index[str(each)] for each in given], dtype=np.uint16)
        return Known("label", "Label", tuple(classes), codes)
    made = _categories("label", "Label", given)
    if made.codes is None:
        raise InputError(
            "labels", f"more than {MOST_NAMES} different names", "fewer classes", "Use `columns=`."
        )
    return made


def _numbered(given: np.ndarray, classes: Sequence[str] | None) -> Known:
    count = len(classes) if classes is not None else int(given.max(initial=-1)) + 1
    bad = np.flatnonzero((given < -1) | (given >= min(count, MISSING_CODE)))
    if len(bad):
        got = f"class {given[bad[0]]} in row {bad[0]}"
        raise InputError("labels", got, f"classes from 0 to {count - 1}; -1 where a row has none")
    names = tuple(classes) if classes is not None else tuple(f"class {i}" for i in range(count))
    return Known("label", "Label", names, np.where(given < 0, MISSING_CODE, given).astype(np.uint16))


def predicted(scores: Tensor, classes: Sequence[str], label: Known | None) -> dict[str, Known]:
    """Columns made of the model's own output: the strongest class, its probability, whether it is right.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
        Before a softmax; one of them alone is taken through a sigmoid.
    classes : sequence of str
        Names of the classes.
    label : Known, optional
        The true classes.
    """
    if scores.shape[1] == 1:
        p = scores.sigmoid()[:, 0].double().numpy()
        return {"confidence": Known("confidence", f"Probability of {classes[0]}", values=p)}
    if scores.shape[1] >= MISSING_CODE:
        return {}
    p, best = scores.softmax(1).max(1)
    codes = best.numpy().astype(np.uint16)
    found = {
        "prediction": Known("prediction", "Prediction", tuple(classes), codes),
        "confidence": Known("confidence", "Confidence", values=p.double().numpy()),
    }
    if label is not None and label.codes is not None and len(label.names) <= len(classes):
        # Names of the user's own that are none of the model's classes have nothing to be compared with.
        same = label.names == tuple(classes)[: len(label.names)]
        if same or all(name == f"class {i}" for i, name in enumerate(label.names)):
            right = np.where(label.codes == MISSING_CODE, MISSING_CODE, label.codes == codes)
            found["correct"] = Known("correct", "Correct", ("wrong", "right"), right.astype(np.uint16))
    return found


def _column(name: str, values: Any, n: int) -> Known:
    given = _array(values, f"columns[{name!r}]", n, "values")
    wire = f"column:{name}"
    if given.dtype.kind == "f":
        return Known(wire, name, values=_finite(given, f"columns[{name!r}]"))
    if given.dtype.kind in "iu" and len(np.unique(given)) > _FEW:
        return Known(wire, name, values=given.astype(np.float64))
    return _categories(wire, name, given)


def _categories(name: str, title: str, given: np.ndarray) -> Known:
    texts = ["" if _is_gap(each) else str(each) for each in given.tolist()]
    kept = given[[text != "" for text in texts]] if given.dtype.kind in "iub" else None
    found = [str(each) for each in np.unique(kept).tolist()] if kept is not None else sorted({*texts} - {""})
    if len(found) > MOST_NAMES:
        return Known(name, title, texts=texts)
    index = {text: code for code, text in enumerate(found)}
    codes = np.array([index.get(text, MISSING_CODE) for text in texts], dtype=np.uint16)
    return Known(name, title, tuple(found), codes)


def _array(values: Any, name: str, n: int, noun: str) -> np.ndarray:
    if isinstance(values, Mapping | str) or not hasattr(values, "__len__"):
        raise InputError(name, f"a {type(values).__name__}", f"a sequence of {n}")
    given = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if given.ndim != 1 or len(given) != n:
        got = f"{len(given)} {noun}" if given.ndim == 1 else f"an array of shape {given.shape}"
        raise InputError(name, got, f"{n}, one for each row")
    return given


def _finite(given: np.ndarray, name: str) -> np.ndarray:
    bad = np.flatnonzero(np.isinf(given))
    if len(bad):
        rows = ", ".join(map(str, bad[:5]))
        raise InputError(name, f"infinite values, in rows {rows}", "numbers, or NaN where there is none")
    return given.astype(np.float64)


def _is_gap(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
