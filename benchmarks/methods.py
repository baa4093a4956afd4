"""A row for every method: our call, its peers' calls, the networks, and what counts as the same map."""

from functools import partial
from typing import Any

from . import adaptive, peers, surrogates
from . import contenders as do
from . import perturbations as hide
from .harness import Contender, Goal, Reference, Row
from .peers import LAYER, ZEROS, PytorchCam, TorchCam, in_double, long, ours

CHUNKS = (4, 8, 16, 32)
NETS = ("demo", "chain", "resnet18", "resnet50")
TRAINED = ("demo", "resnet18", "resnet50")
VITS = ("vit_ti", "vit_b")

FLOOR = Goal(faster=1 / 1.05)
LEVEL = Goal(faster=1.0)
DEFAULT = Goal(faster=2.0, lighter=10.0)
BEST = Goal(faster=1.15)
THRICE = Goal(faster=3.0)
HUNDRED = Goal(faster=100.0, cases=("resnet18", "resnet50"))

_SIGNED = {"absolute": False}
_SMOOTH = {"n_samples": do.N_SAMPLES, "noise_level": do.NOISE}
_RESCALED = "it shares max pools otherwise, and fails where a rectifier is used twice"
_ZEROS = "zeros beyond the border darken its blur"
_LASSO = "a lasso on other distances"
_WEIGHTS = "it computes the weights otherwise"


def captum(name: str, goal: Goal = LEVEL, differs: str = "", **options: Any) -> Contender:
    return Contender("captum", peers.captum(name, **options), goal=goal, differs=differs, needs="captum")


def zennit(composite: str, differs: str = "", **options: Any) -> Contender:
    make = peers.zennit(composite, **options)
    return Contender("zennit", make, goal=LEVEL, differs=differs, needs="zennit")


def grad_cam(name: str, goal: Goal = LEVEL, differs: str = "", as_map: Any = PytorchCam.signed) -> Contender:
    make = partial(PytorchCam, name)
    return Contender("pytorch-grad-cam", make, (), None, as_map, goal, differs, "pytorch_grad_cam")


def torch_cam(name: str, differs: str = "", **options: Any) -> Contender:
    make = partial(TorchCam, name, options)
    return Contender("torch-cam", make, (), None, TorchCam.signed, LEVEL, differs, "torchcam")


def pair(name: str, make: Any = None, differs: str = "", goal: Goal = LEVEL, **options: Any) -> Contender:
    make = make or peers.pair(name, **options)
    return Contender("PAIR saliency", make, goal=goal, differs=differs, needs="saliency")


def row(key: str, title: str, cases: tuple[str, ...], *contenders: Contender, **options: Any) -> Row:
    """A row whose first contender, ours, is the reference in float64 where no other is named."""
    options.setdefault("agree", 1e-3)
    options.setdefault("reference", in_double(contenders[0].make))
    options.setdefault("methods", (key,))
    return Row(key, title, cases, contenders, **options)


def us(name: str, **options: Any) -> Contender:
    return Contender("saliscope", ours(name, **options))


def cam(key: str, title: str, name: str, *contenders: Contender, **options: Any) -> Row:
    return row(key, title, TRAINED, us(name, layer=LAYER), *contenders, **options)


def noise(key: str, title: str, name: str, kind: str) -> Row:
    tunnel = peers.captum_tunnel(kind, do.N_SAMPLES, do.NOISE)
    same = do.with_our_noise
    loop = (Contender("bare loop, best chunk", do.noise_loop, CHUNKS, None, same, FLOOR),)
    return row(
        key,
        f"{title}, {do.N_SAMPLES} samples",
        TRAINED,
        us(name, **_SMOOTH),
        *(loop if kind == "smoothgrad" else ()),
        Contender("captum, default", tunnel, (), None, same, DEFAULT, needs="captum"),
        Contender("captum, best chunk", tunnel, CHUNKS, None, same, BEST, needs="captum"),
        memory=kind == "smoothgrad",
    )


def attention(key: str, title: str, name: str) -> Row:
    loop = Contender("no peer is kept up: hooks by hand", peers.attention_loop(key), goal=LEVEL)
    return row(key, title, VITS, us(name), loop)


