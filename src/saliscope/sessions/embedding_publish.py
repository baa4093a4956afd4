"""From an embedding to what the page is told: coordinates on a grid, bytes of quality, cautions in words."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from saliscope.reduction.audit import Audit
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.quality import Quality
from saliscope.reduction.shepard import Shepard
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import GRID, STRETCH_UNITS, Layout, LayoutStage, Numbers, ShepardPlot

Box = tuple[float, float, float, float]

LOW_RHO = 0.5
"""Rank correlation of distances below which a ruler would mislead."""

OUTERMOST = 0.01
"""Share of the points of a map on its way that may lie beyond its frame, at either end of an axis."""

_MARGIN = 0.1  # beside the others, in widths of what they take


def box_of(*maps: Tensor) -> Box:
    """The smallest square (x, y, width, height) around all points of all maps; never flat.

    A square, as a page draws it: a map is as long in x as in y.
    """
    low = np.min([each.amin(0).numpy() for each in maps], axis=0).astype(float)
    high = np.max([each.amax(0).numpy() for each in maps], axis=0).astype(float)
    side = max(1e-6, float((high - low).max()))
    x, y = ((low + high - side) / 2).tolist()
    return x, y, side, side


def frame_of(map: Tensor) -> Box:
    """The box of a map on its way: a few strays, which come back later, must not make a dot of all others."""
    ends = torch.quantile(map.double(), torch.tensor([OUTERMOST, 1 - OUTERMOST]).double(), dim=0)
    margin = (ends[1] - ends[0]).max() * _MARGIN
    low, high = map.double().aminmax(dim=0)
    return box_of(torch.stack([low.maximum(ends[0] - margin), high.minimum(ends[1] + margin)]))


def grid_of(coordinates: Tensor, box: Box) -> np.ndarray:
    """Coordinates in units of the grid over a box, not rounded; points outside have values outside."""
    return (coordinates.double().numpy() - np.array(box[:2])) / np.array(box[2:]) * GRID


def codes_of(coordinates: Tensor, box: Box) -> Blob:
    """Coordinates of points in a box as whole numbers; what lies outside is put on its edge."""
    return Blob.from_codes(np.rint(grid_of(coordinates, box)).clip(0, GRID).astype(np.uint16))


def bytes_of(quality: Quality) -> Blob:
    """Kept, false, missing and stretch of each point as bytes (n, 4)."""
    shares = np.stack([getattr(quality, name).numpy() for name in ("kept", "false", "missing")], 1) * 255
    stretch = quality.stretch.numpy()[:, None] * (127.5 / STRETCH_UNITS) + 128
    return Blob.from_picture(np.rint(np.hstack([shares, stretch])).clip(0, 255).astype(np.uint8))


def plot_of(shepard: Shepard) -> ShepardPlot:
    """The histogram of a Shepard diagram, distances in the data along x."""
    x, y = shepard.data_edges.tolist(), shepard.map_edges.tolist()
    return ShepardPlot(tuple(x), tuple(y), tuple(map(tuple, shepard.counts.T.tolist())))


def layout_of(
    embedding: Embedding,
    audit: Audit | None,
    *,
    job: int,
    map: int,
    stage: LayoutStage,
    total: int,
    cautions: Sequence[str],
    notes: Sequence[str] = (),
) -> tuple[Layout, list[Blob]]:
    """Describe a map, and pack its arrays.

    Parameters
    ----------
    embedding : Embedding
    audit : Audit, optional
        As far as it has come.
    cautions : sequence of str
        Sentences of the reducer, which those with numbers precede.
    """
    coordinates = embedding.coordinates.cpu()
    box = frame_of(coordinates) if stage == "partial" else box_of(coordinates)
    blobs = [codes_of(coordinates, box)]
    numbers = numbers_of(embedding, audit)
    quality = None if audit is None else audit.quality
    if quality is not None:
        blobs.append(bytes_of(quality))
    plot = None if audit is None or audit.shepard is None else plot_of(audit.shepard)
    layout = Layout(
        job=job,
        map=map,
        reducer=embedding.reducer,
        stage=stage,
        iteration=embedding.iterations,
        total=total,
        coords=blobs[0].hash,
        box=box,
        quality=None if quality is None else blobs[1].hash,
        numbers=numbers,
        caution=(*caution_of(numbers), *cautions) if stage in ("final", "cancelled") else (),
        shepard=plot,
        notes=(*notes, *embedding.notes),
        seconds=embedding.seconds,
    )
    return layout, blobs


def numbers_of(embedding: Embedding, audit: Audit | None) -> Numbers:
    """How far a map can be believed, as far as it is known."""
    kl_of = None if embedding.kl is None else "similarities of neighbours in the data and on the map"
    if audit is None:
        return Numbers(kl=embedding.kl, kl_of=kl_of)
    return Numbers(
        kept=audit.kept,
        trustworthiness=audit.trustworthiness,
        continuity=audit.continuity,
        rho=None if audit.shepard is None else audit.shepard.rho,
        kl=embedding.kl,
        kl_of=kl_of,
        k=15 if audit.quality is None else audit.quality.k,
        rows=audit.rows or None,
    )


def caution_of(numbers: Numbers) -> tuple[str, ...]:
    """What must not be read from a map, with the numbers that say so."""
    said = []
    if numbers.rho is not None:
        rank = f"their rank correlation with those in the data is {numbers.rho:.2f}"
        little = numbers.rho < LOW_RHO
        words = (
            f"Distances mean little here: {rank}. The axes have no unit."
            if little
            else f"Of distances: {rank}."
        )
        said.append(words)
    return tuple(said)
