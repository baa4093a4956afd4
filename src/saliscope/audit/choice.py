"""Which methods are put on trial where nobody says, and the maps that they must beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.attribution import (
    LRP,
    DeepLift,
    GradCAM,
    GradientRollout,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    LayerCAM,
    Method,
    Occlusion,
    Saliency,
    SmoothGrad,
)
from saliscope.attribution.adapters import adapted
from saliscope.attribution.registry import find_method
from saliscope.core.anytime import closed
from saliscope.core.borrow import Borrowed
from saliscope.core.query import check_inputs
from saliscope.core.seeds import generator
from saliscope.errors import MethodError, SaliscopeError

Explain = Method | Callable[[Any, Tensor, Any], Any]
"""A method, or a function of model, inputs and target that gives maps."""


@dataclass(frozen=True)
class Choice:
    """Methods for a model.

    Attributes
    ----------
    methods : dict of str to Method
        By title.
    skipped : dict of str to str
        Titles of those that do not apply to the model, and why.
    """

    methods: dict[str, Method]
    skipped: dict[str, str]


def choice(model: nn.Module | Borrowed, inputs: Tensor, target: Any = None) -> Choice:
    """One or two methods of each family that are quick, those left out that do not apply to the model.

    Whether one applies is tried with the first picture.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    target : see `saliscope.Target`

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        If the inputs are no batch of pictures.
    """
    check_inputs(inputs)
    window = max(2, min(inputs.shape[2:]) // 4)
    candidates: tuple[Method, ...] = (
        Saliency(),
        InputXGradient(),
        IntegratedGradients(),
        SmoothGrad(),
        GradCAM(),
        LayerCAM(),
        Occlusion(window=window, stride=max(1, window // 2)),
        LRP(),
        DeepLift(),
        GuidedBackprop(),
        GradientRollout(),
    )
    reasons = {one.title: _refusal(one, model, inputs[:1], target) for one in candidates}
    return Choice(
        {one.title: one for one in candidates if not reasons[one.title]},
        {title: reason for title, reason in reasons.items() if reason},
    )


def as_method(given: Any, name: str = "methods") -> Any:
    """The method that is meant.

    Parameters
    ----------
    given : str, Method, its class, or callable
        A key of the registry, a method, an object of captum or zennit, any object that has ``attribute``, or
        a function of model, inputs and target.
    name : str
        What an error calls it.

    Raises
    ------
    MethodError
        If it is none of these.
    """
    if isinstance(given, str):
        try:
            return find_method(given)()
        except MethodError as error:
            raise MethodError(name, error.got, error.expected, error.way_out) from None
    if isinstance(given, type):
        if issubclass(given, Method):
            return given()
        raise MethodError(name, f"the class {given.__name__}", "an object of it", f"{given.__name__}(...).")
    method = adapted(given)
    if isinstance(method, Method) or callable(method) or callable(getattr(method, "attribute", None)):
        return method
    got = f"an object of type {type(given).__name__}"
    raise MethodError(name, got, "a method, its key, or a function of model, inputs and target")


def _refusal(method: Method, model: Any, inputs: Tensor, target: Any) -> str:
    first = target[:1] if isinstance(target, (list, tuple, Tensor)) and len(target) > 1 else target
    try:
        with closed(method.stream(model, inputs, first)) as stream:
            next(stream)
    except SaliscopeError as error:
        return str(error)
    return ""


def random_map(model: Any, inputs: Tensor, target: Any) -> Float[Tensor, "n height width"]:
    """Every pixel drawn by itself: a map that knows neither the picture nor the model."""
    drawn = [torch.as_tensor(generator(0, i).random(tuple(inputs.shape[2:]))) for i in range(len(inputs))]
    return torch.stack(drawn)


def edges(model: Any, inputs: Tensor, target: Any) -> Float[Tensor, "n height width"]:
    """How much the picture changes from pixel to pixel: a map that knows the picture, and not the model."""
    padded = torch.nn.functional.pad(inputs.detach().cpu().double(), (1, 1, 1, 1), mode="replicate")
    across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return (across.square() + down.square()).sum(1).sqrt()


def centre(model: Any, inputs: Tensor, target: Any) -> Float[Tensor, "n height width"]:
    """A Gaussian in the middle of the picture, a quarter of its side wide: where photographers aim."""
    height, width = inputs.shape[2:]
    # The middle is the pixel that the pointing game's centre is, so that both say the same.
    down, across = (
        (torch.arange(side, dtype=torch.float64) - side // 2) / (side / 4) for side in (height, width)
    )
    one = torch.exp(-0.5 * (down[:, None].square() + across.square()))
    return one.expand(len(inputs), -1, -1).clone()


REFERENCES: dict[str, Explain] = {
    "Random map": random_map,
    "Edges of the picture": edges,
    "Centre of the picture": centre,
}
"""Maps that do not look at the model: whatever a method is worth, it must do better."""
