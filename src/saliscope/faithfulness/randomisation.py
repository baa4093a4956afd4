"""Randomisation: whether a map changes when the network forgets what it has learnt."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, as_borrowed
from saliscope.core.query import Query
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError
from saliscope.faithfulness.order import check_own, explained, is_constant
from saliscope.faithfulness.protocol import agreed, check_choice, check_count, check_positive
from saliscope.faithfulness.random_weights import (
    Block,
    Buffers,
    Extent,
    Forgetting,
    Weights,
    blocks_of,
    copied,
)
from saliscope.faithfulness.shown import Shown
from saliscope.faithfulness.similarity import Similarity, similarity

MODES = ("cascading", "independent")


@dataclass(frozen=True)
class RandomisationProtocol:
    """How a network is randomised. Numbers may be compared only where all of this is the same.

    Parameters
    ----------
    mode : {"cascading", "independent"}
        Blocks from the output down, each on top of those before; or each alone, the others as they were.
    extent : {"blocks", "layers"}
        What is randomised at a time: a block of the network, of which there are ten at most, or a layer.
    weights : {"reset", "normal", "permuted"}
        How: initialised again as by ``reset_parameters()``, which the paper does, and where a layer has no
        such function drawn from a normal distribution; drawn from a normal distribution with the mean and
        standard deviation of the layer's own values; or those values, permuted.
    buffers : {"reset", "kept"}
        Whether a layer's running statistics, as those of batch normalisation, are initialised again as well.
    top : float
        Share of the pixels that the overlap of the highest is measured by.
    seed : int
        Draws the weights of each layer, by its name.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    mode: str = "cascading"
    extent: Extent = "blocks"
    weights: Weights = "reset"
    buffers: Buffers = "reset"
    top: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_choice("extent", self.extent, get_args(Extent))
        check_choice("weights", self.weights, get_args(Weights))
        check_choice("buffers", self.buffers, get_args(Buffers))
        check_positive("top", self.top)
        if self.top >= 1:
            raise MethodError("top", repr(self.top), "a share of the pixels, below 1")
        check_count("seed", self.seed, 0)


@dataclass(frozen=True)
class Stage:
    """A method's maps of a network that has been randomised.

    Attributes
    ----------
    block : Block
        What was randomised last: its name, and the layers in it.
    maps : Tensor of shape (n, height, width)
        The method's maps then (float32).
    similarity : Similarity
        To the maps of the trained network; 1 is the same map, and NaN not defined.
    """

    block: Block
    maps: Float[Tensor, "n height width"]
    similarity: Similarity


@dataclass(frozen=True)
class Randomisation(Shown):
    """A method's maps as the network forgets, block by block.

    Attributes
    ----------
    protocol : RandomisationProtocol
        How it was measured.
    maps : Tensor of shape (n, height, width)
        Maps of the trained network (float32).
    stages : tuple of Stage
        From the first block that was randomised on, the one nearest to the output. The trained network, which
        is like itself, is none of them.
    target : ResolvedTarget
        What was explained: the class that the trained network was asked about.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step: then stages are missing.
    n_blocks : int
        How many stages there are when it is complete.
    """

    protocol: RandomisationProtocol
    maps: Float[Tensor, "n height width"]
    stages: tuple[Stage, ...]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True
    n_blocks: int = 0

    def measured(self, measure: str = "absolute") -> Float[Tensor, "n stages"]:
        """One measure of `Similarity` at each stage: "signed", "absolute", "ssim", "ssim_absolute", "top"."""
        check_choice("measure", measure, tuple(Similarity.__dataclass_fields__))
        values = [getattr(stage.similarity, measure) for stage in self.stages]
        return torch.stack(values, 1) if values else torch.empty(len(self.maps), 0, dtype=torch.float64)

    def mean(self, measure: str = "absolute") -> Float[Tensor, " n"]:
        """Mean of a measure over the stages: small for a method that shows what was learnt.

        NaN where a stage is not defined.
        """
        return self.measured(measure).mean(1)


