"""The size of what would be written or built node by node, counted without expanding it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import Apply, Call, Graph, Join, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.columns import MOST_COLUMNS, ColumnMap

__all__ = ["MAX_NODES", "check_columns", "check_expansion"]

MAX_NODES = 250_000
"""Holds f(16), whose 65,535 convolutions are 212,992 nodes."""

BEYOND = 10**4_300
READABLE = 10**30


class Size(NamedTuple):
    """Nodes of a flat graph, and how many of them are convolutions and joins."""

    nodes: int
    convs: int
    joins: int

    def plus(self, other: Size, times: int = 1) -> Size:
        return Size(*(min(a + b * times, BEYOND) for a, b in zip(self, other, strict=True)))


class Found(NamedTuple):
    """The call that holds the excess: where it stands and what it would expand to."""

    call: Call
    size: Size


def check_expansion(program: Program, limit: int = MAX_NODES) -> None:
    """Raises DiagnosticError (F0301) where the flat graph has more than `limit` nodes."""
    sizes = sizes_of(program)
    if sizes[program.entry].nodes > limit:
        raise DiagnosticError(refusal(program, sizes, limit))


def check_columns(columns: ColumnMap) -> None:
    """Raises DiagnosticError (F0308) where a net has more columns than code can hold."""
    if columns.is_listed:
        return
    net = columns.program.net
    message = f"`{net.label}` has {count(columns.count)} columns; the limit is {MOST_COLUMNS:,}"
    ways_out = Help("leave out `drop_path(...)`, or close inner joins with `joined(...)`")
    raise DiagnosticError(
        Diagnostic(
            "F0308", message, net.span, "code that draws columns lists them", helps=(ways_out,)
        )
    )


def refusal(program: Program, sizes: list[Size], limit: int) -> Diagnostic:
    whole, net = sizes[program.entry], program.net
    found = culprit(program, sizes, limit)
    if found is None:
        return Diagnostic("F0301", text(net.label, whole, limit), net.span)
    callee = program.graphs[found.call.callee]
    name = callee.label + (f" ** {count(found.call.count)}" if found.call.count > 1 else "")
    if is_all(net, found.call):
        title, label = name, inside(whole)
    else:
        title, label = net.label, f"`{name}`: {count(found.size.nodes)} nodes, {inside(found.size)}"
    return Diagnostic(
        "F0301",
        text(title, whole, limit),
        found.call.span or net.span,
        label,
        labels=tuple(multipliers(program, callee)),
        notes=("counted without expanding; `fractalc info` works at any size",),
        helps=tuple(smaller(program, callee, sizes, limit)),
    )


def text(label: str, size: Size, limit: int) -> str:
    return f"`{label}` would expand to {count(size.nodes)} nodes; the limit is {limit:,}"


def inside(size: Size) -> str:
    return f"{count(size.convs)} convolutions, {count(size.joins)} joins"


def is_all(net: Graph, call: Call) -> bool:
    """Whether the net is this call alone: `net = f(24)`."""
    return not any(isinstance(node, Apply | Call) and node is not call for node in net.nodes)


def sizes_of(program: Program) -> list[Size]:
    """The flat size of each distinct graph; callees come before callers."""
    sizes: list[Size] = []
    for graph in program.graphs:
        size = Size(len(graph.inputs) if graph is program.net else 0, 0, 0)
        for node in graph.nodes:
            match node:
                case Apply():
                    convs = spec_of(node.attributes).depth(node.attributes)
                    size = size.plus(Size(1, convs, 0))
                case Join():
                    size = size.plus(Size(1, 0, 1))
                case Call():
                    size = size.plus(sizes[node.callee], node.count)
        sizes.append(size)
    return sizes


def culprit(program: Program, sizes: list[Size], limit: int) -> Found | None:
    """The call to look at: the largest, followed inwards up to the recursion or the repeat."""
    found: Found | None = None
    graph = program.net
    while True:
        calls = [node for node in graph.nodes if isinstance(node, Call)]
        made = [Found(node, Size(0, 0, 0).plus(sizes[node.callee], node.count)) for node in calls]
        largest = max(made, key=lambda one: one.size.nodes, default=None)
        if largest is None or largest.size.nodes <= limit:
            return found
        found = largest
        graph = program.graphs[found.call.callee]
        if graph.recursion is not None or found.call.count > 1:
            return found


def multipliers(program: Program, graph: Graph) -> Iterator[Label]:
    """The calls by which a recursion grows, the last with what they do."""
    calls = [
        node
        for node in graph.nodes
        if isinstance(node, Call)
        and node.span is not None
        and graph.recursion is not None
        and same_recursion(program.graphs[node.callee], graph)
    ]
    spans = {node.span.start: node.span for node in calls if node.span is not None}
    total = sum(node.count for node in calls)
    for at, (_, span) in enumerate(sorted(spans.items())):
        said = "" if at + 1 < len(spans) or total < 2 else grows(total)
        yield Label(span, said)


def grows(calls: int) -> str:
    if calls == 2:
        return "two calls: nodes double with each level"
    return f"{count(calls)} calls: nodes multiply by {count(calls)} with each level"


def smaller(program: Program, graph: Graph, sizes: list[Size], limit: int) -> Iterator[Help]:
    """The largest call of the same recursion that would do."""
    fitting = [
        (size.nodes, other.label)
        for size, other in zip(sizes, program.graphs, strict=True)
        if same_recursion(other, graph) and other.rule == graph.rule and size.nodes <= limit
    ]
    if fitting:
        nodes, label = max(fitting)
        yield Help(f"the largest within the limit is `{label}` ({count(nodes)} nodes)")


def same_recursion(graph: Graph, other: Graph) -> bool:
    if graph.recursion is None or other.recursion is None:
        return False
    return graph.recursion.group == other.recursion.group


def count(number: int) -> str:
    """Exact to thirty digits; then the first four, and how many there are."""
    if number < READABLE:
        return f"{number:,}"
    if number >= BEYOND:
        return "more than 10^4300"
    digits = str(number)
    return f"{digits[0]}.{digits[1:4]}e{len(digits) - 1}"
