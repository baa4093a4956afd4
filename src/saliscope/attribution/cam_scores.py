"""Class activation maps that need no gradient at the layer: weights read, asked for, or none at all."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.cam import LayerMaps, OneRun
from saliscope.attribution.cards import cam as cards
from saliscope.attribution.perturbation import forward_scores
from saliscope.core.anytime import Step
from saliscope.core.baselines import Black, as_baselines
from saliscope.core.batching import ChunkSize, Kind, chunks
from saliscope.core.borrow import untouched
from saliscope.core.device import wide
from saliscope.core.knobs import knob
from saliscope.core.layers import as_maps, enlarged, find_layer, heard, silent
from saliscope.core.query import check_score
from saliscope.core.tail import Tail
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import LayerError, MethodError, TargetError
from saliscope.specs.saliency import Card

_TAIL_BYTES = 32 * 2**20
_TAIL_ROWS = 256


@dataclass(frozen=True)
class CAM(OneRun):
    """The class activation map (Zhou et al. 2015, arXiv 1512.04150).

    ``sum over channels c of w_c A_c``, with ``w`` the class's row in the linear layer that follows the global
    average pooling of the maps A: its mean over space, plus the bias, is the class's logit.

    Parameters
    ----------
    layer : str, optional
        Name of the layer whose mean over space the linear layer is given. None: the last layer with a spatial
        output that the score depends on.
    """

    key: ClassVar[str] = "cam"
    title: ClassVar[str] = "CAM"
    summary: ClassVar[str] = (
        "How much each place of the last maps counts in a class's logit; exact, for networks that pool them."
    )
    unit: ClassVar[str] = "score × cells of the layer"
    card: ClassVar[Card] = cards.CAM

    def _coarse(self, question: Question, name: str, start: int, stop: int) -> tuple[Tensor, Tensor]:
        with _linear_calls(question.borrowed.module) as calls:
            maps, score, target = _heard(question, name, start, stop)
        if target.indices is None or target.output not in ("logit", "margin"):
            got = f"output={target.output!r}" if target.indices is not None else "a function"
            raise TargetError(
                "target",
                got if target.layer is None else f"a layer's unit, the {target.labels[0]}",
                "the logit of a class, or the margin between two: CAM reads the weights of classes",
                "Grad-CAM takes any score.",
            )
        # A rectifier between the layer and the pooling may be a function, which has no name.
        for maps_there in (maps, maps.relu()):
            pooled = maps_there.mean((2, 3))
            for linear, given in calls:
                weights, bias = _of_class(linear, target)
                if given.shape != pooled.shape or weights is None or not _near(given, pooled):
                    continue
                if _near((weights * given).sum(1) + bias, score):
                    return (weights[:, :, None, None] * maps_there).sum(1, keepdim=True), score
        raise LayerError(
            "layer",
            f"'{name}', from whose mean over space no linear layer makes the score",
            "the last maps of a network that ends in global average pooling and one linear layer",
            "Grad-CAM needs neither.",
        )


@contextmanager
def _linear_calls(module: nn.Module) -> Iterator[list[tuple[nn.Linear, Tensor]]]:
    """Linear layers that were given one vector for each input, with that vector."""
    calls: list[tuple[nn.Linear, Tensor]] = []

    def hook(linear: nn.Module, inputs: Any, _output: Any) -> None:
        if isinstance(linear, nn.Linear) and inputs and inputs[0].ndim == 2:
            calls.append((linear, inputs[0].clone()))

    handles = [m.register_forward_hook(hook) for m in module.modules() if isinstance(m, nn.Linear)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _of_class(linear: nn.Linear, target: ResolvedTarget) -> tuple[Tensor | None, Tensor | float]:
    """Weights and bias from which a linear layer makes each row's score; None where it has no such class."""
    assert target.indices is not None
    parameters = dict(linear.named_parameters())
    bias = parameters.get("bias", linear.weight.new_zeros(linear.out_features))
    both = torch.cat([linear.weight, bias[:, None]], 1).detach()
    if int(target.indices.max()) >= len(both):
        return None, 0.0
    rows = both[target.indices.to(both.device)]
    if target.against is not None:
        if int(target.against.max()) >= len(both):
            return None, 0.0
        rows = rows - both[target.against.to(both.device)]
    return rows[:, :-1], rows[:, -1]


def _near(a: Tensor, b: Tensor) -> bool:
    return bool(((a - b).abs() <= torch.finfo(a.dtype).eps ** 0.5 * b.abs().max()).all())


