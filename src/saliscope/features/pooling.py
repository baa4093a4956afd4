"""From a layer's output to one row of numbers for each input."""

from typing import Any, Literal

from torch import Tensor, nn

from saliscope.core.device import wide
from saliscope.core.layers import as_maps
from saliscope.errors import LayerError, MethodError

Pool = Literal["auto", "mean", "max", "token", "flatten"]
POOLS: tuple[Pool, ...] = ("auto", "mean", "max", "token", "flatten")

_LINES = (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)
"""Layers whose output of three axes is (n, channels, positions)."""


def check_pool(pool: Any) -> None:
    """Raise `MethodError` for a word that is no pooling."""
    if pool not in POOLS:
        raise MethodError("pool", repr(pool), f"one of {', '.join(POOLS)}")


def pooled(
    output: Tensor, pool: Pool, layer: nn.Module, picture: tuple[int, int] | None
) -> tuple[Tensor, str]:
    """One row for each input, (n, d) in float32, and what was done, in words.

    Parameters
    ----------
    output : Tensor
        What the layer put out, (n, ...).
    pool : {"auto", "mean", "max", "token", "flatten"}
        "auto" is the mean over positions, where there are any; "token" the first token of a transformer.
    layer : nn.Module
        Whose output it is.
    picture : (int, int), optional
        Height and width of the inputs, if they are pictures.

    Raises
    ------
    LayerError
        If the output has no such thing.
    """
    if output.ndim < 2:
        got = f"a layer with output shape {tuple(output.shape)}"
        raise LayerError("layer", got, "a row of numbers for each input", "Choose another layer.")
    values = output.detach().to(wide(output.dtype))
    if pool == "token":
        if values.ndim != 3:
            got = f"a layer with output shape {tuple(output.shape)}"
            raise LayerError("pool", got, "tokens (n, tokens, channels)", "Use pool='mean'.")
        return values[:, 0].float(), "the first token"
    if values.ndim == 2 or pool == "flatten":
        shape = "×".join(str(side) for side in output.shape[1:])
        return values.flatten(1).float(), "" if values.ndim == 2 else f"all {shape} values"
    positions, words = _positions(values, layer, picture)
    made = positions.amax(2) if pool == "max" else positions.mean(2)
    several = f"{'max' if pool == 'max' else 'mean'} over {words}"
    return made.float(), several if positions.shape[2] > 1 else ""


def _positions(values: Tensor, layer: nn.Module, picture: tuple[int, int] | None) -> tuple[Tensor, str]:
    """The output as (n, channels, positions), and the positions in words."""
    if picture is not None and values.ndim in (3, 4):
        try:
            maps = as_maps(values, picture)
        except LayerError:
            pass
        else:
            return maps.flatten(2), f"{maps.shape[2]}×{maps.shape[3]} positions"
    if values.ndim == 3 and not isinstance(layer, _LINES):
        return values.transpose(1, 2), f"{values.shape[1]} tokens"
    flat = values.flatten(2)
    return flat, f"{flat.shape[2]} positions"
