"""The plan of one column over the joins of the flat program, by walking calls and not paths."""

from __future__ import annotations

from typing import TypeAlias

from fractal_dsl.ir.graph import Call, Join
from fractal_dsl.passes.columns import ColumnMap, Context
from fractal_dsl.passes.droppath import join_counts, join_offsets

__all__ = ["Plan", "column_plan"]

Plan: TypeAlias = tuple[tuple[bool, ...], ...]
"""For each flat join, in data-flow order, which of its inputs are live."""


def column_plan(columns: ColumnMap, column: int) -> Plan:
    """What column `column` keeps of every flat join, 1 = the shallowest.

    Joins that the column does not reach have a row too: what it would keep of them. Takes a step
    for each instance of a graph with joins. Raises ValueError for a column that is not listed.
    """
    program = columns.program
    counts = join_counts(program)
    offsets = [join_offsets(program, at) for at in range(len(program.graphs))]
    rows: list[tuple[bool, ...]] = [()] * counts[program.entry]
    waiting: list[tuple[int, Context, int]] = [(program.entry, columns.root(column), 0)]
    while waiting:
        at, context, base = waiting.pop()
        graph = program.graphs[at]
        for offset, node in zip(offsets[at], graph.nodes, strict=True):
            if isinstance(node, Join):
                rows[base + offset] = columns.kept(
                    graph, context, node.operands, node.branches, node.sampled
                )
            elif isinstance(node, Call) and counts[node.callee]:
                inside = columns.enter(context, node.callee)
                starts = (base + offset + copy * counts[node.callee] for copy in range(node.count))
                waiting.extend((node.callee, inside, start) for start in starts)
    return tuple(rows)