def _heard(question: Question, name: str, start: int, stop: int) -> tuple[Tensor, Tensor, ResolvedTarget]:
    """A layer's maps at the inputs `start` to `stop`, their score, and the target that it is of."""
    bind = question.binder(start, stop)
    module = question.borrowed.module
    with untouched(module), torch.no_grad(), heard(find_layer(module, name)[1]) as outputs:
        target, score = _scored(bind, question.borrowed(question.inputs[start:stop].clone()))
    if not outputs:
        raise silent(name)
    return as_maps(outputs[-1], question.picture), score, target


def _scored(bind: Callable[[Any], ResolvedTarget], outputs: Any) -> tuple[ResolvedTarget, Tensor]:
    target = bind(outputs)
    score = target.score(outputs).detach()
    check_score(score)
    return target, score


@dataclass(frozen=True)
class EigenCAM(OneRun):
    """Eigen-CAM (Muhammad and Yeasin 2020, arXiv 2008.00299): the same map for every class.

    The projection of the activations at each place on their first right singular vector, ``A v_1`` of the
    matrix A (places x channels). The sign of ``v_1`` is arbitrary; it is fixed so that the map's sum is not
    negative, which behind a ReLU makes every value positive. As in the paper, the activations are not
    centred: centred ones sum to zero, and no sign would be better than the other.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    """

    key: ClassVar[str] = "eigen_cam"
    title: ClassVar[str] = "Eigen-CAM"
    summary: ClassVar[str] = "The strongest pattern in a layer's activations; the same for every class."
    unit: ClassVar[str] = "activation along the first singular vector"
    card: ClassVar[Card] = cards.EIGEN_CAM

    def _coarse(self, question: Question, name: str, start: int, stop: int) -> tuple[Tensor, Tensor]:
        maps, score, _ = _heard(question, name, start, stop)
        matrix = maps.flatten(2).transpose(1, 2)
        left, values, _ = torch.linalg.svd(matrix.to(wide(matrix.dtype)), full_matrices=False)
        first = left[:, :, 0] * values[:, :1]
        first = torch.where(first.sum(1, keepdim=True) < 0, -first, first)
        return first.to(maps.dtype).reshape(len(maps), 1, *maps.shape[2:]), score


@dataclass
class _Probe:
    """One input, and how to ask what each channel is worth.

    Attributes
    ----------
    maps : Tensor of shape (channels, h, w)
    reach : Tensor of shape (channels,)
        How much there is to ask about; where it is zero, so is the answer. The largest come first.
    ask : callable
        From numbers of channels, and whether they are the first ones, to the change of score that each makes.
    chunk_size : int or "auto"
    """

    maps: Tensor
    reach: Tensor
    ask: Callable[[Tensor, bool], Tensor]
    chunk_size: ChunkSize


class _ByChannel(LayerMaps):
    """A method that weighs each channel by what the network says without it, or of it alone."""

    _kind: ClassVar[Kind] = "forward"

    def _read(self, question: Question, name: str, layer: nn.Module) -> Iterator[Step[Attribution]]:
        n_inputs, finished = len(question.inputs), list[Tensor]()
        for i in range(n_inputs):
            start = partial(self._probe, question, name, layer)
            ((_, _, probe),) = question.chunked(lambda _a, _b, start=start, i=i: start(i), 1, "forward")
            order = probe.reach.argsort(descending=True, stable=True)
            n_live, n_channels = int((probe.reach > 0).sum()), len(order)
            changes = probe.maps.new_zeros(0)

            def work(start: int, stop: int, probe: _Probe = probe, order: Tensor = order) -> Tensor:
                return probe.ask(order[start:stop], start == 0)

            module, size = question.borrowed.module, probe.chunk_size
            for _, stop, made in chunks(work, n_live, size, module, question.inputs, self._kind):
                changes = torch.cat([changes, made])
                if stop < n_live:
                    so_far = partial(self._weighted, probe.maps, order, changes)
                    look = partial(self._look, question, name, tuple(finished), so_far)
                    yield Step(look, i * n_channels + stop, n_inputs * n_channels)
            changes = torch.cat([changes, changes.new_zeros(n_channels - n_live)])
            finished.append(self._weighted(probe.maps, order, changes))
            look = partial(self._answer, question, name, tuple(finished), i + 1 == n_inputs)
            yield Step(look, (i + 1) * n_channels, n_inputs * n_channels)

    def _look(
        self, question: Question, name: str, finished: tuple[Tensor, ...], so_far: Callable[[], Tensor]
    ) -> Attribution:
        return self._answer(question, name, (*finished, so_far()), False)

    def _weighted(self, maps: Tensor, order: Tensor, changes: Tensor) -> Tensor:
        weights = self._weights(changes).to(maps.dtype)
        return torch.einsum("c,chw->hw", weights, maps[order[: len(changes)]])[None, None]

    def _weights(self, changes: Tensor) -> Tensor:
        return changes

    @abstractmethod
    def _probe(self, question: Question, name: str, layer: nn.Module, i: int) -> _Probe:
        """Of input i."""


