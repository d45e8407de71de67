"""Joins of a flat class: what each is made with, and the order in which plans draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fractal_dsl.emit.torch.flat_conditions import test
from fractal_dsl.emit.torch.flat_needs import ALWAYS, Need
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.picks import Pick, Picks
from fractal_dsl.emit.torch.text import Code, commas, fill, literal
from fractal_dsl.ir.columns import ColumnTable
from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.graph import Call, Join, Program

__all__ = ["join_lines", "reach_lines"]


def join_lines(
    program: Program, flat: FlatProgram, columns: ColumnTable, picks: Picks
) -> Iterator[Line]:
    """Statements that make the joins, which hold no tensors."""
    for number, kept in enumerate(join_picks(program, columns, picks)):
        made = joined_by(flat.nodes[flat.joins[number]], kept, picks.common)
        yield Line(fill("self.join_{} = {}", literal(number), made))


def joined_by(node: FlatNode, picks: tuple[Pick, ...] | None, common: tuple[Pick, ...]) -> Code:
    """A join of as many operands as a node has."""
    given = [literal(len(node.operands))]
    if picks != common:
        given.append(fill("picks={}", literal(picks)))
    rates = tuple(operand.rate for operand in node.operands)
    if any(rate is not None for rate in rates):
        given.append(fill("rates={}", literal(rates)))
    return fill("Join({})", commas(given))


def join_picks(
    program: Program, columns: ColumnTable, picks: Picks
) -> list[tuple[Pick, ...] | None]:
    """What each flat join keeps in every column, in the order of their numbers."""
    found: list[tuple[Pick, ...] | None] = []
    stack = [(program.entry, columns.start, 0, 0)]
    while stack:
        graph, context, position, copy = stack.pop()
        nodes = program.graphs[graph].nodes
        if position == len(nodes):
            continue
        node = nodes[position]
        if isinstance(node, Call) and copy < node.count:
            stack.append((graph, context, position, copy + 1))
            inner = columns.enter[graph, context, position]
            stack.append((node.callee, inner, 0, 0))
            continue
        if isinstance(node, Join):
            kept = picks.of(graph, context, position) if node.sampled else None
            found.append(kept)
        stack.append((graph, context, position + 1, 0))
    return found


def reach_lines(flat: FlatProgram, needs: Sequence[Need]) -> list[Line]:
    """The joins, last first: each is drawn once all that may need it are."""
    joins = [needs[at] for at in flat.joins]
    asked = {join for need in joins if need is not ALWAYS for join, _ in need}
    lines = []
    for number in reversed(range(len(flat.joins))):
        need = needs[flat.joins[number]]
        given = [fill("self.join_{}", literal(number))]
        if need is not ALWAYS:
            given.append(test(need, "kept_{}"))
        drawn = fill("draw({})", commas(given))
        name = fill("kept_{} = ", literal(number)) if number in asked else fill("")
        lines.append(Line(Code(name + drawn)))
    return lines
