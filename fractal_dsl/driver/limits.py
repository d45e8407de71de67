"""How large a net may be where every instance is written out: in code and in flat graphs.

The hierarchical graph has no such limit: f(60) is sixty graphs. The exact count is a fold
over them, so a refusal costs nothing, and nothing has been expanded.
"""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.graph import Call, Graph, Program
from fractal_dsl.passes import counts

__all__ = ["MAX_NODES", "check_expansion"]

MAX_NODES = 250_000


def check_expansion(program: Program) -> None:
    """Raises F0301, with the exact count, if the net has more than `MAX_NODES` operators."""
    count = counts.nodes(program)
    if count <= MAX_NODES:
        return
    convs, joins = counts.convs(program), sum(counts.joins(program).values())
    net = program.net
    call = largest_call(program, net)
    raise DiagnosticError(
        Diagnostic(
            "F0301",
            f"`{call.label}` would expand to {number(count)} nodes; the limit is {MAX_NODES:,}",
            net.span,
            f"{number(convs)} convolutions, {number(joins)} joins",
            notes=("counted without expanding; `fractalc info` works at any size",),
            helps=helps(program, call),
        )
    )


def number(count: int) -> str:
    """An exact count, or a power of ten where it has more than 30 digits."""
    if count.bit_length() <= 100:
        return f"{count:,}"
    return f"about 10^{int(count.bit_length() * 0.30103)}"


def largest_call(program: Program, graph: Graph) -> Graph:
    """The first recursive call on the way down from the net, or the net itself."""
    while graph.recursion is None:
        calls = [program.graphs[n.callee] for n in graph.nodes if isinstance(n, Call)]
        if not calls:
            return program.net
        graph = next((g for g in calls if g.recursion is not None), calls[0])
    return graph


def helps(program: Program, call: Graph) -> tuple[Help, ...]:
    """The largest level of the same recursion whose graph is within the limit."""
    if call.recursion is None:
        return (Help("repeat fewer times, or use fewer levels"),)
    fits: tuple[int, int] | None = None
    for at, graph in enumerate(program.graphs):
        if graph.rule == call.rule and graph.recursion is not None and graph.inputs == call.inputs:
            size = counts.nodes(part(program, at))
            if size <= MAX_NODES and (fits is None or graph.recursion.level > fits[0]):
                fits = graph.recursion.level, size
    if fits is None:
        return ()
    return (Help(f"the largest level within the limit is {fits[0]} ({fits[1]:,} nodes a call)"),)


def part(program: Program, entry: int) -> Program:
    return Program(program.name, program.graphs[: entry + 1], entry)
