"""A program with some of its graphs left out, and its calls renumbered to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Operand,
    Program,
    Ref,
    Share,
    references,
)

__all__ = ["drop_unreached", "live", "recalled", "renumbered"]


def live(
    nodes: Sequence[Node], outputs: Sequence[Operand]
) -> tuple[tuple[Node, ...], tuple[Operand, ...], tuple[int, ...]]:
    """Of a graph's nodes those that its outputs need, references following; and where they were.

    Inputs come first, whenever they were added.
    """
    needed = {operand.source.node for operand in outputs}
    for at in range(len(nodes) - 1, -1, -1):
        if at in needed:
            needed.update(ref.node for ref in references(nodes[at]))
    kept = tuple(sorted(needed, key=lambda at: (not isinstance(nodes[at], Input), at)))
    if kept == tuple(range(len(nodes))):
        return tuple(nodes), tuple(outputs), kept
    number = {at: new for new, at in enumerate(kept)}

    def operand(one: Operand) -> Operand:
        origin = one.origin
        if origin is not None:
            origin = replace(origin, node=number[origin.node])
        return replace(one, source=ref(one.source), origin=origin)

    def ref(one: Ref) -> Ref:
        return Ref(number[one.node], one.port)

    def moved(node: Node) -> Node:
        match node:
            case Input() | Share():
                return node
            case Apply():
                tied = None if node.weight is None else number[node.weight]
                return replace(node, inputs=tuple(map(ref, node.inputs)), weight=tied)
            case Call():
                shared = None if node.network is None else ref(node.network)
                return replace(node, inputs=tuple(map(ref, node.inputs)), network=shared)
            case Join():
                return replace(node, operands=tuple(map(operand, node.operands)))

    return tuple(moved(nodes[at]) for at in kept), tuple(map(operand, outputs)), kept


def drop_unreached(program: Program) -> Program:
    """Leaves out graphs that no call from the entry reaches."""
    reached = {program.entry}
    for at in range(program.entry, -1, -1):
        if at in reached:
            nodes = program.graphs[at].nodes
            reached.update(node.callee for node in nodes if isinstance(node, Call | Share))
    kept = sorted(reached)
    return renumbered(program, kept, {at: number for number, at in enumerate(kept)})


def renumbered(program: Program, kept: Sequence[int], number: Mapping[int, int]) -> Program:
    """The graphs at `kept` alone, with calls and entry following `number`."""
    graphs = tuple(recalled(program.graphs[at], number) for at in kept)
    return replace(program, graphs=graphs, entry=number[program.entry])


def recalled(graph: Graph, number: Mapping[int, int]) -> Graph:
    """`graph` with its calls renumbered; itself where nothing changes."""

    def moved(node: Node) -> Node:
        if isinstance(node, Call | Share) and number[node.callee] != node.callee:
            return replace(node, callee=number[node.callee])
        return node

    nodes = tuple(moved(node) for node in graph.nodes)
    unchanged = all(new is old for new, old in zip(nodes, graph.nodes, strict=True))
    return graph if unchanged else replace(graph, nodes=nodes)
