"""Methods that change what a unit hands back: guided backprop, deconvnet, excitation backprop."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.cam import GradCAM, LayerMaps
from saliscope.attribution.cards import rules as cards
from saliscope.attribution.lrp_rules import PRODUCTS, Weighted, alpha_beta, divided, halves
from saliscope.attribution.ruled import RuledGradient, filled
from saliscope.core.anytime import Step
from saliscope.core.knobs import knob
from saliscope.core.op_call import carried, from_output
from saliscope.core.op_names import (
    ACTIVATION,
    AVERAGES,
    ELEMENTWISE,
    LEARNED,
    MOVES,
    POOLS,
    RECTIFIERS,
    SOFT_RECTIFIERS,
    known,
)
from saliscope.core.ops import Call, Rewriter, Rule, in_parts
from saliscope.specs.saliency import Card

Gradients = tuple[Tensor | None, ...]


@from_output
def guided(call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """Back through a rectifier where both its input and what comes from above are positive."""
    passed = torch.ops.aten.threshold_backward(gradient, output, 0)
    return (passed.clamp_(min=0),) * len(call.flows)


def guided_to_ceiling(call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """`guided`, for a rectifier that stops somewhere: nothing goes back from beyond."""
    return call.pull(gradient.clamp(min=0), *call.tensors)


@from_output
def deconvolved(call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """Back through a rectifier where what comes from above is positive, whatever its input was."""
    return (gradient.clamp(min=0),) * len(call.flows)


def _is_a_gate(call: Call) -> bool:
    # Not known are also a choice by the input's own values, perhaps a rectifier spelled out, and x * g(x).
    return call.name in RECTIFIERS | SOFT_RECTIFIERS or not known(call.name)


@dataclass(frozen=True)
class GuidedBackprop(RuledGradient):
    """Guided backpropagation (Springenberg et al. 2014, arXiv 1412.6806).

    The gradient, but at every ReLU ``R_in = [x > 0] [R_out > 0] R_out``: what speaks against the score is
    dropped on the way. ReLUs are found as operations, be they modules, functions, methods, in place,
    reused, or spelled ``clamp(min=0)``. Other activation functions keep their gradient: the paper has no
    rule for them, and `Attribution.coverage` lists them as gaps.

    Parameters
    ----------
    layer : str, optional
        Name of a layer at whose output the modified gradient is read: see `Layered`.
    """

    key: ClassVar[str] = "guided_backprop"
    title: ClassVar[str] = "Guided backprop"
    summary: ClassVar[str] = "The gradient with everything dropped that speaks against the score: fine edges."
    unit: ClassVar[str] = "score per unit of input, rectified on the way"
    card: ClassVar[Card] = cards.GUIDED_BACKPROP

    layer: str | None = None

    def _rewriter(self, question: Question) -> Rewriter:
        rules = {"relu": guided, "relu6": guided_to_ceiling}
        return Rewriter(question.borrowed.module, rules, _is_a_gate, layer=question.part)


@dataclass(frozen=True)
class Deconvnet(RuledGradient):
    """Deconvolutional network (Zeiler and Fergus 2013, arXiv 1311.2901).

    The gradient, but at every ReLU ``R_in = [R_out > 0] R_out``: the ReLU is applied to what comes back,
    not to where the input was positive. Max pooling puts back what it got at the place of the maximum. What
    counts as a ReLU, and what is a gap: see `GuidedBackprop`.

    Parameters
    ----------
    layer : str, optional
        As in `GuidedBackprop`.
    """

    key: ClassVar[str] = "deconvnet"
    title: ClassVar[str] = "Deconvnet"
    summary: ClassVar[str] = "The network run backwards, each ReLU applied to what comes back: fine edges."
    unit: ClassVar[str] = "score per unit of input, rectified on the way"
    card: ClassVar[Card] = cards.DECONVNET

    layer: str | None = None

    def _rewriter(self, question: Question) -> Rewriter:
        rules = dict.fromkeys(RECTIFIERS, deconvolved)
        return Rewriter(question.borrowed.module, rules, _is_a_gate, layer=question.part)


@dataclass(frozen=True)
class GuidedGradCAM(LayerMaps):
    """Guided Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

    ``guided backprop * Grad-CAM``, the latter enlarged bilinearly to the input's size. In the product, a
    region that lowered the score turns the sign of its pixels round; the paper has a ReLU around the second
    factor.

    Parameters
    ----------
    layer : str, optional
        Name of the layer whose activations Grad-CAM reads: see `GradCAM`.
    rectified : bool
        Only regions that raised the score, as in the paper.
    """

    key: ClassVar[str] = "guided_grad_cam"
    title: ClassVar[str] = "Guided Grad-CAM"
    summary: ClassVar[str] = "Guided backprop, within the regions that Grad-CAM finds: fine edges of a class."
    unit: ClassVar[str] = "guided gradient × Grad-CAM"
    card: ClassVar[Card] = cards.GUIDED_GRAD_CAM

    rectified: bool = knob(False, "only regions that raise")

    def _read(self, question: Question, name: str, layer: nn.Module) -> Iterator[Step[Attribution]]:
        cam, inner, total = GradCAM(name), GuidedBackprop(), len(question.inputs)
        rewriter = inner._rewriter(question)
        values: list[Tensor] = []
        scores: list[Tensor] = []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            score, inputs, gradient = question.input_gradients(start, stop, rewriter.run)
            target = question.target.rows(torch.arange(start, stop))
            made = cam.attribute(question.borrowed, inputs, target, chunk_size=question.chunk_size)
            regions = made.map.clamp(min=0) if self.rectified else made.map
            return score, gradient * regions[:, None]

        for _, stop, (score, part) in question.chunked(work, total):
            values.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            details = {"layer": name, "coverage": rewriter.coverage, "complete": stop == total}
            yield Step(partial(self._product, question, tuple(values), details), stop, total)

    def _product(self, question: Question, parts: tuple[Tensor, ...], details: dict[str, Any]) -> Attribution:
        return question.answer(self, filled(parts, len(question.inputs)), **details)


@dataclass(frozen=True)
class ExcitationBackprop(RuledGradient):
    """Excitation backprop (Zhang et al. 2016, arXiv 1608.00507): marginal winning probabilities.

    A winner among the units above chooses one below with probability ``P(i | j) = x_i w_ij+ / sum_k x_k
    w_kj+``: along contributions that raise it, in their proportion. It begins at the explained output, and a
    pixel's value is the probability that it ends there; they sum to 1, but for what is lost at units that
    nothing raised.

    The paper wants activations that are not negative. Where one is, as in a normalised picture, the
    contribution ``x_i w_ij`` is taken with its sign, and negative ones are left out: on a network of
    convolutions and ReLUs the map is that of LRP alpha1-beta0 without biases, normalised. A batch norm right
    behind a convolution is one with it; a unit with a single input hands all to that, a product half to each
    factor. Attention and other norms keep their gradient: they are gaps in `Attribution.coverage`.

    The start is the output unit itself, of a probability or margin too. Of a function, it is its gradient
    divided by its value: a function and its negative have one map.

    Parameters
    ----------
    contrastive : bool
        Against the dual unit, whose weights have the opposite sign (section 3.3): positive where more speaks
        for the class than against it. The values sum to 0.
    layer : str, optional
        Name of a layer whose units are asked about: the probability that the search passes there. See
        `Layered`.
    """

    key: ClassVar[str] = "excitation_backprop"
    title: ClassVar[str] = "Excitation backprop"
    summary: ClassVar[str] = (
        "The probability that a top-down search for what excited the score ends at a pixel."
    )
    unit: ClassVar[str] = "winning probability"
    card: ClassVar[Card] = cards.EXCITATION_BACKPROP

    contrastive: bool = knob(False, "contrastive")
    layer: str | None = None

    @property
    def signed(self) -> bool:
        """Probabilities are not; their differences are."""
        return self.contrastive

    def _rewriter(self, question: Question) -> Rewriter:
        return Rewriter(question.borrowed.module, {}, _is_no_neuron, merge=True, layer=question.part)

    def _start(self, question: Question) -> Question:
        if question.output == "logit":
            return question
        whole, unit = question.whole, replace(question.target, output="logit", against=None)
        return self._on(Question(whole.borrowed, whole.inputs, unit, whole.chunk_size))

    def _around(self, rewriter: Rewriter) -> AbstractContextManager[Any]:
        return rewriter.run(_Search(self.contrastive))

    def _values(self, inputs: Tensor, gradient: Tensor, score: Tensor) -> Tensor:
        return divided(inputs * gradient, score.reshape(-1, *[1] * (inputs.ndim - 1)))


def _is_no_neuron(call: Call) -> bool:
    return call.name not in MOVES | POOLS | RECTIFIERS


class _Search:
    """The rules of excitation backprop for one run of a model.

    Gradients times values are probabilities: ``P = x * G`` at every tensor, up to a common factor.
    """

    def __init__(self, contrastive: bool) -> None:
        self._contrast = contrastive

    def __call__(self, call: Call) -> Rule | None:
        alone = sum(call.flows) == 1
        if call.name in LEARNED | PRODUCTS and Weighted.of(call):
            return self.excite
        if call.name == "addmm":
            return in_parts
        if call.name == ACTIVATION:
            return carried
        if call.name == "mul" and not alone:
            return halves
        if (call.name in ("add", "sub") and not alone) or call.name in AVERAGES:
            return choose
        one_to_one = call.name in ELEMENTWISE | {"add", "sub", "mul", "div", "neg", "pow", "batch_norm"}
        if one_to_one and alone and call.name not in RECTIFIERS:
            return hand_on
        return None

    def excite(self, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
        """Hand on along positive contributions; from the topmost weights, against their negatives."""
        found = _excited(call, output, gradient, 1)
        if self._contrast:
            self._contrast = False
            found = found - _excited(call, output, gradient, -1)
        return tuple(found if flow else None for flow in call.flows)


def _excited(call: Call, output: Tensor, gradient: Tensor, sign: int) -> Tensor:
    """Modified gradient at the input of weighted sums, with the weights as they are or of opposite sign."""
    parts = Weighted.of(call)
    assert parts is not None
    tensors = list(call.tensors)
    tensors[parts.weight] = sign * tensors[parts.weight]
    if parts.bias is not None:  # it is no unit below
        tensors[parts.bias] = torch.zeros_like(tensors[parts.bias])
    parts = replace(parts, call=replace(call, tensors=tuple(tensors)))
    return alpha_beta(parts, output, gradient, beta=0.0)


def choose(call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """Back through a sum of activations, in proportion to those that raise it."""
    ones = call.pull(torch.ones_like(output), *call.tensors)
    raising = [
        torch.zeros_like(x) if one is None else torch.where(x * one > 0, x, 0)
        for x, one in zip(call.tensors, ones, strict=True)
    ]
    share = divided(output * gradient, call.run(*raising))
    found = call.pull(share, *raising)
    return tuple(
        None if part is None else torch.where(x == 0, 0, part) for part, x in zip(found, raising, strict=True)
    )


def hand_on(call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """A unit with one input hands all to it."""
    x = call.tensors[call.flows.index(True)]
    found = divided(output * gradient, x)
    return tuple(found if flow else None for flow in call.flows)
