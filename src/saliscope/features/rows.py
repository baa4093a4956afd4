"""Inputs of a model by number, each prepared when it is needed: ten thousand pictures need not fit."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler

from saliscope.core.preprocess import Preprocessing, expected_channels, inputs_of
from saliscope.errors import InputError, SaliscopeError


class Rows:
    """Whatever the user has, as numbered inputs.

    Parameters
    ----------
    images : list of pictures, array, tensor or DataLoader
        Pictures are what `saliscope.core.preprocess.prepare` takes. In a tensor the first axis counts the
        rows; floats are in model space, whole numbers other than uint8 are fed as they are. Of a DataLoader,
        its data set is read in order.
    preprocessing : Preprocessing
        How pictures are prepared.
    module : nn.Module, optional
        Who is fed; without one all rows are pictures to look at.

    Attributes
    ----------
    source : sequence or Tensor
        What row i is made of.
    notes : list of str
        How the inputs came about, as far as they were prepared.

    Raises
    ------
    InputError
        If there are no rows, or a DataLoader shuffles them.
    """

    def __init__(self, images: Any, preprocessing: Preprocessing, module: nn.Module | None = None) -> None:
        self.source = _source(images, module is None or expected_channels(module) is not None)
        self.notes: list[str] = []
        self._preprocessing, self._module = preprocessing, module
        if not len(self.source):
            raise InputError("images", f"an empty {type(images).__name__}", "at least one picture")

    def __len__(self) -> int:
        return len(self.source)

    def inputs(self, ids: Sequence[int]) -> Tensor:
        """Rows in model space, of shape (len(ids), ...).

        Raises
        ------
        InputError
            If one of them cannot be read, or does not fit the model or the others.
        """
        if isinstance(self.source, Tensor):
            rows = self.source[torch.as_tensor(ids)]
            if rows.dtype != torch.uint8 and rows.ndim != 4:
                return rows
            items: Any = rows
        else:
            items = [_item(self.source[i]) for i in ids]
            if items and all(isinstance(one, Tensor) and _no_picture(one) for one in items):
                return torch.stack(items)
        try:
            inputs, notes = inputs_of(items, self._preprocessing, self._module)
        except SaliscopeError as error:
            raise _renamed(error, ids) from error.__cause__
        if len(inputs) != len(ids):
            raise InputError("images", f"{len(inputs)} pictures in {len(ids)} items", "one picture an item")
        self.notes += [note for note in notes if note not in self.notes]
        return inputs


def _source(images: Any, pictures: bool) -> Any:
    if isinstance(images, DataLoader):
        return _in_order(images)
    if isinstance(images, Tensor):
        # One picture alone, as SaliencyExplorer takes it.
        return images[None] if images.ndim == 3 and pictures else images.detach()
    if isinstance(images, list | tuple):
        return [one for item in images for one in _parts(item)]
    if isinstance(images, np.ndarray):
        if images.ndim == 4:
            return images
        return torch.from_numpy(np.ascontiguousarray(images)) if not pictures else images[None]
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):  # a data set
        return images
    return [images]


def _in_order(loader: DataLoader[Any]) -> Any:
    data = loader.dataset
    if not hasattr(data, "__getitem__") or not isinstance(loader.sampler, SequentialSampler):
        raise InputError(
            "images",
            "a DataLoader that shuffles, samples or only streams",
            "rows that can be read again by their number",
            "Pass shuffle=False and a data set with __getitem__, or the data set itself.",
        )
    return data


def _item(item: Any) -> Any:
    """A data set's item is often (picture, label)."""
    return item[0] if isinstance(item, tuple) and item else item


def _no_picture(item: Tensor) -> bool:
    return item.dtype != torch.uint8 and item.ndim not in (3, 4)


def _parts(item: Any) -> Any:
    return item if getattr(item, "ndim", 0) == 4 else [item]


def _renamed(error: SaliscopeError, ids: Sequence[int]) -> SaliscopeError:
    """The error with the numbers that the user counts by."""

    def number(text: str) -> str:
        own = re.sub(r"inputs\[(\d+)\]", lambda m: f"images[{ids[int(m[1])]}]", text)
        return re.sub(r"\binputs\b(?! of| of the)", "images", own) if text == error.argument else own

    texts = [number(text) for text in (error.argument, error.got, error.expected, error.way_out)]
    return type(error)(*texts).with_traceback(error.__traceback__)
