"""What the writers of one class share: its numbers, its callees, its lists of modules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from fractal_dsl.emit.torch.classes import Classes, Family, each_number
from fractal_dsl.emit.torch.instances import walk
from fractal_dsl.emit.torch.naming import local_name
from fractal_dsl.emit.torch.shapes import Symbols
from fractal_dsl.emit.torch.sizes import Key
from fractal_dsl.emit.torch.tape import (
    Each,
    Hold,
    Invoke,
    Layer,
    Loop,
    Meet,
    Member,
    Open,
    Part,
    Unpack,
)
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, Safe, commas, fill, ident, literal
from fractal_dsl.emit.torch.uses import facts_of, leaves_out, numbers_of, operator_of
from fractal_dsl.ir.graph import Call
from fractal_dsl.ir.shapes import Shape

__all__ = ["Context"]

Place: TypeAlias = "tuple[int, int]"


class Context:
    """One family of classes being written, from the first of them."""

    def __init__(
        self, classes: Classes, family: Family, names: Mapping[int, Code], heads: Mapping[Key, str]
    ) -> None:
        self.classes = classes
        self.tapes = classes.tapes
        self.program = classes.tapes.program
        self.family = family
        self.names = names
        self.heads = heads
        self.is_sampled = classes.tapes.columns is not None
        sampling = self.program.sampling
        self.per_sample = self.is_sampled and sampling is not None and sampling.per_sample
        self.first = family.classes[0]
        self.sees_some = self.per_sample or leaves_out(self.program)
        self.takes_samples = self.per_sample and self.tapes.steered[self.first.graph]
        self.graph = classes.graph(self.first)
        self.body = family.body
        self.at = {id(part): at for at, part in enumerate(walk(self.body))}
        slots = classes.slots(self.first.instances[0])
        self.values = {slot.key: slot.value for slot in slots}
        self.attributes = self.callee_attributes()
        self.symbols = self.size_symbols()

    # Numbers ---------------------------------------------------------------------

    def number(self, key: Key) -> Safe:
        """A number as it is written in `__init__`: an argument, an attribute or a literal."""
        if key in self.heads:
            return ident(self.heads[key])
        derived = self.family.sizes.written.get(key)
        if derived is None:
            return literal(self.values[key])
        by_class = any(derived.name == one.name for one in self.family.sizes.attributes)
        name = fill("self.{}" if by_class else "{}", ident(derived.name))
        if derived.factor == 1:
            return name
        if derived.factor > 1:
            return fill("{} * {}", literal(derived.factor), name)
        return fill("{} // {}", name, literal(-derived.factor))

    def is_literal(self, key: Key) -> bool:
        return key not in self.heads and key not in self.family.sizes.written

    # Classes ---------------------------------------------------------------------

    def callee_attributes(self) -> dict[Place, Code]:
        """Class attributes for the callees that differ between the classes of a family."""
        made: dict[tuple[int, ...], Code] = {}
        found: dict[Place, Code] = {}
        made_here = Layer | Invoke | Open | Hold | Meet
        taken = {part.path.name for part in walk(self.body) if isinstance(part, made_here)}
        taken |= {one.name for one in self.family.sizes.attributes}
        for place, callee in self.first.callees.items():
            row = tuple(cls.callees[place].number for cls in self.family.classes)
            if len(set(row)) == 1:
                continue
            if row not in made:
                rule = self.classes.graph(callee).rule
                name = local_name(rule if rule.isascii() else "part").lstrip("_")
                while name in taken:
                    name += "_class"
                taken.add(name)
                made[row] = ident(name)
            found[place] = made[row]
        return found

    def callee(self, place: Place) -> Code:
        if place in self.attributes:
            return fill("self.{}", self.attributes[place])
        return self.names[self.first.callees[place].number]

    def is_steered(self, member: Member) -> bool:
        """Whether the module takes a part of the plan."""
        return isinstance(member.node, Call) and self.tapes.steered[member.node.callee]

    # Modules ---------------------------------------------------------------------

    def made(self, part: Part, number: int = 0, stage: int = 0) -> Code:
        """The expression that makes one module of an operation."""
        at = self.at[id(part)]
        match part:
            case Each():
                return self.made_in_each(at, part, stage, number)
            case Layer():
                return self.operator(at, number, part, part.members[number])
            case Hold() | Invoke() | Open():
                return self.call(at, number)
            case Meet():
                return self.join(at, number)
            case _:
                raise AssertionError(part)

    def operator(self, at: int, number: int, part: Layer, member: Member) -> Code:
        attributes = operator_of(member).attributes
        numbers = {role: self.number(Key(at, number, role)) for role in numbers_of(member)}
        facts = facts_of(member)
        return written(attributes, facts, numbers, inplace=part.inplace, sees_some=self.sees_some)

    def call(self, at: int, number: int) -> Code:
        callee = self.first.callees[at, number]
        taken = self.classes.family[callee.number].sizes.arguments
        given = [self.number(Key(at, number, one.name)) for one in taken]
        return fill("{}({})", self.callee((at, number)), commas(given))

    def made_in_each(self, at: int, part: Each, stage: int, number: int) -> Code:
        one = part.stages[stage]
        if isinstance(one, Layer):
            return self.operator(at, each_number(stage, number), one, one.members[number])
        before = sum(len(s.members) for s in part.stages[:stage] if isinstance(s, Invoke))
        return self.call(at, before + number)

    def join(self, at: int, number: int) -> Code:
        arity, picks, rates, shared = (
            Key(at, number, role) for role in ("arity", "picks", "rates", "shared")
        )  # fmt: skip
        given: list[Safe] = [self.number(arity)]
        if not (self.is_literal(picks) and self.values[picks] == self.classes.picks.common):
            given.append(fill("picks={}", self.number(picks)))
        if not (self.is_literal(rates) and self.values[rates] is None):
            given.append(fill("rates={}", self.number(rates)))
        if not (self.is_literal(shared) and not self.values[shared]):
            given.append(fill("shared={}", self.number(shared)))
        return fill("Join({})", commas(given))

    def shares(self, part: Meet) -> bool:
        """Whether, in any class of the family, a join may not overwrite what it takes in."""
        at = self.at[id(part)]
        graphs = {instance.graph for _, instance in self.family.instances}
        alike = (next(islice(walk(self.tapes.body(graph)), at, None)) for graph in graphs)
        return any(
            self.classes.shares(member)
            for one in alike
            if isinstance(one, Meet)
            for member in one.members
        )

    # Shapes ----------------------------------------------------------------------

    def size_symbols(self) -> Symbols:
        instances = [instance for _, instance in self.family.instances]
        incoming = [s for one in instances for s in self.program.graphs[one.graph].inputs[:1]]
        widths = {
            argument.name: tuple(self.classes.given[one].get(argument.name) for one in instances)
            for argument in self.family.sizes.arguments
            if argument.kind == "size"
        }
        rows = [{s.key: s.value for s in self.classes.slots(one)} for one in instances]
        for argument in self.family.sizes.attributes:
            if argument.kind == "size":
                widths[argument.name] = tuple(row[argument.key] for row in rows)
        return Symbols(incoming, widths)

    def note(self, part: Part) -> str:
        """The shape of what an operation gives, in the words of the class."""
        at = self.at[id(part)]
        shapes = [row[at] for row in self.shapes]
        for key, name in self.heads.items():
            if key.operation == at:
                return self.symbols.shape(shapes, channels=name)
        return self.symbols.shape(shapes)

    @cached_property
    def shapes(self) -> list[list[Shape | None]]:
        """By instance and operation, the shape of the result."""
        by_graph = {
            instance.graph: [self.shape_in(p) for p in walk(self.tapes.body(instance.graph))]
            for _, instance in self.family.instances
        }
        return [by_graph[instance.graph] for _, instance in self.family.instances]

    def shape_in(self, part: Part) -> Shape | None:
        """The shape of a result; None where there are several, or turns differ."""
        match part:
            case Loop():
                while isinstance(part, Loop):
                    part = part.body.operations[-1]
                assert not isinstance(part, Unpack)
                members = part.stages[-1].members if isinstance(part, Each) else part.members[-1:]
            case Each():
                members = part.stages[-1].members
            case Unpack():
                return None
            case _:
                members = part.members
        shapes = {shape for member in members for shape in member.node.shapes}
        return shapes.pop() if len(shapes) == 1 else None
