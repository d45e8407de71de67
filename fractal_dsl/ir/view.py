"""networkx views of one graph, derived from `Node.inputs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fractal_dsl.ir.graph import Graph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["networkx_view"]


def networkx_view(graph: Graph) -> nx.MultiDiGraph[int]:
    """`graph` as a networkx DAG: nodes are positions, with the IR node as attribute `node`.

    An edge's key is the input's position at its head, its attribute `port` the output at its
    tail: `x (+) x` has two edges, and the order of `++` is kept.
    """
    import networkx as nx  # most compilations do without, and start a third sooner

    view: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    for at, node in enumerate(graph.nodes):
        view.add_node(at, node=node)
        for position, ref in enumerate(node.inputs):
            view.add_edge(ref.node, at, position, port=ref.port)
    return view
