"""Where the tensors of a running model come from, and what they are functions of."""

from typing import Any

from torch import Tensor

from saliscope.core.op_call import Call
from saliscope.core.op_names import ELEMENTWISE

_COPIES = frozenset({"CloneBackward0", "AliasBackward0", "CopyBackwards", "BackwardHookFunctionBackward"})
"""What hands on the very values that it was given: copies, and the hooks of modules."""

_CASTS = frozenset({"to", "type", "type_as", "float", "double", "half", "bfloat16", "clone", "contiguous"})
_SCALES = _CASTS | {"mul", "div", "neg", "dropout"}
_OF_EACH_VALUE = ELEMENTWISE | _SCALES | {"add", "sub", "rdiv", "pow", "rpow"}


def origin(tensor: Tensor) -> tuple[Any, int]:
    """The node of the graph that made a tensor's values, copies seen through, and which of its results."""
    maker, place = tensor.grad_fn, tensor.output_nr
    while maker is not None and type(maker).__name__ in _COPIES:
        # Of a copy into a tensor, the last one is what was copied.
        place = -1 if type(maker).__name__ == "CopyBackwards" else place
        maker, place = maker.next_functions[place]
    return maker, place


class Roots:
    """Of what the results of elementwise operations are functions, value by value.

    An activation may be spelled out: ``x * sigmoid(x)``, ``0.5 * x * (1 + erf(x / sqrt(2)))``. It is one
    function of one input all the same, which a rule for products would not see.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, int], tuple[Any, bool]] = {}

    def _of(self, tensor: Tensor) -> tuple[Any, bool]:
        """What a tensor is a function of, and whether it is that itself, times a constant."""
        maker = origin(tensor)
        return self._known.get(maker, (maker if maker[0] is not None else object(), True))

    def of(self, call: Call, flowing: list[Tensor]) -> tuple[Any, bool] | None:
        """What the result of a call is a function of: asked before it runs, since it may write."""
        roots = [self._of(tensor) for tensor in flowing] if call.name in _OF_EACH_VALUE else []
        if not roots or any(root != roots[0][0] for root, _ in roots):
            return None
        scaled = len(roots) == 1 and call.name in _SCALES and (call.name != "div" or call.flows[0])
        return roots[0][0], scaled and roots[0][1]

    def note(self, root: tuple[Any, bool] | None, made: Any) -> None:
        """Remember it for the result."""
        if root is not None and isinstance(made, Tensor) and made.grad_fn is not None:
            self._known[origin(made)] = root

    def carrier(self, tensors: list[Tensor]) -> int | None:
        """Of the factors ``x`` and ``g(x)`` of a product: the place of ``x``; None where they are no such."""
        if len(tensors) != 2:
            return None
        (one, first), (other, second) = map(self._of, tensors)
        return (0 if first else 1) if one == other and first != second else None
