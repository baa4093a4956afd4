"""The methods by name: menus, tests and replay go through here."""

import difflib
import threading
import weakref
from collections.abc import Callable
from typing import Any

from saliscope.attribution.attention import Attention, AttentionRollout, GradientRollout
from saliscope.attribution.backprop_rules import Deconvnet, ExcitationBackprop, GuidedBackprop, GuidedGradCAM
from saliscope.attribution.base import Method
from saliscope.attribution.blur_ig import BlurIG
from saliscope.attribution.cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from saliscope.attribution.cam_scores import CAM, AblationCAM, EigenCAM, ScoreCAM
from saliscope.attribution.deep_lift import DeepLift
from saliscope.attribution.expected import ExpectedGradients, GradientSHAP
from saliscope.attribution.extremal import ExtremalPerturbation
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.guided_ig import GuidedIG
from saliscope.attribution.lrp import LRP
from saliscope.attribution.noise import SmoothGrad, SmoothGradSquared, VarGrad
from saliscope.attribution.path import IntegratedGradients
from saliscope.attribution.perturbation import RISE, Occlusion
from saliscope.attribution.surrogate import LIME, KernelSHAP
from saliscope.attribution.xrai import XRAI
from saliscope.errors import MethodError, one_of

# Family by family, as the menu shows them.
_METHODS: tuple[type[Method], ...] = (
    IntegratedGradients,
    BlurIG,
    GuidedIG,
    ExpectedGradients,
    GradientSHAP,
    XRAI,
    InputXGradient,
    Saliency,
    SmoothGrad,
    SmoothGradSquared,
    VarGrad,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    CAM,
    ScoreCAM,
    AblationCAM,
    EigenCAM,
    GuidedGradCAM,
    Occlusion,
    RISE,
    ExtremalPerturbation,
    LIME,
    KernelSHAP,
    LRP,
    DeepLift,
    GuidedBackprop,
    Deconvnet,
    ExcitationBackprop,
    Attention,
    AttentionRollout,
    GradientRollout,
)

OWN_FAMILY = "Your own"
"""Heads the user's own methods, and those of ours that hold values of the user's."""

_own: dict[str, type[Method]] = {}
_watchers: "list[weakref.ref[Any]]" = []
_lock = threading.Lock()


def methods() -> dict[str, type[Method]]:
    """All method classes by key, in menu order: those that came with Saliscope, then the user's own."""
    with _lock:
        return {method.key: method for method in (*_METHODS, *_own.values())}


def register(cls: type[Method]) -> None:
    """Add a user's own method, in the place of an earlier one of the same key; tell whoever watches.

    Raises
    ------
    MethodError
        If the key is a built-in method's.
    """
    if any(cls.key == method.key for method in _METHODS):
        raise MethodError("key", repr(cls.key), "a key that no built-in method has", "Give it another name.")
    with _lock:
        _own[cls.key] = cls
    _tell()


def forget(key: str) -> None:
    """Remove a user's own method, if there is one of this key; what it has computed stays."""
    with _lock:
        _own.pop(key, None)
    _tell()


def watch(callback: Callable[[], object]) -> None:
    """Call `callback` whenever `methods` has changed, on the thread that changed it.

    It is held weakly, a bound method by its object: whoever is gone is told no more.
    """
    made = weakref.WeakMethod(callback) if hasattr(callback, "__self__") else weakref.ref(callback)
    with _lock:
        _watchers[:] = [*(one for one in _watchers if one() is not None), made]


def _tell() -> None:
    with _lock:
        awake = [callback for one in _watchers if (callback := one()) is not None]
    for callback in awake:  # they may ask for the methods: the lock is free
        callback()


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
    close = difflib.get_close_matches(str(key).lower(), known, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    raise MethodError("method", repr(key), one_of(known), hint)
