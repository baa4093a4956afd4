"""How a method of ours and those of other packages are called: functions from a case to a `Run`.

What a call needs is made beforehand, hooks and rewritten copies of the network too: that is to the peers'
advantage.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from .cases import Case, import_torchvision
from .harness import Reference, Run


@dataclass(frozen=True)
class Of:
    """An argument that depends on the case."""

    make: Callable[[Case], Any]


ZEROS = Of(lambda case: torch.zeros_like(case.picture()))
LAYER = Of(lambda case: case.layer)


def _filled(options: dict[str, Any], case: Case) -> dict[str, Any]:
    return {key: one.make(case) if isinstance(one, Of) else one for key, one in options.items()}


def gradient(net: nn.Module, points: Tensor, target: int) -> Tensor:
    leaf = points.detach().requires_grad_()
    return torch.autograd.grad(net(leaf)[:, target].sum(), leaf)[0]


def enlarged(coarse: Tensor, inputs: Tensor) -> Tensor:
    return nn.functional.interpolate(coarse, inputs.shape[2:], mode="bilinear", align_corners=False)


def one_hot(case: Case, outputs: Tensor) -> Tensor:
    return nn.functional.one_hot(torch.tensor([case.target]), outputs.shape[1]).to(outputs)


# Ours


def ours(name: str, **options: Any) -> Callable[[Case], Run]:
    """A method of ours by its class; each run of one with a seed draws anew."""

    def make(case: Case) -> Run:
        from saliscope import attribution

        net, inputs = case.build(), case.picture()
        method = getattr(attribution, name)(**_filled(options, case))
        if "seed" not in options:
            return lambda: method.attribute(net, inputs, case.target).values
        seeds = count(options["seed"])
        return lambda: replace(method, seed=next(seeds)).attribute(net, inputs, case.target).values

    return make


def in_double(make: Callable[[Case], Run], words: str = "ours in float64") -> Reference:
    """What a contender gives in float64."""
    return Reference(words, lambda case: make(case.in_double())().detach())


def long(make: Callable[[Case], Run], words: str, *cases: str) -> Reference:
    """What a contender gives that takes its time, on some networks only."""
    return Reference(words, lambda case: make(case)().detach(), cases)


# captum


def captum(name: str, **options: Any) -> Callable[[Case], Run]:
    """`captum.attr`'s class of this name, at the input."""

    def make(case: Case) -> Run:
        from captum import attr

        net, inputs = case.build(), case.picture()
        method, given = getattr(attr, name)(net), _filled(options, case)
        return lambda: method.attribute(inputs, target=case.target, **given)

    return make


def captum_grad_cam(case: Case) -> Run:
    from captum.attr import LayerAttribution, LayerGradCam

    net, inputs = case.build(), case.picture()
    cam = LayerGradCam(net, net.get_submodule(case.layer))

    def run() -> Tensor:
        coarse = cam.attribute(inputs, target=case.target)
        return LayerAttribution.interpolate(coarse, tuple(inputs.shape[2:]), "bilinear")

    return run


