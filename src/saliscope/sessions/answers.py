"""What was asked, and the answers that are kept."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from saliscope.attribution.base import Attribution, Method
from saliscope.core.baselines import Baseline
from saliscope.specs.region import Region


@dataclass(frozen=True)
class Occlusion:
    """A region of the picture that is filled from a baseline before the model sees it."""

    region: Region
    fill: Baseline

    def __str__(self) -> str:
        return f"{self.region} filled with {self.fill}"


@dataclass(frozen=True)
class Request:
    """What is asked: a method, a score, and which picture of the batch."""

    method: Method
    target: Any = None
    output: str = "logit"
    index: int = 0
    occlusion: Occlusion | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal for requests with the same answer."""
        return (self.method, *self.subject)

    @property
    def subject(self) -> tuple[Hashable, ...]:
        """The key without the method."""
        # Indices may come as a list, alone or inside a Target.
        target = self.target if _is_hashable(self.target) else repr(self.target)
        return (target, self.output, self.index, self.occlusion)


class Cache:
    """Finished attributions, the least recently used dropped first.

    Parameters
    ----------
    limit : int
        Bytes; the newest attribution stays even if it alone is larger.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[tuple[Hashable, ...], Attribution] = OrderedDict()

    def get(self, key: tuple[Hashable, ...]) -> Attribution | None:
        """Give the answer to a request with this key, if it is still there."""
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def put(self, key: tuple[Hashable, ...], attribution: Attribution) -> None:
        """Keep an answer, and drop the oldest ones beyond the limit."""
        self._items[key] = attribution
        self._items.move_to_end(key)
        while len(self._items) > 1 and sum(map(_size, self._items.values())) > self._limit:
            self._items.popitem(last=False)

    @property
    def entries(self) -> list[tuple[tuple[Any, ...], Attribution]]:
        """All answers with their keys, the most recently used last."""
        return list(self._items.items())


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _size(attribution: Attribution) -> int:
    path = attribution.path
    along = () if path is None else (path.gradients, path.difference, path.points, path.products)
    held = [one for one in (attribution.values, attribution.units, *along) if one is not None]
    return sum(one.nbytes for one in held) + sum(map(_size, attribution.per_baseline))
