"""Another gradient for an operation, wherever and however the model calls it.

`Rewriter` listens to the calls of operations while a model runs, not to modules: a functional op, an
operator, an in-place op and a reused module are all the same to it. The values are always the true ones;
where a rule is given, the way back goes through it. Rules are in the form of modified gradients, so that an
operation without one keeps its own gradient and fits in: what a method calls relevance is input times
modified gradient.

Nothing is patched. Outside of `Rewriter.run` nothing listens.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from saliscope.core.coverage import Coverage
from saliscope.core.layers import behind, running
from saliscope.core.op_call import (
    Call,
    Linear,
    Rule,
    Slot,
    Source,
    Turned,
    all_made,
    filled,
    in_parts,
    is_real,
    only_tensor,
    own_gradient,
    slotted,
    storage_of,
    tensors_in,
)
from saliscope.core.op_names import (
    ACTIVATION,
    CHOICE,
    DECIDES,
    LEARNED,
    MOVES,
    Spelling,
    opened,
    special_name,
    spelling,
)
from saliscope.core.op_nodes import Kept, Node, Record, joined, name_of
from saliscope.core.op_parts import PARTS
from saliscope.core.op_roots import Roots, origin
from saliscope.errors import ModelError

Rules = Mapping[str, Rule] | Callable[[Call], Rule | Turned | None]


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
    layer : nn.Module, optional
        The gradient goes back to the output of this part only: calls before it ends are in no report.

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
        layer: nn.Module | None = None,
    ) -> None:
        self.module, self.merge, self.layer = module, merge, layer
        self.measure: bool | Literal["rules"] = measure
        self._rules = rules
        names = () if callable(needs) else frozenset(needs)
        self.needs = needs if callable(needs) else lambda call: call.name in names
        self._runs: list[list[Record]] = []

    @contextmanager
    def run(self, rules: Rules | None = None) -> Iterator[list[Node]]:
        """Listen to the model inside; may be entered again for the next rows, also with rules of their own.

        Yields
        ------
        list of Node
            Filled with the calls that have a rule, in order.
        """
        records = list(_compiled(self.module))
        silent = len(records)

        def forget(_output: Any) -> None:
            del records[silent:]

        with (
            running(self.module) as layers,
            _Mode(self, rules or self._rules, records, layers) as mode,
            _put_out(self.module, mode.look_for_foreign),
            nullcontext() if self.layer is None else behind(self.layer, forget),
        ):
            try:
                yield mode.nodes
            except ModelError:
                if mode.refused is not None:  # it came out of the model, but is none of its own
                    raise mode.refused from None
                raise
        self._runs.append(records)

    @property
    def coverage(self) -> Coverage:
        """Every call that the gradient went through; the same call in several runs is one."""
        calls: dict[tuple[Any, ...], list[Record]] = {}
        for records in self._runs:
            for k, record in enumerate(records):
                calls.setdefault((k, record.name, record.layer, record.rule), []).append(record)
        return Coverage(tuple(joined(same) for _, same in sorted(calls.items(), key=lambda item: item[0][0])))


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
        ctx.save_for_backward(*node.inputs, output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return None, None, None, None, *ctx.node.backward(gradients[0])


class _Mode(TorchFunctionMode):
    """Hears every call of an operation in one thread."""

    def __init__(self, rewriter: Rewriter, rules: Rules, records: list[Record], layers: list[str]) -> None:
        super().__init__()
        self.rewriter, self._records, self._layers = rewriter, records, layers
        self._rule_of = rules if callable(rules) else lambda call: rules.get(call.name)
        self.nodes: list[Node] = []
        self.severed: set[int] = set()
        self.refused: ModelError | None = None
        self._sources: dict[int, tuple[Tensor, Source]] = {}  # of memory, which is held
        self._linear: dict[int, Linear] = {}
        self._derived: dict[int, Tensor] = {}  # from weights alone
        self._decisions: dict[int, Tensor] = {}  # which way the input went, without a gradient
        self._kept: dict[int, list[weakref.ref[Kept]]] = {}
        self._roots = Roots()
        self._open: set[Any] = set()
        self._foreign: dict[Any, None] = {}

    def keep(self, tensor: Tensor) -> Kept:
        """A tensor as it is now, whatever the model will do to it."""
        kept = Kept(tensor)
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
        if spelled.name == "to" or spelled.name.endswith("_as"):  # of the other one, only the form is asked
            flows = tuple(flow and k == 0 for k, flow in enumerate(flows))
        decided = bool(self._decisions) and any(id(tensor) in self._decisions for tensor in tensors_in(args))
        if not any(flows) or spelled.name in DECIDES:
            derive = bool(flows) and any(tensor.requires_grad for tensor in tensors)
            made = self._plain(func, args, kwargs, spelled.in_place, derive)
            if decided or spelled.name in DECIDES:
                self._decisions.update((id(tensor), tensor) for tensor in tensors_in(made))
            return made
        call = self._call(spelled, func, tensors, flows, slots, named, decided)
        flowing = [tensor for tensor, flow in zip(tensors, flows, strict=True) if flow]
        found = self._merged(call, flowing)
        if found is not None:
            return found
        rule = self._rule_of(call)
        if rule is in_parts and call.name in PARTS:
            with self:
                made = PARTS[call.name](lambda name, default=None: filled(call.raw(name, default), tensors))
                return args[0].copy_(made) if call.in_place else made
        if isinstance(rule, Turned):
            self._turn(call, rule.rule, args[0])
            return self.__torch_function__(func, types, args, kwargs)
        root = self._roots.of(call, flowing)
        made, record = self._answered(call, None if rule is in_parts else rule, flowing, args, kwargs)
        result = args[0] if call.in_place else made  # x[0] = y returns nothing
        if isinstance(rule, Source) and is_real(result):
            self._note(rule, result)
        if call.in_place and self._derived:
            place = storage_of(result)
            self._derived = {key: one for key, one in self._derived.items() if storage_of(one) != place}
        if any(tensor.requires_grad for tensor in tensors_in(result)):
            self._records.append(record)
        elif decided:
            self._decisions.update((id(tensor), tensor) for tensor in tensors_in(made))
        if self.rewriter.merge and call.name in LEARNED and isinstance(made, Tensor):
            self._linear[storage_of(made)] = Linear(call, made, flowing)
        self._roots.note(root, made)
        return made

    def _call(
        self,
        spelled: Spelling,
        func: Any,
        tensors: list[Tensor],
        flows: tuple[bool, ...],
        slots: tuple[Any, ...],
        named: dict[str, Any],
        decided: bool,
    ) -> Call:
        """What is called, by its canonical name."""
        detached, sources = tuple(tensor.detach() for tensor in tensors), tuple(map(self._source, tensors))
        layer, in_place = self._layers[-1], spelled.in_place
        call = Call(spelled.name, layer, func, in_place, detached, flows, slots, named, sources)
        if decided and call.name in ("where", "mul", "masked_fill"):
            return replace(call, name=CHOICE)
        carrier = self._roots.carrier(tensors) if call.name in ("mul", "div") and all(flows) else None
        if carrier is not None and (carrier == 0 or call.name == "mul"):
            return replace(call, name=ACTIVATION, carrier=carrier)
        return replace(call, name=special_name(spelled.name, call.argument))

    def _merged(self, call: Call, flowing: list[Tensor]) -> Any:
        """The result of a batch norm that is one with the linear operation before it; None of any other."""
        before = self._linear.get(storage_of(flowing[0])) if call.name == "batch_norm" else None
        merged = None if before is None else before.with_norm(call)
        rule = None if merged is None else self._rule_of(merged)
        if before is None or merged is None or rule is None or rule is in_parts or isinstance(rule, Turned):
            return None
        record = Record(call.name, call.layer, f"{name_of(rule)}, merged into {merged.name}", False)
        self._records.append(record)
        return self._ruled(merged, rule, record, before.flowing, lambda: call.run_all(*call.tensors))

    def _answered(
        self, call: Call, rule: Rule | None, flowing: list[Tensor], args: Any, kwargs: Any
    ) -> tuple[Any, Record]:
        """The result of a call, with its rule if it has one; and what is noted of it."""
        needed = self.rewriter.needs(call)
        record = Record(call.name, call.layer, None if rule is None else name_of(rule), needed)
        moved = isinstance(rule, Source) and rule.moves
        if moved or (rule is None and not (self.rewriter.measure is True and _can_be_measured(call))):
            return self._plain(call.func, args, kwargs, call.in_place), record
        # Written to directly where that is one of the tensors that flow, else by way of a copy.
        direct = call.in_place and flowing[0] is args[0] and all(one is not args[0] for one in flowing[1:])
        run = partial(call.run_all, *call.tensors)
        run = partial(all_made, call.func, *args, **kwargs) if direct else run
        made = self._ruled(call, rule or own_gradient, record, flowing, run, direct)
        if call.in_place and not direct:
            made = self._plain(Tensor.copy_, (args[0], made), {}, True)
        return made, record

    def _source(self, tensor: Tensor) -> Any:
        # By memory first: when some of it is written to, all its views are other functions.
        noted = self._sources.get(storage_of(tensor)) if self._sources else None
        return _source(tensor) if noted is None else noted[1]

    def _note(self, source: Source, made: Tensor) -> None:
        _, before = self._sources.get(storage_of(made), (None, None))
        with torch.no_grad():
            source.made(made.detach(), before)
        self._sources[storage_of(made)] = made.detach(), source

    def _turn(self, call: Call, rule: Rule, tensor: Tensor) -> None:
        """Give a rule to all that is in the memory of a tensor: a view of it would be a part only."""
        whole = tensor if tensor._base is None else tensor._base
        _, source = self._sources.pop(storage_of(whole))
        given = (whole.detach(),), (True,), (Slot(0),), {}, (source,)
        same = Call("identity", call.layer, Tensor.clone, True, *given)
        self._ruled(same, rule, Record(same.name, call.layer, None, False), [whole], lambda: whole, True)

    def _depends(self, tensor: Tensor) -> bool:
        if not tensor.requires_grad or isinstance(tensor, nn.Parameter) or id(tensor) in self._derived:
            return False
        self.look_for_foreign(tensor)
        return True

    def look_for_foreign(self, tensor: Tensor) -> None:
        """Note a function of the user's own: it comes by unheard, but what it made does not."""
        maker = tensor.grad_fn
        if isinstance(maker, BackwardCFunction) and maker not in self._foreign:
            name = type(maker).__name__.removesuffix("Backward")
            if name not in (_Ruled.__name__, "BackwardHookFunction"):
                self._foreign[maker] = None
                self._records.append(Record(name, self._layers[-1], None, True))

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
            self.refused = ModelError(
                "model",
                "work in place on a view that has a rule",
                "one written out of place, since a rule cannot be given to memory that is shared",
                "Integrated Gradients makes no such demand, nor do composites of LRP without a rule there.",
            )
            raise self.refused
        copies: dict[Any, Tensor] = {}
        for reference in self._kept.pop(storage_of(tensor), ()):
            kept = reference()
            if kept is not None:
                kept.copy(copies)

    def _ruled(
        self,
        call: Call,
        rule: Rule,
        record: Record,
        tensors: list[Tensor],
        run: Callable[[], Any],
        writes: bool = False,
    ) -> Any:
        node, result = Node(call, rule, record, self.rewriter.measure, self.keep, writes), []
        self.nodes.append(node)
        if writes:
            self._protect(tensors[0])
        output = _Ruled.apply(node, self, run, result, *tensors)
        node.made(self.keep(output))
        made = result.pop()
        if isinstance(made, Tensor):
            return output
        first = next(k for k, item in enumerate(made) if is_real(item))
        return type(made)([*made[:first], output, *made[first + 1 :]])


@contextmanager
def _put_out(module: nn.Module, look: Callable[[Tensor], None]) -> Iterator[None]:
    """Show each tensor of a module's output, which no operation of the model may be given any more."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                look(tensor)

    deaf = isinstance(module, torch.jit.ScriptModule)  # which takes no hooks
    handle = None if deaf else module.register_forward_hook(hook)
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _compiled(module: nn.Module) -> Iterator[Record]:
    """What runs without anybody being able to listen."""
    inside: tuple[str, ...] = ()
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) and not name.startswith(inside):
            inside = (*inside, f"{name}." if name else "")
            yield Record("TorchScript", name, None, True)


INPUT = "input"
"""Source of what is the model's input itself."""


def _source(tensor: Tensor) -> Any:
    maker, _ = origin(tensor)
    name = type(maker).__name__
    if name == f"{_Ruled.__name__}Backward":
        return getattr(maker, "node").rule  # noqa: B009
    leaf = maker is None and tensor.requires_grad and not isinstance(tensor, nn.Parameter)
    return INPUT if leaf or name == "AccumulateGrad" else None


def _can_be_measured(call: Call) -> bool:
    # What moves values about conserves all, and may be a view that is written to.
    return call.name not in MOVES and is_real(call.run_all(*call.tensors))
