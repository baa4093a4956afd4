"""Per-input importance: what each pixel had to do with a score."""

from saliscope.attribution.base import Attribution, Method, Path
from saliscope.attribution.cam import GradCAM
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.knobs import knob
from saliscope.attribution.noise import SmoothGrad
from saliscope.attribution.own import method
from saliscope.attribution.path import IntegratedGradients
from saliscope.attribution.registry import methods
from saliscope.specs.saliency import Card

__all__ = [
    "Attribution",
    "Card",
    "GradCAM",
    "InputXGradient",
    "IntegratedGradients",
    "Method",
    "Path",
    "Saliency",
    "SmoothGrad",
    "knob",
    "method",
    "methods",
]
