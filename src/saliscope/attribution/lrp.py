"""Layer-wise relevance propagation: which rule each operation gets, by what it is and where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from saliscope.attribution import lrp_rules as rules
from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.cards.lrp import LRP as CARD
from saliscope.attribution.layered import Layered
from saliscope.attribution.ruled import filled
from saliscope.core.anytime import Step
from saliscope.core.coverage import Coverage
from saliscope.core.knobs import knob
from saliscope.core.op_call import Source, Turned, carried
from saliscope.core.op_names import ACTIVATION, AVERAGES, ELEMENTWISE, LEARNED, MOVES, POOLS
from saliscope.core.ops import INPUT, Call, Rewriter, Rule, in_parts, own_gradient
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

Composite = Literal[
    "auto",
    "epsilon_plus_flat",
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_alpha2_beta1",
    "epsilon",
    "attention",
]

_COMPOSITES: dict[str, tuple[str, str, str | None]] = {
    "epsilon_plus_flat": ("z_plus", "epsilon", "flat"),
    "epsilon_gamma_box": ("gamma", "epsilon", "box"),
    "epsilon_plus": ("z_plus", "epsilon", None),
    "epsilon_alpha2_beta1": ("alpha2_beta1", "epsilon", None),
    "epsilon": ("epsilon", "epsilon", None),
    "attention": ("gamma", "small_gamma", None),
}
"""Rules for convolutions, for dense layers, and for whatever sees the picture itself."""

_DENSE_SHARE = 0.2
"""Gamma of dense layers over that of convolutions: 0.05 beside the default of 0.25, our own choice."""

_ZERO_AT_ZERO = frozenset(
    str.split(
        "relu6 gelu silu mish elu selu celu tanh hardtanh hardswish hardshrink softshrink erf sin "
        "tan sinh asinh asin atan atanh expm1 log1p square pow clamp sqrt"
    )
)
"""Functions of each value that are zero at zero and no straight line on either side of it."""

_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "batch_norm"})

_RIGHT = (
    MOVES
    | AVERAGES
    | POOLS
    | _ARITHMETIC
    | frozenset(
        str.split(
            "relu leaky_relu prelu rrelu abs maximum minimum where softmax log_softmax sigmoid "
            "hardsigmoid softplus log_sigmoid exp log norm linalg_vector_norm std"
        )
    )
)
"""Operations that share relevance as input times gradient does, if not all of their calls."""

_NORMS = frozenset({"layer_norm", "rms_norm", "group_norm", "instance_norm"})

_TAKEN_APART = frozenset({"addmm", "addmv", "baddbmm"})

_SEVERAL = frozenset({"split", "chunk", "tensor_split", "unbind", "meshgrid", "broadcast_tensors"})
"""Operations that put out several tensors: no rule can be given for all of them at once."""

_QUESTIONS = frozenset(
    str.split("gt lt ge le eq ne isnan isinf isfinite any all argmax argmin equal allclose")
)
"""Operations whose answer has no gradient."""


@dataclass(frozen=True)
class LRP(Layered):
    """Layer-wise relevance propagation (Bach et al. 2015, doi 10.1371/journal.pone.0130140).

    The score is handed down: each operation shares the relevance ``R_j`` of its outputs among its inputs by
    their contributions, ``R_i = sum_j z_ij / z_j R_j``; rules differ in which contributions they count. An
    operation gets its rule by its name and its place, however it is written: a composite names one for
    convolutions, one for dense layers, and one for what sees the picture itself. Rules of attention follow
    AttnLRP (Achtibat et al. 2024, arXiv 2402.05602) under every composite. Batch norm is merged into the
    convolution before it; an activation spelled out as ``x * g(x)`` hands all to ``x``. Biases take relevance
    that no input gets.

    Parameters
    ----------
    composite : {"auto", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_plus", "epsilon_alpha2_beta1", \
"epsilon", "attention"}
        Rules for convolutions, dense layers and the picture: z-plus, epsilon, flat; gamma, epsilon, z-box;
        z-plus, epsilon; alpha-beta, epsilon; epsilon everywhere; gamma everywhere, in dense layers a fifth.
        "auto" is "attention" for a model with attention and "epsilon_plus_flat" for any other.
    epsilon : float
        What the epsilon rule adds to an output's size; more of it, and small outputs get nothing through.
    gamma : float
        How much more the gamma rule counts contributions that push an output the way it went.
    layer : str, optional
        Name of a layer whose relevance is read on its way down, where no rule for the picture itself has had
        its turn: see `Layered`.
    """

    key: ClassVar[str] = "lrp"
    title: ClassVar[str] = "LRP"
    summary: ClassVar[str] = "The score, handed down layer by layer to the pixels that it came from."
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = CARD
    family: ClassVar[str] = "Rules"
    composite: Composite = knob("auto", "rules")
    epsilon: float = knob(1e-6, "epsilon", 1e-9, 1.0, 1e-9, log=True)
    gamma: float = knob(0.25, "gamma", 0.0, 10.0, 0.05)
    layer: str | None = None

    def __post_init__(self) -> None:
        known = ("auto", *_COMPOSITES)
        if self.composite not in known:
            raise MethodError("composite", repr(self.composite), f"one of {', '.join(known)}")
        for name in ("epsilon", "gamma"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value < float("inf"):
                raise MethodError(name, repr(value), "a number that is not negative")

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        total = len(question)
        values: list[Tensor] = []
        scores: list[Tensor] = []
        choice = _Choice(self, question)
        rewriter = Rewriter(
            question.borrowed.module, choice, _needs, merge=True, measure="rules", layer=question.part
        )

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            choice.begin(question.whole.inputs[start:stop])
            score, inputs, gradient = question.input_gradients(start, stop, around=rewriter.run)
            return score, gradient if choice.to_picture else inputs * gradient

        for _, stop, (score, part) in question.whole.chunked(work, total):
            values.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            coverage = rewriter.coverage if stop == total else None
            yield Step(partial(self._answer, question, tuple(values), coverage, choice.notes), stop, total)

    def _answer(
        self,
        question: Question,
        parts: tuple[Tensor, ...],
        coverage: Coverage | None,
        notes: tuple[str, ...],
    ) -> Attribution:
        values, missing = filled(parts, len(question)), None
        complete = sum(map(len, parts)) == len(values)
        linear = question.target.function is None and question.target.output in ("logit", "margin")
        if complete and linear:
            missing = values.flatten(1).sum(1) - question.score
        return question.answer(
            self, values, convergence_delta=missing, coverage=coverage, notes=notes, complete=complete
        )


class _Choice:
    """The rule of each call of one model.

    What reaches the picture is modified gradients; or, where a rule for the picture is in use, relevance
    itself, since such a rule gives some to pixels that are zero. What only prepares the picture (scaling it,
    moving its pixels) then hands on what comes. All of it is decided when the model has run.
    """

    def __init__(self, method: LRP, question: Question) -> None:
        self.method, self._preprocessing = method, question.borrowed.preprocessing
        has_one = method.composite == "auto" or _COMPOSITES[method.composite][2] is not None
        self.picture_rule_asked = has_one and question.layer is None

    def begin(self, points: Tensor) -> None:
        """The next calls are of a run on these inputs."""
        self.attends = self._blocked = self._seen = False
        self._ends: tuple[Tensor, Tensor] | None = None
        if self.method.composite == "epsilon_gamma_box":
            self._ends = self._ends_of(points)

    def _ends_of(self, points: Tensor) -> tuple[Tensor, Tensor]:
        if self._preprocessing.mean is not None:
            black, white = torch.zeros_like(points), torch.ones_like(points)
            return self._preprocessing.to_model_space(black), self._preprocessing.to_model_space(white)
        dims = tuple(range(1, points.ndim))
        low, high = points.amin(dims, keepdim=True), points.amax(dims, keepdim=True)
        return low.expand_as(points), high.expand_as(points)

    @property
    def composite(self) -> str:
        """Which rules these are, once the model ran."""
        if self.method.composite != "auto":
            return self.method.composite
        return "attention" if self.attends else "epsilon_plus_flat"

    @property
    def to_picture(self) -> bool:
        """Whether relevance itself reaches the picture, once the model ran."""
        return self._seen and not self._blocked and _COMPOSITES[self.composite][2] is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, once the model ran."""
        made = [f"Rules: {self.composite}."] if self.method.composite == "auto" else []
        rule = _COMPOSITES[self.composite][2] if self.picture_rule_asked else None
        if rule is not None and not self.to_picture:
            made.append(f"No layer that sees the picture itself was found: the {rule} rule was left out.")
        elif rule == "box" and self._preprocessing.mean is None:
            made.append("The normalisation is unknown: the box is each picture's own range of values.")
        return tuple(made)

    def __call__(self, call: Call) -> Rule | Turned | None:
        """The rule of a call; None where the gradient is right, or nothing is known."""
        rule = self._rule(call)
        if not self.picture_rule_asked or rule is in_parts or call.name in _QUESTIONS:
            return rule
        direct = [_on_picture(source) for source, flow in zip(call.sources, call.flows, strict=False) if flow]
        if not any(direct):
            return rule
        if isinstance(rule, _Layer):
            rule.on_picture, self._seen = True, True
            if self._ends:
                low, high = self._ends_before(call)[call.flows.index(True)]
                rule.ends = low.clone(), high.clone()  # what is written later is not of this layer
            return rule
        known = call.name in _RIGHT | _NORMS | ELEMENTWISE or rule is not None
        if call.name in _SEVERAL or not known:
            self._blocked = True
            return rule
        of_each = sum(call.flows) == 1 and call.name in _ARITHMETIC | ELEMENTWISE
        if all(direct) and (call.name in MOVES or of_each):
            return _Before(self, rule or own_gradient, self._ends and self._ends_after(call), of_each, call)
        if call.in_place and call.flows[0] and isinstance(call.sources[0], _Before):
            # Not the picture any more from here on, nor is any other view of it.
            return Turned(_At(self, own_gradient, call.sources[:1]))
        return _At(self, rule or own_gradient, call.sources)

    def _ends_before(self, call: Call) -> list[tuple[Tensor, Tensor]]:
        """Smallest and largest value of each of a call's tensors."""
        assert self._ends is not None
        made = []
        for k, tensor in enumerate(call.tensors):
            source = call.sources[k] if k < len(call.sources) and call.flows[k] else None
            ends = source.ends_of(tensor) if isinstance(source, _Before) else None
            ends = self._ends if source == INPUT else ends
            made.append(ends or (tensor, tensor))
        return made

    def _ends_after(self, call: Call) -> tuple[Tensor, Tensor]:
        before = self._ends_before(call)
        one, other = (call.run(*(ends[side] for ends in before)) for side in (0, 1))
        return torch.minimum(one, other), torch.maximum(one, other)

    def _rule(self, call: Call) -> Rule | None:
        name, flowing = call.name, sum(call.flows)
        if name in LEARNED or name in rules.PRODUCTS:
            if flowing == 1:
                return _Layer(self, name in rules.CONVOLUTIONS) if rules.Weighted.of(call) else None
            self.attends = self.attends or name in rules.PRODUCTS
            return rules.halves
        if name == "scaled_dot_product_attention":
            self.attends = self.attends or flowing > 1
            return rules.attention
        if name in _TAKEN_APART:
            return in_parts
        if name == ACTIVATION:
            return carried
        if name == "mul" and flowing > 1:
            normaliser = [source is rules.nothing for source in call.sources]
            if any(normaliser):
                return partial(rules.one_factor, place=normaliser.index(False) if not all(normaliser) else 0)
            return rules.halves
        if name == "div" and flowing > 1:
            return rules.numerator
        if name == "rsqrt":
            return rules.nothing
        if name in _NORMS:
            return rules.normalised if call.argument("use_input_stats", True) else None
        if name in _ZERO_AT_ZERO and flowing == 1 and call.flows[0] and _is_zero_at_zero(call):
            return rules.passed
        return None


def _needs(call: Call) -> bool:
    """Whether a call without a rule is a gap."""
    return call.name not in _RIGHT


def _on_picture(source: Any) -> bool:
    """Whether what comes from there is the picture, at most prepared."""
    return source == INPUT or isinstance(source, _Before)


def _is_zero_at_zero(call: Call) -> bool:
    if call.name == "pow":
        exponent = call.argument("exponent")
        return isinstance(exponent, (int, float)) and exponent > 0
    if call.name in ("clamp", "hardtanh"):
        names, ends = (
            (("min", "max"), (None, None)) if call.name == "clamp" else (("min_val", "max_val"), (-1, 1))
        )
        low, high = (call.argument(name, end) for name, end in zip(names, ends, strict=True))
        if isinstance(low, Tensor) or isinstance(high, Tensor):
            return False
        return (low is None or low <= 0) and (high is None or high >= 0)
    return True


class _Layer:
    """Of a weighted sum: the composite's rule for its kind of layer and its place."""

    def __init__(self, choice: _Choice, convolution: bool) -> None:
        self._choice, self._convolution = choice, convolution
        self.on_picture = False
        self.ends: tuple[Tensor, Tensor] | None = None

    @property
    def name(self) -> str:
        """Of the rule."""
        names = _COMPOSITES[self._choice.composite]
        if self.on_picture and self._choice.to_picture:
            return str(names[2])
        return str(names[0 if self._convolution else 1])

    @property
    def measured(self) -> bool:
        """Whether what it gives is a gradient, which has to be multiplied by the input."""
        return not (self.on_picture and self._choice.to_picture)

    def __call__(self, call: Call, output: Tensor, gradient: Tensor) -> rules.Found:
        parts = rules.Weighted.of(call)
        assert parts is not None
        found = self._found(parts, output, gradient)
        return [found if flow else None for flow in call.flows]

    def _found(self, parts: rules.Weighted, z: Tensor, g: Tensor) -> Tensor:
        method, name = self._choice.method, self.name
        if name == "flat":
            return rules.flat(parts, z, g)
        if name == "box":
            assert self.ends is not None
            return rules.box(parts, z, g, *self.ends)
        if name == "epsilon":
            return rules.epsilon(parts, z, g, method.epsilon)
        if name in ("gamma", "small_gamma"):
            return rules.gamma(parts, z, g, method.gamma * (1 if name == "gamma" else _DENSE_SHARE))
        return rules.alpha_beta(parts, z, g, 1.0 if name == "alpha2_beta1" else 0.0)


class _Before(Source):
    """Of what prepares the picture: relevance is handed on as it comes.

    Smallest and largest values lie in memory as the values do: what is written into a view is in all.
    """

    def __init__(
        self, choice: _Choice, rule: Rule, ends: tuple[Tensor, Tensor] | None, of_each: bool, call: Call
    ) -> None:
        self._choice, self._rule, self._ends, self._of_each = choice, rule, ends, of_each
        self.name, self.moves, self._writes = "handed on", call.name in MOVES, call.in_place
        self._memory: list[Tensor] | None = None

    def made(self, tensor: Tensor, before: Source | None) -> None:
        """Lay the ends into memory."""
        if self._ends is None:
            return
        self._memory = before._memory if isinstance(before, _Before) else None
        if self._memory is None:
            size = tensor.untyped_storage().nbytes() // tensor.element_size()
            self._memory = [tensor.as_strided((size,), (1,), 0).clone() for _ in range(2)]
        elif not self._writes:  # a view
            return
        for ends, made in zip(self._memory, self._ends, strict=True):
            _view(ends, tensor).copy_(made)

    def ends_of(self, tensor: Tensor) -> tuple[Tensor, Tensor] | None:
        """Smallest and largest value of each of a tensor's."""
        if self._memory is None:
            return None
        return _view(self._memory[0], tensor), _view(self._memory[1], tensor)

    @property
    def measured(self) -> bool:
        """As of `_Layer`."""
        return not self._choice.to_picture

    def __call__(self, call: Call, output: Tensor, gradient: Tensor) -> rules.Found:
        if self._of_each and self._choice.to_picture:
            return [gradient if flow else None for flow in call.flows]
        return self._rule(call, output, gradient)


def _view(memory: Tensor, like: Tensor) -> Tensor:
    return memory.as_strided(like.shape, like.stride(), like.storage_offset())


class _At:
    """Of any other operation that sees the picture: its gradient becomes relevance there."""

    def __init__(self, choice: _Choice, rule: Rule, sources: tuple[Any, ...]) -> None:
        self._choice, self._rule = choice, rule
        self._direct = [_on_picture(source) for source in sources]
        self.name = getattr(rule, "__name__", "rule")

    @property
    def measured(self) -> bool:
        """As of `_Layer`."""
        return not self._choice.to_picture

    def __call__(self, call: Call, output: Tensor, gradient: Tensor) -> rules.Found:
        found = self._rule(call, output, gradient)
        if not self._choice.to_picture:
            return found
        return [
            own * tensor if direct and own is not None else own
            for own, tensor, direct in zip(found, call.tensors, self._direct, strict=True)
        ]
