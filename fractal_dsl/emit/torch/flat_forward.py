"""The body of a flat `forward`: every operation a line of its own, in data-flow order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from fractal_dsl.emit.torch.calls import called, formula_on_samples, tied
from fractal_dsl.emit.torch.flat_branches import Branches, Outer, spaced
from fractal_dsl.emit.torch.flat_conditions import test, who
from fractal_dsl.emit.torch.flat_modules import incoming, is_module, placed_at
from fractal_dsl.emit.torch.flat_needs import ALWAYS, NEVER, Need, Some
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.operators import ENTRIES, call_of, facts
from fractal_dsl.emit.torch.owned import owned_in_flat
from fractal_dsl.emit.torch.statements import Statement, grouped
from fractal_dsl.emit.torch.templates import written
from fractal_dsl.emit.torch.text import Code, commas, fill, literal
from fractal_dsl.ir.flat import FlatNode, FlatProgram

__all__ = ["forward_lines"]

Feeds: TypeAlias = "dict[int, list[tuple[int, int]]]"
"""By values, the joins that they go to, by position, and which operands they are there."""


def forward_lines(
    flat: FlatProgram,
    names: Sequence[Code],
    needs: Sequence[Need] | None,
    order: Sequence[int] | None,
    per_sample: bool,
) -> list[Line]:
    """Statements of `forward`; `needs` are those of the nodes where plans steer the joins."""
    return _Writer(flat, needs, order, per_sample).forward(names)


class _Writer:
    """Writes one `forward`; `base` is what comes into the branch being written, and its need."""

    def __init__(
        self,
        flat: FlatProgram,
        needs: Sequence[Need] | None,
        order: Sequence[int] | None,
        per_sample: bool,
    ) -> None:
        self.flat = flat
        self.nodes = flat.nodes
        self.needs = needs
        self.per_sample = per_sample
        self.owned = owned_in_flat(flat)
        self.lines: list[Statement[Some]] = []
        self.variables: dict[int, Code] = {}
        self.free: list[Code] = []
        self.begun: set[int] = set()
        self.branches = Branches(flat)
        as_written = [at for at, node in enumerate(self.nodes) if not node.is_input]
        self.order = as_written if order is None or self.branches.ends else list(order)
        self.base: tuple[int, Need] = (-1, ALWAYS)
        self.outer: list[Outer] = []
        self.functions = 0

    def forward(self, names: Sequence[Code]) -> list[Line]:
        last, feeds = self.last_reads(), self.feeds()
        self.variables.update(zip(self.flat.inputs, names, strict=True))
        for at in self.flat.inputs:
            self.put(at, feeds, last)
        for step, at in enumerate(self.order):
            node, need = self.nodes[at], self.need(at)
            if need == NEVER:
                continue
            for end in self.branches.ends.get(at, ()):
                self.enter(end, feeds)
            if node.start is not None:
                self.leave(at, need)
                read, text = [self.branches.sources[at]], self.called_branch(at, need)
            else:
                read, text = [*node.inputs], self.operation(at, node)
            done = [source for source in dict.fromkeys(read) if last.get(source) == step]
            done = [source for source in done if source != self.base[0]]
            self.variables[at] = self.variables[done[0]] if done else self.new()
            self.say(need, fill("{} = {}", self.variables[at], text), str(list(node.shape.sizes)))
            for source in done[1:]:
                self.let_go(source, need)
            self.put(at, feeds, last)
        return spaced([*self.grouped(), *self.returned()])

    def need(self, at: int) -> Need:
        return ALWAYS if self.needs is None else self.needs[at]

    def last_reads(self) -> dict[int, int]:
        """The step at which a value is read last; not of one that only goes to joins.

        What a branch reads from outside, its end reads.
        """
        steps = {at: step for step, at in enumerate(self.order)}
        last: dict[int, int] = {}
        for at in self.order:
            for source in self.nodes[at].inputs:
                if self.nodes[at].join is None or not self.is_beside(source, at):
                    step = steps[self.branches.reader(source, at)]
                    last[source] = max(last.get(source, 0), step)
        return {**last, **dict.fromkeys(self.flat.outputs, len(self.nodes))}

    def is_beside(self, one: int, other: int) -> bool:
        """Whether two nodes stand in the same branch, or in none."""
        return self.branches.around(one) == self.branches.around(other)

    def feeds(self) -> Feeds:
        """The joins, by position, and operands that a value goes to."""
        found: Feeds = {}
        for join in self.flat.joins:
            if self.need(join) == NEVER:
                continue
            for operand, source in enumerate(self.nodes[join].inputs):
                found.setdefault(source, []).append((join, operand))
        return found

    def returned(self) -> list[Line]:
        kind = fill("Samples" if self.per_sample else "Tensor")
        values = [self.variables[at] for at in self.flat.outputs]
        if len(values) > 1:
            return [Line(fill("return {}", commas(values)))]
        return [Line(fill("y: {} = {}", kind, values[0])), Line(fill("return y"))]

    # Branches ------------------------------------------------------------------------

    def enter(self, end: int, feeds: Feeds) -> None:
        """A function of its own for a branch under stochastic depth: `x` is what comes in."""
        source = self.branches.sources[end]
        need = self.need(end)
        self.outer.append(Outer(self.lines, self.variables, self.free, self.base))
        self.lines, self.variables, self.free = [], {source: fill("x")}, []
        self.base = (source, need)
        for join, operand in feeds.get(source, ()):
            if self.branches.around(join) == end:
                self.put_into(source, join, operand)

    def leave(self, end: int, need: Need) -> None:
        value = self.read(self.nodes[end].inputs[0], need)
        kind = fill("Samples" if self.per_sample else "Tensor")
        self.say(need, fill("y: {} = {}", kind, value))
        self.say(need, fill("return y"))
        inside = self.grouped()
        self.lines, self.variables, self.free, self.base = self.outer.pop()
        self.functions += 1
        head = "def branch_{}(x: {}, plan: Plan) -> {}:" if self.per_sample else (
            "def branch_{}(x: {}) -> {}:")  # fmt: skip
        self.note(need, Line(fill(head, literal(self.functions), kind, kind)))
        for line in inside:
            self.note(need, line._replace(depth=line.depth + 1))

    def called_branch(self, end: int, need: Need) -> Code:
        value = self.read(self.branches.sources[end], need)
        given = [value, fill("branch_{}", literal(self.functions))]
        if self.per_sample:
            given.append(fill("plan"))
        return fill("{}({})", placed_at(self.nodes[end].key), commas(given))

    # Operations ----------------------------------------------------------------------

    def operation(self, at: int, node: FlatNode) -> Code:
        if node.attributes is None:
            assert node.join is not None
            if self.needs is None:
                return fill("mean(ys_{})", literal(node.join))
            return fill("self.join_{}(ys_{})", literal(node.join), literal(node.join))
        need = self.need(at)
        values = [self.read(source, need) for source in node.inputs]
        shapes = incoming(self.flat, node)
        if node.weight:
            return tied(placed_at(node.weight), values[0], self.per_sample)
        if not is_module(self.flat, node):
            entry = ENTRIES[node.attributes.operator]
            numbers = {
                role: literal(value)
                for role, value in entry.numbers(node.attributes, shapes).items()
            }
            decided = facts(node.attributes, shapes)
            if self.per_sample:
                return formula_on_samples(node.attributes, decided, numbers, values)
            return written(node.attributes, decided, numbers, inputs=values)
        template = call_of(node.attributes, shapes)
        return called(template, placed_at(node.key), values, self.per_sample)

    def read(self, source: int, need: Need) -> Code:
        """A value as something with `need` reads it: where samples differ, those it needs."""
        text = self.variables[source]
        known = self.need(source)
        if source == self.base[0]:
            known = self.base[1]
        if not self.per_sample or need is ALWAYS or need == known:
            return text
        return fill("{}.at({})", text, who(need))

    def put(self, at: int, feeds: Feeds, last: Mapping[int, int]) -> None:
        """A value to the joins that it feeds, where it lives; away, if only they read it."""
        going = [one for one in feeds.get(at, ()) if self.is_beside(one[0], at)]
        for join, operand in going:
            self.put_into(at, join, operand)
        if going and at not in last:
            self.let_go(at, self.need(at))

    def put_into(self, at: int, join: int, operand: int) -> None:
        number = self.nodes[join].join
        assert number is not None
        need = ALWAYS if self.needs is None else frozenset({(number, operand)})
        if join not in self.begun:
            self.begun.add(join)
            start = len(self.lines)
            while start and self.lines[start - 1].need == need:
                start -= 1
            begin = Line(fill("ys_{} = {}", literal(number), self.empty(join)))
            self.lines.insert(start, Statement(ALWAYS, begin))
        self.say(need, fill("ys_{}.append({})", literal(number), self.read(at, need)))

    def empty(self, join: int) -> Code:
        """What a join's operands are put into: their sum, or a list."""
        if self.per_sample:
            return fill("[]")
        alone = self.owned.issuperset(self.nodes[join].inputs)
        return fill("Sum()" if alone else "Sum(shared=True)")

    def let_go(self, at: int, need: Need) -> None:
        self.free.append(self.variables[at])
        self.say(need, fill("del {}", self.variables[at]))

    def say(self, need: Need, code: Code, note: str = "") -> None:
        self.note(need, Line(code, note))

    def note(self, need: Need, line: Line) -> None:
        """Inside a branch, what the branch itself is needed for goes without saying."""
        self.lines.append(Statement(ALWAYS if need == self.base[1] else need, line))

    def new(self) -> Code:
        if self.free:
            return self.free.pop()
        return fill("x_{}", literal(len(set(self.variables.values()))))

    def grouped(self) -> list[Line]:
        return grouped(self.lines, lambda need: test(need, "plan[{}]"))
