"""How each contender does its work: functions from a case to a `Run`, preparations made beforehand."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from .cases import Case, import_torchvision
from .harness import Run

N_STEPS = 50
N_SAMPLES = 25
NOISE = 0.15


# Integrated Gradients


def path_loop(rule: str, n_steps: int = N_STEPS, skip: int = 1) -> Callable[[Case, int], Run]:
    """What any implementation must do at least: gradients at the nodes, summed."""

    def make(case: Case, chunk: int) -> Run:
        net, inputs = case.build(), case.picture()
        shift = 0.5 if rule == "midpoint" else 1.0
        alphas = ((torch.arange(n_steps) + shift) / n_steps).reshape(-1, 1, 1, 1)

        def total(nodes: Tensor) -> Tensor:
            return sum(_gradient(net, part * inputs, case.target).sum(0) for part in nodes.split(chunk))

        # Where an earlier result is refined, its nodes are known already.
        known = torch.zeros(()) if skip == 1 else total(alphas[skip - 1 :: skip])
        missing = alphas if skip == 1 else alphas[::skip]
        return lambda: (known + total(missing)) * inputs / n_steps

    return make


def integrated_gradients(rule: str, n_steps: int = N_STEPS) -> Callable[[Case], Run]:
    def make(case: Case) -> Run:
        from saliscope.attribution import IntegratedGradients

        net, inputs = case.build(), case.picture()
        method = IntegratedGradients(baseline=torch.zeros_like(inputs), n_steps=n_steps, rule=rule)
        return lambda: method.attribute(net, inputs, case.target).values

    return make


def refined(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients

    net, inputs = case.build(), case.picture()
    method = IntegratedGradients(baseline=torch.zeros_like(inputs), n_steps=N_STEPS // 2, rule="right")
    half = method.attribute(net, inputs, case.target)
    return lambda: method.refine(half, net).values


def captum_ig(method: str) -> Callable[..., Run]:
    def make(case: Case, chunk: int | None = None) -> Run:
        from captum.attr import IntegratedGradients

        inputs, ig = case.picture(), IntegratedGradients(case.build())
        options = {"n_steps": N_STEPS, "method": method, "internal_batch_size": chunk}
        # With the gap, which every result of ours carries: the same answer for the same work.
        return lambda: ig.attribute(inputs, target=case.target, return_convergence_delta=True, **options)[0]

    return make


# SmoothGrad


def noise_loop(case: Case, chunk: int) -> Run:
    net, inputs = case.build(), case.picture()
    spread = float(NOISE * (inputs.max() - inputs.min()))

    def run() -> Tensor:
        total = torch.zeros_like(inputs)
        for start in range(0, N_SAMPLES, chunk):
            rows = min(chunk, N_SAMPLES - start)
            noise = torch.normal(0, torch.full((rows, *inputs.shape[1:]), spread))
            total += _gradient(net, inputs + noise, case.target).sum(0)
        return total / N_SAMPLES

    return run


def smooth_grad(case: Case) -> Run:
    from saliscope.attribution import SmoothGrad

    net, inputs = case.build(), case.picture()
    method = SmoothGrad(n_samples=N_SAMPLES, noise_level=NOISE)
    return lambda: method.attribute(net, inputs, case.target).values


def noise_tunnel(case: Case, chunk: int | None = None) -> Run:
    from captum.attr import NoiseTunnel
    from captum.attr import Saliency as CaptumSaliency

    inputs, tunnel = case.picture(), NoiseTunnel(CaptumSaliency(case.build()))
    options = {"nt_samples": N_SAMPLES, "nt_samples_batch_size": chunk, "abs": False}
    spread = float(NOISE * (inputs.max() - inputs.min()))
    return lambda: tunnel.attribute(inputs, target=case.target, stdevs=spread, **options)


def with_our_noise(run: Run) -> Tensor:
    """The map from the very samples that Saliscope draws: `torch.normal` hands them out in order."""
    from saliscope.core.seeds import NoiseSource

    drawn = 0

    def normal(_mean: float, std: Tensor) -> Tensor:
        nonlocal drawn
        source = NoiseSource(0, tuple(std.shape[1:]))
        drawn += len(std)
        return std * source.draw(drawn - len(std), drawn, std)

    with mock.patch("torch.normal", normal):
        return run()


# Grad-CAM


def grad_cam(case: Case) -> Run:
    from saliscope.attribution import GradCAM

    net, inputs, method = case.build(), case.picture(), GradCAM(layer=case.layer)
    return lambda: method.attribute(net, inputs, case.target).values


def tail_only(case: Case) -> Run:
    inputs = case.picture()
    trunk, head = case.trunk_and_head(case.build())

    def run() -> Tensor:
        with torch.no_grad():
            activations = trunk(inputs)
        gradient = _gradient(head, activations, case.target)
        return _enlarged((gradient.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True), inputs)

    return run


def layer_grad_cam(case: Case) -> Run:
    from captum.attr import LayerAttribution, LayerGradCam

    net, inputs = case.build(), case.picture()
    cam = LayerGradCam(net, net.get_submodule(case.layer))

    def run() -> Tensor:
        coarse = cam.attribute(inputs, target=case.target)
        return LayerAttribution.interpolate(coarse, tuple(inputs.shape[2:]), "bilinear")

    return run


class PytorchGradCam:
    """It returns the positive part, scaled to [0, 1]: that is timed, and what it is made of is compared."""

    def __init__(self, case: Case) -> None:
        import_torchvision()
        from pytorch_grad_cam import GradCAM as PeerGradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        net, self.inputs = case.build(), case.picture()
        self.layer, self.targets = net.get_submodule(case.layer), [ClassifierOutputTarget(case.target)]
        self.cam = PeerGradCAM(net, [self.layer])

    def __call__(self) -> Any:
        return self.cam(self.inputs, self.targets)

    def signed(self) -> Tensor:
        self()
        seen = self.cam.activations_and_grads
        arrays = [t.numpy() for t in (seen.activations[0], seen.gradients[0])]
        coarse = self.cam.get_cam_image(self.inputs, self.layer, self.targets, *arrays)
        return _enlarged(torch.from_numpy(coarse)[:, None], self.inputs)


def ablation_cam(case: Case) -> Run:
    from saliscope.attribution import AblationCAM

    net, inputs, method = case.build(), case.picture(), AblationCAM(layer=case.layer)
    return lambda: method.attribute(net, inputs, case.target).values


class PytorchAblationCam(PytorchGradCam):
    """It divides the falls of the score by the score: that is timed, and taken back for the comparison."""

    def __init__(self, case: Case) -> None:
        import_torchvision()
        from pytorch_grad_cam import AblationCAM as PeerAblationCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        net, self.inputs = case.build(), case.picture()
        self.layer, self.targets = net.get_submodule(case.layer), [ClassifierOutputTarget(case.target)]
        with torch.no_grad():
            self.score = float(net(self.inputs)[0, case.target])
        self.cam = PeerAblationCAM(net, [self.layer])

    def signed(self) -> Tensor:
        self()
        activations = self.cam.activations_and_grads.activations[0].numpy()
        coarse = self.cam.get_cam_image(self.inputs, self.layer, self.targets, activations, None)
        return self.score * _enlarged(torch.from_numpy(coarse)[:, None], self.inputs)


# How soon something is to be seen


def one_gradient(case: Case) -> Run:
    net, inputs = case.build(), case.picture()
    return lambda: _gradient(net, inputs, case.target)


def saliency(case: Case) -> Run:
    from saliscope.attribution import Saliency

    net, inputs = case.build(), case.picture()
    return lambda: Saliency(absolute=False).attribute(net, inputs, case.target).values


def first_partial(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients

    net, inputs = case.build(), case.picture()
    method = IntegratedGradients(baseline=torch.zeros_like(inputs), n_steps=N_STEPS)
    return lambda: next(iter(method.stream(net, inputs, case.target))).result.values


def first_picture(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients
    from saliscope.sessions.saliency import Request, SaliencySession
    from saliscope.specs.saliency import Result

    net, inputs = case.build(), case.picture()
    ask = Request(IntegratedGradients(n_steps=N_STEPS), case.target)

    def run() -> None:
        shown = threading.Event()

        def listen(message: Any, _blobs: Any) -> None:
            if isinstance(message, Result) and not shown.is_set():
                shown.set()
                session.cancel()

        session = SaliencySession(net, inputs)
        session.listener = listen
        session.explain(ask)
        session.wait()
        assert shown.is_set(), session.error

    return run


def imports(name: str) -> Callable[[Case], Run]:
    def make(_case: Case) -> Run:
        line = f"import {name}" if name else ""
        return lambda: subprocess.run([sys.executable, "-c", line], check=True)

    return make


def _gradient(net: nn.Module, points: Tensor, target: int) -> Tensor:
    leaf = points.requires_grad_()
    return torch.autograd.grad(net(leaf)[:, target].sum(), leaf)[0]


def _enlarged(coarse: Tensor, inputs: Tensor) -> Tensor:
    return nn.functional.interpolate(coarse, inputs.shape[2:], mode="bilinear", align_corners=False)