_IG = {"baseline": ZEROS, "n_steps": do.N_STEPS, "rule": "midpoint"}
_ADAPTIVE = {"n_steps": 45, "tolerance": 0.06}
_GUIDED = {"baseline": ZEROS, "n_steps": 25, "fraction": 0.25, "max_dist": 1.0}
_MASKS = {"baseline": ZEROS, "n_masks": hide.N_MASKS, "cells": hide.CELLS, "seed": 0}
_EXPECTED = {"background": surrogates.BACKGROUND, "n_samples": surrogates.N_SAMPLES, "seed": 0}
_SHAP = _EXPECTED | {"noise_level": 0.1}
_bare = Contender("bare gradient", do.one_gradient, goal=FLOOR)
_captum_tuned = Contender(
    "captum, best chunk", do.captum_ig("riemann_middle"), CHUNKS, goal=LEVEL, needs="captum"
)

METHODS = (
    row("saliency", "Saliency", NETS, us("Saliency", **_SIGNED), _bare, captum("Saliency", abs=False)),
    row(
        "input_x_gradient",
        "Input x gradient",
        NETS,
        us("InputXGradient"),
        captum("InputXGradient"),
    ),
    row(
        "integrated_gradients",
        f"Integrated Gradients, {do.N_STEPS} midpoints",
        TRAINED,
        us("IntegratedGradients", **_IG),
        Contender("bare loop, best chunk", do.path_loop("midpoint"), CHUNKS, goal=FLOOR),
        Contender("captum, default", do.captum_ig("riemann_middle"), goal=Goal(1.0, 10.0), needs="captum"),
        _captum_tuned,
        memory=True,
    ),
    row(
        "adaptive",
        "Integrated Gradients of a probability, to a map error of 2.5 %",
        ("demo",),
        Contender("saliscope, adaptive", adaptive.ours(**_ADAPTIVE)),
        Contender(
            "captum, default",
            adaptive.captum,
            choose=lambda case: adaptive.DEFAULT,
            goal=Goal(faster=3.0, closer=1.0),
            needs="captum",
        ),
        Contender(
            "captum, steps for our error",
            adaptive.captum,
            choose=adaptive.steps_for(adaptive.error_of_ours(**_ADAPTIVE)),
            goal=THRICE,
            needs="captum",
        ),
        agree=1.0,
        reference=adaptive.EXACT,
        methods=("integrated_gradients",),
    ),
    row(
        "adaptive_25",
        "Integrated Gradients of a probability, 25 adaptive nodes",
        ("demo",),
        Contender("saliscope, adaptive", adaptive.ours(n_steps=24, tolerance=0.0)),
        Contender(
            "captum, default",
            adaptive.captum,
            choose=lambda case: adaptive.DEFAULT,
            goal=Goal(faster=1.7, closer=1.0),
            needs="captum",
        ),
        agree=1.0,
        reference=adaptive.EXACT,
        methods=("integrated_gradients",),
    ),
    row(
        "blur_ig",
        "Blur IG, 50 steps",
        ("demo", "resnet18"),
        us("BlurIG", max_sigma=20.0, n_steps=50),
        pair("BlurIG", max_sigma=20.0, steps=50, batch_size=8, differs=_ZEROS),
        agree=0.5,
        reference=in_double(ours("BlurIG", max_sigma=20.0, n_steps=1000), "1000 steps in float64"),
    ),
    row(
        "guided_ig",
        "Guided IG, 25 steps",
        ("demo", "resnet18"),
        us("GuidedIG", **_GUIDED),
        pair("GuidedIG", x_steps=25, fraction=0.25, max_dist=1.0),
        agree=None,  # chaotic: a picture changed by 1e-5 has another path, and theirs another map by 0.6
        reference=None,
    ),
    row(
        "expected_gradients",
        f"Expected gradients, {surrogates.N_SAMPLES} samples",
        TRAINED,
        us("ExpectedGradients", **_EXPECTED),
        Contender("bare loop, best chunk", surrogates.sampled_loop, CHUNKS, goal=FLOOR),
        Contender("captum", surrogates.captum_gradient_shap(0.0), goal=LEVEL, needs="captum"),
        Contender(
            "shap",
            peers.shap_gradients(surrogates.BACKGROUND, surrogates.N_SAMPLES),
            goal=LEVEL,
            needs="shap",
        ),
        agree=2.0,
        reference=Reference("200 midpoints from each baseline", surrogates.fine_paths, ("demo",)),
        random=True,
    ),
    row(
        "gradient_shap",
        f"Gradient SHAP, {surrogates.N_SAMPLES} samples",
        TRAINED,
        us("GradientSHAP", **_SHAP),
        Contender("captum", surrogates.captum_gradient_shap(0.1), goal=LEVEL, needs="captum"),
        Contender(
            "shap",
            peers.shap_gradients(surrogates.BACKGROUND, surrogates.N_SAMPLES, 0.1),
            goal=LEVEL,
            needs="shap",
        ),
        agree=2.0,
        reference=long(
            ours("GradientSHAP", **_SHAP | {"n_samples": 3000, "seed": 999}),
            "ours, 3000 other samples",
            "demo",
        ),
        random=True,
    ),
    row(
        "xrai",
        "XRAI, 25 steps from black and white",
        ("demo", "resnet18"),
        us("XRAI", n_steps=25),
        pair("XRAI", peers.pair_xrai(25), "largest channel, left-end steps, other segments", THRICE),
    ),
    noise("smooth_grad", "SmoothGrad", "SmoothGrad", "smoothgrad"),
    noise("smooth_grad_squared", "SmoothGrad squared", "SmoothGradSquared", "smoothgrad_sq"),
    noise("var_grad", "VarGrad", "VarGrad", "vargrad"),
    cam(
        "cam",
        "CAM",
        "CAM",
        torch_cam("CAM", fc_layer="fc"),
    ),
    cam(
        "grad_cam",
        "Grad-CAM",
        "GradCAM",
        Contender("bare trunk and head", peers.cam_loop(peers.means), goal=FLOOR),
        Contender("captum", peers.captum_grad_cam, goal=LEVEL, needs="captum"),
        grad_cam("GradCAM", THRICE),
        torch_cam("GradCAM"),
    ),
    cam(
        "grad_cam_plus_plus",
        "Grad-CAM++",
        "GradCAMPlusPlus",
        grad_cam("GradCAMPlusPlus", differs=_WEIGHTS),
        torch_cam("GradCAMpp", differs=_WEIGHTS),
    ),
    cam(
        "hires_cam",
        "HiRes-CAM",
        "HiResCAM",
        Contender("bare trunk and head", peers.cam_loop(peers.themselves), goal=FLOOR),
        grad_cam("HiResCAM"),
    ),
    cam(
        "layer_cam",
        "Layer-CAM",
        "LayerCAM",
        grad_cam("LayerCAM"),
        torch_cam("LayerCAM"),
    ),
    row(
        "score_cam",
        "Score-CAM",
        ("demo", "resnet50"),
        us("ScoreCAM", layer=LAYER, baseline=ZEROS, normalize=True),
        grad_cam("ScoreCAM", differs="its masks are enlarged from corner to corner"),
        torch_cam("ScoreCAM", differs="its masks are scaled before they are enlarged"),
    ),
    cam(
        "ablation_cam",
        "Ablation-CAM at the last stage",
        "AblationCAM",
        grad_cam("AblationCAM", HUNDRED, as_map=PytorchCam.times_score),
        agree=1e-2,
    ),
    cam(
        "eigen_cam",
        "Eigen-CAM",
        "EigenCAM",
        grad_cam("EigenCAM", differs="it centres the channels; its sign is arbitrary"),
    ),
    row(
        "guided_grad_cam",
        "Guided Grad-CAM",
        TRAINED,
        us("GuidedGradCAM", layer=LAYER, rectified=True),
        Contender(
            "captum",
            peers.captum_guided_grad_cam,
            goal=LEVEL,
            differs="it rectifies before it enlarges",
            needs="captum",
        ),
    ),
    row(
        "occlusion",
        "Occlusion, 225 windows",
        TRAINED,
        us("Occlusion", baseline=ZEROS, window=hide.WINDOW, stride=hide.STRIDE),
        Contender("bare loop, best chunk", hide.window_loop, CHUNKS, goal=FLOOR),
        Contender("captum, default", hide.captum_occlusion, goal=LEVEL, needs="captum"),
        Contender(
            "captum, best chunk",
            hide.captum_occlusion,
            CHUNKS,
            goal=Goal(faster=2.5, cases=("resnet50",)),
            needs="captum",
        ),
        memory=True,
    ),
    row(
        "rise",
        f"RISE, {hide.N_MASKS} masks",
        ("demo", "resnet18"),
        Contender("saliscope, standard error", ours("RISE", **_MASKS), as_map=hide.centred),
        Contender("loop as in the paper and in TorchRay", hide.rise_loop, CHUNKS, None, hide.centred, THRICE),
        agree=2.0,
        reference=long(hide.many_masks, f"ours, {hide.MANY} other masks", "demo"),
        random=True,
        memory=True,
    ),
    row(
        "extremal_perturbation",
        f"Extremal perturbation, {hide.N_ITERATIONS} iterations",
        ("demo", "resnet18"),
        us("ExtremalPerturbation", n_iterations=hide.N_ITERATIONS),
        Contender("no peer on PyPI: bare gradients", hide.search_loop),
        agree=None,
        reference=None,
    ),
    row(
        "lime",
        f"LIME, {surrogates.N_SAMPLES} samples of {surrogates.CELLS**2} superpixels",
        TRAINED,
        Contender("saliscope", surrogates.ours("LIME"), as_map=surrogates.of_cells),
        Contender("bare forward passes, best chunk", surrogates.forwards, CHUNKS, goal=FLOOR),
        Contender("lime", surrogates.lime, CHUNKS, goal=LEVEL, needs="lime"),
        Contender(
            "captum, best chunk",
            surrogates.captum_of_superpixels("Lime"),
            CHUNKS,
            None,
            surrogates.at_cells,
            LEVEL,
            _LASSO,
            "captum",
        ),
        agree=2.0,
        reference=surrogates.limit("LIME"),
        random=True,
    ),
    row(
        "kernel_shap",
        f"Kernel SHAP, {surrogates.N_SAMPLES} samples of {surrogates.CELLS**2} superpixels",
        TRAINED,
        Contender("saliscope", surrogates.ours("KernelSHAP"), as_map=surrogates.of_cells),
        Contender(
            "captum, best chunk",
            surrogates.captum_of_superpixels("KernelShap"),
            CHUNKS,
            None,
            surrogates.at_cells,
            LEVEL,
            needs="captum",
        ),
        agree=2.0,
        reference=surrogates.limit("KernelSHAP"),
        random=True,
    ),
    row(
        "lrp",
        "LRP, epsilon-plus-flat",
        ("chain", "resnet18", "resnet50"),  # the blocks of the bundled network are unknown to zennit
        us("LRP", composite="epsilon_plus_flat"),
        zennit("EpsilonPlusFlat", merge=True),
    ),
    row(
        "lrp_epsilon",
        "LRP, epsilon",
        ("chain",),
        us("LRP", composite="epsilon", epsilon=1e-9),
        Contender("captum", peers.captum_lrp, goal=LEVEL, needs="captum"),
        methods=("lrp",),
    ),
    row(
        "deep_lift",
        "DeepLIFT",
        NETS,
        us("DeepLift", baseline=ZEROS),
        captum("DeepLift", baselines=ZEROS, differs=_RESCALED),
    ),
    row(
        "guided_backprop",
        "Guided backprop",
        NETS,
        us("GuidedBackprop"),
        captum("GuidedBackprop"),
        zennit("GuidedBackprop", by_score=False),
    ),
    row(
        "deconvnet",
        "Deconvnet",
        NETS,
        us("Deconvnet"),
        captum("Deconvolution"),
        zennit("DeconvNet", by_score=False),
    ),
    row(
        "excitation_backprop",
        "Excitation backprop",
        ("chain",),  # zennit's map of a residual network is another one
        us("ExcitationBackprop"),
        zennit("ExcitationBackprop", by_score=False, zero_params=["bias"]),
    ),
    attention("attention", "Attention of the last layer", "Attention"),
    attention("attention_rollout", "Attention rollout", "AttentionRollout"),
    attention("gradient_rollout", "Gradient rollout", "GradientRollout"),
)
"""Rows in the order of the table."""
