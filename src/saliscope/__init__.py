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
    SaliscopeError,
    TargetError,
)

if TYPE_CHECKING:
    from saliscope import attribution, demo, render
    from saliscope.attribution import baselines
    from saliscope.core.borrow import borrow
    from saliscope.core.targets import Target
    from saliscope.widgets.saliency import SaliencyExplorer

__version__ = "0.1.0"

__all__ = [
    "BaselineError",
    "InputError",
    "LayerError",
    "MethodError",
    "ModelError",
    "NotDefinedError",
    "OutOfMemoryError",
    "SaliencyExplorer",
    "SaliscopeError",
    "Target",
    "TargetError",
    "__version__",
    "attribution",
    "baselines",
    "borrow",
    "demo",
    "errors",
    "render",
]

# Public name -> (module, attribute of it); None stands for the module itself.
_LAZY: dict[str, tuple[str, str | None]] = {
    "SaliencyExplorer": ("saliscope.widgets.saliency", "SaliencyExplorer"),
    "Target": ("saliscope.core.targets", "Target"),
    "attribution": ("saliscope.attribution", None),
    "baselines": ("saliscope.attribution.baselines", None),
    "borrow": ("saliscope.core.borrow", "borrow"),
    "demo": ("saliscope.demo", None),
    "render": ("saliscope.render", None),
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
