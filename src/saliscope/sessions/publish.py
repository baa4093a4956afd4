"""From an attribution to what the page is told: specs and blobs, numpy only from here on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from saliscope.attribution.base import Attribution, Method
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.preprocess import show
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import NotDefinedError
from saliscope.render import scales
from saliscope.sessions.glance import TOP
from saliscope.sessions.menus import can_refine, may_stop, work_of, work_words
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import (
    Completeness,
    CoverageSpec,
    PathSpec,
    Predictions,
    Probability,
    Result,
    Stage,
)

PATH_NODES = 64
"""Points of a path that the page keeps; between them it interpolates."""

_TINY_CHANGE = 1e-4
"""A change of the score below this share of the scores themselves has no meaningful relative gap."""


def result_of(
    attribution: Attribution,
    borrowed: Borrowed,
    picture: np.ndarray,
    *,
    job: int,
    stage: Stage,
    index: int,
    probabilities: tuple[Probability, ...],
    notes: tuple[str, ...],
    seconds: float,
) -> tuple[Result, list[Blob]]:
    """Describe the attribution of one input, and pack its arrays.

    Parameters
    ----------
    attribution : Attribution
        Of a batch of one.
    picture : ndarray of uint8, shape (height, width, 3)
        What the model was fed.

    Returns
    -------
    Result, list of Blob

    Raises
    ------
    NotDefinedError
        If the map has a value that is no number.
    """
    values = finite_map(attribution)
    blobs = [Blob.from_picture(picture), Blob.from_map(values)]
    indices = attribution.target.indices
    method, final = attribution.method, stage == "final"
    result = Result(
        job=job,
        stage=stage,
        method=method.key,
        title=method.title,
        target=None if indices is None else int(indices[0]),
        target_label=attribution.target.labels[0],
        output=kind_of_score(attribution.target),
        score=float(attribution.score[0]),
        signed=attribution.signed,
        unit=attribution.unit,
        index=index,
        picture=blobs[0].hash,
        map=blobs[1].hash,
        limit=scales.limit(values),
        probabilities=probabilities,
        completeness=completeness(attribution),
        coverage=coverage_of(attribution),
        sampling_error=sampling_error(attribution),
        notes=(*notes, *attribution.notes, *(_zero_notes(attribution) if final and not values.any() else ())),
        seconds=seconds,
        can_refine=final and can_refine(method),
        steps=steps_of(attribution),
        work=work_words(method),
        baseline=baseline_words(method),
        layer=attribution.layer,
        grid=attribution.grid,
    )
    if attribution.path is not None:
        path, more = path_of(attribution, borrowed)
        result, blobs = replace(result, path=path), blobs + more
    return result, blobs


def coverage_of(attribution: Attribution) -> CoverageSpec | None:
    """What a method that replaces gradients of operations could replace; None for other methods."""
    if attribution.coverage is None:
        return None
    ruled = sum(call.rule is not None for call in attribution.coverage.calls)
    return CoverageSpec(ruled, Counter(call.name for call in attribution.coverage.gaps))


def sampling_error(attribution: Attribution) -> float | None:
    """The standard error of the first input's map, as a share of the map; None where it is not known."""
    if attribution.standard_error is None:
        return None
    size = float(exact(attribution.map[0]).norm())
    return float(exact(attribution.standard_error[0]).norm()) / size if size else None


def kind_of_score(target: ResolvedTarget) -> str:
    """What the score is: a function of the user's own gives no logit."""
    return target.output if target.function is None else "score"


def steps_of(attribution: Attribution) -> int | None:
    """Steps or samples; of an adaptive method the gradients on a path, once it is known how many it takes.

    Where samples were counted it is those that there were, and not those that there might have been.
    """
    if attribution.map_error is not None:
        parts = (attribution, *attribution.per_baseline)
        return max(len(part.path.of(0).nodes) for part in parts if part.path is not None)
    if attribution.complete and attribution.sample_counts is not None:
        return int(attribution.sample_counts.max())
    open_ended = not attribution.complete and may_stop(attribution.method)
    return None if open_ended else work_of(attribution.method)


def baseline_words(method: Method) -> str | None:
    """The baselines with their parameters, the seed among them; None for methods without one."""
    return ", ".join(map(str, getattr(method, "baselines", ()))) or None


def finite_map(attribution: Attribution) -> np.ndarray:
    """The map of the first input in float64.

    Raises
    ------
    NotDefinedError
        If a value is NaN or infinite.
    """
    values = exact(attribution.map[0]).numpy()
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise NotDefinedError(
            "attribution",
            f"{bad} pixels whose value is NaN or infinite",
            "a gradient that exists everywhere",
            "Half precision overflows easily (model.float() helps); sqrt and log have no gradient at zero.",
        )
    return values


