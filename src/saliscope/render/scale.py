"""Where colours end: one scale for each unit, shared by panels and, if wanted, by explorers and pictures."""

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from types import MethodType
from typing import Any, Literal, get_args

import numpy as np

from saliscope.errors import InputError
from saliscope.render import scales

Mode = Literal["auto", "fixed", "each"]

MODES: tuple[Mode, ...] = get_args(Mode)

ANY = "*"
"""The unit that stands for all others."""

EACH = "each panel has its own scale: colours cannot be compared"


def limits_of(scale: Mapping[str, Any], panels: Sequence[tuple[str, float]]) -> list[float]:
    """Return what the colours of each panel end at; `js/render/scale.ts` has its twin.

    Parameters
    ----------
    scale : mapping
        As `Scale.to_json` writes it.
    panels : sequence of (unit, limit)
        Of every panel on screen, with its own automatic limit, 0 where its map is zero.

    Returns
    -------
    list of float
        One for each panel. Panels of one unit have the same limit, unless the mode is "each".
    """
    mode, limits = scale["mode"], scale["limits"]
    if mode == "each":
        return [own or 1.0 for _, own in panels]
    return [
        _limit_for(mode, limits, unit, [own for other, own in panels if other == unit]) for unit, _ in panels
    ]


def _limit_for(mode: str, limits: Mapping[str, float], unit: str, own: Sequence[float]) -> float:
    if mode == "fixed":
        fixed = limits.get(unit, limits.get(ANY))
        if fixed is not None:
            return fixed
    shared = [limits[unit]] if mode == "auto" and unit in limits else []
    return max([*own, *shared], default=1.0) or 1.0


