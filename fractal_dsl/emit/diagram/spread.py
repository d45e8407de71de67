"""From graphs to a sheet: one graph with some of the graphs it calls drawn in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from fractal_dsl.emit.diagram.labels import (
    call_text,
    clean,
    is_ordered,
    kind_of,
    leaf_kind,
    operator_text,
    shape_text,
    times,
)
from fractal_dsl.emit.diagram.options import Plan
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link, Sheet
from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Operand, Program, Ref, Share
from fractal_dsl.ir.shapes import NETWORK, Shape

__all__ = ["Scheme", "spread"]

Values: TypeAlias = tuple[int, ...]

# In place of an item: a shared network, which is handed on and not drawn.
UNSEEN = -1


@dataclass(frozen=True, slots=True)
class Scheme:
    """How calls are drawn: `leaves` as one box, `opened` in place, the rest as a reference.

    `groups` are callees that get a frame of their own when opened. `families` has a number
    for each graph, equal where they differ only in sizes. `ends` names what comes in and goes
    out. `unrolled` draws every copy of a repeated leaf.
    """

    leaves: AbstractSet[int]
    opened: AbstractSet[int]
    groups: AbstractSet[int] = frozenset()
    families: Sequence[int] = ()
    ends: tuple[str, str] = ("in", "out")
    unrolled: bool = False


@dataclass(slots=True)
class _Frame:
    graph: Graph
    arguments: Values
    group: int | None
    copy: int = 0
    values: list[Values] = field(default_factory=list)

    def value(self, ref: Ref) -> int:
        return self.values[ref.node][ref.port]


def spread(program: Program, root: int, scheme: Scheme, plan: Plan | None = None) -> Sheet:
    """Graph `root` of `program` as a sheet. With `plan` (all joins drawn), what is dead is marked.

    Joins come in the order of `ir.flatten`, so a plan's entries fit.
    """
    spreader = _Spreader(program, scheme, plan)
    spreader.run(program.graphs[root])
    items, links = tuple(spreader.items), tuple(spreader.links)
    if plan is not None:
        items, links = _with_life(items, links)
    return Sheet(items, links, tuple(spreader.groups))


class _Spreader:
    def __init__(self, program: Program, scheme: Scheme, plan: Plan | None) -> None:
        self.program = program
        self.scheme = scheme
        self.plan = plan
        self.items: list[Item] = []
        self.links: list[Link] = []
        self.groups: list[str] = []
        self.shapes: list[Shape] = []
        self.news: list[bool] = []
        self.joins = 0

    def run(self, graph: Graph) -> None:
        start, end = self.scheme.ends
        comes = [node for node in graph.nodes if isinstance(node, Input)]
        names = iter(_ends(start, [node.name for node in comes if node.shape != NETWORK]))
        inputs = tuple(
            UNSEEN
            if node.shape == NETWORK
            else self.add(Item(Kind.INPUT, next(names)), node.shape, True)
            for node in comes
        )
        top = _Frame(graph, inputs, None)
        self.expand(top)
        outputs = graph.outputs
        if graph.is_open:
            shape = graph.output_shapes[0]
            made = self.add(Item(Kind.OPEN), shape, False)
            self.operands(top, outputs, made, None)
            self.finish(made, end)
            return
        for operand, text in zip(outputs, _ends(end, [""] * len(outputs)), strict=True):
            self.finish(top.value(operand.source), text)

    def finish(self, source: int, text: str) -> None:
        made = self.add(Item(Kind.OUTPUT, text), self.shapes[source], False)
        self.link(source, made)

    def expand(self, top: _Frame) -> None:
        stack = [top]
        while stack:
            frame = stack[-1]
            if len(frame.values) == len(frame.graph.nodes):
                stack.pop()
                if stack:
                    self.leave(frame, stack)
                continue
            node = frame.graph.nodes[len(frame.values)]
            match node:
                case Input():
                    frame.values.append((frame.arguments[len(frame.values)],))
                case Apply():
                    frame.values.append((self.apply(node, frame),))
                case Join():
                    frame.values.append((self.join(node, frame),))
                case Share():
                    frame.values.append((UNSEEN,))
                case Call():
                    self.call(node, stack)
                case _:
                    assert_never(node)

    def add(self, item: Item, shape: Shape, new: bool) -> int:
        self.items.append(item)
        self.shapes.append(shape)
        self.news.append(new)
        return len(self.items) - 1

    def link(
        self, source: int, target: int, note: str = "", live: bool = True, place: str = ""
    ) -> None:
        told = self.news[source] or self.items[target].kind is Kind.OUTPUT
        shape = shape_text(self.shapes[source]) if told else ""
        self.links.append(Link(source, target, shape, note, live, place))

    def part(self, item: Item, inputs: Values, shape: Shape, *, ordered: bool) -> int:
        """A box or a merge, with its links; its shape is news unless its first input has it."""
        item = replace(item, places=len(inputs) if ordered else 0)
        made = self.add(item, shape, not inputs or shape != self.shapes[inputs[0]])
        for at, source in enumerate(inputs, 1):
            self.link(source, made, place=str(at) if ordered else "")
        return made

    def apply(self, node: Apply, frame: _Frame) -> int:
        text = _named(operator_text(node.attributes), node.tag)
        item = Item(kind_of(node), text, frame.group, ("operator", text, text))
        inputs = tuple(frame.value(ref) for ref in node.inputs)
        return self.part(item, inputs, node.shape, ordered=is_ordered(node))

    def join(self, node: Join, frame: _Frame) -> int:
        made = self.add(Item(Kind.JOIN, _named("", node.tag), frame.group), node.shape, False)
        live = self.plan[self.joins] if self.plan is not None else None
        self.joins += 1
        self.operands(frame, node.operands, made, live)
        return made

    def operands(
        self, frame: _Frame, operands: tuple[Operand, ...], made: int, live: tuple[bool, ...] | None
    ) -> None:
        sources = [frame.value(operand.source) for operand in operands]
        if live is not None:
            for source, on in zip(sources, live, strict=True):
                self.link(source, made, live=bool(on))
            return
        for source, count in Counter(sources).items():
            if self.items[source].kind is Kind.CALL and count > 1:
                self.link(source, made, f"{count} columns")
            else:
                for _ in range(count):
                    self.link(source, made)

    def call(self, node: Call, stack: list[_Frame]) -> None:
        frame, callee = stack[-1], self.program.graphs[node.callee]
        inputs = tuple(frame.value(ref) for ref in node.inputs)
        if node.callee in self.scheme.opened:
            group = frame.group
            if group is None and node.callee in self.scheme.groups:
                group = len(self.groups)
                self.groups.append(_named(call_text(callee.label), node.tag))
            stack.append(_Frame(callee, inputs, group))
            return
        leaf = node.callee in self.scheme.leaves
        kind = leaf_kind(callee) if leaf else Kind.CALL
        text = _named(call_text(callee.label), node.tag)
        if node.network is not None:
            text = f"{text} (shared)"
        inputs = tuple(one for one in inputs if one != UNSEEN)
        drawn = node.count if leaf and self.scheme.unrolled else 1
        family = self.scheme.families[node.callee] if self.scheme.families else node.callee
        key = None if node.tag or node.count > 1 else (kind, family, node.callee)
        if node.count > drawn:
            text = f"{text} {times(node.count)}"
        for _ in range(drawn):
            item = Item(kind, text, frame.group, key)
            made = self.part(item, inputs, node.shapes[0], ordered=len(inputs) > 1)
            inputs = (made,)
        if len(set(node.shapes)) > 1:
            self.news[made] = False  # its links differ in shape
        frame.values.append((made,) * len(node.shapes))

    def leave(self, frame: _Frame, stack: list[_Frame]) -> None:
        """Hand the outputs of a finished frame to its caller, or to the next copy."""
        caller = stack[-1]
        node = caller.graph.nodes[len(caller.values)]
        assert isinstance(node, Call)
        outputs = tuple(frame.value(operand.source) for operand in frame.graph.outputs)
        if frame.copy + 1 < node.count:
            group = frame.group
            if caller.group is None and group is not None:
                group = len(self.groups)
                self.groups.append(self.groups[-1])
            stack.append(_Frame(frame.graph, outputs, group, frame.copy + 1))
            return
        caller.values.append(outputs)


def _ends(word: str, names: Sequence[str]) -> list[str]:
    """Texts for what comes in or goes out: its name, or its number where there are several."""
    if len(names) == 1:
        return [word]
    return [clean(name) or f"{word} {at}" for at, name in enumerate(names, 1)]


def _named(text: str, tag: str | None) -> str:
    return f"{text} @{clean(tag)}".strip() if tag else text


def _with_life(
    items: tuple[Item, ...], links: tuple[Link, ...]
) -> tuple[tuple[Item, ...], tuple[Link, ...]]:
    """Mark as dead what the outputs do not reach by live links; what is used stays alive."""
    entering = Sheet(items, links).entering()
    reached = [item.kind is Kind.OUTPUT for item in items]
    for at in reversed(range(len(items))):
        if reached[at]:
            for link in entering[at]:
                if links[link].live:
                    reached[links[link].source] = True
    lit = tuple(replace(item, live=on) for item, on in zip(items, reached, strict=True))
    wires = tuple(replace(link, live=link.live and reached[link.target]) for link in links)
    return lit, wires
