"""Which classes a program becomes, and which graphs share one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fractal_dsl.emit.torch.instances import Instance, Tapes, kept_members, walk
from fractal_dsl.emit.torch.owned import owned
from fractal_dsl.emit.torch.picks import Picks
from fractal_dsl.emit.torch.sizes import SIZES, Key, Number, Sizes, Slot, Vector, divide
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Hold,
    Invoke,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
)
from fractal_dsl.emit.torch.uses import numbers_of
from fractal_dsl.ir.graph import Graph, Join

__all__ = ["END", "Class", "Classes", "Family"]

END = -1
"""In place of an operation: the stochastic depth that a class is the branch of."""

Place: TypeAlias = "tuple[int, int]"
"""A module of a class: the operation it belongs to, and its number among that one's."""


@dataclass(eq=False)
class Class:
    """Graphs that differ only in numbers; `graph` is the first of them."""

    number: int
    graph: int
    callees: dict[Place, Class]
    instances: list[Instance] = field(default_factory=list)


@dataclass(eq=False)
class Family:
    """Classes of one rule that differ only in numbers and in what they call.

    The first is written out, the others inherit from it.
    """

    body: Body
    classes: list[Class]
    sizes: Sizes = field(default_factory=lambda: Sizes((), (), {}))

    @property
    def instances(self) -> list[tuple[Class, Instance]]:
        return [(one, instance) for one in self.classes for instance in one.instances]