def path_of(attribution: Attribution, borrowed: Borrowed) -> tuple[PathSpec, list[Blob]]:
    """The path of the first input, thinned out to what a page needs for scrubbing.

    On the way from one state of a layer to another there are no pictures: the input itself is shown.
    """
    assert attribution.path is not None
    path, inputs, of_layer = attribution.path.of(0), attribution.inputs, attribution.units is not None
    alphas = path.alphas.numpy()
    keep = thinned(len(alphas), PATH_NODES)
    terms = path.terms[:, 0]
    stack = exact(path.accumulate(attribution.shown(terms))[torch.from_numpy(keep)]).numpy()
    sums = exact(path.accumulate(terms.flatten(1).sum(1)))[keep].numpy() if of_layer else stack.sum((1, 2))
    cumulative = Blob.from_map(stack)
    # In double precision, like the picture: a level of 8 bits is finer than half precision.
    first = inputs[:1] if of_layer else path.baseline[:1]
    shown, _ = show(exact(first), borrowed.preprocessing, exact(inputs[:1]))
    start = Blob.from_picture(shown[0])
    blobs = [cumulative, start]
    if path.points is not None:
        points = exact(path.points_at(torch.from_numpy(alphas[keep]), inputs[:1]))
        shown, _ = show(points, borrowed.preprocessing, exact(inputs[:1]).expand_as(points))
        blobs.append(Blob.from_picture(shown))
    scores = exact(path.scores[:, 0]).numpy()
    spec = PathSpec(
        stack=cumulative.hash,
        alphas=tuple(alphas[keep].tolist()),
        scores=tuple(scores[keep].tolist()),
        sums=tuple(sums.tolist()),
        baseline=start.hash,
        baseline_score=float(path.baseline_score[0]),
        total_nodes=len(path.nodes),
        pictures=None if path.points is None else blobs[2].hash,
    )
    return spec, blobs


def gradients_of(attribution: Attribution) -> tuple[np.ndarray, Blob]:
    """Gradients of the first input along its path, summed over the channels, at the points of `path_of`.

    At the ends, where a rule may have no node, the nearest node's gradient stands.
    """
    assert attribution.path is not None
    path = attribution.path.of(0)
    alphas, nodes = path.alphas.numpy(), path.nodes.numpy()
    keep = alphas[thinned(len(alphas), PATH_NODES)]
    nearest = np.abs(nodes[None, :] - keep[:, None]).argmin(1)
    stack = exact(attribution.shown(path.gradients[torch.from_numpy(nearest), 0])).numpy()
    blob = Blob.from_map(stack)
    return blob.array(), blob


def predicted_at(attribution: Attribution, most: int) -> list[float]:
    """Where on its path the model is asked for all classes: on a curved one at points that it was fed."""
    assert attribution.path is not None
    if attribution.path.points is None:
        return [k / (most - 1) for k in range(most)]
    alphas = attribution.path.of(0).alphas.numpy()
    return alphas[thinned(len(alphas), most)].tolist()


def predictions_of(p: np.ndarray, alphas: Sequence[float], borrowed: Borrowed) -> Predictions:
    """The classes that are among the first anywhere on a path, and their probabilities all along it."""
    top = np.unique(np.argsort(-p, axis=1, kind="stable")[:, :TOP])
    return Predictions(
        job=0,
        alphas=tuple(alphas),
        indices=tuple(top.tolist()),
        labels=tuple(borrowed.label(int(i)) for i in top),
        p=tuple(tuple(row) for row in p[:, top].astype(float).tolist()),
    )


def thinned(n: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `n` points, evenly spread, both ends kept."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def completeness(attribution: Attribution) -> Completeness | None:
    """How much of the change of the score the attributions explain; None for methods without a baseline."""
    if attribution.convergence_delta is None:
        return None
    total = float(exact(attribution.summands[:1]).sum())
    delta = float(attribution.convergence_delta[0])
    change = total - delta
    size = abs(float(attribution.score[0]))
    share = total / change if abs(change) > _TINY_CHANGE * max(size, abs(size - change), 1e-12) else None
    moved, error = (
        None if one is None else float(one[0]) for one in (attribution.map_change, attribution.map_error)
    )
    return Completeness(change, total, delta, share, moved, error)


def _zero_notes(attribution: Attribution) -> tuple[str, ...]:
    if attribution.path is not None and not bool(attribution.path.difference.any()):
        where = "" if attribution.layer is None else f", as {attribution.layer} sees it"
        return (f"The map is zero everywhere: the baseline is the picture itself{where}.",)
    # A saturated softmax has no slope that single precision can hold; its logits have one.
    way_out = " Try output='logit'." if attribution.target.output.endswith("probability") else ""
    return (f"The map is zero everywhere: the gradient of this score vanishes here.{way_out}",)
