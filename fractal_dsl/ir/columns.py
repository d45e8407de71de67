"""Which operand every column of a net keeps at every join, as plain tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ColumnTable"]


@dataclass(frozen=True, slots=True)
class ColumnTable:
    """The columns of a net, join by join.

    One graph may be met in several *contexts*, which are mere numbers here: `start` is that of
    the entry graph, and `enter[graph, context, node]` that of the graph which the call at
    position `node` of `graph` calls. `picks[graph, context, node]` gives, for columns 1 to
    `count` in order, the operands that the join at `node` keeps (one, unless some are outside
    all sampled joins); None where the column does not come to the join. Joins that are not
    sampled have no entry: they keep all operands.
    """

    count: int
    start: int
    enter: Mapping[tuple[int, int, int], int]
    picks: Mapping[tuple[int, int, int], tuple[tuple[int, ...] | None, ...]]
