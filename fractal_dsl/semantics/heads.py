"""Net parameters that size a last layer and nothing else, such as `classes`."""

from __future__ import annotations

from fractal_dsl.ir.graph import Apply, Graph, HeadParameter
from fractal_dsl.semantics.values import Scope
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["head_parameters"]

SIZES = {"linear": "features", "conv2d": "channels", "conv_transpose2d": "channels"}


def head_parameters(
    net: tree.NetDeclaration, entry: Graph, scope: Scope
) -> tuple[HeadParameter, ...]:
    """Parameters whose one use in the net's body is the size of the layer that ends it."""
    uses: dict[str, list[tree.Name]] = {p.name: [] for p in net.parameters}
    for node in walk(net.body):
        if isinstance(node, tree.Name) and node.name in uses:
            uses[node.name].append(node)
    last = entry.outputs[0].source.node
    layer = entry.nodes[last]
    found = []
    for name, places in uses.items():
        value = scope.locals[name]
        if len(places) != 1 or not isinstance(layer, Apply) or layer.span is None:
            continue
        attribute = SIZES.get(layer.attributes.operator)
        inside = layer.span.start <= places[0].span.start and places[0].span.end <= layer.span.end
        if attribute is None or not inside or isinstance(value, bool):
            continue
        if isinstance(value, int) and getattr(layer.attributes, attribute) == value:
            found.append(HeadParameter(name, value, last, attribute))
    return tuple(found)