class Scale:
    """Where the colours of maps end: the value, on either side of zero, that gets the last colour.

    One object may be the scale of several explorers: then equal colours are equal values in all of them.

    Parameters
    ----------
    limits : float or mapping of str to float, optional
        Fixed limits, one for every unit or by unit. Without them the scale is automatic: the largest of the
        99.5 % quantiles of |a| of what is on screen, unit by unit.
    mode : {"auto", "fixed", "each"}, optional
        Follows from `limits`. "each" gives every panel its own automatic limit; its colours cannot be
        compared with those of any other, and that is said beside it.

    Raises
    ------
    InputError
        If a limit is not a finite number above zero, or the mode is unknown.

    Examples
    --------
    >>> Scale(0.02)
    Scale(0.02)
    >>> explorer.scale = other.scale
    >>> explorer.scale = Scale.fit(attributions)
    """

    def __init__(
        self, limits: float | Mapping[str, float] | None = None, *, mode: Mode | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._observers: list[Callable[[], Callable[[Scale], None] | None]] = []
        self._reports: weakref.WeakKeyDictionary[Any, dict[str, float]] = weakref.WeakKeyDictionary()
        self._mode: Mode
        self._mode, self._limits = _checked(mode, limits)

    @classmethod
    def fit(cls, maps: Any) -> "Scale":
        """Fix the scale on a set of maps, so that every picture of the set is drawn on the same one.

        Parameters
        ----------
        maps : iterable of Attribution or ndarray
            Anything with a `map` (or `values`) and a `unit`; a bare array counts for every unit.

        Returns
        -------
        Scale
            Fixed at the 99.5 % quantile of |a| over all maps of each unit.

        Raises
        ------
        InputError
            If there is no map, or a value that is not finite.
        """
        pooled: dict[str, list[np.ndarray]] = {}
        single = hasattr(maps, "unit") or hasattr(maps, "__array__")
        for each in [maps] if single else _listed(maps):
            bare = hasattr(each, "__array__")  # as a tensor has; its `values` are something else
            values = each if bare else getattr(each, "map", getattr(each, "values", None))
            if values is None or callable(values):
                raise InputError("maps", type(each).__name__, "attributions or arrays")
            pooled.setdefault(ANY if bare else each.unit, []).append(_array(values))
        if not pooled:
            raise InputError("maps", "none", "at least one attribution or array")
        return cls({unit: scales.limit(values) for unit, values in pooled.items()})

    @property
    def mode(self) -> Mode:
        """How the limits come about: "auto", "fixed" or "each"."""
        return self._mode

    @property
    def limits(self) -> dict[str, float]:
        """The fixed limits by unit, "*" for every other unit; empty unless `mode` is "fixed"."""
        return dict(self._limits)

    def lock(self, limits: float | Mapping[str, float] | None = None) -> None:
        """Fix the scale.

        Parameters
        ----------
        limits : float or mapping of str to float, optional
            Without them, where it is now: at the limits of what is on screen.

        Raises
        ------
        InputError
            If a limit is not a finite number above zero, or nothing is on screen.
        """
        if limits is None:
            with self._lock:
                limits = self._limits if self._mode == "fixed" else self._largest()
            if not limits:
                raise InputError("limits", "None, and nothing is on screen", "a limit")
        self.set("fixed", limits)

    def release(self) -> None:
        """Let the scale follow what is on screen again."""
        self.set("auto")

    def set(self, mode: Mode, limits: float | Mapping[str, float] | None = None) -> None:
        """Change mode and limits at once.

        Raises
        ------
        InputError
            As the constructor.
        """
        new = _checked(mode, limits)
        with self._lock:
            changed = new != (self._mode, self._limits)
            self._mode, self._limits = new
        if changed:
            self._tell()

    def observe(self, callback: Callable[["Scale"], None]) -> None:
        """Have `callback` called with the scale whenever `to_json` changes, on the thread that changed it.

        A bound method is held weakly: it keeps no explorer, and no model, alive.
        """
        kept = weakref.WeakMethod(callback) if isinstance(callback, MethodType) else lambda: callback
        with self._lock:
            self._observers = [each for each in self._observers if each() not in (None, callback)]
            self._observers.append(kept)

    def unobserve(self, callback: Callable[["Scale"], None]) -> None:
        """Call it no more; nothing happens if it never was."""
        with self._lock:
            self._observers = [each for each in self._observers if each() not in (None, callback)]

    def report(self, owner: Any, limits: Mapping[str, float]) -> None:
        """Say what an owner has on screen, so that the others' automatic limits include it.

        Parameters
        ----------
        owner : object
            An explorer; held weakly.
        limits : mapping of str to float
            The largest automatic limit of its own panels, by unit, whatever other owners have; empty when
            it leaves.
        """
        with self._lock:
            before = self._json()
            if limits:
                self._reports[owner] = dict(limits)
            else:
                self._reports.pop(owner, None)
            changed = self._json() != before
        if changed:
            self._tell()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data; in mode "auto", `limits` holds those of several owners' screens."""
        with self._lock:
            return self._json()

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> "Scale":
        """Read what `to_json` wrote; automatic limits are those of a screen, and not taken over.

        Raises
        ------
        InputError
            If it is no scale.
        """
        if not isinstance(spec, Mapping) or "mode" not in spec or set(spec) - {"mode", "limits"}:
            raise InputError("scale", _short(spec), "{'mode': 'auto', 'fixed' or 'each', 'limits': {...}}")
        mode, limits = spec["mode"], spec.get("limits") or None
        _checked("fixed", limits)
        return cls(limits if mode == "fixed" else None, mode=mode)

    def __repr__(self) -> str:
        if self._mode == "fixed":
            only = len(self._limits) == 1 and self._limits.get(ANY)
            return f"Scale({only or self._limits or ''}{'' if self._limits else 'mode=' + repr('fixed')})"
        return "Scale()" if self._mode == "auto" else "Scale(mode='each')"

    def _json(self) -> dict[str, Any]:
        several = self._mode == "auto" and len(self._reports) > 1
        return {"mode": self._mode, "limits": self._largest() if several else dict(self._limits)}

    def _largest(self) -> dict[str, float]:
        largest: dict[str, float] = {}
        for limits in list(self._reports.values()):
            for unit, limit in limits.items():
                largest[unit] = max(limit, largest.get(unit, 0.0))
        return largest

    def _tell(self) -> None:
        # Outside the lock: an observer may well ask for the limits, or change them.
        with self._lock:
            observers = list(self._observers)
        for observer in observers:
            callback = observer()
            if callback is not None:
                callback(self)


def _checked(mode: Any, limits: Any) -> tuple[Mode, dict[str, float]]:
    chosen = mode or ("auto" if limits is None else "fixed")
    if chosen not in MODES:
        raise InputError("mode", _short(mode), "'auto', 'fixed' or 'each'")
    if chosen != "fixed" and limits:
        raise InputError("limits", f"{_short(limits)} with mode {chosen!r}", "none, or mode='fixed'")
    by_unit = limits if isinstance(limits, Mapping) else {} if limits is None else {ANY: limits}
    return chosen, {_unit(unit): _limit(unit, value) for unit, value in by_unit.items()}


def _unit(unit: Any) -> str:
    if not isinstance(unit, str):
        raise InputError("limits", f"the unit {_short(unit)}", "a str, such as 'score'")
    return unit


def _limit(unit: str, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer that no float can hold
        number = math.inf
    if not 0 < number < math.inf:
        where = "" if unit == ANY else f" for {unit!r}"
        raise InputError("limits", f"{_short(value)}{where}", "a finite number above zero")
    return number


def _listed(maps: Any) -> Iterable[Any]:
    if isinstance(maps, Iterable) and not isinstance(maps, str | Mapping):
        return maps
    raise InputError("maps", type(maps).__name__, "attributions or arrays")


def _array(values: Any) -> np.ndarray:
    # Half precision of PyTorch, and what lies on another device or in a graph, is nothing to numpy.
    if hasattr(values, "detach"):
        values = values.detach().cpu().double()
    return np.asarray(values)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