@dataclass(frozen=True)
class ScoreCAM(_ByChannel):
    """Score-CAM (Wang et al. 2019, arXiv 1910.01279).

    ``sum over channels c of (F(x' + H_c (x - x')) - F(x')) A_c``, where the mask ``H_c`` is the map ``A_c``,
    enlarged and scaled to [0, 1]: by how much the score rises when the picture is shown where the channel
    fires. The paper's ``x`` times ``H_c`` is a baseline ``x'`` of zeros. The signed sum is kept; the outer
    ReLU is a view. Channels of the widest range come first, so partial maps are soon good guesses.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    baseline : Baseline, str, float or Tensor
        What a hidden place looks like.
    normalize : bool
        Turn the rises into weights by a softmax over the channels, as the paper's algorithm 1 and other
        packages do. Then no channel can count against the score.
    """

    key: ClassVar[str] = "score_cam"
    title: ClassVar[str] = "Score-CAM"
    summary: ClassVar[str] = (
        "A layer's maps, each weighted by the score of the picture shown only where that map fires."
    )
    card: ClassVar[Card] = cards.SCORE_CAM
    _kind: ClassVar[Kind] = "gradient"

    baseline: Any = field(default_factory=Black)
    normalize: bool = knob(False, "softmax over channels")

    def __post_init__(self) -> None:
        count = len(as_baselines(self.baseline))
        if count > 1:
            raise MethodError("baseline", f"{count} baselines", "one", "Run it once for each of them.")

    @property
    def unit(self) -> str:  # type: ignore[override]
        """Of a softmax no score is left."""
        return "share × activation" if self.normalize else "score × activation"

    def _probe(self, question: Question, name: str, layer: nn.Module, i: int) -> _Probe:
        maps, score, _ = _heard(question, name, i, i + 1)
        if len(question.inputs) == 1:
            question.know(score)
        (baseline,) = as_baselines(self.baseline)
        start = baseline.make(question.borrowed, question.inputs)[i : i + 1]
        at_start = question.scores_at(start, torch.tensor([i]))

        def rises(channels: Tensor, first: bool) -> Tensor:
            masks = enlarged(maps[:, channels], question.picture).transpose(0, 1)
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            masks = torch.where(high > low, (masks - low) / (high - low), 0)
            points = start + masks * (question.inputs[i] - start)
            return forward_scores(question, points, torch.full((len(points),), i), measured=first) - at_start

        reach = maps[0].amax((1, 2)) - maps[0].amin((1, 2))
        return _Probe(maps[0], reach, rises, question.chunk_size)

    def _weights(self, changes: Tensor) -> Tensor:
        return changes.softmax(0) if self.normalize else changes


@dataclass(frozen=True)
class AblationCAM(_ByChannel):
    """Ablation-CAM (Desai and Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360).

    ``sum over channels c of (F - F without c) A_c``: by how much the score falls when a channel of the layer
    is set to zero. Only what follows the layer runs again, see `saliscope.core.tail`. The paper divides the
    falls by the score, one number for the whole map: that is left out, as it would turn all signs where the
    score is negative. The signed sum is kept; the outer ReLU is a view.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    """

    key: ClassVar[str] = "ablation_cam"
    title: ClassVar[str] = "Ablation-CAM"
    summary: ClassVar[str] = (
        "A layer's maps, each weighted by how much the score falls when that channel is set to zero."
    )
    unit: ClassVar[str] = "score × activation"
    card: ClassVar[Card] = cards.ABLATION_CAM

    _kind: ClassVar[Kind] = "tail"

    def _probe(self, question: Question, name: str, layer: nn.Module, i: int) -> _Probe:
        bind = question.binder(i, i + 1)
        tail = Tail(question.borrowed, name, layer, question.inputs[i : i + 1])
        target, score = _scored(bind, tail.outputs)
        if len(question.inputs) == 1:
            question.know(score)

        room = tail.activations[:0]

        def falls(channels: Tensor, _first: bool) -> Tensor:
            nonlocal room
            n = len(channels)
            if n > len(room):  # made once: new pages cost more than what is behind a late layer
                room = tail.activations.new_empty((n, *tail.activations.shape[1:]))
            variants = room[:n].copy_(tail.activations)
            as_maps(variants, question.picture)[torch.arange(n), channels] = 0
            return score - target.rows(torch.zeros(n, dtype=torch.long)).score(tail(variants))

        maps = as_maps(tail.activations, question.picture)[0]
        size = question.chunk_size
        if size == "auto":
            row = tail.activations.numel() * tail.activations.element_size()
            size = min(_TAIL_ROWS, max(1, _TAIL_BYTES // row))
        return _Probe(maps, maps.abs().amax((1, 2)), falls, size)
