"""Per-input importance: what each pixel had to do with a score."""

from saliscope.attribution.adapters import adapt
from saliscope.attribution.attention import Attention, AttentionRollout, GradientRollout
from saliscope.attribution.backprop_rules import Deconvnet, ExcitationBackprop, GuidedBackprop, GuidedGradCAM
from saliscope.attribution.base import Attribution, Method, Path
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
from saliscope.attribution.own import method
from saliscope.attribution.path import IntegratedGradients
from saliscope.attribution.perturbation import RISE, Occlusion
from saliscope.attribution.registry import methods
from saliscope.attribution.surrogate import LIME, KernelSHAP
from saliscope.attribution.xrai import XRAI
from saliscope.core.knobs import knob
from saliscope.specs.saliency import Card

__all__ = [
    "CAM",
    "LIME",
    "LRP",
    "RISE",
    "XRAI",
    "AblationCAM",
    "Attention",
    "AttentionRollout",
    "Attribution",
    "BlurIG",
    "Card",
    "Deconvnet",
    "DeepLift",
    "EigenCAM",
    "ExcitationBackprop",
    "ExpectedGradients",
    "ExtremalPerturbation",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientRollout",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "GuidedIG",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "Method",
    "Occlusion",
    "Path",
    "Saliency",
    "ScoreCAM",
    "SmoothGrad",
    "SmoothGradSquared",
    "VarGrad",
    "adapt",
    "knob",
    "method",
    "methods",
]
