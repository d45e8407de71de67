"""Passes that turn a program into a program; the program is verified after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fractal_dsl.ir.graph import Call, Graph, Node, Program
from fractal_dsl.ir.verify import verify

__all__ = ["PIPELINE", "Pass", "drop_unreached", "merge_equal_graphs", "run"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One step of the pipeline, and why it stands where it does."""

    name: str
    transform: Callable[[Program], Program]
    reason: str


def drop_unreached(program: Program) -> Program:
    """Leaves out graphs that no call from the entry reaches."""
    reached = {program.entry}
    for at in range(program.entry, -1, -1):
        if at in reached:
            nodes = program.graphs[at].nodes
            reached.update(node.callee for node in nodes if isinstance(node, Call))
    kept = sorted(reached)
    return _renumbered(program, kept, {at: number for number, at in enumerate(kept)})


def merge_equal_graphs(program: Program) -> Program:
    """One graph for each distinct content, callees first; the first of equal ones stays.

    Contents are compared after the callees have been merged, so equal sub-networks however
    deep become one. What is only for people (equations, documentation, places in the source)
    does not count; labels do.
    """
    known: dict[Graph, int] = {}
    number: dict[int, int] = {}
    kept: list[int] = []
    for at, graph in enumerate(program.graphs):
        same = known.setdefault(_recalled(graph, number), len(kept))
        if same == len(kept):
            kept.append(at)
        number[at] = same
    return _renumbered(program, kept, number)


PIPELINE = (
    Pass(
        "drop_unreached",
        drop_unreached,
        "first: expansion leaves graphs that only lost branches of an `if` or a sum would call",
    ),
    Pass(
        "merge_equal_graphs",
        merge_equal_graphs,
        "then what is left is made distinct, so analysis and code see each sub-network once",
    ),
)


def run(program: Program) -> Program:
    """The program after all passes. Raises InternalError where one leaves it ill formed."""
    for step in PIPELINE:
        program = step.transform(program)
        verify(program)
    return program


def _renumbered(program: Program, kept: list[int], number: dict[int, int]) -> Program:
    """The graphs at `kept` alone, with calls and entry following `number`."""
    graphs = tuple(_recalled(program.graphs[at], number) for at in kept)
    return replace(program, graphs=graphs, entry=number[program.entry])


def _recalled(graph: Graph, number: dict[int, int]) -> Graph:
    """`graph` with its calls renumbered; itself where nothing changes."""

    def recalled(node: Node) -> Node:
        if isinstance(node, Call) and number[node.callee] != node.callee:
            return replace(node, callee=number[node.callee])
        return node

    nodes = tuple(recalled(node) for node in graph.nodes)
    unchanged = all(new is old for new, old in zip(nodes, graph.nodes, strict=True))
    return graph if unchanged else replace(graph, nodes=nodes)
