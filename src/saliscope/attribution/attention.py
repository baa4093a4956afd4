"""Methods that read where a transformer looks: the weights of its attention."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count, check_share
from saliscope.attribution.cards import attention as cards
from saliscope.attribution.question import gradients_of
from saliscope.core.anytime import Step
from saliscope.core.attention import AttentionCall, attending
from saliscope.core.borrow import untouched
from saliscope.core.device import wide
from saliscope.core.knobs import knob
from saliscope.core.layers import as_maps, enlarged, grid_of
from saliscope.errors import LayerError, MethodError, TargetError
from saliscope.specs.saliency import Card

Query = Literal["auto", "class_token", "mean"]
"""Whose look is shown: the first token's where the grid has tokens before it, or the mean of all patches'."""


class AttentionMethod(Method):
    """A method whose map is one row of weights over the tokens, on the grid of patches, enlarged.

    Its classes are dataclasses with a field `query`.
    """

    family: ClassVar[str] = "Attention"
    _needs_gradient: ClassVar[bool] = False

    query: Query

    def __post_init__(self) -> None:
        if self.query not in ("auto", "class_token", "mean"):
            raise MethodError("query", repr(self.query), "one of auto, class_token, mean")

    @property
    def signed(self) -> bool:
        """Weights of attention are shares."""
        return False

    @abstractmethod
    def _row(self, seen: "Sequence[_Seen]", picture: tuple[int, int]) -> tuple[Tensor, str | None]:
        """Weight of each token (n, tokens), and the layer if it is that of one layer."""

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        question.pictures(f"for {self.title}")
        total = len(question.inputs)
        maps: list[Tensor] = []
        scores: list[Tensor] = []
        kind = "gradient" if self._needs_gradient else "forward"
        for _, stop, (part, layer, score) in question.chunked(partial(self._read, question), total, kind):
            maps.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, tuple(maps), layer), stop, total)

    def _answer(self, question: Question, maps: tuple[Tensor, ...], layer: str | None) -> Attribution:
        coarse = torch.cat(maps)
        missing = len(question.inputs) - len(coarse)
        coarse = torch.nn.functional.pad(coarse, (0, 0, 0, 0, 0, 0, 0, missing))
        values = enlarged(coarse, question.picture)
        grid = (coarse.shape[2], coarse.shape[3])
        return question.answer(self, values, layer=layer, grid=grid, complete=missing == 0)

    def _read(self, question: Question, start: int, stop: int) -> tuple[Tensor, str | None, Tensor]:
        """Maps of the inputs `start` to `stop` on the grid of patches, and their scores."""
        bind = question.binder(start, stop)
        with untouched(question.borrowed.module), torch.set_grad_enabled(self._needs_gradient):
            leaf = question.inputs[start:stop].clone().requires_grad_(self._needs_gradient)
            with attending(question.borrowed.module) as calls:
                outputs = question.borrowed(leaf.clone())
            score = bind(outputs).score(outputs)
            weights = tuple(call.weights for call in calls)
            gradients = gradients_of(score, weights if self._needs_gradient else ())
        if not calls:
            raise MethodError(
                "method",
                f"{self.title} for a model in which no attention was seen",
                "a transformer whose attention is softmax(q k) v in PyTorch",
                "Choose Grad-CAM or a gradient method.",
            )
        if self._needs_gradient and all(one is None for one in gradients):
            raise TargetError(
                "target",
                f"the score '{question.target.labels[0]}', which does not depend on the model's attention",
                "a score behind the transformer's blocks",
            )
        seen = [
            _Seen(call, gradient, stop - start)
            for call, gradient in zip(calls, gradients or (None,) * len(calls), strict=True)
        ]
        row, layer = self._row(seen, question.picture)
        # Hugging Face's attention is in float32 whatever the model is in.
        maps = as_maps(row[..., None], question.picture).to(wide(question.inputs.dtype))
        return maps, layer, score.detach()

    def _start(self, weights: Tensor, picture: tuple[int, int]) -> Tensor:
        """How much each token's own look counts, (n, queries), for weights (n, queries, keys)."""
        n, queries, tokens = weights.shape
        grid = grid_of((1, tokens, 1), picture)
        if grid is None:
            raise MethodError(
                "method",
                f"attention between {tokens} tokens, no grid over {picture[0]} x {picture[1]} pixels",
                "one token for each patch of the picture, and a few before them",
                "Choose Grad-CAM or a gradient method.",
            )
        patches = grid[0] * grid[1]
        if queries == 1:  # pooling by attention: there is one look only
            return weights.new_ones((n, 1))
        if self.query == "class_token" and tokens == patches:
            raise MethodError("query", "'class_token' for a model without one", "'auto' or 'mean'")
        first = tokens > patches and self.query != "mean"
        start = weights.new_zeros((n, queries))
        if first:
            start[:, 0] = 1
        else:
            start[:, queries - patches :] = 1 / patches
        return start


