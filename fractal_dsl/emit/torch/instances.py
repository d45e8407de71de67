"""Every distinct use of a graph, and what makes two of them one class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, TypeAlias

from fractal_dsl.emit.torch.asks import Asked, firm_graphs, told_graphs
from fractal_dsl.emit.torch.bundles import fold_bundles
from fractal_dsl.emit.torch.loops import fold_loops
from fractal_dsl.emit.torch.needs import ALWAYS, needs_of
from fractal_dsl.emit.torch.record import record
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Hold,
    Invoke,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
    Path,
    Turn,
    Unpack,
)
from fractal_dsl.emit.torch.uses import (
    facts_of,
    inputs_of,
    is_shared,
    mark_inplace,
    operator_of,
    outputs_of,
)
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Call, Join, Program, Share
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.shapes import NETWORK, image

__all__ = ["Instance", "Tapes", "holds_tensors", "kept_members", "walk"]


class Instance(NamedTuple):
    """A graph in a context of columns: what has numbers of its own."""

    graph: int
    context: int


def walk(body: Body) -> Iterator[Part]:
    """All operations of `body` in order, those of loops after the loop itself."""
    waiting: list[Part] = list(reversed(body.operations))
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, Loop):
            waiting.extend(reversed(part.body.operations))


@dataclass(eq=False)
class Tapes:
    """The folded tapes of a program's graphs; `steered` graphs take part in a plan.

    Only graphs that get a class have a tape: the bodies of inline repeats do not.
    """

    program: Program
    columns: ColumnTable | None
    steered: list[bool] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    asked: dict[int, Asked] = field(default_factory=dict)
    bodies: dict[int, Body] = field(default_factory=dict)
    forms: dict[int, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sampled = self.columns is not None
        self.told = told_graphs(self.program, sampled)
        for graph, told in zip(self.program.graphs, self.told, strict=True):
            joins = any(isinstance(node, Join) for node in graph.nodes)
            calls = any(isinstance(n, Call) and self.steered[n.callee] for n in graph.nodes)
            self.steered.append(sampled and (joins or calls or graph.is_open or told))
        if sampled:
            self.ask()

    def ask(self) -> None:
        """Find out which graphs need some of their inputs only in some plans."""
        firm = firm_graphs(self.program)
        for at, graph in enumerate(self.program.graphs):
            tensors = [n for n, shape in enumerate(graph.inputs) if shape != NETWORK]
            if len(tensors) < 2 or not self.steered[at] or at == self.program.entry:
                continue
            body = self.body(at)
            needs = needs_of(body, self.is_told(at))
            asked = tuple(n for n in tensors if needs[body.inputs[n]] is not ALWAYS)
            if asked:
                self.asked[at] = Asked(asked, firm[at] and len(asked) == len(tensors))

    def is_told(self, graph: int) -> bool:
        """Whether a graph gives the values that live, as a list."""
        return self.told[graph] or self.program.graphs[graph].is_open

    def body(self, graph: int) -> Body:
        if graph not in self.bodies:
            body = record(self.program, graph, self.told, self.asked)
            fresh = count(1_000_000)
            waiting = [body]
            while waiting:
                inner = waiting.pop()
                mark_inplace(inner)
                fold_bundles(inner, fresh, self.signature)
                fold_loops(inner, fresh, self.signature)
                waiting.extend(copied_bodies(inner))
            name_joins(body)
            self.bodies[graph] = body
        return self.bodies[graph]

    def signature(self, part: Part) -> tuple[object, ...]:
        """What one line of code does, numbers and the classes it calls aside."""
        match part:
            case Layer():
                operator = operator_of(part.members[0]).attributes.operator
                facts = tuple(facts_of(part.members[0]).items())
                return ("layer", operator, facts, part.inplace)
            case Formula():
                attributes = operator_of(part.members[0]).attributes
                facts = tuple(facts_of(part.members[0]).items())
                return ("formula", attributes, facts, len(part.inputs), part.weight)
            case Invoke() | Open():
                node = part.members[0].node
                assert isinstance(node, Call)
                width = len(part.outputs if isinstance(part, Invoke) else part.ports)
                home = part.path if is_shared(part) else None
                return (type(part).__name__, self.steered[node.callee], width, home, part.asked)
            case Meet():
                return ("meet", len(part.items))
            case Hold():
                return ("hold",)
            case _:
                return (type(part).__name__, id(part))

    def instances(self) -> list[Instance]:
        """All that gets a class, callees before callers, the entry last."""
        start = Instance(self.program.entry, self.columns.start if self.columns else 0)
        found = {start}
        waiting = [start]
        while waiting:
            instance = waiting.pop()
            for part in walk(self.body(instance.graph)):
                fresh = set(self.callees(instance, part)) - found
                found |= fresh
                waiting.extend(fresh)
        return sorted(found)

    def callees(self, instance: Instance, part: Part) -> list[Instance]:
        """What each member of a call calls, in the context of its caller."""
        stages: Sequence[Part] = part.stages if isinstance(part, Each) else (part,)
        return [
            Instance(member.node.callee, self.context(instance, (*member.route, member.at)))
            for stage in stages
            if isinstance(stage, Hold | Invoke | Open) and not is_shared(stage)
            for member in stage.members
            if isinstance(member.node, Call | Share)
        ]

    def context(self, instance: Instance, route: Sequence[int]) -> int:
        """The context behind a chain of calls that begins in the instance's graph."""
        graph, context = instance
        for at in route:
            node = self.program.graphs[graph].nodes[at]
            assert isinstance(node, Call | Share)
            if self.columns is not None:
                context = self.columns.enter[graph, context, at]
            graph = node.callee
        return context

    def form(self, graph: int) -> object:
        """The structure of a graph: all but numbers, the classes it calls, and arities."""
        if graph not in self.forms:
            body = self.body(graph)
            self.forms[graph] = (
                self.is_told(graph),
                self.steered[graph],
                None if body.end is None else facts_of(body.end)["per"],
                _Form(self).of(body),
            )
        return self.forms[graph]


