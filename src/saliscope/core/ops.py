"""Another gradient for an operation, wherever and however the model calls it.

`Rewriter` listens to the calls of operations while a model runs, not to modules: a functional op, an
operator, an in-place op and a reused module are all the same to it. The values are always the true ones;
where a rule is given, the way back goes through it. Rules are in the form of modified gradients, so that an
operation without one keeps its own gradient and fits in: what a method calls relevance is input times
modified gradient.

Nothing is patched. Outside of `Rewriter.run` nothing listens.
"""

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode

from saliscope.core.coverage import Coverage, OpCall
from saliscope.core.op_call import (
    Call,
    Linear,
    Rule,
    filled,
    in_parts,
    is_real,
    only_tensor,
    own_gradient,
    slotted,
    storage_of,
    tensors_in,
)
from saliscope.core.op_names import DECIDES, LEARNED, MOVES, opened, special_name, spelling
from saliscope.core.op_parts import PARTS

Rules = Mapping[str, Rule] | Callable[[Call], Rule | None]


class Rewriter:
    """Replaces the gradient of operations while a model runs.

    Parameters
    ----------
    module : nn.Module
    rules : mapping from name to rule, or callable from `Call` to rule or None
        `in_parts` takes an operation apart where it knows how.
    needs : collection of str, or callable from `Call` to bool
        Operations that the method has something to say about: without a rule, they are gaps.
    merge : bool
        A batch norm right behind a linear operation is one `Call` with it, by that one's name, with weights
        of its own.
    measure : bool or "rules"
        Measure the conservation of every call, also of those that keep their gradient; or only where a rule
        is.

    Examples
    --------
    >>> rewriter = Rewriter(module, {"relu": guided}, needs=RECTIFIERS)
    >>> question.input_gradients(start, stop, around=rewriter.run)
    >>> rewriter.coverage
    """

    def __init__(
        self,
        module: nn.Module,
        rules: Rules,
        needs: Iterable[str] | Callable[[Call], bool] = (),
        *,
        merge: bool = False,
        measure: bool | Literal["rules"] = False,
    ) -> None:
        self.module, self.merge, self.measure = module, merge, measure
        self._rules = rules
        names = () if callable(needs) else frozenset(needs)
        self.needs = needs if callable(needs) else lambda call: call.name in names
        self._runs: list[list[_Record]] = []

    @contextmanager
    def run(self, rules: Rules | None = None) -> Iterator[list["Node"]]:
        """Listen to the model inside; may be entered again for the next rows, also with rules of their own.

        Yields
        ------
        list of Node
            Filled with the calls that have a rule, in order.
        """
        records = list(_compiled(self.module))
        with _layers(self.module) as layers, _Mode(self, rules or self._rules, records, layers) as mode:
            yield mode.nodes
        self._runs.append(records)

    @property
    def coverage(self) -> Coverage:
        """Every call that the gradient went through; the same call in several runs is one."""
        calls: dict[tuple[Any, ...], list[_Record]] = {}
        for records in self._runs:
            for k, record in enumerate(records):
                calls.setdefault((k, record.name, record.layer, record.rule), []).append(record)
        return Coverage(
            tuple(_joined(same) for _, same in sorted(calls.items(), key=lambda item: item[0][0]))
        )


@dataclass
class _Record:
    name: str
    layer: str
    rule: str | None
    needed: bool
    above: float | None = None
    below: float = 0.0


def _joined(same: list[_Record]) -> OpCall:
    measured = [record for record in same if record.above is not None]
    above = sum(record.above or 0.0 for record in measured)
    conserved = sum(record.below for record in measured) / above if above else math.nan
    return OpCall(
        same[0].name,
        same[0].layer,
        same[0].rule,
        same[0].needed,
        conserved if math.isfinite(conserved) else None,
    )


