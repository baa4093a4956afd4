"""Maps on screen, without a page: what a figure of an embedding is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from saliscope.specs.embedding import LayoutStage, Numbers


@dataclass(frozen=True)
class Colours:
    """What the colours of a map's points mean.

    Parameters
    ----------
    kind : {"none", "category", "number"}
        "none" is one colour for all.
    title : str
        Of the legend.
    values : ndarray, shape (n,), optional
        Codes into `names`, any other number being missing; or numbers, NaN being missing.
    names : sequence of str
        Of the categories.
    ends : (low, high)
        Ends of the scale, in the unit of `values`. Numbers beyond them have the end's colour.
    said : (str, str)
        The ends in words, where they are not simply their numbers.
    unit : str
        Of the numbers; "" for none.
    note : str
        What the numbers are, where the title does not say it.
    signed : bool
        Whether the middle of the scale means "neither".
    """

    kind: Literal["none", "category", "number"] = "none"
    title: str = ""
    values: np.ndarray | None = None
    names: Sequence[str] = ()
    ends: tuple[float, float] = (0.0, 1.0)
    said: tuple[str, str] = ("", "")
    unit: str = ""
    note: str = ""
    signed: bool = False


@dataclass(frozen=True)
class ShownMap:
    """One map.

    Parameters
    ----------
    title : str
        Of the reducer.
    coordinates : ndarray of float, shape (n, 2)
        In the map's own units, which mean nothing; y grows upwards.
    colours : Colours
    numbers : Numbers
        How far it can be believed.
    cautions : sequence of str
        What a reader has to be told.
    stage : {"start", "partial", "final", "cancelled"}
    iteration, total : int
        How far it has come.
    torn : sequence of int
        Places of the neighbours of the point in focus that are far from it on this map.
    neighbors : sequence of int, optional
        Its true neighbours, where this map is of other rows than the others.
    """

    title: str
    coordinates: np.ndarray
    colours: Colours = field(default_factory=Colours)
    numbers: Numbers = field(default_factory=Numbers)
    cautions: Sequence[str] = ()
    stage: LayoutStage = "final"
    iteration: int = 0
    total: int = 0
    torn: Sequence[int] = ()
    neighbors: Sequence[int] | None = None


@dataclass(frozen=True)
class MapScreen:
    """Everything on screen, in its order; points are meant by their place in the arrays.

    Parameters
    ----------
    maps : sequence of ShownMap or None
        None where nothing was computed yet.
    what : str
        What was embedded, in words.
    sampling : str
        A sentence where not all rows are shown.
    selection : ndarray of int, shape (m,)
        Points that stand out; none of them is all of them.
    point : int, optional
        In focus.
    neighbors : sequence of int
        Its true neighbours, to which lines are drawn.
    camera : (zoom, x, y)
        Factor and centre, as shares of the box of each map.
    point_size : float
        CSS pixels, 0 for automatic.
    opacity : float
    """

    maps: Sequence[ShownMap | None]
    what: str = ""
    sampling: str = ""
    selection: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    point: int | None = None
    neighbors: Sequence[int] = ()
    camera: tuple[float, float, float] = (1.0, 0.5, 0.5)
    point_size: float = 0.0
    opacity: float = 0.85

    @property
    def shown(self) -> list[ShownMap]:
        """Those maps that can be drawn."""
        return [each for each in self.maps if each is not None]
