"""Max-sensitivity: how far an explanation moves when the picture hardly does."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like
from saliscope.core.query import Query
from saliscope.core.seeds import generator
from saliscope.core.targets import ResolvedTarget
from saliscope.faithfulness.curves import note_of
from saliscope.faithfulness.order import explained, is_constant
from saliscope.faithfulness.protocol import agreed, check_count, check_positive
from saliscope.faithfulness.shown import Shown


@dataclass(frozen=True)
class SensitivityProtocol:
    """How max-sensitivity is measured. Numbers may be compared only where all of this is the same.

    Parameters
    ----------
    radius : float
        No value of the input moves further than this: every change within it is equally likely, as in the
        code of the authors.
    share : bool
        Whether `radius` is a share of each input's range, or is in the units of the values that the model is
        fed, as with captum and the authors. The same for inputs from 0 to 1.
    n_samples : int
        Number of pictures nearby.
    seed : int
        Draws them, the same for every input.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    radius: float = 0.02
    share: bool = True
    n_samples: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_positive("radius", self.radius)
        check_count("n_samples", self.n_samples, 1)
        check_count("seed", self.seed, 0)


@dataclass(frozen=True)
class Sensitivity(Shown):
    """How far explanations of pictures nearby are from that of the picture.

    Attributes
    ----------
    protocol : SensitivityProtocol
        How it was measured.
    sensitivity : Tensor of shape (n,)
        The largest of `distances`: a lower bound of what any picture within the radius would give.
    mean : Tensor of shape (n,)
        Their mean.
    distances : Tensor of shape (n_samples, n)
        L2 norm of the change of the values, over that of the values. NaN where the map has one value
        throughout, or the picture has and `radius` is a share of its range.
    target : ResolvedTarget
        What was explained: the same for all pictures.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step.
    """

    protocol: SensitivityProtocol
    sensitivity: Float[Tensor, " n"]
    mean: Float[Tensor, " n"]
    distances: Float[Tensor, "n_samples n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True


def sensitivity(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Sensitivity:
    """Max-sensitivity of a method (Yeh et al. 2019, arXiv 1901.09392), a lower bound from samples.

    ``max |phi(x + d) - phi(x)| / |phi(x)|`` over changes d within a radius. It is 0 for the gradient of an
    affine model, as for any explanation that does not look at the picture: small is not yet true.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    explain : object or callable
        A method; see `saliscope.faithfulness.order.explained`.
    target : see `saliscope.Target`
        None: each input's own top class, which stays the question for the pictures nearby.
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the numbers so far.
    **options
        ``protocol`` and ``chunk_size`` as in `sensitivity_stream`; all else are fields of the protocol.

    Returns
    -------
    Sensitivity

    Raises
    ------
    MethodError
        If it is no method.
    InputError
        If its maps do not fit the inputs, or hold NaN.
    """
    return drive(sensitivity_stream(model, inputs, explain, target, **options), progress, cancel)


def sensitivity_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    protocol: SensitivityProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[Sensitivity]]:
    """`sensitivity` over more and more pictures nearby; same parameters.

    Yields
    ------
    Step of Sensitivity
    """
    protocol = agreed(SensitivityProtocol(), protocol, options)

    def steps() -> Generator[Step[Sensitivity], None, None]:
        query = Query(model, inputs, target, chunk_size)
        x = query.pictures("to move")
        low, high = x.flatten(1).aminmax(dim=1)
        reach = protocol.radius * (high - low if protocol.share else torch.ones_like(low))
        _, there = explained(explain, model, x, query.target, chunk_size)
        flat, still = is_constant(there.flatten(0, 1)).reshape(there.shape[:2]).all(1), (reach == 0).cpu()
        notes = (
            "The largest of samples is a lower bound of the maximum.",
            note_of(flat, "the map has one value throughout, and shows nothing that could move"),
            note_of(still, "the picture has one value throughout, and a share of its range is no change"),
        )
        norms, distances = _norms(there), torch.zeros(protocol.n_samples, len(x), dtype=torch.float64)
        for sample in range(protocol.n_samples):
            drawn = generator(protocol.seed, sample).uniform(-1, 1, tuple(x.shape[1:]))
            moved = x + reach.reshape(-1, 1, 1, 1) * as_like(drawn, x)
            _, values = explained(explain, model, moved, query.target, chunk_size)
            moves = _norms(values - there) / norms
            distances[sample] = torch.where(flat | still, torch.nan, moves)
            done = sample + 1
            result = partial(_result, protocol, distances[:done], query.target, tuple(filter(None, notes)))
            yield Step(result, done, protocol.n_samples)

    return steadily(steps())


def _norms(values: Tensor) -> Tensor:
    return values.flatten(1).norm(dim=1)


def _result(
    protocol: SensitivityProtocol, distances: Tensor, target: ResolvedTarget, notes: tuple[str, ...]
) -> Sensitivity:
    complete = len(distances) == protocol.n_samples
    largest, mean = distances.amax(0), distances.mean(0)
    return Sensitivity(protocol, largest, mean, distances, target, notes, complete)
