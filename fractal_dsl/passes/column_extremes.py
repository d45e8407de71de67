"""The shallowest and the deepest column of a call that has too many to list.

Depth and multiply-adds of a graph grow with those of the graphs it calls. So of the columns
below a state only those count that no other beats in every value at once (a Pareto front);
fronts are built from the lowest level up and hold a handful of columns each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.graph import Call, Join, Node
from fractal_dsl.passes.column_contexts import Assignment, Context
from fractal_dsl.passes.column_networks import Networks
from fractal_dsl.passes.column_space import CallSpace, Item, State, sort_key

__all__ = ["extreme_candidates"]

# Fronts are cut to so many columns; nets whose fronts are longer are not known.
LONGEST_FRONT = 64

Size: TypeAlias = tuple[int, int]
"""Depth and multiply-adds."""


_Sizes: TypeAlias = dict[Item, Size]


class _Column(NamedTuple):
    """A column below a state, with the size it gives each graph of the state."""

    sizes: tuple[tuple[Item, Size], ...]
    assignment: Assignment


def extreme_candidates(
    space: CallSpace, networks: Networks, *, deepest: bool
) -> tuple[Assignment, ...]:
    """Columns one of which is the shallowest (or the deepest) of the call."""
    measure = _Measure(space, networks)
    fronts: dict[State, list[_Column]] = {}
    for state in space.bottom_up():
        if not state[0]:
            fronts[state] = [_Column((), ())]
            continue
        found = (
            column for step in space.steps[state] for below in fronts[step.after]
            for column in [measure.column(state, step.branch, step.choice, below)]
        )  # fmt: skip
        fronts[state] = _front(found, deepest)
    return tuple(column.assignment for column in fronts[space.start])


def _front(columns: Iterator[_Column], deepest: bool) -> list[_Column]:
    """The columns that no other equals or beats in every value."""
    sign = -1 if deepest else 1

    def values(column: _Column) -> tuple[int, ...]:
        return tuple(sign * value for _, size in column.sizes for value in size)

    def order(pair: tuple[tuple[int, ...], _Column]) -> tuple[object, ...]:
        key = sort_key(pair[1].assignment)
        return pair[0], tuple((sign * level, sign * branch) for level, branch in key)

    kept: list[tuple[tuple[int, ...], _Column]] = []
    for pair in sorted(((values(column), column) for column in columns), key=order):
        beaten = any(all(x <= y for x, y in zip(v, pair[0], strict=True)) for v, _ in kept)
        if not beaten and len(kept) < LONGEST_FRONT:
            kept.append(pair)
    return [column for _, column in kept]


class _Measure:
    """Sizes of the graphs of a recursion, from those of the graphs below them."""

    def __init__(self, space: CallSpace, networks: Networks) -> None:
        self.space = space
        self.networks = networks
        self.everything = networks.selector.number(Context())
        self.outside: dict[int, Size] = {}

    def column(
        self, state: State, branch: int, choice: tuple[int, int] | None, below: _Column
    ) -> _Column:
        level = max(self.space.edges.levels[item.graph] for item in state[0])
        settled, _ = self.space.settle(state[0], level, branch)
        sizes = dict(below.sizes)
        for item in reversed(settled):
            sizes[item] = self.size(item.graph, settled[item].nodes, branch, sizes)
        assignment = below.assignment if choice is None else (choice, *below.assignment)
        return _Column(tuple((item, sizes[item]) for item in sorted(state[0])), assignment)

    def size(self, index: int, nodes: Iterable[int], branch: int | None, sizes: _Sizes) -> Size:
        """Size of the live `nodes` of a graph; `branch` None keeps all inputs of its joins."""
        graph, costs = self.space.graphs[index], self.networks.costs_of(index)
        depth: dict[int, int] = {}
        macs = 0
        for at in nodes:
            node = graph.nodes[at]
            inputs = node.inputs
            if isinstance(node, Join) and node.sampled and branch is not None:
                chosen = None, min(branch, node.branches - 1)
                inputs = tuple(one.source for one in node.operands if one.branch in chosen)
            before = max((depth.get(ref.node, 0) for ref in inputs), default=0)
            layers, work = costs[at].convs, costs[at].macs
            if isinstance(node, Call):
                layers, work = self.called(node.callee, sizes)
            depth[at] = before + _copies(node) * layers
            macs += _copies(node) * work
        return max((depth.get(one.source.node, 0) for one in graph.outputs), default=0), macs

    def called(self, callee: int, sizes: _Sizes) -> Size:
        """Size of a callee: of the recursion, on the way to its closures, or of neither."""
        for item in (Item(callee), Item(callee, whole=True)):
            if item in sizes:
                return sizes[item]
        if callee in self.outside:
            return self.outside[callee]
        if not self.space.closures[callee]:
            inside = self.networks.selector.enter(self.everything, callee)
            network = self.networks.of(callee, inside)
            self.outside[callee] = network.depth, network.macs
            return self.outside[callee]
        inner = dict(sizes)
        for at in self.ways(callee):
            graph = self.space.graphs[at]
            inner[Item(at)] = self.size(at, range(len(graph.nodes)), None, inner)
        return inner[Item(callee)]

    def ways(self, callee: int) -> list[int]:
        """Graphs outside the recursion from `callee` on that lead to its closures."""
        found, todo = set(), [callee]
        while todo:
            at = todo.pop()
            is_way = self.space.edges.group(at) != self.space.group and self.space.closures[at]
            if at not in found and is_way:
                found.add(at)
                todo.extend(self.space.edges.callees[at])
        return sorted(found)


def _copies(node: Node) -> int:
    return node.count if isinstance(node, Call) else 1