def captum_lrp(case: Case) -> Run:
    """Epsilon everywhere; it asks for a rule where a tensor is only reshaped, and forgets it afterwards."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    net, inputs = case.build(), case.picture()
    method, reshaping = LRP(net), [part for part in net.modules() if isinstance(part, nn.Flatten)]

    def run() -> Tensor:
        for part in reshaping:
            part.rule = EpsilonRule()
        return method.attribute(inputs, target=case.target)

    return run


def captum_guided_grad_cam(case: Case) -> Run:
    from captum.attr import GuidedGradCam

    net, inputs = case.build(), case.picture()
    method = GuidedGradCam(net, net.get_submodule(case.layer))
    return lambda: method.attribute(inputs, target=case.target, interpolate_mode="bilinear")


def captum_tunnel(kind: str, n_samples: int, noise: float) -> Callable[..., Run]:
    """`captum.attr.NoiseTunnel` around the gradient."""

    def make(case: Case, chunk: int | None = None) -> Run:
        from captum.attr import NoiseTunnel
        from captum.attr import Saliency as CaptumSaliency

        inputs, tunnel = case.picture(), NoiseTunnel(CaptumSaliency(case.build()))
        options = {"nt_type": kind, "nt_samples": n_samples, "nt_samples_batch_size": chunk, "abs": False}
        spread = float(noise * (inputs.max() - inputs.min()))
        return lambda: tunnel.attribute(inputs, target=case.target, stdevs=spread, **options)

    return make


# zennit


def zennit(
    composite: str, merge: bool = False, by_score: bool = True, **options: Any
) -> Callable[[Case], Run]:
    """A composite of zennit; `merge` with its canonizer for the residual networks of torchvision."""

    def make(case: Case) -> Run:
        import_torchvision()
        from zennit import composites
        from zennit.attribution import Gradient
        from zennit.torchvision import ResNetCanonizer

        net, inputs = case.build(), case.picture()
        rules = getattr(composites, composite)(canonizers=[ResNetCanonizer()] if merge else [], **options)
        attributor = Gradient(net, rules)
        attributor.__enter__()  # its hooks stay: they need not be put on for each picture

        def start(outputs: Tensor) -> Tensor:
            hot = one_hot(case, outputs)
            return hot * outputs if by_score else hot

        return lambda: attributor(inputs.clone(), start)[1]

    return make


# Class activation maps


class PytorchCam:
    """A CAM of pytorch-grad-cam.

    It returns the positive part, scaled to [0, 1]: that is timed, and what it is made of is compared.
    """

    def __init__(self, name: str, case: Case) -> None:
        import_torchvision()
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        net, self.inputs = case.build(), case.picture()
        with torch.no_grad():
            self.score = float(net(self.inputs)[0, case.target])
        self.layer, self.targets = net.get_submodule(case.layer), [ClassifierOutputTarget(case.target)]
        self.cam = getattr(pytorch_grad_cam, name)(net, [self.layer])

    def __call__(self) -> Any:
        return self.cam(self.inputs, self.targets)

    def signed(self) -> Tensor:
        self()
        seen = self.cam.activations_and_grads
        activations, gradients = (
            parts[0].numpy() if parts else None for parts in (seen.activations, seen.gradients)
        )
        coarse = self.cam.get_cam_image(
            self.inputs, self.layer, self.targets, activations, gradients, eigen_smooth=False
        )
        return enlarged(torch.from_numpy(np.asarray(coarse))[:, None], self.inputs)

    def times_score(self) -> Tensor:
        """Ablation-CAM's falls are divided by the score there: that is taken back."""
        return self.score * self.signed()


class TorchCam:
    """A CAM of torch-cam, enlarged.

    Its positive part, scaled to [0, 1], is timed, the signed sum compared.
    """

    def __init__(self, name: str, options: dict[str, Any], case: Case) -> None:
        import_torchvision()
        from torchcam import methods

        self.net, self.inputs, self.target = case.build(), case.picture(), case.target
        self.cam = getattr(methods, name)(self.net, case.layer, **options)

    def __call__(self, **options: Any) -> Tensor:
        coarse = self.cam(self.target, self.net(self.inputs), **options)[0]
        return enlarged(coarse[:, None], self.inputs)

    def signed(self) -> Tensor:
        self.cam._relu = False
        return self(normalized=False)


def means(gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3), keepdim=True)


def themselves(gradients: Tensor) -> Tensor:
    return gradients


def cam_loop(weigh: Callable[[Tensor], Tensor]) -> Callable[[Case], Run]:
    """What any CAM of gradients must do: the trunk, the head with its gradient, a weighted sum."""

    def make(case: Case) -> Run:
        inputs = case.picture()
        trunk, head = case.trunk_and_head(case.build())

        def run() -> Tensor:
            with torch.no_grad():
                maps = trunk(inputs)
            return enlarged((weigh(gradient(head, maps, case.target)) * maps).sum(1, True), inputs)

        return run

    return make


# PAIR's saliency