class _Kept:
    """A tensor as it was: should the model overwrite it, a copy is taken first."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor.detach()
        self._version = tensor._version

    def copy(self, copies: dict[Any, Tensor]) -> None:
        """Take a copy, or one of `copies` if it is of the same values."""
        tensor = self.tensor
        place = (tensor.shape, tensor.stride(), tensor.storage_offset())
        self._tensor = copies.setdefault(place, tensor if place in copies else tensor.clone())
        self._version = self._tensor._version

    @property
    def tensor(self) -> Tensor:
        if self._tensor._version != self._version:
            raise RuntimeError("a tensor needed for a rule has been overwritten by code that cannot be heard")
        return self._tensor


class Node:
    """One call that has a rule: what it was given and what it made, whatever the model did to them later."""

    def __init__(self, call: Call, rule: Rule, record: _Record, mode: "_Mode", writes: bool) -> None:
        self.rule, self._record, self._measure = rule, record, mode.rewriter.measure
        self.writes = writes
        self._named = _name_of(rule)
        # The tensors of the call itself may be overwritten before long.
        self._call, self._likes = replace(call, tensors=()), [(t.shape, t.dtype) for t in call.tensors]
        reads = self._measure or not getattr(rule, "from_output", False)
        self._inputs = [mode.keep(tensor) for tensor in call.tensors if reads]
        self._output: _Kept | None = None

    @property
    def call(self) -> Call:
        """The call, with the tensors that it was given; without, where the rule does not read them."""
        return replace(self._call, tensors=tuple(kept.tensor for kept in self._inputs))

    @property
    def output(self) -> Tensor:
        """What it made."""
        assert self._output is not None
        return self._output.tensor

    def backward(self, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient for each tensor that flows, by the rule."""
        call, output = self.call, self.output
        rows = zip(self.rule(call, output, gradient), self._likes, call.flows, strict=True)
        found = [
            given.sum_to_size(shape).to(dtype) if flow and given is not None else None
            for given, (shape, dtype), flow in rows
        ]
        if self._record.rule is not None:  # some know their name only now
            self._record.rule = self._record.rule.replace(self._named, _name_of(self.rule), 1)
        if self._measure and getattr(self.rule, "measured", True):
            self._record.above = _total(output, gradient)
            pairs = zip(call.tensors, found, strict=True)
            self._record.below = sum(_total(tensor, given) for tensor, given in pairs if given is not None)
        return tuple(given for given, flow in zip(found, call.flows, strict=True) if flow)