_NEARLY_ALL = 0.99
"""Of a map of which all is left out, nothing is left."""


@dataclass(frozen=True)
class _Seen:
    """One attention of `n` inputs, and the gradient of their scores at its weights."""

    call: AttentionCall
    slope: Tensor | None
    n: int

    @property
    def weights(self) -> Float[Tensor, "n heads queries keys"]:
        """The weights, head by head."""
        weights = self.call.by_head(self.n)
        if weights is None:
            raise MethodError(
                "method",
                f"attention within windows in '{self.call.layer}', with weights of shape "
                f"{tuple(self.call.weights.shape)} for {self.n} inputs",
                "attention between all tokens",
                "Choose Grad-CAM, which reads the grid of any layer.",
            )
        return weights.detach().to(wide(weights.dtype))

    @property
    def gradient(self) -> Float[Tensor, "n heads queries keys"]:
        """The gradient, head by head; zero where no way leads to the score."""
        weights = self.weights
        slope = None if self.slope is None else self.call.by_head(self.n, self.slope)
        return torch.zeros_like(weights) if slope is None else slope.to(weights.dtype)


@dataclass(frozen=True)
class Attention(AttentionMethod):
    """The attention of one layer, as it is.

    Row of the class token in ``softmax(q k' / sqrt(d))`` (Vaswani et al. 2017, arXiv 1706.03762), or the mean
    over all patches' rows where there is no such token. It does not depend on the score.

    Parameters
    ----------
    layer : str, optional
        Name of the attention, or of a layer around it: its last attention counts. None: the model's last one.
    head : int
        Which head, from 1 on; 0 for the mean over all.
    query : {"auto", "class_token", "mean"}
        Whose look is shown: "auto" takes the first token where there are tokens before the grid of patches.
    """

    key: ClassVar[str] = "attention"
    title: ClassVar[str] = "Attention"
    summary: ClassVar[str] = (
        "Which patches one layer of a transformer reads from; it says nothing about the score."
    )
    unit: ClassVar[str] = "share of attention"
    card: ClassVar[Card] = cards.ATTENTION

    layer: str | None = knob(None, "layer")
    head: int = knob(0, "head (0: mean)", 0, 32, 1)
    query: Query = knob("auto", "looking from")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("head", self.head, minimum=0)

    def _row(self, seen: Sequence[_Seen], picture: tuple[int, int]) -> tuple[Tensor, str | None]:
        names = [one.call.layer for one in seen]
        inside = [
            i for i, name in enumerate(names) if self.layer is None or f"{name}.".startswith(f"{self.layer}.")
        ]
        if not inside:
            known = ", ".join(map(repr, dict.fromkeys(names)))
            raise LayerError("layer", f"{self.layer!r}, in which no attention ran", f"one of {known}")
        one = seen[inside[-1]]
        weights = one.weights
        if self.head > weights.shape[1]:
            expected = f"0 for the mean, or a head of '{one.call.layer}' from 1 to {weights.shape[1]}"
            raise MethodError("head", str(self.head), expected)
        fused = weights[:, self.head - 1] if self.head else weights.mean(1)
        return _look(self._start(fused, picture), fused, one.call.layer), one.call.layer


class Rollout(AttentionMethod):
    """A method that follows the attention from the last layer down; with a field `start_layer`, too."""

    start_layer: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("start_layer", self.start_layer, minimum=0)

    @abstractmethod
    def _mixing(self, one: _Seen) -> Tensor:
        """How much each token takes from each other in one layer."""

    @abstractmethod
    def _through(self, look: Tensor, taken: Tensor) -> Tensor:
        """A look at a layer's output, seen from its input, where `taken` of it came from its attention."""

    def _row(self, seen: Sequence[_Seen], picture: tuple[int, int]) -> tuple[Tensor, str | None]:
        if self.start_layer >= len(seen):
            expected = f"a layer from 0 to {len(seen) - 1}"
            raise MethodError("start_layer", str(self.start_layer), expected)
        # From the top: one row through each layer costs less than the product of all their matrices.
        below = seen[self.start_layer :][::-1]
        look = start = self._start(below[0].weights[:, 0], picture)
        for one in below:
            mixing = self._mixing(one)
            taken = _look(look, mixing, one.call.layer)
            # A query of its own, as of pooling by attention, has no residual connection.
            look = self._through(look, taken) if taken.shape == look.shape else taken
        return self._ended(look, start), None

    def _ended(self, look: Tensor, start: Tensor) -> Tensor:
        """The result, given the look at the picture and the one that was started with."""
        return look


