"""Whether two graphs hold the same weights and do the same with them, sizes of values aside."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import prod

from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Node
from fractal_dsl.ir.operators import spec_of

__all__ = ["same_weights"]


def same_weights(graphs: Sequence[Graph], first: int, other: int) -> bool:
    """True where one module can do what both graphs do."""
    waiting, seen = [(first, other)], set()
    while waiting:
        pair = waiting.pop()
        if pair[0] == pair[1] or pair in seen:
            continue
        seen.add(pair)
        one, two = (graphs[at] for at in pair)
        if len(one.nodes) != len(two.nodes) or _outputs(one) != _outputs(two):
            return False
        for a, b in zip(one.nodes, two.nodes, strict=True):
            if _form(one, a) != _form(two, b):
                return False
            if isinstance(a, Call) and isinstance(b, Call):
                waiting.append((a.callee, b.callee))
    return True


def _outputs(graph: Graph) -> Hashable:
    return graph.is_open, tuple(operand.source for operand in graph.outputs)


def _form(graph: Graph, node: Node) -> Hashable:
    match node:
        case Apply():
            shapes = [graph.shape_of(ref) for ref in node.inputs]
            tensors = spec_of(node.attributes).parameters(node.attributes, shapes)
            sizes = tuple((one.name, one.shape) for one in tensors if prod(one.shape))
            return node.attributes, node.inputs, node.segment, sizes
        case Call():
            return node.inputs, node.segment, node.count
        case Join():
            return tuple(operand.source for operand in node.operands)
        case Input():
            return "input"
        case _:
            return type(node).__name__