def copied_bodies(body: Body) -> list[Body]:
    """The bodies of loops that the graph itself has; those folded here are done."""
    loops = [part for part in body.operations if isinstance(part, Loop)]
    return [loop.body for loop in loops if not loop.turns.listed]


def name_joins(body: Body) -> None:
    number = 0
    waiting: list[tuple[Part, tuple[Turn, ...]]] = [(p, ()) for p in reversed(body.operations)]
    while waiting:
        part, turns = waiting.pop()
        if isinstance(part, Meet):
            number += 1
            part.path = Path("join" if number == 1 else f"join_{number}", turns)
        elif isinstance(part, Loop):
            inner = (*turns, part.turns)
            waiting.extend((p, inner) for p in reversed(part.body.operations))


Numbering: TypeAlias = "dict[int, int]"


class _Form:
    """Values and loops renumbered in order of appearance, so that like tapes are equal."""

    def __init__(self, tapes: Tapes) -> None:
        self.tapes = tapes
        self.values: Numbering = {}
        self.loops: Numbering = {}

    def value(self, value: int) -> int:
        return self.values.setdefault(value, len(self.values))

    def of(self, body: Body) -> object:
        inputs = tuple(map(self.value, body.inputs))
        parts = tuple(self.part(part) for part in body.operations)
        return (inputs, parts, self.items(body.outputs))

    def items(self, items: Sequence[tuple[int, bool]]) -> object:
        return tuple((self.value(value), spread) for value, spread in items)

    def path(self, path: Path) -> object:
        indices = tuple(
            index if isinstance(index, int)
            else (self.loops.setdefault(index.loop, len(self.loops)), index.first)
            for index in path.indices
        )  # fmt: skip
        return (path.name, indices)

    def part(self, part: Part) -> object:
        reads = tuple(map(self.value, inputs_of(part)))
        shape: object = None
        match part:
            case Each():
                stages = tuple((self.tapes.signature(s), self.path(s.path)) for s in part.stages)
                return (reads, "each", stages, self.members(part), self.value(part.result))
            case Open():
                kind, steered, *_, home, asked = self.tapes.signature(part)
                signature = (kind, steered, home, asked)
                shape = (signature, self.path(part.path), len(part.members))
                return (reads, shape, self.value(part.result))
            case Meet():
                spreads = sum(item.spread for item in part.items)
                widths = tuple(len(m.node.inputs) for m in part.members) if spreads > 1 else ()
                shape = ("meet", self.items(part.items), self.path(part.path), widths)
            case Loop():
                turns = part.turns.count if part.turns.listed else None
                loop = self.loops.setdefault(part.turns.loop, len(self.loops))
                shape = ("loop", loop, turns, self.of(part.body))
            case Unpack():
                shape = ("unpack", len(part.results))
            case Layer() | Invoke() | Hold():
                shape = (self.tapes.signature(part), self.path(part.path), len(part.members))
            case Formula():
                shape = (self.tapes.signature(part), len(part.members))
        return (reads, shape, tuple(map(self.value, outputs_of(part))))

    def members(self, part: Each) -> object:
        """Operands that are treated all the same need not be counted."""
        alike = all(len(kept_members(stage)) == 1 for stage in part.stages)
        return None if alike else len(part.stages[0].members)


def kept_members(stage: Layer | Invoke) -> Sequence[Member]:
    """The members of a stage of `each` that are written: one where all can be one module."""
    if isinstance(stage, Layer):
        written = {operator_of(member).attributes for member in stage.members}
        if len(written) == 1 and not holds_tensors(stage.members[0]):
            return stage.members[:1]
    return stage.members


def holds_tensors(member: Member) -> bool:
    """Whether the operator has weights or buffers; channels do not decide it."""
    attributes = operator_of(member).attributes
    spec = spec_of(attributes)
    shapes = [image(1, 1, 1)] * max(1, spec.arity)
    held = spec.parameters(attributes, shapes) or spec.buffers(attributes, shapes)
    return spec.opaque or bool(held)
