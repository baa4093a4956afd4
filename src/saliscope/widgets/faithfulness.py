"""`FaithfulnessPanel`: several methods on trial, side by side."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from saliscope.core.borrow import Borrowed
from saliscope.errors import InputError
from saliscope.widgets.saliency import SaliencyExplorer

USUAL = ("integrated_gradients", "grad_cam", "occlusion")
"""One of each kind: along a path, at a layer, by hiding."""


class FaithfulnessPanel(SaliencyExplorer):
    """See whether maps are true: deletion and insertion curves, linked to the pictures that were scored.

    It is a `SaliencyExplorer` whose maps are on trial, with the curves first: all its traits and methods are
    there, ``trial`` says how.

    Parameters
    ----------
    model, images
        As of `SaliencyExplorer`.
    methods : sequence of str, Method or dict
        What is compared, at most six; entries as those of the trait ``compare``.
    **options
        As of `SaliencyExplorer`: ``transform=``, ``labels=``, ``target=``, and all traits.

    Raises
    ------
    SaliscopeError
        As of `SaliencyExplorer`.

    Examples
    --------
    >>> panel = FaithfulnessPanel(model, image, ["saliency", "grad_cam"], target="cat")
    >>> panel.trial = {"replacement": "blur", "randomise": True}
    >>> panel.wait()
    True
    >>> print(panel.trials[0].sentence)
    Saliency passes in part: it beats 20 of 20 random orders in deletion and 7 of 20 ... in insertion.
    >>> panel.trials[0].trial.curves["map"][0].auc  # of deletion
    tensor([0.0931], dtype=torch.float64)
    """

    def __init__(
        self,
        model: nn.Module | Borrowed | Sequence[nn.Module | Borrowed],
        images: Any,
        methods: Any = USUAL,
        **options: Any,
    ) -> None:
        several = [*methods] if isinstance(methods, (list, tuple)) else [methods]
        if not several:
            raise InputError("methods", "none", "at least one method")
        lead, *others = several
        view: dict[str, Any] = {"trial": True, "mode": "trial", "compare": others}
        view |= lead if isinstance(lead, dict) else {"method": lead}
        super().__init__(model, images, **(view | options))

    def __repr__(self) -> str:
        return super().__repr__().replace("SaliencyExplorer", "FaithfulnessPanel", 1)
