"""The one chunk knob: how many rows go through the model at once.

A chunk shares the fixed cost of a pass over its rows, which is most of the cost of a small row and little of
a large one's; on a CPU it must stay small enough to be allocated without page faults, and for a person who
watches or cancels between two chunks. So "auto" measures what one row keeps alive for its backward pass, and
takes many small rows, a few large ones, or one that is huge. On a GPU it fills a share of the free memory.
In both cases it halves the chunk when memory runs out.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from saliscope.errors import MethodError, OutOfMemoryError

R = TypeVar("R")
ChunkSize = int | Literal["auto"]
Kind = Literal["gradient", "tail", "forward", "scores"]

FIRST_CHUNK = 3
"""Rows of the chunk that is measured: for a large model no bad size, and for any soon over."""

# Gradients on one core, against the best of 1 to 128 rows: ResNet-18 at 64x64 24 to 64 rows within 5 %, at
# 224x224 3 to 8; ResNet-50 3 to 12, 16 +30 %; MobileNetV3 6 to 8, 3 +23 %; VGG-16 1 to 2, 4 +10 %.
_CPU_LARGEST = 32 * 2**20  # glibc asks the system for each larger tensor anew: page faults
_CPU_ENOUGH = 64 * 2**20  # small rows are cheaper together, up to here
_CPU_FEW = 6  # large ones up to this many
_CPU_MOST = 384 * 2**20  # if they fit in here
_CPU_ROWS = 64
_GPU_SHARE = 0.4
_GPU_ROWS = 256

_known: "weakref.WeakKeyDictionary[nn.Module, dict[tuple[Any, ...], int]]" = weakref.WeakKeyDictionary()


class _Now(threading.local):
    measuring = False


_now = _Now()


def measuring() -> bool:
    """Whether this thread's chunk is being measured: then a forward pass builds a graph, to be seen."""
    return _now.measuring


class _Meter:
    """Counts the bytes that autograd keeps for a backward pass, weights left out."""

    def __init__(self, module: nn.Module) -> None:
        self._weights = {p.data_ptr() for p in module.parameters()}
        self._seen: set[int] = set()
        self.largest = 0
        self.total = 0

    def __enter__(self) -> None:
        self._outer, _now.measuring = _now.measuring, True
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)
        self._hooks.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._hooks.__exit__(*exc)
        _now.measuring = self._outer

    def _pack(self, tensor: Tensor) -> tuple[Tensor, int]:
        pointer = tensor.data_ptr()
        if pointer not in self._weights and pointer not in self._seen:
            self._seen.add(pointer)
            size = tensor.numel() * tensor.element_size()
            self.largest = max(self.largest, size)
            self.total += size
        # Detached: a saved output that keeps itself alive through its own graph would never be freed.
        return tensor.detach(), tensor._version

    def _unpack(self, saved: tuple[Tensor, int]) -> Tensor:
        # With hooks set, autograd leaves its own check out: a gradient of overwritten values would be wrong.
        tensor, version = saved
        if tensor._version != version:
            raise RuntimeError("a tensor needed for the gradient has been modified by an inplace operation")
        return tensor


def check_chunk_size(chunk_size: ChunkSize) -> None:
    """Raise `MethodError` unless `chunk_size` is "auto" or a positive integer."""
    if chunk_size == "auto":
        return
    if isinstance(chunk_size, int) and not isinstance(chunk_size, bool) and chunk_size >= 1:
        return
    raise MethodError(
        "chunk_size", repr(chunk_size), "a positive integer or 'auto'", "'auto' measures what fits."
    )


def mixes_rows(module: nn.Module) -> bool:
    """Whether an output depends on the rows beside it even in eval mode: batch norm without statistics."""
    return any(
        isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is None for m in module.modules()
    )


def chunks(
    work: Callable[[int, int], R],
    total: int,
    chunk_size: ChunkSize,
    module: nn.Module,
    like: Tensor,
    kind: Kind = "gradient",
) -> Iterator[tuple[int, int, R]]:
    """Do `work(start, stop)` over all rows, in chunks that fit.

    Parameters
    ----------
    work : callable
        Computes rows ``start`` to ``stop``. Its result must not depend on how the rows are split.
    total : int
        Number of rows.
    chunk_size : int or "auto"
        Rows at once.
    module : nn.Module
        The model, whose known chunk size is used again.
    like : Tensor
        One input batch: its row shape, dtype and device are the key of what is known.
    kind : {"gradient", "tail", "forward", "scores"}
        What a row keeps alive: the whole graph, the graph behind a layer, or none. Without a graph
        there is nothing to measure, and what is known of the gradient serves; of "scores" the first chunk
        builds one to be measured, so that those after it are as large as is good without.

    Yields
    ------
    start, stop, result

    Raises
    ------
    OutOfMemoryError
        When not even one row fits.
    """
    check_chunk_size(chunk_size)
    key = ("gradient" if kind == "forward" else kind, *like.shape[1:], like.dtype, like.device)
    known = _known.setdefault(module, {})
    size: ChunkSize = 1 if total > 1 and mixes_rows(module) else chunk_size
    if like.device.type == "cpu":
        keep_freed_memory()
    start = 0
    while start < total:
        stop = min(start + (known.get(key, FIRST_CHUNK) if size == "auto" else size), total)
        try:
            if size == "auto" and kind != "forward" and key not in known:
                meter = _Meter(module)
                with meter:
                    result = work(start, stop)
                known[key] = _fitting(meter, stop - start, like.device, kind != "scores")
            else:
                result = work(start, stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            known[key] = _smaller(stop - start, error)
            size = "auto" if size == "auto" else known[key]
            if like.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield start, stop, result
        start = stop


def forget(module: nn.Module) -> None:
    """Measure this model anew at its next chunk, as in a process that has not met it."""
    _known.pop(module, None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return not isinstance(error, OutOfMemoryError)
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def _smaller(rows: int, error: BaseException) -> int:
    if rows == 1:
        raise OutOfMemoryError(
            "inputs",
            "one row that needs more memory than there is",
            "a row that fits",
            "Use a smaller picture, a smaller model, or a device with more memory.",
        ) from error
    return rows // 2


def _fitting(meter: _Meter, rows: int, device: torch.device, kept: bool = True) -> int:
    """Rows of a good chunk; `kept` says whether later ones keep a graph too."""
    largest, total = max(1, meter.largest // rows), max(1, meter.total // rows)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(min(_GPU_ROWS, max(1, free * _GPU_SHARE // total)))
    fitting = max(_CPU_ENOUGH // total, min(_CPU_FEW, _CPU_MOST // total)) if kept else _CPU_ROWS
    return max(1, min(_CPU_ROWS, _CPU_LARGEST // largest, fitting))


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what a chunk frees for the next one, up to 64 MB; once in a process.

    glibc gives freed blocks back to the system, and each page of the next block then costs a fault: up to
    40 % of a small network's time. Once it has freed a block of so many bytes, it keeps those up to that
    size. This one is never written to, so it takes no memory. Other C libraries do not care.
    """
    torch.empty(_CPU_LARGEST - 2**16, dtype=torch.uint8)
