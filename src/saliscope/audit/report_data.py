"""What the script of a report's page finds in it: pictures, maps, curves and the values of every picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saliscope.audit.cards import score_words
from saliscope.audit.measures import Row
from saliscope.audit.report_words import direction
from saliscope.render import colormaps
from saliscope.specs.blobs import Blob

if TYPE_CHECKING:
    from saliscope.audit.report_cases import Case
    from saliscope.audit.report_result import AuditReport

MOST = 6 * 2**20
"""Bytes of maps in a page, as float16: above, they are shown smaller, and the page says so."""

_CURVES = {"deletion": "Deletion", "insertion": "Insertion"}


@dataclass
class Arrays:
    """Blobs by their hash, and what each is."""

    blobs: dict[str, Blob] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, blob: Blob, kind: str, of: str) -> str:
        """Keep a blob, once, and give the name by which the script finds it."""
        self.blobs[blob.hash] = blob
        self.kinds.setdefault(blob.hash, (kind, of))
        return blob.hash


def script_words(report: "AuditReport", arrays: Arrays) -> dict[str, Any]:
    """Everything but the arrays, added to `arrays`: ``ReportWords`` of ``js/views/report/data.ts``."""
    rows = [row for row in report.rows if not row.reference]
    shrink = _shrinking(report, rows)
    pictures = report.pictures
    if shrink > 1:
        pixels = torch.as_tensor(pictures).permute(0, 3, 1, 2).double()
        pictures = _smaller(pixels, shrink).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    n = len(pictures)
    methods = [
        {
            "title": row.name,
            "unit": str(getattr(row.method, "unit", "")),
            "signed": row.signed,
            "maps": None
            if row.maps is None
            else arrays.add(Blob.from_map(_smaller(row.maps, shrink).numpy()), "maps", f"{n} of {row.name}"),
        }
        for row in rows
    ]
    measures = [
        {
            "label": card.label,
            "better": direction(card),
            "values": [_plain(report.measures.values(row.name, card.key)) for row in rows],
        }
        for card in report.measures.cards
    ]
    curves = [_curve(report, key, rows, arrays) for key in _CURVES]
    return {
        "lut": arrays.add(Blob.from_picture(colormaps.lut()), "colour map", colormaps.DEFAULT),
        "pictures": arrays.add(Blob.from_picture(pictures), "pictures", f"{n} that were audited"),
        "captions": [{"target": each.target, "note": _said(each)} for each in report.cases],
        "methods": methods,
        "measures": measures,
        "curves": [curve for curve in curves if curve is not None],
        "shrunk": shrink,
    }


def _shrinking(report: "AuditReport", rows: Sequence[Row]) -> int:
    """By how much maps are made smaller, so that a file can be sent to somebody."""
    size = 2 * math.prod(report.pictures.shape[:3]) * sum(row.maps is not None for row in rows)
    return max(1, math.ceil(math.sqrt(size / MOST)))


def _smaller(maps: Tensor, by: int) -> Tensor:
    """Means over squares of pixels."""
    if by == 1:
        return maps
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    made = torch.nn.functional.avg_pool2d(flat, by, ceil_mode=True)
    return made.reshape(*maps.shape[:-2], *made.shape[-2:])


def _said(case: "Case") -> str:
    if case.predicted is None:
        return f"Its value there is {case.score:.4g}."
    says = f"The model says {case.predicted} with a probability of {case.probability:.2f}"
    if case.other:
        return f"{says}, and gives this class, the label's, {case.score:.2f}."
    if case.truth is None:
        return f"{says}."
    return f"{says}, which is {f'wrong: the label is {case.truth}' if case.wrong else 'right'}."


def _curve(report: "AuditReport", key: str, rows: Sequence[Row], arrays: Arrays) -> dict[str, Any] | None:
    """Deletion or insertion of every picture: float16 rows, method by method; NaN where there are none.

    Nor is there one where its number is not defined, as of a constant map: its order would be no order of the
    map's.
    """
    found = [row.findings.get(key) for row in rows]
    known = [(one.course, one.protocol) for one in found if one is not None and one.course is not None]
    if not known:
        return None
    first, protocol = known[0]
    label, nothing = _CURVES[key], torch.full_like(first.scores, math.nan)

    def drawn(values: Tensor | None, scores: Tensor) -> Tensor:
        return nothing if values is None else torch.where(values.isfinite()[:, None], scores, nothing)

    own, soft = [nothing] * len(found), [nothing] * len(found)
    for i, one in enumerate(found):
        if one is not None and one.course is not None:
            own[i], soft[i] = drawn(one.values, one.course.scores), drawn(one.blurred, one.course.blurred)

    def put(values: Sequence[Tensor], of: str) -> str:
        blob = Blob.from_map(torch.cat(list(values)).numpy(), gaps=True)
        return arrays.add(blob, "curves", f"{label} {of}")

    band = None
    if len(first.random) > 1:
        low, high = first.random.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
        band = {"low": put([low], "in random orders"), "high": put([high], "in random orders, upper end")}
    return {
        "label": label,
        "better": "low" if key == "deletion" else "high",
        "score": report.function or f"{score_words(protocol.curve.output)} of the class",
        "fractions": [round(at, 6) for at in first.fractions.tolist()],
        "scores": put(own, "by every method"),
        "blurred": put(soft, "by blurred copies"),
        "band": band,
    }


def _plain(values: Tensor) -> list[float | None]:
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]
