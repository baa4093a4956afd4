"""Operations taken apart into simpler ones, for methods that have rules for those."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Argument = Callable[..., Any]
"""An argument of the operation by name, with a default."""


def _attention(argument: Argument) -> Tensor:
    query, key, value = (argument(name) for name in ("query", "key", "value"))
    mask, scale = argument("attn_mask"), argument("scale")
    if argument("enable_gqa", False):
        groups = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(groups, -3) for x in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    weights = torch.matmul(query, key.transpose(-2, -1)) * scale
    if argument("is_causal", False):
        mask = torch.ones(weights.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if mask is not None:
        weights = weights.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else weights + mask
    return torch.matmul(weights.softmax(-1), value)


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
    return x * (x.square().mean(dims, keepdim=True) + eps).rsqrt()


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
