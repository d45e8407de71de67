"""Names of shared networks, which stand beside those of an equation's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fractal_dsl.ir.graph import Apply, Call, Graph, Node, Share
from fractal_dsl.ir.operators import spec_of

__all__ = ["named_apart"]


def named_apart(nodes: Sequence[Node], graphs: Sequence[Graph]) -> list[Node]:
    """`nodes`, each shared network numbered `_2`, `_3` where another part has its name.

    What is shared at the top of a file is made in the net, whose text does not mention it.
    """
    taken = _names(nodes, graphs)
    made: list[Node] = []
    for node in nodes:
        if isinstance(node, Share):
            name, number = node.segment.name, 1
            while name in taken:
                number += 1
                name = f"{node.segment.name}_{number}"
            taken.add(name)
            node = replace(node, segment=node.segment._replace(name=name))
        made.append(node)
    return made


def _names(nodes: Sequence[Node], graphs: Sequence[Graph]) -> set[str]:
    """Names of what has a place in the state dict, shared networks aside."""
    found: set[str] = set()
    waiting = [nodes]
    while waiting:
        for node in waiting.pop():
            match node:
                case Apply() if spec_of(node.attributes).callable_by_name:
                    found.add(node.tag or node.segment.name)
                case Call(inline=True):
                    waiting.append(graphs[node.callee].nodes)
                case Call(network=None):
                    found.add(node.tag or node.segment.name)
                case _:
                    pass
    return found
