"""What is true of rows and groups, whatever a map says: neighbours, distances, what differs, the table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saliscope.errors import InputError
from saliscope.reduction.quality import judged_by, row_quality
from saliscope.sessions.collection import Collection
from saliscope.sessions.columns import Known
from saliscope.sessions.embedding import Shown
from saliscope.sessions.inspecting import mean_attribution, spread
from saliscope.sessions.sequences import Walk
from saliscope.sessions.subject import Subject
from saliscope.sessions.tables import K, Table
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import MISSING_CODE, Group, Groups, Row, TableRow
from saliscope.specs.saliency import Probability

TOP = 5
MOST_LINES = 500
"""Lines of the table in one answer."""

_DIFFERENCES = 8
_PICTURES = 64


def row_of(
    row: int,
    table: Table,
    maps: Mapping[int, Shown],
    columns: Mapping[str, Known],
    scores: Tensor | None,
    classes: tuple[str, ...],
) -> Row:
    """All about one row.

    Parameters
    ----------
    row : int
    table : Table
        Where its neighbours are.
    maps : mapping of int to Shown
        Judged maps say which of their neighbours are false, and which are missing.
    columns : mapping of str to Known
    scores : Tensor of shape (n, n_classes), optional
    classes : tuple of str
    """
    ids, distances = _nearest(row, table)
    false: dict[int, list[int]] = {}
    missing: dict[int, list[int]] = {}
    for map, shown in maps.items():
        quality = None if shown.audit is None else shown.audit.quality
        if quality is None or shown.table is not table or table.near is None:
            continue
        false[map] = quality.map_neighbors.indices[row][quality.false_neighbors[row]].tolist()
        near = table.near.indices[row, : quality.k]
        missing[map] = near[quality.missing_neighbors[row]].tolist()
    values = {name: known.text(row) for name, known in columns.items()}
    top5 = () if scores is None else top_of(scores[row], classes)
    return Row(row, ids, distances, false, missing, values, top5)


def row_at(
    row: int,
    step: int,
    walk: Walk,
    columns: Mapping[str, Known],
    scores: Tensor | None,
    classes: tuple[str, ...],
) -> Row:
    """All about one row at a step of a sequence: its neighbours in the rows of that step, and on its map.

    Raises
    ------
    InputError
        If there is no such step, or not yet.
    """
    check_step(step, walk)
    found = row_of(row, walk.tables[step], {}, columns, scores, classes)
    near = walk.near(step)
    if near is None or not judged_by(len(near)):
        return replace(found, step=step)
    false, missing = row_quality(near, walk.embeddings[step].coordinates, row)
    return replace(found, false={walk.map: false}, missing={walk.map: missing}, step=step)


def check_step(step: Any, walk: Walk | None) -> int:
    """The number of a step of a sequence that is computed."""
    there = 0 if walk is None else len(walk.embeddings)
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < there:
        expected = f"a step of the sequence, from 0 to {there - 1}" if there else "None without a sequence"
        raise InputError("step", repr(step), expected)
    return step


def top_of(scores: Tensor, classes: tuple[str, ...]) -> tuple[Probability, ...]:
    """The strongest classes of a row."""
    p = scores.softmax(0) if len(scores) > 1 else scores.sigmoid()
    best = p.topk(min(TOP, len(p))).indices.tolist()
    return tuple(Probability(i, classes[i], float(p[i])) for i in best)


def distances_of(row: int, data: Tensor) -> Tensor:
    """Euclidean distances of all rows from one, of shape (n,)."""
    return torch.linalg.vector_norm(data - data[row], dim=1).float()


def _nearest(row: int, table: Table) -> tuple[list[int], list[float]]:
    if table.near is not None:
        k = min(K, table.near.k)
        return table.near.indices[row, :k].tolist(), table.near.distances[row, :k].tolist()
    far = distances_of(row, table.data)
    far[row] = torch.inf
    found = far.sort(stable=True)
    k = min(K, len(far) - 1)
    return found.indices[:k].tolist(), found.values[:k].tolist()


def groups_of(
    a: np.ndarray,
    b: np.ndarray,
    collection: Collection,
    table: Table | None,
    columns: Mapping[str, Known],
    subject: Subject | None,
    target: Any = None,
) -> tuple[Groups, list[Blob]]:
    """Describe two groups of rows, and in what they differ.

    The mean attribution is the mean of input times gradient, for each row's top class, or for `target`.
    """
    blobs: list[Blob] = []
    first, second = (_group(ids, collection, columns, subject, target, blobs) for ids in (a, b))
    return Groups(first, second, _differences(a, b, table, columns)), blobs


def _group(
    ids: np.ndarray,
    collection: Collection,
    columns: Mapping[str, Known],
    subject: Subject | None,
    target: Any,
    blobs: list[Blob],
) -> Group:
    if not len(ids):
        return Group(0, ())
    mean, attribution, count = None, None, 0
    if collection.has_pictures:
        pictures = collection.pictures(spread(ids, _PICTURES).tolist())
        if len({picture.shape for picture in pictures}) == 1:
            mean = Blob.from_picture(np.rint(np.mean(pictures, axis=0)).astype(np.uint8))
            blobs.append(mean)
    if subject is not None:
        values, count = mean_attribution(subject, ids, target)
        if np.isfinite(values).all():
            attribution = Blob.from_map(values)
            blobs.append(attribution)
    shares = _shares(ids, columns.get("label") or columns.get("prediction"))
    return Group(len(ids), shares, attribution and attribution.hash, mean and mean.hash, count)


def _shares(ids: np.ndarray, known: Known | None) -> tuple[tuple[str, float], ...]:
    """The mix of classes, the largest first."""
    if known is None or known.codes is None:
        return ()
    codes, counts = np.unique(known.codes[ids], return_counts=True)
    mix = sorted(zip(counts.tolist(), codes.tolist(), strict=True), key=lambda each: (-each[0], each[1]))
    names = {code: "none" if code == MISSING_CODE else known.names[code] for _, code in mix}
    return tuple((names[code], count / len(ids)) for count, code in mix)


def _differences(
    a: np.ndarray, b: np.ndarray, table: Table | None, columns: Mapping[str, Known]
) -> tuple[tuple[str, float], ...]:
    """Cohen's d of the columns of numbers, those of the data included, the largest first."""
    if len(a) < 2 or len(b) < 2:
        return ()
    found = [
        (known.title, float(_effect(known.values[a][:, None], known.values[b][:, None])[0]))
        for known in columns.values()
        if known.values is not None
    ]
    if table is not None:
        d = _effect(table.data[a].double().numpy(), table.data[b].double().numpy())
        noun = "column" if table.layer is None else "channel"
        best = np.argsort(-np.abs(np.nan_to_num(d)), kind="stable")[:_DIFFERENCES]
        found += [(f"{noun} {i}", float(d[i])) for i in best]
    found = [each for each in found if np.isfinite(each[1]) and each[1]]
    return tuple(sorted(found, key=lambda each: -abs(each[1]))[:_DIFFERENCES])


