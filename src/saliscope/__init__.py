"""See what a PyTorch model looks at, inside the notebook where the model lives.

``display(SaliencyExplorer(model, img))`` is the whole of the main job; the engines underneath are
plain PyTorch and run without a notebook.

Names are imported when they are first used (PEP 562), so that ``import saliscope`` loads neither
torch nor Jupyter nor umap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from saliscope import errors
from saliscope.errors import (
    BaselineError,
    InputError,
    LayerError,
    MethodError,
    ModelError,
    NotDefinedError,
    OutOfMemoryError,
    RecordError,
    ReductionError,
    SaliscopeError,
    TargetError,
)
from saliscope.version import __version__

if TYPE_CHECKING:
    from saliscope import attribution, audit, demo, faithfulness, features, reduction, render
    from saliscope.attribution.own import method
    from saliscope.core import baselines
    from saliscope.core.borrow import borrow
    from saliscope.core.knobs import knob
    from saliscope.core.targets import Target
    from saliscope.records.files import load, save
    from saliscope.records.record import Record
    from saliscope.records.replay import Replay, replay
    from saliscope.render.scale import Scale
    from saliscope.widgets.embedding import EmbeddingExplorer
    from saliscope.widgets.faithfulness import FaithfulnessPanel
    from saliscope.widgets.saliency import SaliencyExplorer

__all__ = [
    "BaselineError",
    "EmbeddingExplorer",
    "FaithfulnessPanel",
    "InputError",
    "LayerError",
    "MethodError",
    "ModelError",
    "NotDefinedError",
    "OutOfMemoryError",
    "Record",
    "RecordError",
    "ReductionError",
    "Replay",
    "SaliencyExplorer",
    "SaliscopeError",
    "Scale",
    "Target",
    "TargetError",
    "__version__",
    "attribution",
    "audit",
    "baselines",
    "borrow",
    "demo",
    "errors",
    "faithfulness",
    "features",
    "knob",
    "load",
    "method",
    "reduction",
    "render",
    "replay",
    "save",
]

# Public name -> (module, attribute of it); None stands for the module itself.
_LAZY: dict[str, tuple[str, str | None]] = {
    "EmbeddingExplorer": ("saliscope.widgets.embedding", "EmbeddingExplorer"),
    "FaithfulnessPanel": ("saliscope.widgets.faithfulness", "FaithfulnessPanel"),
    "Record": ("saliscope.records.record", "Record"),
    "Replay": ("saliscope.records.replay", "Replay"),
    "Scale": ("saliscope.render.scale", "Scale"),
    "SaliencyExplorer": ("saliscope.widgets.saliency", "SaliencyExplorer"),
    "Target": ("saliscope.core.targets", "Target"),
    "attribution": ("saliscope.attribution", None),
    "audit": ("saliscope.audit", None),
    "baselines": ("saliscope.core.baselines", None),
    "borrow": ("saliscope.core.borrow", "borrow"),
    "demo": ("saliscope.demo", None),
    "faithfulness": ("saliscope.faithfulness", None),
    "features": ("saliscope.features", None),
    "knob": ("saliscope.core.knobs", "knob"),
    "load": ("saliscope.records.files", "load"),
    "method": ("saliscope.attribution.own", "method"),
    "reduction": ("saliscope.reduction", None),
    "render": ("saliscope.render", None),
    "replay": ("saliscope.records.replay", "replay"),
    "save": ("saliscope.records.files", "save"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = import_module(module_name)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value  # the next access does not come through here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
