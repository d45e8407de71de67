"""A program without the graphs that nothing calls."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.ir.graph import Call, Graph, Node, Program

__all__ = ["drop_unreached"]


def drop_unreached(program: Program) -> Program:
    """`program` with only the graphs that its entry reaches, renumbered, in the same order."""
    reached = {program.entry}
    for at in reversed(range(len(program.graphs))):
        if at in reached:
            nodes = program.graphs[at].nodes
            reached.update(node.callee for node in nodes if isinstance(node, Call))
    if len(reached) == len(program.graphs):
        return program
    numbers = {old: new for new, old in enumerate(sorted(reached))}
    graphs = tuple(renumbered(program.graphs[old], numbers) for old in sorted(reached))
    return replace(program, graphs=graphs, entry=numbers[program.entry])


def renumbered(graph: Graph, numbers: dict[int, int]) -> Graph:
    nodes: list[Node] = [
        replace(node, callee=numbers[node.callee]) if isinstance(node, Call) else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))
