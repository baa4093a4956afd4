"""Activations of any layer of any model over many inputs, one row of numbers for each."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.utils.data import DataLoader

from saliscope.core.anytime import Step, drive, steadily
from saliscope.core.batching import ChunkSize, check_chunk_size, chunks, mixes_rows
from saliscope.core.borrow import Borrowed, as_borrowed, untouched
from saliscope.core.layers import find_layer, first_tensor
from saliscope.core.targets import class_scores
from saliscope.errors import InputError, LayerError, ModelError, TargetError
from saliscope.features.pooling import Pool, check_pool, pooled
from saliscope.features.rows import Rows
from saliscope.features.survey import Survey, survey

MOST_BYTES = 8 * 2**30
"""Of activations in memory; more is a mistake (a flattened early layer) rather than a wish."""


@dataclass(frozen=True)
class Activations:
    """What a layer put out for each input.

    Attributes
    ----------
    values : Tensor
        One row an input, in the user's order: (n, d), float32, on the CPU.
    layer : str
        Its name; "" is the model itself.
    pooling : str
        How the rows were made of the layer's output, in words; "" if it was a row already.
    notes : tuple of str
        What else a reader should know, in sentences.
    scores : Tensor or None
        The model's own output of the same pass, (n, classes) before a softmax; None where it is no list of
        classes.
    """

    values: Float32[Tensor, "n d"]
    layer: str
    pooling: str
    notes: tuple[str, ...] = ()
    scores: Float32[Tensor, "n classes"] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        pooled = f", {self.pooling}" if self.pooling else ""
        return f"Activations({len(self)} rows of {self.values.shape[1]}, {self.layer or 'the model'}{pooled})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self.values.numpy()
        return np.array(values, dtype=dtype, copy=True) if copy else np.asarray(values, dtype=dtype)


def activations(
    model: nn.Module | Borrowed,
    data: Any,
    layer: str | nn.Module | None = None,
    *,
    layers: Sequence[str | nn.Module] | None = None,
    pool: Pool = "auto",
    chunk_size: ChunkSize = "auto",
) -> Any:
    """Run a model over many inputs and keep what a layer puts out.

    Parameters
    ----------
    model : nn.Module or saliscope.borrow(...)
        Comes back exactly as it was.
    data : list of pictures, array, tensor, DataLoader or Rows
        Pictures as `SaliencyExplorer` takes them, prepared chunk by chunk; tensors of floats are in model
        space; of what a DataLoader yields, the first tensor is fed.
    layer : str or nn.Module, optional
        The last one before the output by default.
    layers : sequence, optional
        Several in one pass, instead of `layer`.
    pool : {"auto", "mean", "max", "token", "flatten"}
        How an output with positions or tokens becomes one row: "auto" is the mean over them, "token" the
        first one.
    chunk_size : int or "auto"
        Inputs that go through the model at once; the rows do not depend on it.

    Returns
    -------
    Activations, or dict of str to Activations with `layers`

    Raises
    ------
    LayerError
        If the model has no such layer, or it has no tensor of floats for each input.
    InputError, ModelError
        If the inputs cannot be read, or the model does not run on them.
    """
    stream = activations_stream(model, data, layer, layers=layers, pool=pool, chunk_size=chunk_size)
    found = drive(stream)
    return found if layers is not None else next(iter(found.values()))


def activations_stream(
    model: nn.Module | Borrowed,
    data: Any,
    layer: str | nn.Module | None = None,
    *,
    layers: Sequence[str | nn.Module] | None = None,
    pool: Pool = "auto",
    chunk_size: ChunkSize = "auto",
) -> Iterator[Step[dict[str, Activations]]]:
    """Do what `activations` does, one chunk a step; a partial answer has the first rows only.

    Yields
    ------
    Step of dict of str to Activations
    """
    check_pool(pool)
    check_chunk_size(chunk_size)
    borrowed = as_borrowed(model)
    wanted = [layer] if layers is None else list(layers)
    if not wanted:
        raise LayerError("layers", "an empty list", "at least one layer")
    named = dict(find_layer(borrowed.module, one) for one in wanted if one is not None)
    batches = _loaded(data) if isinstance(data, DataLoader) else _rows(data, borrowed)
    return steadily(_collect(borrowed, batches, named, pool, chunk_size))


_Batches = Generator[tuple[Tensor, int | None, list[str]], int, None]
"""Inputs, how many there are in all if that is known, and notes; receives how many are wanted at once."""


def _rows(data: Any, borrowed: Borrowed) -> _Batches:
    rows = data if isinstance(data, Rows) else Rows(data, borrowed.preprocessing, borrowed.module)
    size, start = min(2, len(rows)), 0
    while start < len(rows):
        stop = min(len(rows), start + size)
        size = yield rows.inputs(range(start, stop)), len(rows), rows.notes
        start = stop


def _loaded(loader: Any) -> _Batches:
    dataset = loader.dataset
    total = len(dataset) if hasattr(dataset, "__len__") and not loader.drop_last else None
    for batch in loader:
        values = batch
        if isinstance(batch, Mapping):
            values = next(iter(batch.values()))
        elif isinstance(batch, list | tuple):
            values = batch[0]
        if not isinstance(values, Tensor):
            got = f"batches of {type(batch).__name__} whose first item is a {type(values).__name__}"
            raise InputError("data", got, "batches whose first item is a tensor")
        size = 2
        while len(values):
            now, values = values[:size], values[size:]
            size = yield now, total, []


def _collect(
    borrowed: Borrowed,
    batches: _Batches,
    named: dict[str, nn.Module],
    pool: Pool,
    chunk_size: ChunkSize,
) -> Generator[Step[dict[str, Activations]], None, None]:
    inputs, total, notes = next(batches)
    known = survey(borrowed, inputs)
    named = named or dict([find_layer(borrowed.module, known.last)])
    size = _size(borrowed, known, chunk_size)
    catch = _Catch(borrowed, named, pool)
    done, more = 0, True
    while more:
        kept = catch.run(inputs, size)
        done += len(inputs)
        _check_room(kept, total or done)
        try:
            inputs, total, notes = batches.send(size)
        except StopIteration:
            more = False
        answer = partial(catch.answer, catch.count, tuple(notes))
        yield Step(answer, done, done if not more else max(done + 1, total or 0))


def _size(borrowed: Borrowed, known: Survey, chunk_size: ChunkSize) -> int:
    if mixes_rows(borrowed.module):
        return 1
    return known.rows if chunk_size == "auto" else chunk_size


def _check_room(kept: dict[str, Tensor], total: int) -> None:
    for name, values in kept.items():
        size = values.shape[1] * 4 * total
        if size > MOST_BYTES:
            got = f"{total} rows of {values.shape[1]} values from {name!r}, {size / 2**30:.0f} GiB"
            raise InputError(
                "pool", got, f"at most {MOST_BYTES // 2**30} GiB", "Use pool='mean', or fewer rows."
            )


class _Catch:
    """Rows of several layers, as chunk after chunk goes through the model."""

    def __init__(self, borrowed: Borrowed, named: dict[str, nn.Module], pool: Pool) -> None:
        self._borrowed, self._named, self._pool = borrowed, named, pool
        self._parts: dict[str, list[Tensor]] = {name: [] for name in named}
        self._words: dict[str, str] = {}
        self._scores: list[Tensor] | None = []

    @property
    def count(self) -> int:
        """Chunks so far."""
        return len(next(iter(self._parts.values())))

    def run(self, inputs: Tensor, size: int) -> dict[str, Tensor]:
        """Send inputs through the model; the rows they gave."""
        like = self._borrowed.place(inputs[:1])
        work = partial(self._forward, inputs)
        last: dict[str, Tensor] = {}
        for _, _, (last, scores) in chunks(work, len(inputs), size, self._borrowed.module, like, "forward"):
            for name, rows in last.items():
                self._parts[name].append(rows)
            if scores is None:
                self._scores = None
            elif self._scores is not None:
                self._scores.append(scores)
        return last

    def _forward(self, inputs: Tensor, start: int, stop: int) -> tuple[dict[str, Tensor], Tensor | None]:
        placed = self._borrowed.place(inputs[start:stop])
        picture = tuple(inputs.shape[2:]) if inputs.ndim == 4 else None
        with (
            untouched(self._borrowed.module),
            torch.no_grad(),
            _caught(self._named, self._pool, picture) as caught,  # type: ignore[arg-type]
        ):
            output = self._run(placed)
        for name, module in self._named.items():
            if name not in caught:
                got = f"{name!r}, a {type(module).__name__} that did not run or put out no tensor of floats"
                raise LayerError(
                    "layer", got, "a layer with a tensor for each input", "Choose another layer."
                )
            rows, self._words[name] = caught[name]
            if len(rows) != stop - start:
                got = f"{name!r}, whose output has {len(rows)} rows for {stop - start} inputs"
                raise LayerError("layer", got, "one row for each input", "Choose another layer.")
        try:
            scores = class_scores(output).float().cpu()
        except (TargetError, ModelError):
            scores = None
        return {name: rows for name, (rows, _) in caught.items()}, scores

    def _run(self, placed: Tensor) -> Any:
        try:
            return self._borrowed(placed)
        except ModelError as error:
            if isinstance(error.__cause__, LayerError):  # ours, from inside the layer
                raise error.__cause__ from None
            raise

    def answer(self, count: int, notes: tuple[str, ...]) -> dict[str, Activations]:
        """What the first `count` chunks gave."""
        scores = None if self._scores is None else torch.cat(self._scores[:count])
        return {
            name: Activations(torch.cat(parts[:count]), name, self._words[name], notes, scores)
            for name, parts in self._parts.items()
        }


@contextmanager
def _caught(
    named: Mapping[str, nn.Module], pool: Pool, picture: tuple[int, int] | None
) -> Iterator[dict[str, tuple[Tensor, str]]]:
    """Pool what the layers put out while the model goes on; of several calls of a layer, the last counts."""
    caught: dict[str, tuple[Tensor, str]] = {}

    def hook(name: str) -> Any:
        def catch(module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None:
                rows, words = pooled(tensor, pool, module, picture)
                caught[name] = (rows.cpu() if rows.device.type != "cpu" else rows.clone(), words)

        return catch

    handles = []
    try:
        for name, module in named.items():
            handles.append(module.register_forward_hook(hook(name)))
        yield caught
    finally:
        for handle in handles:
            handle.remove()
