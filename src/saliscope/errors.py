"""The exceptions of Saliscope: one tree, one sentence pattern.

Every message names the argument, what came, what was expected and the way out, so that the
same text serves in a traceback and under the widget.
"""

from collections.abc import Iterable

_MOST_NAMES = 12


class SaliscopeError(Exception):
    """Base class of everything Saliscope raises on purpose.

    Parameters
    ----------
    argument : str
        Name of the argument or trait that is at fault, as the user wrote it.
    got : str
        What came.
    expected : str
        What would have been right.
    way_out : str, optional
        What to do now, a full sentence.
    """

    def __init__(self, argument: str, got: str, expected: str, way_out: str = "") -> None:
        self.argument = argument
        self.got = got
        self.expected = expected
        self.way_out = way_out
        message = f"`{argument}`: got {got}; expected {expected}."
        super().__init__(f"{message} {way_out}" if way_out else message)

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        # The default would call the constructor with the finished message only.
        return type(self), (self.argument, self.got, self.expected, self.way_out)


class InputError(SaliscopeError, ValueError):
    """A picture or batch that cannot be explained: shape, channels, values."""


class TargetError(SaliscopeError, ValueError):
    """A target that the model's output does not have, or a score that cannot be explained."""


class LayerError(SaliscopeError, ValueError):
    """A layer name that the model does not have, or a layer without a usable output."""


class MethodError(SaliscopeError, ValueError):
    """An unknown method, or a parameter outside its range."""


class BaselineError(SaliscopeError, ValueError):
    """An unknown baseline, or one that does not fit the inputs."""


class ModelError(SaliscopeError, RuntimeError):
    """The user's model raised, or is not something that can be explained."""


class OutOfMemoryError(SaliscopeError, MemoryError):
    """Not even a chunk of one input fits into memory."""


class RecordError(SaliscopeError, ValueError):
    """A record or a saved attribution that was changed, damaged, is from a newer version, or is none."""


class NotDefinedError(SaliscopeError, ValueError):
    """The quantity asked for has no value here, and no number would be honest."""


class ReductionError(SaliscopeError, ValueError):
    """Data that have no map: too few rows, values that are no numbers, a parameter that does not fit them."""


def one_of(names: Iterable[str]) -> str:
    """What would have been right, of many names the first: a message is read under the widget, too."""
    known = list(names)
    if len(known) <= _MOST_NAMES:
        return f"one of {', '.join(known)}"
    return f"one of {', '.join(known[:_MOST_NAMES])} and {len(known) - _MOST_NAMES} others"