def _look(look: Tensor, weights: Tensor, layer: str) -> Tensor:
    """Weights of the queries' own looks, handed on to the keys."""
    if look.shape[1] != weights.shape[1]:
        raise MethodError(
            "method",
            f"{weights.shape[1]} tokens in '{layer}' and {look.shape[1]} above it",
            "the same tokens in all layers",
            "Choose Grad-CAM, which reads the grid of any layer.",
        )
    return torch.einsum("nq,nqk->nk", look, weights)


@dataclass(frozen=True)
class AttentionRollout(Rollout):
    """Attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928).

    ``A_L ... A_2 A_1`` with ``A_l = residual * I + (1 - residual) * attention of layer l``: what reaches a
    token of the last layer from each patch, if attention were all that mixes them. Its row is read as that
    of `Attention`. It does not depend on the score.

    Parameters
    ----------
    residual : float
        Weight of the connection around the attention; the paper takes one half.
    fusion : {"mean", "max", "min"}
        How the heads become one; the rows are scaled to sum to one again.
    discard : float
        Share of the smallest weights of each row that is set to zero before.
    start_layer : int
        First attention that counts, from 0.
    query : {"auto", "class_token", "mean"}
        As of `Attention`.
    """

    key: ClassVar[str] = "attention_rollout"
    title: ClassVar[str] = "Attention rollout"
    summary: ClassVar[str] = (
        "Which patches reach the output through all layers' attention; it says nothing about the score."
    )
    unit: ClassVar[str] = "share of attention"
    card: ClassVar[Card] = cards.ATTENTION_ROLLOUT

    residual: float = knob(0.5, "residual", 0.0, 0.95, 0.05)
    fusion: Literal["mean", "max", "min"] = knob("mean", "heads")
    discard: float = knob(0.0, "discard", 0.0, 0.99, 0.01)
    start_layer: int = knob(0, "first layer", 0, 40, 1)
    query: Query = knob("auto", "looking from")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("residual", self.residual)
        check_share("discard", self.discard, most=_NEARLY_ALL)
        if self.fusion not in ("mean", "max", "min"):
            raise MethodError("fusion", repr(self.fusion), "one of mean, max, min")

    def _mixing(self, one: _Seen) -> Tensor:
        weights = one.weights
        fused = {"mean": torch.mean, "max": torch.amax, "min": torch.amin}[self.fusion](weights, 1)
        dropped = int(self.discard * fused.shape[-1])
        if dropped:
            least = fused.kthvalue(dropped + 1, dim=-1, keepdim=True).values
            fused = fused.where(fused >= least, 0)
        return fused / fused.sum(-1, keepdim=True).clamp_min(torch.finfo(fused.dtype).tiny)

    def _through(self, look: Tensor, taken: Tensor) -> Tensor:
        return self.residual * look + (1 - self.residual) * taken


@dataclass(frozen=True)
class GradientRollout(Rollout):
    """Gradient-weighted rollout (Chefer et al. 2021, arXiv 2012.09838 and 2103.15679).

    ``(I + A_L) ... (I + A_1) - I`` with ``A_l = mean over heads of (attention * dF/dattention)^+``. This is
    the rule of the second paper, which for an encoder is that of the first one with the attention itself in
    the place of its relevance by layer-wise propagation.

    Parameters
    ----------
    start_layer : int
        First attention that counts, from 0.
    query : {"auto", "class_token", "mean"}
        As of `Attention`.
    """

    key: ClassVar[str] = "gradient_rollout"
    title: ClassVar[str] = "Gradient rollout"
    summary: ClassVar[str] = (
        "Which patches reach the output through the attention that raised the score, layer by layer."
    )
    unit: ClassVar[str] = "gradient × attention"
    card: ClassVar[Card] = cards.GRADIENT_ROLLOUT
    _needs_gradient: ClassVar[bool] = True

    start_layer: int = knob(0, "first layer", 0, 40, 1)
    query: Query = knob("auto", "looking from")

    def _mixing(self, one: _Seen) -> Tensor:
        return (one.weights * one.gradient).clamp_min(0).mean(1)

    def _through(self, look: Tensor, taken: Tensor) -> Tensor:
        return look + taken

    def _ended(self, look: Tensor, start: Tensor) -> Tensor:
        return look - start if look.shape == start.shape else look
