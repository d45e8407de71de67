"""Net parameters that size last layers and nothing else, such as `classes`."""

from __future__ import annotations

from fractal_dsl.ir.graph import Apply, Graph, HeadParameter
from fractal_dsl.semantics.values import Scope, is_whole
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["head_parameters"]

SIZES = {"linear": "features", "conv2d": "channels", "conv_transpose2d": "channels"}


def head_parameters(
    net: tree.NetDeclaration, entry: Graph, scope: Scope
) -> tuple[HeadParameter, ...]:
    """Parameters whose one use in the net's body is the size of layers that end it.

    One place in the text may have made several, in a comprehension: then it sizes them all.
    """
    uses: dict[str, list[tree.Name]] = {p.name: [] for p in net.parameters}
    for node in walk(net.body):
        if isinstance(node, tree.Name) and node.name in uses:
            uses[node.name].append(node)
    found = []
    for name, places in uses.items():
        value = scope.locals[name]
        if len(places) != 1 or not is_whole(value):
            continue
        layers = layers_at(entry, places[0].span)
        sizes = {SIZES.get(layer.attributes.operator) for layer in layers.values()}
        attribute = sizes.pop() if len(sizes) == 1 else None
        if attribute is None or not layers.keys() <= last_layers(entry):
            continue
        if all(getattr(layer.attributes, attribute) == value for layer in layers.values()):
            found.append(HeadParameter(name, value, tuple(layers), attribute))
    return tuple(found)


def layers_at(entry: Graph, place: Span) -> dict[int, Apply]:
    """The operators of the net whose text holds `place`."""
    return {
        at: node
        for at, node in enumerate(entry.nodes)
        if isinstance(node, Apply)
        and node.span is not None
        and node.span.start <= place.start
        and place.end <= node.span.end
    }


def last_layers(entry: Graph) -> set[int]:
    """Nodes that give an output and that nothing else reads, their weights included."""
    read = {ref.node for node in entry.nodes for ref in node.inputs}
    ties = {node.weight for node in entry.nodes if isinstance(node, Apply)}
    tied = {
        at
        for at, node in enumerate(entry.nodes)
        if isinstance(node, Apply) and node.weight is not None
    }
    return {operand.source.node for operand in entry.outputs} - read - ties - tied
