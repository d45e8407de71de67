"""Depth: layers on the longest path, the paper's measure of a network.

With d(v) the layers that node v adds (its operator's `depth`, 1 for a convolution and 0 for
a projection; `weighted` counts dense layers too), the depth of a graph is the largest sum of
d over a path from an input to an output: paths fold in the semiring (max, +). For f(C),
D(1) = 1 and D(C+1) = max(2 D(C), 1).
"""

from __future__ import annotations

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.fold import Algebra, PathFold

__all__ = ["depth", "port_depths", "weighted_depth"]


def depth(program: Program) -> int:
    """Convolution layers on the longest path; projections and dense layers do not count."""
    return _longest(program, DEPTH)


def weighted_depth(program: Program) -> int:
    """Convolution and dense layers on the longest path ("ResNet-34" counts this way)."""
    return _longest(program, WEIGHTED)


def port_depths(program: Program, graph: int) -> tuple[int | None, ...]:
    """For each output of a graph, the layers on the longest path to it from any input.

    None where no input reaches the output.
    """
    fold = PathFold(program, DEPTH)
    ports = range(len(program.graphs[graph].outputs))
    return tuple(_largest(fold.between(graph, 1 << port)) for port in ports)


def _longest(program: Program, algebra: Algebra[int]) -> int:
    found = PathFold(program, algebra).through()
    return 0 if found is None else found


def _largest(depths: tuple[int | None, ...]) -> int | None:
    return max((one for one in depths if one is not None), default=None)


def _layers(graph: Graph, node: Apply) -> int | None:
    return spec_of(node.attributes).depth(node.attributes) or None


def _weighted_layers(graph: Graph, node: Apply) -> int | None:
    return spec_of(node.attributes).weighted(node.attributes) or None


def _sum(before: int, behind: int) -> int:
    return before + behind


def _times(layers: int, count: int) -> int:
    return layers * count


DEPTH = Algebra(0, max, _sum, _times, _layers)
WEIGHTED = Algebra(0, max, _sum, _times, _weighted_layers)
