"""Where computation happens, and in which precision: the model decides."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


def placement(module: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Device and floating dtype of a module's weights; ``None`` where it has none.

    A borrowed model is never moved, so inputs go to the model and not the other way round.
    """
    device, dtype = None, None
    for tensor in chain(module.parameters(), module.buffers()):
        device = device or tensor.device
        if tensor.is_floating_point():
            return device, tensor.dtype
    return device, dtype


@contextmanager
def plain_arithmetic() -> Iterator[None]:
    """Neither autocast, nor inference mode, nor a graph inside, whatever the caller's modes are."""
    with ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.no_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                modes.enter_context(torch.autocast(kind, enabled=False))
        yield


def as_like(values: Any, like: Tensor) -> Tensor:
    """Numbers computed in float64 on the CPU, in another tensor's dtype and on its device."""
    # The cast comes first: MPS has no float64.
    return torch.as_tensor(values).to(like.dtype).to(like.device)


def wide(dtype: torch.dtype) -> torch.dtype:
    """Dtype for sums of many values: half precision would lose its three digits in them."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def exact(values: Tensor) -> Tensor:
    """The values in float64, on the CPU: for sums and norms that are shown as numbers."""
    return values.detach().cpu().double()
