"""Facts about graphs that decide how they are drawn: leaves, sizes, families, instances."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, fields
from functools import cached_property

from fractal_dsl.emit.diagram.labels import is_ordered
from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Node, Operand, Program, Share
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import ELEMENTWISE
from fractal_dsl.ir.operators.normalisation import NORMALISATION

__all__ = ["ENDLESS", "Census"]

SIZES = frozenset({"channels", "features", "groups", "rate"})
ENDLESS = 10**9
# What a convolution is drawn with in one box: its norm, its activation, its dropout.
TRIMMINGS = {"batch_norm", *(spec.name for spec in (*NORMALISATION, *ELEMENTWISE))} - {"scalar"}


@dataclass(frozen=True)
class Census:
    """Counts over the distinct graphs of a program; callees stand before callers."""

    program: Program

    @cached_property
    def leaves(self) -> frozenset[int]:
        """Graphs drawn as one box wherever they are called: one operator and its `TRIMMINGS`."""
        return frozenset(at for at, graph in enumerate(self.program.graphs) if _is_leaf(graph))

    @cached_property
    def empty(self) -> frozenset[int]:
        """Graphs that hand on what comes in."""
        return frozenset(at for at, graph in enumerate(self.program.graphs) if _is_empty(graph))

    @cached_property
    def unfolding(self) -> frozenset[int]:
        """Graphs drawn in place of their calls.

        Recursive or empty ones, joins left open, and other names for a leaf.
        """
        return frozenset(
            at
            for at, graph in enumerate(self.program.graphs)
            if at not in self.leaves
            and (
                graph.recursion is not None
                or graph.is_open
                or at in self.empty
                or self._only_callee(graph) in self.leaves
            )
        )

    def alias(self, at: int) -> int | None:
        """What a graph calls, if it does nothing else and that is no leaf."""
        only = self._only_callee(self.program.graphs[at])
        return None if only in self.leaves else only

    def _only_callee(self, graph: Graph) -> int | None:
        nodes = [node for node in graph.nodes if not isinstance(node, Input)]
        only = nodes[0] if len(nodes) == 1 else None
        return only.callee if isinstance(only, Call) and only.count == 1 else None

    @cached_property
    def closed(self) -> frozenset[int]:
        """All graphs but the leaves: what the expanded drawing opens."""
        return frozenset(range(len(self.program.graphs))) - self.leaves

    @cached_property
    def groups(self) -> frozenset[int]:
        """Graphs framed in the expanded drawing: one value in, one out, no mere chain of calls."""
        return frozenset(
            at
            for at, graph in enumerate(self.program.graphs)
            if not graph.is_open
            and (len(graph.inputs), len(graph.outputs)) == (1, 1)
            and not self._is_series(graph)
        )

    def _is_series(self, graph: Graph) -> bool:
        chain = all(
            tuple(ref.node for ref in node.inputs) == (at,) and not isinstance(node, Join)
            for at, node in enumerate(graph.nodes[1:])
        )
        return chain and any(
            isinstance(node, Call) and node.callee not in self.leaves for node in graph.nodes
        )

    def extents(self, opened: frozenset[int], *, unrolled: bool) -> list[int]:
        """For each graph, how many parts it is drawn with, at most `ENDLESS`."""
        made: list[int] = []
        for graph in self.program.graphs:
            total = 0
            for node in graph.nodes:
                if isinstance(node, Call):
                    is_open = node.callee in opened
                    copies = node.count if is_open or unrolled else 1
                    total += copies * (made[node.callee] if is_open else 1)
                else:
                    total += not isinstance(node, Input | Share)
            made.append(min(total, ENDLESS))
        return made

    @cached_property
    def instances(self) -> list[int]:
        """How often each graph stands in the whole net."""
        counts = [0] * len(self.program.graphs)
        counts[self.program.entry] = 1
        for at in reversed(range(len(counts))):
            for node in self.program.graphs[at].nodes:
                if isinstance(node, Call):
                    counts[node.callee] += counts[at] * node.count
        return counts

    @cached_property
    def families(self) -> list[int]:
        """Graphs with equal numbers differ only in widths, rates and shapes."""
        known: dict[Hashable, int] = {}
        made: list[int] = []
        for graph in self.program.graphs:
            nodes = tuple(_key(node, made) for node in graph.nodes)
            outputs = tuple(map(_operand, graph.outputs))
            level = graph.recursion.level if graph.recursion else None
            key = (graph.rule, level, graph.is_open, nodes, outputs)
            made.append(known.setdefault(key, len(known)))
        return made

    def pattern(self, at: int, opened: frozenset[int]) -> Hashable:
        """Graphs with equal patterns give the same drawing but for the numbers in it."""
        graph = self.program.graphs[at]
        return (graph.rule, graph.is_open, tuple(self._look(graph, opened)))

    def _look(self, graph: Graph, opened: frozenset[int]) -> Iterable[Hashable]:
        for node in graph.nodes:
            sources: tuple[Hashable, ...] = node.inputs
            if not is_ordered(node):
                sources = tuple(sorted({ref.node for ref in node.inputs}))
            if isinstance(node, Call):
                drawn = node.callee in opened or node.callee in self.leaves
                callee = self.program.graphs[node.callee]
                name = self.families[node.callee] if drawn else callee.rule
                yield ("call", name, sources, node.count)
            elif isinstance(node, Apply):
                yield (node.attributes.operator, _sizeless(node.attributes), sources)
            else:
                yield (type(node).__name__, sources)


def _is_leaf(graph: Graph) -> bool:
    """Whether its box hides no second layer: `conv` is a leaf, two convolutions are none."""
    series = [node for node in graph.nodes if isinstance(node, Apply) and len(node.inputs) == 1]
    alone = len(series) + 1 == len(graph.nodes) and len(graph.outputs) == 1
    main = [node for node in series if node.attributes.operator not in TRIMMINGS]
    return alone and len(main) <= 1 and not graph.is_open and not _is_empty(graph)


def _is_empty(graph: Graph) -> bool:
    return all(isinstance(node, Input) for node in graph.nodes)


def _key(node: Node, families: list[int]) -> Hashable:
    if isinstance(node, Input):
        return "input"
    if isinstance(node, Share):
        return ("share", families[node.callee])
    if isinstance(node, Join):
        return ("join", tuple(map(_operand, node.operands)))
    if isinstance(node, Call):
        return ("call", families[node.callee], node.inputs, node.count)
    return (node.attributes.operator, _sizeless(node.attributes), node.inputs)


def _operand(operand: Operand) -> Hashable:
    return (operand.source, operand.branch)


def _sizeless(attributes: Attributes) -> Hashable:
    return tuple(
        (field.name, getattr(attributes, field.name))
        for field in fields(attributes)
        if field.name not in SIZES
    )
