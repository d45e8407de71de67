"""Needs of a flat graph as Python: `plan[3][0] or any(plan[4][1:3])`."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.emit.torch.flat_needs import NEVER, Some
from fractal_dsl.emit.torch.text import Code, Safe, fill, joined, literal

__all__ = ["test", "who"]


def test(need: Some, row: str) -> Code:
    """`plan[3][0] or any(plan[4][1:3])`"""
    if need == NEVER:
        return fill("False")
    return joined(" or ", rows_of(need, row, fill("any")))


def who(need: Some) -> Code:
    """The samples, as bits, for which a value is needed."""
    return joined(" | ", rows_of(need, "plan[{}]", fill("union")))


def rows_of(need: Some, row: str, several: Safe) -> Iterator[Safe]:
    """The rows of a need, those of neighbours together under the function `several`."""
    rows: dict[int, list[int]] = {}
    for join, operand in sorted(need):
        rows.setdefault(join, []).append(operand)
    for join, operands in rows.items():
        name = Code(row.format(join))
        first, last = operands[0], operands[-1] + 1
        if len(operands) == last - first > 1:
            yield fill("{}({}[{}:{}])", several, name, literal(first), literal(last))
        else:
            yield from (fill("{}[{}]", name, literal(one)) for one in operands)
