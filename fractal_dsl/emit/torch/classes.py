"""Which classes a program becomes, what they are called, and what varies in them."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fractal_dsl.emit.torch.instances import Instance, Tapes, walk
from fractal_dsl.emit.torch.operators import ENTRIES
from fractal_dsl.emit.torch.picks import Picks
from fractal_dsl.emit.torch.sizes import SIZES, Key, Number, Sizes, Slot, divide
from fractal_dsl.emit.torch.tape import (
    Body,
    Each,
    Formula,
    Invoke,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
)
from fractal_dsl.emit.torch.uses import operator_of
from fractal_dsl.ir.graph import Call, Graph, Join

__all__ = ["Class", "Classes", "Family", "classify"]

TAKEN = frozenset(
    """
    F Any Callable DropPath Draw Generator Join Live NamedTuple Part Plan Sequence Tensor
    annotations cast compress mean nn reduce self torch
    """.split()
)


@dataclass(eq=False)
class Class:
    """Graphs that differ only in numbers. `callees` are by operation and member."""

    number: int
    graph: int
    name: str
    callees: dict[tuple[int, int], Class]
    family: Family
    instances: list[Instance] = field(default_factory=list)


@dataclass(eq=False)
class Family:
    """Classes of one rule that differ only in what they call and in numbers.

    The first is written out, the others inherit from it. `slots` are callee classes that
    vary: the operation and member, and the class attribute that holds the callee.
    """

    body: Body
    classes: list[Class] = field(default_factory=list)
    sizes: Sizes = Sizes((), (), {})
    slots: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def instances(self) -> list[tuple[Class, Instance]]:
        return [(cls, instance) for cls in self.classes for instance in cls.instances]


@dataclass(eq=False)
class Classes:
    """All classes, callees before callers, and the numbers of every instance."""

    tapes: Tapes
    picks: Picks
    ordered: list[Class]
    families: list[Family]
    of: dict[Instance, Class]
    values: dict[Instance, dict[str, Number]] = field(default_factory=dict)

    def literal(self, family: Family, key: Key) -> Number:
        """The one value that a number has in all of a family."""
        _, instance = family.instances[0]
        return self.known(family, instance)[key]

    def known(self, family: Family, instance: Instance) -> dict[Key, Number]:
        cached = self._known.get(instance)
        if cached is None:
            slots = self.slots(family, instance)
            cached = self._known[instance] = {slot.key: slot.value for slot in slots}
        return cached

    _known: dict[Instance, dict[Key, Number]] = field(default_factory=dict)

    def slots(self, family: Family, instance: Instance) -> list[Slot]:
        """All numbers of one instance, in the order of its tape."""
        body = self.tapes.body(instance.graph)
        return [
            slot
            for at, part in enumerate(walk(body))
            for slot in self.part_slots(at, part, instance)
        ]

    def part_slots(self, at: int, part: Part, instance: Instance) -> Iterator[Slot]:
        match part:
            case Layer():
                for number, member in enumerate(part.members):
                    yield from self.operator_slots(at, number, member)
            case Invoke() | Open():
                for number, callee in enumerate(self.tapes.callees(instance, part)):
                    yield from self.callee_slots(at, number, callee)
            case Each():
                yield from self.each_slots(at, part, instance)
            case Meet():
                for number, member in enumerate(part.members):
                    yield from self.join_slots(at, number, member, instance)
            case Loop() if is_counted(part):
                yield Slot(Key(at, 0, "repeats"), "repeats", part.turns.count)
            case _:
                pass

    def operator_slots(self, at: int, number: int, member: Member) -> Iterator[Slot]:
        node = operator_of(member)
        graph = self.tapes.program.graphs[member.graph]
        shapes = [graph.shape_of(ref) for ref in node.inputs]
        numbers = ENTRIES[node.attributes.operator].numbers(node.attributes, shapes)
        for role, value in numbers.items():
            yield Slot(Key(at, number, role), "size" if role in SIZES else role, value)

    def callee_slots(self, at: int, number: int, callee: Instance) -> Iterator[Slot]:
        """What the constructor of the callee is given."""
        for argument in self.of[callee].family.sizes.arguments:
            value = self.values[callee][argument.name]
            yield Slot(Key(at, number, argument.name), argument.kind, value)

    def each_slots(self, at: int, part: Each, instance: Instance) -> Iterator[Slot]:
        """Members are counted through all stages; like ones are written once."""
        number = 0
        for stage in part.stages:
            for member in kept_members(stage):
                if isinstance(stage, Layer):
                    yield from self.operator_slots(at, number, member)
                else:
                    (callee,) = self.tapes.callees(instance, one_member(stage, member))
                    yield from self.callee_slots(at, number, callee)
                number += 1

    def join_slots(
        self, at: int, number: int, member: Member, instance: Instance
    ) -> Iterator[Slot]:
        if self.tapes.columns is None:
            return
        join = member.node
        assert isinstance(join, Join)
        context = self.tapes.context(instance, member.route)
        yield Slot(Key(at, number, "arity"), "arity", len(join.operands))
        picks = self.picks.of(member.graph, context, member.at) if join.sampled else None
        yield Slot(Key(at, number, "picks"), "picks", picks)
        rates = self.picks.rates(member.graph, join.operands)
        yield Slot(Key(at, number, "rates"), "rates", rates)


def is_counted(loop: Loop) -> bool:
    """Whether all turns are the same: copies of one graph, not a list of different ones."""
    return all(len(getattr(part, "members", ())) <= 1 for part in loop.body.operations)


def kept_members(stage: Layer | Invoke) -> Sequence[Member]:
    """One member for all where they are written the same."""
    if isinstance(stage, Layer):
        written = {operator_of(member).attributes for member in stage.members}
        if len(written) == 1 and not holds_tensors(stage):
            return stage.members[:1]
    return stage.members
