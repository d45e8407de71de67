"""What parts that take or give several values are told, and tell, under a plan.

A closed graph that gives several values is *told* which of them live, as an open one is. A
graph that takes several may need some of them only in some plans: it *asks* for those, and
whoever calls it finds out what it needs before computing it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fractal_dsl.ir.graph import Call, Graph, Input, Join, Program
from fractal_dsl.ir.shapes import NETWORK

__all__ = ["NOTHING", "Asked", "firm_graphs", "told_graphs"]


class Asked(NamedTuple):
    """Inputs of a call, by position, that it needs only in some plans.

    `whole`: there are no others, and whenever the call lives it needs one of them.
    """

    inputs: tuple[int, ...] = ()
    whole: bool = False


NOTHING: Final = Asked()


def told_graphs(program: Program, sampled: bool) -> list[bool]:
    """For each graph, whether it is closed and told under plans which of its outputs live."""
    return [
        sampled and not graph.is_open and len(graph.outputs) > 1 and at != program.entry
        for at, graph in enumerate(program.graphs)
    ]


def firm_graphs(program: Program) -> list[bool]:
    """For each graph, whether every output needs an input of the graph in every plan.

    What comes from parameters alone needs none; a join needs one of its operands.
    """
    found: list[bool] = []
    for graph in program.graphs:
        firm = firm_nodes(graph, found)
        found.append(all(firm[operand.source.node] for operand in graph.outputs))
    return found


def firm_nodes(graph: Graph, callees: list[bool]) -> list[bool]:
    firm: list[bool] = []
    for node in graph.nodes:
        given = [firm[ref.node] for ref in node.inputs if graph.shape_of(ref) != NETWORK]
        match node:
            case Input():
                firm.append(True)
            case Call():
                firm.append(callees[node.callee] and all(given))
            case Join():
                firm.append(all(given))
            case _:
                firm.append(any(given))
    return firm
