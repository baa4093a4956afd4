"""What a method that rewrites operations could cover, and what it could not."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OpCall:
    """One call of an operation while the model ran.

    Attributes
    ----------
    name : str
        The operation, such as "conv2d" or "relu".
    layer : str
        The innermost module it was called in; "" for the model itself.
    rule : str or None
        Name of the rule that gave its gradient; None where it kept its own.
    needed : bool
        Whether the method has something to say about such an operation: one without a rule that needs one is
        a gap in the map.
    conserved : float or None
        Share of what came in from above that was handed on below; 1 is conservation, None is not measured.
    """

    name: str
    layer: str
    rule: str | None
    needed: bool
    conserved: float | None = None


@dataclass(frozen=True)
class Coverage:
    """The calls of one run, in order."""

    calls: Sequence[OpCall]

    @property
    def gaps(self) -> tuple[OpCall, ...]:
        """Calls that fell back to the gradient though the method would have a rule for their kind of work."""
        return tuple(call for call in self.calls if call.needed and call.rule is None)

    def __str__(self) -> str:
        ruled = sum(call.rule is not None for call in self.calls)
        names = ", ".join(dict.fromkeys(call.name for call in self.gaps))
        rest = f"; {len(self.gaps)} without one fell back to the gradient: {names}" if self.gaps else ""
        return f"{ruled} operations had a rule{rest}"