class _Ruled(torch.autograd.Function):
    """An operation whose way back is a rule."""

    @staticmethod
    def forward(ctx: Any, node: Node, mode: "_Mode", run: Any, result: list[Any], *tensors: Tensor) -> Tensor:
        result.append(run())
        output = only_tensor(result[0])
        if node.writes:
            ctx.mark_dirty(output)
        elif any(storage_of(output) == storage_of(tensor) for tensor in tensors):
            mode.severed |= {storage_of(output), storage_of(output := output.clone())}
        ctx.node = node
        # Counted as the memory of the graph; what is read on the way back is in the node.
        ctx.save_for_backward(*(kept.tensor for kept in node._inputs), output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return None, None, None, None, *ctx.node.backward(gradients[0])


class _Mode(TorchFunctionMode):
    """Hears every call of an operation in one thread."""

    def __init__(self, rewriter: Rewriter, rules: Rules, records: list[_Record], layers: list[str]) -> None:
        super().__init__()
        self.rewriter, self._records, self._layers = rewriter, records, layers
        self._rule_of = rules if callable(rules) else lambda call: rules.get(call.name)
        self.nodes: list[Node] = []
        self.severed: set[int] = set()
        self._linear: dict[int, Linear] = {}
        self._derived: dict[int, Tensor] = {}  # from weights alone
        self._decisions: dict[int, Tensor] = {}  # which way the input went, without a gradient
        self._kept: dict[int, list[weakref.ref[_Kept]]] = {}
        self._open: set[Any] = set()
        self._foreign: dict[Any, None] = {}

    def keep(self, tensor: Tensor) -> _Kept:
        """A tensor as it is now, whatever the model will do to it."""
        kept = _Kept(tensor)
        self._kept.setdefault(storage_of(tensor), []).append(weakref.ref(kept))
        return kept

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        spelled = spelling(func)
        if spelled is None:
            return func(*args, **kwargs)
        if spelled.composite and func not in self._open:
            self._open.add(func)
            try:
                with self:
                    return opened(func)(*args, **kwargs)
            finally:
                self._open.discard(func)
        tensors: list[Tensor] = []
        slots = tuple(slotted(value, tensors) for value in args)
        named = {name: slotted(value, tensors) for name, value in kwargs.items()}
        flows = tuple(map(self._depends, tensors)) if torch.is_grad_enabled() else ()
        decided = bool(self._decisions) and any(id(tensor) in self._decisions for tensor in tensors_in(args))
        if not any(flows) or spelled.name in DECIDES:
            derive = bool(flows) and any(tensor.requires_grad for tensor in tensors)
            made = self._plain(func, args, kwargs, spelled.in_place, derive)
            if decided or spelled.name in DECIDES:
                self._decisions.update((id(tensor), tensor) for tensor in tensors_in(made))
            return made
        detached = tuple(tensor.detach() for tensor in tensors)
        layer = self._layers[-1]
        sources = tuple(map(_source, tensors))
        call = Call(spelled.name, layer, func, spelled.in_place, detached, flows, slots, named, sources)
        switch = decided and call.name in ("where", "mul", "masked_fill")
        call = replace(call, name="switch" if switch else special_name(spelled.name, call.argument))
        flowing = [tensor for tensor, flow in zip(tensors, flows, strict=True) if flow]
        before = self._linear.get(storage_of(flowing[0])) if call.name == "batch_norm" else None
        merged = None if before is None else before.with_norm(call)
        if before is not None and merged is not None:
            rule = self._rule_of(merged)
            if rule is not None and rule is not in_parts:
                record = _Record(call.name, layer, f"{_name_of(rule)}, merged into {merged.name}", False)
                self._records.append(record)
                return self._ruled(merged, rule, record, before.flowing, lambda: call.run_all(*detached))
        rule = self._rule_of(call)
        if rule is in_parts and call.name in PARTS:
            with self:
                made = PARTS[call.name](lambda name, default=None: filled(call.raw(name, default), tensors))
                return args[0].copy_(made) if call.in_place else made
        rule = None if rule is in_parts else rule
        record = _Record(
            call.name, layer, None if rule is None else _name_of(rule), self.rewriter.needs(call)
        )
        if rule is None and not (self.rewriter.measure is True and _can_be_measured(call)):
            made = self._plain(func, args, kwargs, call.in_place)
        else:
            # Written to directly where that is one of the tensors that flow, else by way of a copy.
            direct = (
                call.in_place and flowing[0] is args[0] and all(one is not args[0] for one in flowing[1:])
            )
            run = partial(func, *args, **kwargs) if direct else lambda: call.run_all(*detached)
            made = self._ruled(call, rule or own_gradient, record, flowing, run, direct)
            if call.in_place and not direct:
                made = self._plain(Tensor.copy_, (args[0], made), {}, True)
        if any(tensor.requires_grad for tensor in tensors_in(made)):
            self._records.append(record)
        elif decided:
            self._decisions.update((id(tensor), tensor) for tensor in tensors_in(made))
        if self.rewriter.merge and call.name in LEARNED and isinstance(made, Tensor):
            self._linear[storage_of(made)] = Linear(call, made, flowing)
        return made

    def _depends(self, tensor: Tensor) -> bool:
        if not tensor.requires_grad or isinstance(tensor, nn.Parameter) or id(tensor) in self._derived:
            return False
        self._look_for_foreign(tensor.grad_fn)
        return True

    def _look_for_foreign(self, maker: Any) -> None:
        # A function of the user's own comes by unheard, but what it made does not.
        if isinstance(maker, BackwardCFunction) and maker not in self._foreign:
            name = type(maker).__name__.removesuffix("Backward")
            if name not in (_Ruled.__name__, "BackwardHookFunction"):
                self._foreign[maker] = None
                self._records.append(_Record(name, self._layers[-1], None, True))

    def _plain(self, func: Any, args: Any, kwargs: Any, in_place: bool, derive: bool = False) -> Any:
        if in_place and args and isinstance(args[0], Tensor):
            self._protect(args[0])
        made = func(*args, **kwargs)
        if derive:
            self._derived.update((id(tensor), tensor) for tensor in tensors_in(made) if tensor.requires_grad)
        return made

    def _protect(self, tensor: Tensor) -> None:
        """Prepare for a tensor to be written to."""
        if storage_of(tensor) in self.severed:
            raise RuntimeError("a view that has a rule shares no memory, and cannot be written to")
        copies: dict[Any, Tensor] = {}
        for reference in self._kept.pop(storage_of(tensor), ()):
            kept = reference()
            if kept is not None:
                kept.copy(copies)

    def _ruled(
        self,
        call: Call,
        rule: Rule,
        record: _Record,
        tensors: list[Tensor],
        run: Callable[[], Any],
        writes: bool = False,
    ) -> Any:
        node, result = Node(call, rule, record, self, writes), []
        self.nodes.append(node)
        if writes:
            self._protect(tensors[0])
        output = _Ruled.apply(node, self, run, result, *tensors)
        node._output = self.keep(output)
        made = result.pop()
        if isinstance(made, Tensor):
            return output
        first = next(k for k, item in enumerate(made) if is_real(item))
        return type(made)([*made[:first], output, *made[first + 1 :]])


@contextmanager
def _layers(module: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are running, the innermost one last."""
    stack, handles = [""], []

    def enter(name: str) -> Any:
        return lambda *_: stack.append(name)

    def leave(*_: Any) -> None:
        stack.pop()

    try:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):
                handles.append(part.register_forward_pre_hook(enter(name), prepend=True))
                handles.append(part.register_forward_hook(leave, always_call=True))
        yield stack
    finally:
        for handle in handles:
            handle.remove()


def _compiled(module: nn.Module) -> Iterator[_Record]:
    """What runs without anybody being able to listen."""
    inside: tuple[str, ...] = ()
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) and not name.startswith(inside):
            inside = (*inside, f"{name}." if name else "")
            yield _Record("TorchScript", name, None, True)


INPUT = "input"
"""Source of what is the model's input itself."""


def _source(tensor: Tensor) -> Any:
    maker, place = tensor.grad_fn, tensor.output_nr
    while maker is not None:
        name = type(maker).__name__
        if name == f"{_Ruled.__name__}Backward":
            return getattr(maker, "node").rule  # noqa: B009
        if name == "AccumulateGrad":
            return INPUT
        if name not in ("CloneBackward0", "AliasBackward0", "CopyBackwards", "BackwardHookFunctionBackward"):
            return None
        # Of a copy into a tensor, the last one is what was copied.
        maker, place = maker.next_functions[-1 if name == "CopyBackwards" else place]
    return None


def _can_be_measured(call: Call) -> bool:
    # What moves values about conserves all, and may be a view that is written to.
    return call.name not in MOVES and is_real(call.run_all(*call.tensors))


def _total(values: Tensor, gradient: Tensor) -> float:
    return float((values.double() * gradient.double()).sum())


def _name_of(rule: Any) -> str:
    while hasattr(rule, "func"):  # functools.partial
        rule = rule.func
    return getattr(rule, "name", None) or getattr(rule, "__name__", type(rule).__name__)
