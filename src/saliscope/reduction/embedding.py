"""A finished map of the data."""

from dataclasses import dataclass

from jaxtyping import Float32
from torch import Tensor

from saliscope.reduction.neighbors import Neighbors


@dataclass(frozen=True)
class Embedding:
    """Low-dimensional coordinates, and how they came about.

    Attributes
    ----------
    coordinates : Tensor
        One row a row of the data, in the user's order: (n, 2), float32. They have no unit.
    neighbors : Neighbors or None
        Nearest rows in the data, where the reducer needed them.
    reducer : str
        Key of the reducer: "pca", "tsne", "umap" or "pacmap".
    title : str
        Its name for people.
    iterations : int
        Iterations behind the coordinates.
    kl : float or None
        Kullback-Leibler divergence of the map's similarities from the data's, where that is the objective.
    start : str
        Where the points began, in words.
    random_state : int
        Seed of whatever was random.
    seconds : float
        How long it took.
    notes : tuple of str
        What else a reader should know, in sentences.
    """

    coordinates: Float32[Tensor, "n 2"]
    neighbors: Neighbors | None
    reducer: str
    title: str
    iterations: int
    kl: float | None
    start: str
    random_state: int
    seconds: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.coordinates)

    def __repr__(self) -> str:
        return f"Embedding({len(self)} rows by {self.title}, {self.iterations} iterations)"
