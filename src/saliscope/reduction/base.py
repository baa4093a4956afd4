"""What every reducer shares: an estimator of scikit-learn's kind around a stream of maps."""

import time
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.knobs import Knob
from saliscope.errors import ReductionError
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors, as_rows
from saliscope.reduction.pca import principal_components
from saliscope.reduction.placement import place
from saliscope.reduction.work import Work

FEWEST = 4
"""Rows below which every neighbourhood is everybody."""


class Reducer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rows of many numbers to points on a plane: an estimator in scikit-learn's manner.

    Class attributes
    ----------------
    key, title : str
        Name in code and in menus.
    summary : str
        What its map keeps, in one sentence.
    cautions : tuple of str
        What must not be read from it.
    knobs : dict of Knob
        The parameters that people should see, by name.

    Attributes
    ----------
    embedding_ : ndarray of float32, shape (n, 2)
        The map, in the order of the rows.
    result_ : Embedding
        The same with all that is known of it.
    n_features_in_ : int
        Columns of the data.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    cautions: ClassVar[tuple[str, ...]] = ()
    knobs: ClassVar[dict[str, Knob]] = {}
    _n_features_out = 2

    def stream(
        self, data: Any, *, neighbors: Neighbors | None = None, start: Tensor | np.ndarray | None = None
    ) -> Iterator[Step[Embedding]]:
        """Yield better and better maps.

        Parameters
        ----------
        data : Tensor or array of shape (n, d)
            Rows in any order; the map keeps it.
        neighbors : Neighbors, optional
            Nearest rows of every row, if they are known; found where they are missing or too few.
        start : Tensor or array of shape (n, 2), optional
            Where the points begin; the two principal components by default.

        Yields
        ------
        Step of Embedding

        Raises
        ------
        ReductionError
            At once, for a parameter out of range or data that cannot be mapped.
        """
        self.check_parameters()
        rows = self._checked(data, "data")
        _check_neighbors(neighbors, len(rows))
        if neighbors is not None and neighbors.indices.device != rows.device:
            neighbors = neighbors.to(rows.device)
        given = None if start is None else _checked_start(start, rows)

        def steps() -> Generator[Step[Embedding], None, None]:
            begun = time.perf_counter()
            origin = "pca" if given is None else "given"
            first = principal_components(rows)[0] if given is None else given
            yield from self._mapped(Work(self, rows, first, origin, neighbors, begun))

        return steadily(steps())

    def _checked(self, data: Any, argument: str) -> Tensor:
        rows = as_rows(data, argument, _place(getattr(self, "device", None)))
        if len(rows) == 0:
            raise ReductionError(argument, "no rows", "at least one")
        return rows

    def check_parameters(self) -> None:
        """Raise `ReductionError` unless all parameters are in range."""

    def _mapped(self, work: Work) -> Iterator[Step[Embedding]]:
        """The map, or the start itself where there is nothing to arrange."""
        note = _nothing_to_arrange(work.rows)
        if note:
            yield work.step(lambda: work.start, 1, 1, notes=(note,))
            return
        yield from self._steps(work)

    def _steps(self, work: Work) -> Iterator[Step[Embedding]]:
        """Arrange the points, better and better."""
        raise NotImplementedError

    def fit(
        self, X: Any, y: Any = None, *, progress: Any = None, cancel: CancelToken | None = None
    ) -> "Reducer":
        """Map the rows; see `stream`.

        Parameters
        ----------
        X : Tensor or array of shape (n, d)
        y : None
            Ignored; scikit-learn's pipelines pass it.
        progress : callable, optional
            Called with every `Step`.
        cancel : CancelToken, optional
            Stops between two steps with `Cancelled`, which carries the map so far.

        Raises
        ------
        ReductionError
        """
        data = X if isinstance(X, Tensor) else validate_data(self, X, ensure_all_finite=False)
        self.result_ = drive(self.stream(data), progress, cancel)
        self.embedding_ = self.result_.coordinates.cpu().numpy()
        self._rows = self._checked(data, "X")
        self.n_features_in_ = self._rows.shape[1]
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Map the rows and return the map: (n, 2)."""
        return self.fit(X, y, **fit_params).embedding_

    def transform(self, X: Any) -> np.ndarray:
        """Place rows into the map, which stays as it is; a row that is on it gets its own place.

        Parameters
        ----------
        X : Tensor or array of shape (m, d)

        Returns
        -------
        ndarray of float32, shape (m, 2)

        Raises
        ------
        ReductionError
        """
        check_is_fitted(self, "result_")
        if not isinstance(X, Tensor):
            X = validate_data(self, X, reset=False, ensure_all_finite=False)
        rows = as_rows(X, "X", self._rows.device)
        if rows.shape[1] != self.n_features_in_:
            expected = f"{self.n_features_in_}, as the rows of the map"
            raise ReductionError("X", f"{rows.shape[1]} columns", expected)
        return self._placed(rows).cpu().numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float32"]  # the map is float32, whatever the data are
        return tags

    def _placed(self, rows: Tensor) -> Tensor:
        return place(self.result_, self._rows, rows).coordinates


def check_number(name: str, value: Any, low: float, high: float = np.inf, *, whole: bool = False) -> None:
    """Raise `ReductionError` unless a parameter is a number of the kind and from `low` to `high`."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high:
        return
    kind = "a whole number" if whole else "a number"
    expected = f"{kind} of at least {low:g}" if high == np.inf else f"{kind} from {low:g} to {high:g}"
    raise ReductionError(name, repr(value), expected)


def check_seed(value: Any) -> None:
    """Raise `ReductionError` unless `value` is a seed that every generator takes."""
    check_number("random_state", value, 0, 2**31 - 1, whole=True)


def fewer(name: str, wanted: float, possible: float, n: int) -> tuple[str, ...]:
    """A note where a parameter was too large for the number of rows."""
    return (
        (f"{name} {wanted:g} is too much for {n} rows: {possible:g} was used",) if possible < wanted else ()
    )


def _place(device: torch.device | str | None) -> torch.device | None:
    try:
        return None if device is None else torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without CUDA
        raise ReductionError("device", repr(device), "a device that this machine has") from error


def _nothing_to_arrange(rows: Tensor) -> str:
    if len(rows) < FEWEST:
        return f"{len(rows)} rows have no neighbourhoods: the map is their principal components"
    return "all rows are the same" if bool((rows == rows[0]).all()) else ""


def _check_neighbors(neighbors: Neighbors | None, n: int) -> None:
    if neighbors is not None and len(neighbors) != n:
        raise ReductionError("neighbors", f"those of {len(neighbors)} rows", f"those of the {n} rows")


def _checked_start(start: Tensor | np.ndarray, rows: Tensor) -> Tensor:
    points = torch.as_tensor(start).detach().to(rows.device, torch.float32)
    if points.shape != (len(rows), 2) or not torch.isfinite(points).all():
        got = f"shape {tuple(points.shape)}" if points.shape != (len(rows), 2) else "NaN or inf"
        raise ReductionError("start", got, f"finite points of shape {(len(rows), 2)}")
    return points