class Classes:
    """All classes of a program, callees before callers, with the numbers of every instance."""

    def __init__(self, tapes: Tapes, picks: Picks) -> None:
        self.tapes = tapes
        self.picks = picks
        self.owned = owned(tapes.program)
        self.of: dict[Instance, Class] = {}
        self.ordered: list[Class] = []
        self.family: dict[int, Family] = {}
        self.given: dict[Instance, dict[str, Number]] = {}
        self.join_equal_graphs()
        self.join_levels()

    def graph(self, cls: Class) -> Graph:
        return self.tapes.program.graphs[cls.graph]

    def join_equal_graphs(self) -> None:
        known: dict[object, Class] = {}
        for instance in self.tapes.instances():
            graph = self.tapes.program.graphs[instance.graph]
            callees = self.callees(instance)
            numbers = tuple((place, cls.number) for place, cls in callees.items())
            text = (graph.rule, graph.recursion, place_of(graph), graph.doc)
            key = (self.tapes.form(instance.graph), text, numbers)
            if key not in known:
                known[key] = Class(len(self.ordered), instance.graph, callees)
                self.ordered.append(known[key])
            known[key].instances.append(instance)
            self.of[instance] = known[key]

    def callees(self, instance: Instance) -> dict[Place, Class]:
        return {
            (at, number): self.of[callee]
            for at, part in enumerate(walk(self.tapes.body(instance.graph)))
            for number, callee in enumerate(self.tapes.callees(instance, part))
        }

    def join_levels(self) -> None:
        """Families of classes whose constructors take the same; others stay alone."""
        groups: dict[object, list[Class]] = {}
        for cls in self.ordered:
            spread = offsets(self.tapes.body(cls.graph))
            key = (self.tapes.form(cls.graph), self.graph(cls).rule, spread)
            groups.setdefault(key, []).append(cls)
        families = list(groups.values())
        self.settle(families)
        while apart := [group for group in families if not self.is_alike(group)]:
            kept = [group for group in families if self.is_alike(group)]
            families = [*kept, *([cls] for group in apart for cls in group)]
            self.settle(families)

    def is_alike(self, group: Sequence[Class]) -> bool:
        """Whether all call, at each place, something that takes the same arguments."""
        return all(
            len({self.family[cls.callees[place].number].sizes.arguments for cls in group}) == 1
            for place in group[0].callees
        )

    # Numbers ---------------------------------------------------------------------

    def settle(self, groups: Sequence[Sequence[Class]]) -> None:
        """Find the arguments of all constructors: what callees take, callers must have."""
        families = [Family(self.tapes.body(group[0].graph), list(group)) for group in groups]
        self.family = {cls.number: family for family in families for cls in family.classes}
        self.given = {instance: {} for instance in self.of}
        for _ in range(len(families) + 2):
            before = [family.sizes for family in families]
            for family in families:
                family.sizes = self.divided(family)
                self.give(family)
            if [family.sizes for family in families] == before:
                return
        raise AssertionError("arguments of constructors do not settle")

    def give(self, family: Family) -> None:
        for _, instance in family.instances:
            values = {slot.key: slot.value for slot in self.slots(instance)}
            names = {one.name: values.get(one.key) for one in family.sizes.arguments}
            self.given[instance] = names

    def divided(self, family: Family) -> Sizes:
        instances = family.instances
        slots = [self.slots(instance) for _, instance in instances]
        members = [cls.number for cls, _ in instances]
        return divide(slots, members, self.bounds(family))

    def bounds(self, family: Family) -> dict[str, Vector]:
        """Widths of what comes in and goes out, by instance."""
        graphs = [self.tapes.program.graphs[i.graph] for _, i in family.instances]
        left = tuple(graph.output_shapes[-1].channels for graph in graphs)
        if not all(graph.inputs for graph in graphs):
            return {"channels": left}
        came = tuple(graph.inputs[0].channels for graph in graphs)
        return {"channels": came} if came == left else {"c_in": came, "c_out": left}

    def slots(self, instance: Instance) -> list[Slot]:
        """All numbers of one instance, in the order of its tape."""
        body = self.tapes.body(instance.graph)
        own = [
            slot
            for at, part in enumerate(walk(body))
            for slot in self.part_slots(at, part, instance)
        ]
        return own if body.end is None else [*own, *self.operator_slots(END, 0, body.end)]

    def part_slots(self, at: int, part: Part, instance: Instance) -> Iterator[Slot]:
        match part:
            case Layer():
                for number, member in enumerate(part.members):
                    yield from self.operator_slots(at, number, member)
            case Hold() | Invoke() | Open():
                for number, callee in enumerate(self.tapes.callees(instance, part)):
                    yield from self.callee_slots(at, number, callee)
            case Each():
                yield from self.each_slots(at, part, instance)
            case Meet():
                for number, member in enumerate(part.members):
                    yield from self.join_slots(at, number, member, instance)
            case Loop() if not part.turns.listed:
                yield Slot(Key(at, 0, "repeats"), "repeats", part.turns.count)
            case _:
                pass

    def operator_slots(self, at: int, number: int, member: Member) -> Iterator[Slot]:
        for role, value in numbers_of(member).items():
            yield Slot(Key(at, number, role), "size" if role in SIZES else role, value)

    def callee_slots(self, at: int, number: int, callee: Instance) -> Iterator[Slot]:
        """What the constructor of the callee is given."""
        for argument in self.family[self.of[callee].number].sizes.arguments:
            value = self.given[callee].get(argument.name)
            yield Slot(Key(at, number, argument.name), argument.kind, value)

    def each_slots(self, at: int, part: Each, instance: Instance) -> Iterator[Slot]:
        """Calls are counted first to last through all stages, as `Tapes.callees` does."""
        callees = iter(enumerate(self.tapes.callees(instance, part)))
        for row, stage in enumerate(part.stages):
            for number, member in enumerate(kept_members(stage)):
                if isinstance(stage, Layer):
                    yield from self.operator_slots(at, each_number(row, number), member)
                else:
                    yield from self.callee_slots(at, *next(callees))

    def join_slots(
        self, at: int, number: int, member: Member, instance: Instance
    ) -> Iterator[Slot]:
        join = member.node
        assert isinstance(join, Join)
        if self.tapes.columns is None:
            return
        context = self.tapes.context(instance, member.route)
        picks = self.picks.of(member.graph, context, member.at) if join.sampled else None
        yield Slot(Key(at, number, "arity"), "arity", len(join.operands))
        yield Slot(Key(at, number, "picks"), "picks", picks)
        rates = self.picks.rates(member.graph, join.operands)
        yield Slot(Key(at, number, "rates"), "rates", rates)
        yield Slot(Key(at, number, "shared"), "shared", self.shares(member))

    def shares(self, member: Member) -> bool:
        """Whether something else may read what comes to a join, which then must stay as it is."""
        return not self.owned[member.graph].issuperset(member.node.inputs)


def place_of(graph: Graph) -> object:
    """Which equation a graph comes from; numbers in its text do not count."""
    if graph.span is None:
        return graph.equation
    return graph.span.source.name, graph.span.start, graph.span.end


def offsets(body: Body) -> tuple[int, ...]:
    """Widths that stand in a class as literals: of bundles that share a join with others.

    A lone bundle is told from its neighbours by `[:-1]`, whatever its width.
    """
    widths: dict[int, int] = {}
    rows = [body.outputs]
    for part in walk(body):
        if isinstance(part, Open):
            widths[part.result] = len(part.ports)
        elif isinstance(part, Each):
            widths[part.result] = len(part.stages[0].members)
        elif isinstance(part, Meet):
            rows.append(part.items)
    spread = [[widths.get(one.value, 0) for one in row if one.spread] for row in rows]
    return tuple(width for row in spread if len(row) > 1 for width in row)


def each_number(row: int, number: int) -> int:
    """The number of a layer among those of an `each`, apart from all calls."""
    return -1 - (row << 20) - number
