"""Models, tensors and maps in a few letters: enough to tell whether two are the same."""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from saliscope.core.device import exact

N_PROJECTIONS = 64
"""Of `sketch`: a distance comes out right to 9 % (one standard deviation, ``1 / sqrt(2 * 64)``)."""


def tensor_hash(tensor: Tensor) -> str:
    """SHA-256 of a tensor's dtype, shape and bytes; the device does not count."""
    digest = hashlib.sha256(f"{short(tensor.dtype)} {tuple(tensor.shape)}".encode())
    digest.update(_bytes(tensor))
    return digest.hexdigest()


def fingerprint(module: nn.Module, dtype: torch.dtype | None = None) -> dict[str, str]:
    """What a model is, and which weights it has.

    Parameters
    ----------
    module : nn.Module
        What `torch.compile` wrapped counts as what it wraps.
    dtype : torch.dtype, optional
        Look at the floating weights as if the model had been brought to this dtype.

    Returns
    -------
    dict
        ``name``: the class; ``architecture``: SHA-256 over the names and classes of its modules, and names
        and shapes of parameters and buffers; ``weights``: over names, dtypes and bytes of the latter.
    """
    module = getattr(module, "_orig_mod", module)
    architecture, weights = hashlib.sha256(), hashlib.sha256()
    for name, part in module.named_modules():
        architecture.update(f"{name}:{type(part).__name__}\n".encode())
    # A weight that two layers share is listed under both names.
    parameters = module.named_parameters(remove_duplicate=False)
    for names in (parameters, module.named_buffers(remove_duplicate=False)):
        for name, tensor in names:
            if is_lazy(tensor):
                architecture.update(f"{name} without a shape yet\n".encode())
                continue
            seen = tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)
            architecture.update(f"{name} {tuple(seen.shape)}\n".encode())
            weights.update(f"{name} {short(seen.dtype)} {tuple(seen.shape)}\n".encode())
            weights.update(_bytes(seen))
    found = {"architecture": architecture.hexdigest(), "weights": weights.hexdigest()}
    return {"name": type(module).__name__, **found}


def sketch(values: Tensor) -> list[list[float | None]]:
    """Inner products of each input's attribution with random signs, always the same ones.

    The mean square of the differences of two sketches is an unbiased estimate of the squared L2 distance of
    what they were made of (Achlioptas 2003, doi 10.1016/S0022-0000(03)00025-4). So 64 numbers tell how
    far two maps are apart, although neither follows from them.
    """
    flat = exact(values).flatten(1).numpy()
    columns = [flat @ _signs(i, flat.shape[1]) for i in range(N_PROJECTIONS)]
    return [[number(value) for value in row] for row in np.stack(columns, axis=1)]


def distance(one: list[list[float | None]], other: list[list[float | None]]) -> float:
    """Estimate of the L2 distance of two attributions from their sketches; NaN where one has no numbers."""
    a, b = (np.array(rows, dtype=np.float64) for rows in (one, other))
    return math.sqrt(float(((a - b) ** 2).mean(1).sum()))


def number(value: Any) -> float | None:
    """A finite Python float, or None, which is what JSON has for the others."""
    plain = float(value)
    return plain if math.isfinite(plain) else None


def short(dtype: torch.dtype) -> str:
    """Name of a dtype: "float32"."""
    return str(dtype).removeprefix("torch.")


def _signs(i: int, n: int) -> np.ndarray:
    # Raw bits: unlike what numpy's Generator makes of them, they never change from version to version.
    words = np.random.SFC64(np.random.SeedSequence((N_PROJECTIONS, i))).random_raw(-(-n // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=n)
    return bits.astype(np.float64) * 2 - 1


def _bytes(tensor: Tensor) -> memoryview | bytes:
    plain = tensor.detach()
    if plain.is_meta:
        return b""
    plain = plain.dequantize() if plain.is_quantized else plain
    plain = plain.to_dense() if plain.layout != torch.strided else plain
    plain = plain.cpu().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().data  # a view: no second copy of a large model
