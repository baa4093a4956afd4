"""Errors as the explorer says them, and without what they would keep alive."""

import traceback

from saliscope.core.batching import is_out_of_memory
from saliscope.errors import OutOfMemoryError, SaliscopeError
from saliscope.specs.saliency import Failure


def in_our_words(error: Exception) -> Exception:
    """Name what the user passed: engines call it `inputs`, the explorer `images`.

    Where memory ran out outside of an engine's chunks, an `OutOfMemoryError` stands for what torch said.
    """
    if isinstance(error, SaliscopeError):
        argument = error.argument.replace("inputs", "images")
        texts = [text.replace("inputs[", "images[") for text in (error.got, error.expected, error.way_out)]
        if [argument, *texts] == [error.argument, error.got, error.expected, error.way_out]:
            return error
        renamed = type(error)(argument, *texts)
        renamed.__cause__ = error.__cause__
    elif is_out_of_memory(error):
        renamed = OutOfMemoryError(
            "images",
            "a picture that needs more memory than there is",
            "one that fits",
            "Use a smaller picture, a smaller model, or a device with more memory.",
        )
        renamed.__cause__ = error
    else:
        return error
    return renamed.with_traceback(error.__traceback__)


def failure_of(error: BaseException) -> Failure:
    """What the page shows of an error."""
    return Failure(type(error).__name__, getattr(error, "argument", None), str(error))


def without_locals(error: BaseException) -> None:
    """Let go of all tensors in the frames of a kept error; the lines of its traceback stay."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
