"""What is compared: rows of contenders, Saliscope first, and how far their maps may differ."""

from . import contenders as do
from . import perturbations as hide
from . import surrogates
from .harness import Contender, Goal, Row

CHUNKS = (2, 4, 8, 16)
BOTH = ("resnet50", "resnet18")
ALL = (*BOTH, "demo")

FLOOR = Goal(faster=1 / 1.05)
LEVEL = Goal(faster=1.0)
TENTH = Goal(faster=1.0, lighter=10.0)
THRICE = Goal(faster=3.0, cases=("resnet50",))
HUNDRED = Goal(faster=100.0)
SOON = Goal(faster=7.0, cases=BOTH)

ROWS = {
    row.name: row
    for row in (
        Row(
            "ig",
            f"Integrated Gradients, {do.N_STEPS} midpoints",
            ALL,
            (
                Contender("saliscope", do.integrated_gradients("midpoint")),
                Contender("bare loop, best chunk", do.path_loop("midpoint"), CHUNKS, goal=FLOOR),
                Contender("captum, default", do.captum_ig("riemann_middle"), goal=TENTH),
                Contender("captum, best chunk", do.captum_ig("riemann_middle"), CHUNKS, goal=LEVEL),
            ),
            agree=1e-3,
        ),
        Row(
            "refine",
            f"Integrated Gradients, from {do.N_STEPS // 2} to {do.N_STEPS} steps (right)",
            ALL,
            (
                Contender("saliscope, refined", do.refined),
                Contender("bare loop, missing nodes", do.path_loop("right", skip=2), CHUNKS, goal=FLOOR),
                Contender("saliscope, from nothing", do.integrated_gradients("right")),
                Contender("captum, best chunk", do.captum_ig("riemann_right"), CHUNKS, goal=LEVEL),
            ),
            agree=1e-3,
        ),
        Row(
            "smooth_grad",
            f"SmoothGrad, {do.N_SAMPLES} samples",
            ALL,
            (
                Contender("saliscope", do.smooth_grad),
                Contender("bare loop, best chunk", do.noise_loop, CHUNKS, do.with_our_noise, FLOOR),
                Contender("captum, default", do.noise_tunnel, (), do.with_our_noise, TENTH),
                Contender("captum, best chunk", do.noise_tunnel, CHUNKS, do.with_our_noise, LEVEL),
            ),
            agree=1e-3,
        ),
        Row(
            "grad_cam",
            "Grad-CAM",
            ALL,
            (
                Contender("saliscope", do.grad_cam),
                Contender("bare trunk and head", do.tail_only, goal=FLOOR),
                Contender("captum", do.layer_grad_cam, goal=LEVEL),
                Contender("pytorch-grad-cam", do.PytorchGradCam, (), do.PytorchGradCam.signed, THRICE),
            ),
            agree=1e-4,
        ),
        Row(
            "ablation_cam",
            "Ablation-CAM at the last stage",
            ("resnet18",),
            (
                Contender("saliscope", do.ablation_cam),
                Contender(
                    "pytorch-grad-cam", do.PytorchAblationCam, (), do.PytorchAblationCam.signed, HUNDRED
                ),
            ),
            agree=1e-2,
        ),
        Row(
            "occlusion",
            "Occlusion, 225 windows",
            ALL,
            (
                Contender("saliscope", hide.occlusion),
                Contender("bare loop, best chunk", hide.window_loop, CHUNKS, goal=FLOOR),
                Contender("captum, default", hide.captum_occlusion, goal=LEVEL),
                Contender("captum, best chunk", hide.captum_occlusion, CHUNKS, goal=LEVEL),
            ),
            agree=1e-3,
        ),
        Row(
            "rise",
            f"RISE, {hide.N_MASKS} masks (errors: python -m benchmarks.perturbations)",
            ALL,
            (
                Contender("saliscope, standard error", hide.rise),
                Contender("bare loop, best chunk", hide.rise_loop, CHUNKS, goal=FLOOR),
            ),
        ),
        Row(
            "saliency",
            "One gradient",
            ALL,
            (Contender("saliscope", do.saliency), Contender("bare gradient", do.one_gradient, goal=FLOOR)),
            agree=1e-5,
        ),
        *(
            Row(
                name,
                f"{title}, {surrogates.N_SAMPLES} samples of {surrogates.CELLS**2} superpixels",
                ("resnet18", "demo"),
                (
                    Contender("saliscope", surrogates.ours(ours)),
                    Contender("bare forward passes, best chunk", surrogates.forwards, CHUNKS, goal=FLOOR),
                    Contender("captum, default", surrogates.captum_of_superpixels(theirs), goal=LEVEL),
                    Contender(
                        "captum, best chunk", surrogates.captum_of_superpixels(theirs), CHUNKS, goal=LEVEL
                    ),
                ),
            )
            for name, title, ours, theirs in (
                ("lime", "LIME", "LIME", "Lime"),
                ("kernel_shap", "Kernel SHAP", "KernelSHAP", "KernelShap"),
            )
        ),
        Row(
            "gradient_shap",
            f"Gradient SHAP, {surrogates.N_SAMPLES} samples",
            ("resnet18", "demo"),
            (
                Contender("saliscope", surrogates.ours("GradientSHAP")),
                Contender("captum", surrogates.captum_gradient_shap, goal=LEVEL),
            ),
        ),
        Row(
            "first_picture",
            "From picture to first preview, with a new session",
            ALL,
            (
                Contender("saliscope", do.first_picture, goal=Goal(seconds=0.15, cases=("demo",))),
                Contender("bare gradient", do.one_gradient),
            ),
        ),
        Row(
            "first_ig",
            "First picture of Integrated Gradients",
            ALL,
            (
                Contender("saliscope, first partial", do.first_partial),
                Contender("bare gradient", do.one_gradient),
                Contender("captum, default", do.captum_ig("riemann_middle"), goal=SOON),
            ),
        ),
        Row(
            "import",
            "Import in a fresh interpreter",
            (),
            (
                Contender("saliscope", do.imports("saliscope"), goal=Goal(seconds=0.15)),
                Contender("nothing", do.imports("")),
                Contender("torch", do.imports("torch")),
                Contender("captum.attr", do.imports("captum.attr"), goal=LEVEL),
            ),
            memory=False,
        ),
    )
}
"""All rows by name, in the order of the table."""