def randomisation(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Randomisation:
    """Run a method again while the network's weights are replaced (Adebayo et al. 2018, arXiv 1810.03292).

    A map that shows what the network has learnt must change with it. A method whose maps stay alike, as those
    of guided backpropagation or of an edge detector do, shows the picture instead.

    Parameters
    ----------
    model : nn.Module or Borrowed
        Is not changed: weights are randomised in a copy.
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    explain : object or callable
        A method, or a function of model, inputs and target; see `saliscope.faithfulness.order.explained`. It
        must use the model that it is given, and name layers, if any, by their names. One that
        holds the model says with ``for_copy(model, copy)`` how it is made for another.
    target : see `saliscope.Target`
        None: each input's own top class. It is chosen once, by the trained network.
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two stages with `Cancelled`, which carries the stages so far.
    **options
        ``protocol`` and ``chunk_size`` as in `randomisation_stream`; all else are fields of the protocol.

    Returns
    -------
    Randomisation

    Raises
    ------
    ModelError
        If the model has no parameters, or cannot be copied.
    MethodError
        If `explain` is no method, or one that cannot be made for a copy, or an option none of the protocol.
    InputError
        If the method's maps do not fit the inputs, or hold NaN.

    Examples
    --------
    >>> result = randomisation(model, inputs, Saliency(), 3)
    >>> [stage.block.name for stage in result.stages]
    ['fc', 'layer3', 'layer2', 'layer1', 'stem']
    >>> result.measured("absolute").mean(0)  # of each stage
    """
    return drive(randomisation_stream(model, inputs, explain, target, **options), progress, cancel)


def randomisation_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    protocol: RandomisationProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[Randomisation]]:
    """As `randomisation`: a step for the maps of the trained network, and one for each stage.

    Parameters
    ----------
    protocol : RandomisationProtocol, optional
    chunk_size : int or "auto"
        Rows at once, of a `Method` too; the result does not depend on it.

    Yields
    ------
    Step of Randomisation
    """
    protocol = agreed(RandomisationProtocol(), protocol, options)
    return steadily(_steps(protocol, model, inputs, explain, target, chunk_size))


def _steps(
    protocol: RandomisationProtocol,
    model: Any,
    inputs: Tensor,
    explain: Any,
    target: Any,
    chunk_size: ChunkSize,
) -> Generator[Step[Randomisation], None, None]:
    query = Query(model, inputs, target, chunk_size)
    pictures = query.pictures("for maps that are compared")
    asked = query.target
    whole = as_borrowed(model)
    module = copied(whole.module)
    # A method is given what it would be given: a module, or one that was borrowed.
    subject = replace(whole, module=module) if isinstance(model, Borrowed) else module
    blocks = blocks_of(as_borrowed(subject), pictures, protocol.extent)
    forgetting = Forgetting(module, protocol.weights, protocol.buffers, protocol.seed)

    check_own(explain)
    again = None if isinstance(explain, type) else getattr(explain, "for_copy", None)
    method = again(whole.module, module) if callable(again) else explain

    def maps() -> Tensor:
        return explained(method, subject, pictures, asked, chunk_size)[1].sum(1)

    original = maps()
    stages: tuple[Stage, ...] = ()
    notes = _constant(original, "the trained network")
    for done in range(len(blocks) + 1):
        if done:
            block = blocks[done - 1]
            if protocol.mode == "independent":
                forgetting.remember()
            changed = forgetting.forget(block)
            now = maps()
            notes += _constant(now, f"the network without {block.name}")
            if not changed:
                notes += (f"Nothing changed in {block.name}: its values are those of its initialisation.",)
            stages += (Stage(block, now.float(), similarity(original, now, protocol.top)),)
        complete = done == len(blocks)
        if complete and all(torch.equal(stage.maps, original.float()) for stage in stages):
            notes += (
                "The maps are the same at every stage: the method reads no weights, or another model than "
                "the one that it is given.",
            )
        result = Randomisation(protocol, original.float(), stages, asked, notes, complete, len(blocks))
        yield Step(partial(_same, result), done + 1, len(blocks) + 1)


def _same(result: Randomisation) -> Randomisation:
    return result


def _constant(maps: Tensor, of: str) -> tuple[str, ...]:
    flat = is_constant(maps)
    cases = (("value", flat), ("magnitude", is_constant(maps, "absolute") & ~flat))
    return tuple(
        f"{count} of {len(maps)} maps of {of} {'has' if count == 1 else 'have'} one {what} throughout: how "
        f"alike the {what}s are is not defined."
        for what, where in cases
        if (count := int(where.sum()))
    )
