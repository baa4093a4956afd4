"""Attribution to the activations of a layer: the same methods, asked of `layer=`.

A method speaks to the model through its `Question`. For a layer it gets another one, whose inputs are the
layer's activations: what the method makes of them comes back in the layer's own layout, and is brought to the
picture in one place.
"""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.question import Around, gradients_of, scored
from saliscope.core.borrow import untouched
from saliscope.core.device import wide
from saliscope.core.layers import (
    as_maps,
    behind,
    check_rows,
    find_layer,
    first_tensor,
    map_of,
    replaced,
    tapped,
)
from saliscope.core.tail import Tail
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import LayerError, SaliscopeError


class Layered(Method):
    """A method that explains by the inputs, or by the activations of a layer; a dataclass with this field.

    Parameters
    ----------
    layer : str, optional
        Name of the layer. `Attribution.units` has the value of each of its units; the map is their sum over
        the channels, enlarged bilinearly to the input's size. Of a layer that runs several times, the last
        call counts. None: at the input.
    """

    layer: str | None = None

    def _on(self, question: Question) -> Question:
        return question if self.layer is None else LayerQuestion(question, self.layer)


def unit_of(method: Method) -> str:
    """Unit of a method's values, where they may be those of a layer."""
    of_layer = isinstance(method, Layered) and method.layer is not None
    return method.unit.replace("unit of input", "unit of activation") if of_layer else method.unit


class LayerQuestion(Question):
    """A question in which a layer's activations stand in the place of the inputs.

    Between the inputs, as on a path, what is behind the layer runs on other activations, and whatever
    reaches the score by another way stays as it is at the input. At the inputs themselves the model runs as
    it is, and the gradient is read at the layer's output, so that rules see the whole network.

    Parameters
    ----------
    whole : Question
        The question about the model's inputs, which must be pictures.
    layer : str
        Name of the layer. If it runs several times, its last call counts.

    Raises
    ------
    LayerError
        If there is no such layer; and when the model runs, if the layer does not run, has no spatial grid, or
        the score does not depend on it.
    InputError
        If the inputs are no pictures.
    """

    def __init__(self, whole: Question, layer: str) -> None:
        self._whole, self.borrowed, self.chunk_size = whole, whole.borrowed, whole.chunk_size
        self._name, self._module = find_layer(whole.borrowed.module, layer)
        self.layer, self.part = self._name, self._module
        whole.pictures("for the map of a layer")
        self._calls = 0

    def __len__(self) -> int:
        """Number of inputs."""
        return len(self._whole)

    @property
    def whole(self) -> Question:
        """The question that this one is part of."""
        return self._whole

    @cached_property
    def inputs(self) -> Tensor:
        """The layer's activations at the inputs."""
        activations, self._calls = self._look(self._whole.inputs)
        return activations

    @property
    def target(self) -> ResolvedTarget:
        """As of the whole question."""
        return self._whole.target

    @property
    def output(self) -> str:
        """As of the whole question."""
        return self._whole.output

    @property
    def score(self) -> Tensor:
        """As of the whole question."""
        return self._whole.score

    @property
    def picture(self) -> tuple[int, int]:
        """As of the whole question."""
        return self._whole.picture

    def pictures(self, purpose: str) -> Tensor:
        """As of the whole question."""
        return self._whole.pictures(purpose)

    def binder(self, start: int, stop: int) -> Callable[[Any], ResolvedTarget]:
        """As of the whole question."""
        return self._whole.binder(start, stop)

    def know(self, score: Tensor) -> None:
        """As of the whole question."""
        self._whole.know(score)

    def lifted(self, pictures: Tensor) -> Tensor:
        """The layer's activations at pictures."""
        return self._look(pictures)[0]

    def _look(self, pictures: Tensor) -> tuple[Tensor, int]:
        """The layer's activations, and how often it runs."""
        seen: list[Tensor] = []
        calls = 0

        def keep(output: Any) -> None:
            nonlocal calls
            tensor = first_tensor(output)
            if tensor is not None:
                calls += 1
                seen[:] = [tensor.clone()]

        def work(start: int, stop: int) -> Tensor:
            nonlocal calls
            calls = 0
            with untouched(self.borrowed.module), torch.no_grad(), behind(self._module, keep):
                self.borrowed(pictures[start:stop].clone())
            return self._checked(seen.pop() if seen else None, stop - start)

        parts = [part for _, _, part in self._whole.chunked(work, len(pictures), "forward")]
        return torch.cat(parts), calls

    def maps(self, values: Tensor) -> Tensor:
        """What a picture of the layer shows: the sum over its channels, enlarged."""
        return map_of(values, self.picture)

    def answer(self, method: Method, values: Tensor, **details: Any) -> Attribution:
        """An `Attribution` to the whole question, from the values of the layer's units."""
        values = values.to(wide(values.dtype))
        height, width = as_maps(values, self.picture).shape[2:]
        maps = self.maps(values)[:, None]
        details = {"unit": unit_of(method), "layer": self.layer, "grid": (height, width), **details}
        return self._whole.answer(method, maps, units=values, **details)

    def _outputs(self, points: Tensor, rows: Tensor) -> Any:
        activations = points.clone()
        if len(self) == 1:
            return self._tail(activations)
        inputs = self._whole.inputs[rows]
        _ = self.inputs  # how often the layer runs
        with replaced(self._module, activations, self._calls):
            return self.borrowed(inputs)

    @cached_property
    def _tail(self) -> Tail:
        return Tail(self.borrowed, self._name, self._module, self._whole.inputs)

    def _at_inputs(
        self, rows: Tensor, bind: Callable[[Any], ResolvedTarget], around: Around, to_score: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Rules may ask what else an operation is given depends on the input: they get the whole graph.
        cut = around is nullcontext
        with untouched(self.borrowed.module), ExitStack() as inside:
            tap = inside.enter_context(tapped(self._module, cut))
            inputs = self._whole.inputs[rows].requires_grad_(not cut)
            inside.enter_context(around())
            outputs = self.borrowed(inputs if cut else inputs.clone())
            score = scored(outputs, bind, inside, to_score)
            leaf = self._checked(tap.leaf, len(rows))
            (gradient,) = gradients_of(score, (leaf,)) if leaf.requires_grad else (None,)
        if gradient is None:
            raise self._no_gradient()
        return score.detach(), leaf.detach(), gradient

    def _checked(self, activations: Tensor | None, rows: int) -> Tensor:
        activations = check_rows(self._name, activations, rows)
        as_maps(activations, self.picture)  # a layer without a grid is refused here
        return activations

    def _no_gradient(self) -> SaliscopeError:
        got = f"'{self._name}', which the score does not depend on"
        return LayerError("layer", got, "a layer on the way to the score")
