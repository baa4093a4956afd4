"""Sums over runs of a sorted list, without atomics: on any device, equal calls give equal bits."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def segment_sum(values: Float[Tensor, " m"], pointers: Int64[Tensor, " p"]) -> Float[Tensor, " s"]:
    """Sum `values` from each pointer to the next; an empty run sums to zero."""
    if values.device.type in ("cpu", "cuda"):
        return torch.segment_reduce(values, "sum", offsets=pointers, unsafe=True)
    return doubling_sum(values, pointers)


def doubling_sum(values: Float[Tensor, " m"], pointers: Int64[Tensor, " p"]) -> Float[Tensor, " s"]:
    """The same where torch has no segment_reduce (MPS): runs are folded in halves."""
    lengths = pointers.diff()
    longest = int(lengths.max()) if len(lengths) and len(values) else 0
    ends = torch.repeat_interleave(pointers[1:], lengths)
    place = torch.arange(len(values), device=values.device)
    step = 1
    while step < longest:
        # Each place holds the sum of `step` values from it on; what lies beyond its run is nothing.
        partner = (place + step).clamp(max=len(values) - 1)
        values = values + torch.where(place + step < ends, values[partner], torch.zeros_like(values))
        step *= 2
    sums = values.new_zeros(len(lengths))
    filled = lengths > 0
    sums[filled] = values[pointers[:-1][filled]]
    return sums
