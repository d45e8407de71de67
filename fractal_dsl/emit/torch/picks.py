"""What joins are told when they are made: the rates of their inputs, what each column keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.graph import Call, Operand, Program

__all__ = ["Pick", "Picks"]

Pick: TypeAlias = "int | tuple[int, ...]"
Row: TypeAlias = "tuple[tuple[int, ...] | None, ...]"


class Picks:
    """Tables of joins, as few as do: a column that never comes to a join may keep anything."""

    def __init__(self, program: Program, columns: ColumnTable | None) -> None:
        self.program = program
        self.tables = {} if columns is None else columns.picks
        self.merged: list[list[tuple[int, ...] | None]] = []
        self.number: dict[Row, int] = {}
        for row in sorted(set(self.tables.values()), key=order):
            self.number[row] = self.place(row)
        self.left_open: list[tuple[float | None, ...]] = []
        for graph in program.graphs:
            self.left_open.append(self.own_rates(graph.outputs, graph.nodes))

    def place(self, row: Row) -> int:
        for number, table in enumerate(self.merged):
            if all(None in pair or pair[0] == pair[1] for pair in zip(row, table, strict=True)):
                self.merged[number] = [
                    two if one is None else one for one, two in zip(row, table, strict=True)
                ]
                return number
        self.merged.append(list(row))
        return len(self.merged) - 1

    def of(self, graph: int, context: int, node: int) -> tuple[Pick, ...]:
        """For each column, the operand or operands that a join keeps."""
        return self.table(self.number[self.tables[graph, context, node]])

    @property
    def common(self) -> tuple[Pick, ...]:
        """The table of most joins, which need not be told it."""
        return self.table(0) if self.merged else ()

    def table(self, number: int) -> tuple[Pick, ...]:
        rows = (row or (0,) for row in self.merged[number])
        return tuple(row[0] if len(row) == 1 else row for row in rows)

    def rates(self, graph: int, operands: Sequence[Operand]) -> tuple[float | None, ...] | None:
        """How often each input of a join is dropped; None where the net's rate holds for all."""
        rates = self.own_rates(operands, self.program.graphs[graph].nodes)
        return None if all(rate is None for rate in rates) else rates

    def own_rates(
        self, operands: Sequence[Operand], nodes: Sequence[object]
    ) -> tuple[float | None, ...]:
        found = []
        for operand in operands:
            rate = operand.rate
            if rate is None and operand.origin is not None:
                call = nodes[operand.origin.node]
                assert isinstance(call, Call)
                rate = self.left_open[call.callee][operand.origin.port]
            found.append(rate)
        return tuple(found)


def order(row: Row) -> tuple[int, list[tuple[int, ...]]]:
    """Tables that say most come first."""
    return sum(one is None for one in row), [one or () for one in row]
