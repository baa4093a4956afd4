"""The methods by name: menus, tests and replay go through here."""

import difflib

from saliscope.attribution.base import Method
from saliscope.attribution.cam import GradCAM
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.noise import SmoothGrad
from saliscope.attribution.path import IntegratedGradients
from saliscope.errors import MethodError

_METHODS: tuple[type[Method], ...] = (IntegratedGradients, InputXGradient, Saliency, SmoothGrad, GradCAM)


def methods() -> dict[str, type[Method]]:
    """All method classes by key, in menu order."""
    return {method.key: method for method in _METHODS}


def find_method(key: str) -> type[Method]:
    """The method class of a key.

    Raises
    ------
    MethodError
        If there is none; close keys are suggested.
    """
    known = methods()
    if key in known:
        return known[key]
    close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    raise MethodError("method", repr(key), f"one of {', '.join(known)}", hint)
