"""Operations taken apart into simpler ones, for methods that have rules for those."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from saliscope.core.device import wide

Argument = Callable[..., Any]
"""An argument of the operation by name, with a default."""


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``scaled_dot_product_attention``, with its weights as a tensor."""
    dtype = wide(query.dtype)  # as its kernels do
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    scores = _cast(query, dtype) @ _cast(key, dtype).transpose(-2, -1)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        seen = attn_mask if attn_mask.dtype == torch.bool else ~attn_mask.isneginf()
        scores = scores if attn_mask.dtype == torch.bool else scores + attn_mask
        # A query that may look at nothing gets nothing, where a plain softmax would give NaN.
        scores = scores.masked_fill(~seen, -torch.inf).masked_fill(~seen.any(-1, keepdim=True), 0)
        weights = scores.softmax(-1) * seen.any(-1, keepdim=True)
    else:
        weights = scores.softmax(-1)
    weights = _cast(weights, value.dtype)
    return (F.dropout(weights, dropout_p) if dropout_p else weights) @ value


def _cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    # One of no effect would be an operation to listen to.
    return x if x.dtype == dtype else x.to(dtype)


def _attention(argument: Argument) -> Tensor:
    names = ("query", "key", "value", "attn_mask", "scale")
    causal, grouped = argument("is_causal", False), argument("enable_gqa", False)
    return attention(**{name: argument(name) for name in names}, is_causal=causal, enable_gqa=grouped)


def _softmax(argument: Argument) -> Tensor:
    return _log_softmax(argument).exp()


def _log_softmax(argument: Argument) -> Tensor:
    x, dim, dtype = argument("input"), argument("dim"), argument("dtype")
    x = x if dtype is None else x.to(dtype)
    return x - x.logsumexp(dim, keepdim=True)


def _layer_norm(argument: Argument) -> Tensor:
    x, shape = argument("input"), argument("normalized_shape")
    dims = tuple(range(-len(shape), 0))
    return _scaled(_normal(x, dims, argument("eps", 1e-5)), argument("weight"), argument("bias"))


def _rms_norm(argument: Argument) -> Tensor:
    x, shape, eps = argument("input"), argument("normalized_shape"), argument("eps")
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return _scaled(_normal(x, tuple(range(-len(shape), 0)), eps, centred=False), argument("weight"), None)


def _group_norm(argument: Argument) -> Tensor:
    x, groups = argument("input"), argument("num_groups")
    split = x.reshape(x.shape[0], groups, -1)
    values = _normal(split, (-1,), argument("eps", 1e-5)).reshape(x.shape)
    return _scaled(values, *(_per_channel(argument(name), x) for name in ("weight", "bias")))


def _instance_norm(argument: Argument) -> Tensor:
    x, eps = argument("input"), argument("eps", 1e-5)
    if argument("use_input_stats", True):
        values = _normal(x, tuple(range(2, x.ndim)), eps)
    else:
        mean, variance = (_per_channel(argument(f"running_{name}"), x) for name in ("mean", "var"))
        values = (x - mean) * (variance + eps).rsqrt()
    return _scaled(values, *(_per_channel(argument(name), x) for name in ("weight", "bias")))


def _normal(x: Tensor, dims: tuple[int, ...], eps: float, centred: bool = True) -> Tensor:
    if centred:
        x = x - x.mean(dims, keepdim=True)
    # A quotient, not a product with the inverse: that is huge where nothing varies, and the quotient is not.
    return x / (x.square().mean(dims, keepdim=True) + eps).sqrt()


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _per_channel(values: Tensor | None, x: Tensor) -> Tensor | None:
    return None if values is None else values.reshape(-1, *[1] * (x.ndim - 2))


def _addmm(argument: Argument) -> Tensor:
    product = torch.matmul(argument("first"), argument("second"))
    alpha, beta = argument("alpha", 1), argument("beta", 1)
    product = product if alpha == 1 else product * alpha
    return argument("input") * beta + product if beta != 1 else argument("input") + product


PARTS: Mapping[str, Callable[[Argument], Tensor]] = {
    "scaled_dot_product_attention": _attention,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "addmm": _addmm,
    "addmv": _addmm,
    "baddbmm": _addmm,
}
