"""Which parts of a network to compute again in the backward pass, so that memory is least."""

from __future__ import annotations

from typing import NamedTuple

from fractal_dsl.ir.graph import Apply, Call, Graph, Program, Ref
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.counts import kept_elements

__all__ = ["recomputed"]


class _Size(NamedTuple):
    """Of one graph, all it calls included: layers, elements kept for the backward pass, and
    whether a module of others is there, which may count its calls."""

    layers: int
    kept: int
    opaque: bool


def recomputed(program: Program) -> frozenset[int]:
    """Graphs whose instances keep only what comes in; of nested ones the outermost counts.

    Chosen by the most layers that a part may have, so that what is kept outside, and inside
    the largest part while it is computed again, is least: about the square root of the whole,
    for one more forward pass (Chen et al., 2016, arXiv 1604.06174).
    """
    sizes = _sizes(program)
    inline = {
        node.callee
        for graph in program.graphs
        for node in graph.nodes
        if isinstance(node, Call) and node.inline
    }
    able = [at for at, size in enumerate(sizes) if size.layers and not size.opaque]
    able = [at for at in able if at not in inline]
    able = [at for at in able if at != program.entry]
    choices = [
        frozenset(at for at in able if sizes[at].layers <= most)
        for most in sorted({sizes[at].layers for at in able})
    ]
    return min(choices, key=lambda chosen: _peak(program, sizes, chosen), default=frozenset())


def _sizes(program: Program) -> list[_Size]:
    found: list[_Size] = []
    for graph in program.graphs:
        layers, kept, opaque = 0, sum(kept_elements(graph)), False
        for node in graph.nodes:
            if isinstance(node, Apply):
                layers += spec_of(node.attributes).weighted(node.attributes)
                opaque |= spec_of(node.attributes).opaque
            elif isinstance(node, Call):
                layers += node.count * found[node.callee].layers
                kept += node.count * found[node.callee].kept
                opaque |= found[node.callee].opaque
        found.append(_Size(layers, kept, opaque))
    return found


def _peak(program: Program, sizes: list[_Size], chosen: frozenset[int]) -> int:
    """Elements kept outside the chosen parts, and inside the largest of them."""
    kept: list[int] = []
    largest: list[int] = []
    for at, graph in enumerate(program.graphs):
        calls = [node for node in graph.nodes if isinstance(node, Call)]
        if at in chosen:
            kept.append(0)
            largest.append(sizes[at].kept)
            continue
        inside = sum(kept[call.callee] * call.count for call in calls)
        kept.append(sum(kept_elements(graph)) + _passed_on(graph, chosen) + inside)
        largest.append(max((largest[call.callee] for call in calls), default=0))
    return kept[program.entry] + largest[program.entry]


def _passed_on(graph: Graph, chosen: frozenset[int]) -> int:
    """Elements that chosen parts give to others: a mean needs nothing of what it joins."""
    read = {ref for node in graph.nodes if isinstance(node, Apply | Call) for ref in node.inputs}
    total = 0
    for at, node in enumerate(graph.nodes):
        if isinstance(node, Call) and node.callee in chosen:
            total += (node.count - 1) * node.shapes[0].elements
            shapes = enumerate(node.shapes)
            total += sum(shape.elements for port, shape in shapes if Ref(at, port) in read)
    return total
