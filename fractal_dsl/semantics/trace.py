"""Where the user wrote what gives a value its channels or its size."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Node, Ref
from fractal_dsl.source import Span

__all__ = ["set_at"]

# Parts looked through: a path may be longer than anyone reads.
MAX_STEPS = 2_000
SETS_CHANNELS = frozenset({"concat", "conv2d", "conv_transpose2d", "embedding", "linear"})


def set_at(graphs: Sequence[Graph], nodes: Sequence[Node], ref: Ref, channels: bool) -> Span | None:
    """The layer, as a file of the user's writes or calls it, that set the channels of `ref`.

    Its height and width if not `channels`. None where the value comes in as it is.
    """
    outside: list[tuple[Sequence[Node], Call]] = []
    for _ in range(MAX_STEPS):
        node = nodes[ref.node]
        if isinstance(node, Input):
            if not outside:
                return None
            nodes, call = outside.pop()
            ref = call.inputs[ref.node]
        elif isinstance(node, Call):
            outside.append((nodes, node))
            graph = graphs[node.callee]
            nodes, ref = graph.nodes, graph.outputs[ref.port].source
        elif isinstance(node, Apply) and sets(nodes, node, channels):
            spans = [node.span, *(call.span for _, call in reversed(outside))]
            return next((span for span in spans if span and not span.source.is_shipped), None)
        elif node.inputs:
            ref = node.inputs[0]
        else:
            return None
    return None


def sets(nodes: Sequence[Node], node: Apply, channels: bool) -> bool:
    if not node.inputs:
        return True
    before = nodes[node.inputs[0].node].shapes[node.inputs[0].port]
    if channels:
        named = node.attributes.operator in SETS_CHANNELS
        return named or node.shape.channels != before.channels
    return node.shape.spatial != before.spatial
