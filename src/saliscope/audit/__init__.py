"""Methods on trial: which one to trust for a model, and where the differences are noise."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from saliscope.audit.cards import DEFAULT, MEASURES, Measure
from saliscope.audit.choice import REFERENCES, Choice, choice
from saliscope.audit.engines import Finding
from saliscope.audit.measures import Measures, Row, measure, measure_stream
from saliscope.audit.report import report, report_stream
from saliscope.audit.report_result import AuditReport

if TYPE_CHECKING:
    from saliscope.audit import planted

__all__ = [
    "DEFAULT",
    "MEASURES",
    "REFERENCES",
    "AuditReport",
    "Choice",
    "Finding",
    "Measure",
    "Measures",
    "Row",
    "choice",
    "measure",
    "measure_stream",
    "planted",
    "report",
    "report_stream",
]


def __getattr__(name: str) -> Any:
    # Not before it is wanted: ``python -m`` runs that module, and warns of one that is there already.
    if name == "planted":
        return import_module("saliscope.audit.planted")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
