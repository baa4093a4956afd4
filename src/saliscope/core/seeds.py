"""Randomness that belongs to a computation, never to the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from saliscope.core.device import as_like


@contextmanager
def preserved_rng(device: torch.device | None = None) -> Iterator[None]:
    """Give torch's global generators back as they were, whatever runs inside."""
    kind = None if device is None else device.type
    mps_state = torch.mps.get_rng_state() if kind == "mps" else None
    try:
        with torch.random.fork_rng(devices=[device] if kind == "cuda" else []):
            yield
    finally:
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)


class Randomness:
    """Torch's own random numbers, for a computation in pieces: each goes on where the last one stopped.

    Whoever runs a piece gives the process its own numbers back; see `preserved_rng`.

    Parameters
    ----------
    seed : int
        Where the first piece starts.
    device : torch.device
        Whose generator is kept beside the CPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._device = device
        self._states: list[Tensor] | None = None

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Run a piece."""
        generators = _generators(self._device)
        if self._states is None:
            for generator in generators:
                generator.manual_seed(self._seed)
        else:
            for generator, state in zip(generators, self._states, strict=True):
                generator.set_state(state)
        yield
        self._states = [generator.get_state() for generator in generators]


def _generators(device: torch.device) -> list[torch.Generator]:
    if device.type == "cuda":
        return [torch.default_generator, torch.cuda.default_generators[device.index]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]


def generator(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one sample: they depend on nothing but the seed and the sample's index."""
    # SFC64 is numpy's fastest; noise for a small network costs a tenth of its gradient as it is.
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, index))))


class NoiseSource:
    """Standard normal samples that depend on the seed and on their position only.

    Each sample has a generator of its own, keyed by both. So sample 17 is the same in a chunk of 1 or of 64,
    on a GPU or not, in a first run, in a retry after memory ran out, or in a refinement.

    Parameters
    ----------
    seed : int
        Key of the generators.
    shape : tuple of int
        Shape of one sample.
    """

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        self._seed = seed
        self._shape = shape

    def draw(self, start: int, stop: int, like: Tensor) -> Tensor:
        """Samples `start` to `stop`, stacked, on the device and in the dtype of `like`."""
        samples = np.empty((stop - start, *self._shape))
        for i in range(start, stop):
            generator(self._seed, i).standard_normal(out=samples[i - start])
        return as_like(samples, like)