def _effect(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of the means in pooled standard deviations, column by column; NaN where it has no value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = [((x - np.nanmean(x, 0)) ** 2) for x in (a, b)]
        pooled = np.sqrt(sum(np.nansum(each, 0) for each in squares) / (len(a) + len(b) - 2))
        return (np.nanmean(a, 0) - np.nanmean(b, 0)) / np.where(pooled > 0, pooled, np.nan)


def table_of(
    columns: Mapping[str, Known],
    n: int,
    *,
    start: int,
    count: int,
    sort: str | None = None,
    descending: bool = False,
    within: np.ndarray | None = None,
) -> list[TableRow]:
    """Lines of the table view, sorted by a column; rows without a value come last.

    Raises
    ------
    InputError
        For an unknown column.
    """
    ids = np.arange(n) if within is None else np.sort(within)
    if sort == "id" or sort is None:
        ids = ids[::-1] if descending else ids
    elif sort not in columns:
        raise InputError("sort", repr(sort), f"one of id, {', '.join(columns)}")
    else:
        ids = _sorted(ids, columns[sort], descending)
    chosen = ids[start : start + min(count, MOST_LINES)]
    return [TableRow(int(i), {name: known.value(int(i)) for name, known in columns.items()}) for i in chosen]


def _sorted(ids: np.ndarray, known: Known, descending: bool) -> np.ndarray:
    gone = np.array([not known.text(int(i)) for i in ids])
    rest = ids[~gone]
    order = np.argsort(known.keys()[rest], kind="stable")
    ranked = rest[order]
    return np.concatenate([ranked[::-1] if descending else ranked, ids[gone]])
