"""`FaithfulnessPanel`: several methods on trial, side by side."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from saliscope.core.borrow import Borrowed
from saliscope.errors import InputError
from saliscope.sessions.panels import MOST_PANELS
from saliscope.widgets.saliency import SaliencyExplorer

USUAL = ("integrated_gradients", "grad_cam", "occlusion")
"""One of each kind: along a path, at a layer, by hiding."""

_PLACED = {"model", "difference", "average"}
"""What an entry of one panel says, and that of a method for every model does not."""


class FaithfulnessPanel(SaliencyExplorer):
    """See whether maps are true: deletion and insertion curves, linked to the pictures that were scored.

    It is a `SaliencyExplorer` whose maps are on trial, with the curves first: all its traits and methods are
    there, ``trial`` says how.

    Parameters
    ----------
    model, images
        As of `SaliencyExplorer`. Each method is compared for each of several models.
    methods : sequence of str, Method or dict
        What is compared, at most six panels; entries as those of the trait ``compare``. Where one says which
        model it is of, or is made of others, the entries are the panels, one by one.
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
        lead, *others = _panels(methods, len(model) if isinstance(model, (list, tuple)) and model else 1)
        if lead.pop("model", 0) != 0:
            got = "a first panel of another model than the first"
            raise InputError("methods", got, "one of the first model", "Put the models in another order.")
        view: dict[str, Any] = {"trial": True, "mode": "trial", "compare": others}
        super().__init__(model, images, **(view | lead | options))

    def __repr__(self) -> str:
        return super().__repr__().replace("SaliencyExplorer", "FaithfulnessPanel", 1)


def _panels(methods: Any, n_models: int) -> list[dict[str, Any]]:
    """What each panel asks: every method of every model, unless the entries say it themselves."""
    several = [*methods] if isinstance(methods, (list, tuple)) else [methods]
    if methods is USUAL:  # nobody chose them: as many as there is room for
        several = several[: max(1, MOST_PANELS // n_models)]
    if not several:
        raise InputError("methods", "none", "at least one method")
    several = [{**one} if isinstance(one, dict) else {"method": one} for one in several]
    got = f"{len(several)} methods"
    if n_models > 1 and not any(_PLACED & one.keys() for one in several):
        got += f" of {n_models} models, which are {n_models * len(several)} panels"
        several = [{**one, "model": i} if i else one for one in several for i in range(n_models)]
    if len(several) > MOST_PANELS:
        name = "model" if n_models > MOST_PANELS else "methods"
        raise InputError(name, got, f"at most {MOST_PANELS} panels", "Make a second FaithfulnessPanel.")
    return several