def pair(name: str, **options: Any) -> Callable[[Case], Run]:
    """A method of PAIR's `saliency`, which asks for gradients and knows no framework."""

    def make(case: Case) -> Run:
        from saliency import core

        net, inputs = case.build(), case.picture()
        given, peer = _filled(options, case), getattr(core, name)()
        image = inputs[0].movedim(0, -1).numpy()

        def asked(points: np.ndarray, call_model_args: Any = None, expected_keys: Any = None) -> Any:
            batch = torch.from_numpy(np.asarray(points)).to(inputs.dtype).movedim(-1, 1)
            found = gradient(net, batch, case.target).movedim(1, -1).numpy()
            return {core.base.INPUT_OUTPUT_GRADIENTS: found}

        def run() -> Tensor:
            with mock.patch("numpy.quantile", _quantile):
                found = torch.from_numpy(peer.GetMask(image, asked, **given))
            return found[None, None] if found.ndim == 2 else found.movedim(-1, 0)[None]

        return run

    return make


def _quantile(values: np.ndarray, share: float, interpolation: str, _of: Any = np.quantile) -> Any:
    return _of(values, share, method=interpolation)  # NumPy 2.4 has dropped the old name


def pair_xrai(n_steps: int) -> Callable[[Case], Run]:
    def make(case: Case) -> Run:
        from saliency.core import XRAIParameters

        shape = tuple(case.picture()[0].movedim(0, -1).shape)
        ends = [np.full(shape, end, dtype=np.float32) for end in (0.0, 1.0)]
        return pair("XRAI", baselines=ends, batch_size=16, extra_parameters=XRAIParameters(n_steps))(case)

    return make


# Attention: nothing that is kept up does this for a model as it is


@contextmanager
def _heard(net: nn.Module) -> Iterator[list[Tensor]]:
    """The weights of all attention layers of a transformer of torchvision, head by head."""
    seen: list[Tensor] = []

    def asked(module: nn.MultiheadAttention, *args: Any, **options: Any) -> Any:
        options |= {"need_weights": True, "average_attn_weights": False}
        made = nn.MultiheadAttention.forward(module, *args, **options)
        seen.append(made[1])
        return made

    layers = [m for m in net.modules() if isinstance(m, nn.MultiheadAttention)]
    for one in layers:
        one.forward = asked.__get__(one)
    try:
        yield seen
    finally:
        for one in layers:
            del one.forward


def attention_loop(kind: str) -> Callable[[Case], Run]:
    """Weights by a hook on every attention, then the papers' matrix products."""

    def make(case: Case) -> Run:
        net, inputs = case.build(), case.picture()

        def run() -> Tensor:
            with _heard(net) as seen, torch.set_grad_enabled(kind == "gradient_rollout"):
                score = net(inputs)[0, case.target]
            if kind == "attention":
                row = seen[-1].mean(1)[0, 0]
            elif kind == "attention_rollout":
                row = eye = torch.eye(seen[0].shape[-1]).to(inputs)
                for one in seen:
                    row = (one[0].mean(0) + eye) / 2 @ row
                row = row[0]
            else:
                eye = torch.eye(seen[0].shape[-1]).to(inputs)
                row = eye
                # What is handed out is a view; the score is made of what it looks at.
                slopes = torch.autograd.grad(score, [one._base for one in seen])
                for one, slope in zip(seen, slopes, strict=True):
                    row = row + (one * slope.view_as(one)).clamp_min(0).mean(1)[0].detach() @ row
                row = (row - eye)[0]
            side = int((len(row) - 1) ** 0.5)
            return enlarged(row[1:].reshape(1, 1, side, side).detach(), inputs)

        return run

    return make


# shap and lime


class _One(nn.Module):
    """A network of one output."""

    def __init__(self, net: nn.Module, target: int) -> None:
        super().__init__()
        self.net, self.target = net, target

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[:, self.target : self.target + 1]


def shap_gradients(background: Of, n_samples: int, share: float = 0.0) -> Callable[[Case], Run]:
    """`shap.GradientExplainer`; `share` of the range is its local smoothing."""

    def make(case: Case) -> Run:
        import shap

        inputs = case.picture()
        smoothing = share * float(inputs.max() - inputs.min())
        net = _One(case.build(), case.target)
        explainer = shap.GradientExplainer(net, background.make(case), local_smoothing=smoothing)
        seeds = count()

        def run() -> Tensor:
            found = explainer.shap_values(inputs, nsamples=n_samples, rseed=next(seeds))
            return torch.from_numpy(np.asarray(found)[..., 0]).reshape(inputs.shape)

        return run

    return make
