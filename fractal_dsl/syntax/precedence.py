"""How tightly each kind of expression binds: the steps of grammars/fdl.lark as numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import assert_never

from fractal_dsl.syntax import tree

__all__ = ["Step", "step_of"]


class Step(IntEnum):
    """The loosest first."""

    WHOLE = 0
    RANGE = 1
    EITHER = 2
    BOTH = 3
    NEGATION = 4
    COMPARISON = 5
    JOIN = 6
    SUM = 7
    PRODUCT = 8
    SERIES = 9
    TAGGED = 10
    COMPOSITION = 11
    SIGNED = 12
    POWER = 13
    POSTFIX = 14
    ATOM = 15


def step_of(node: tree.Expression) -> Step:
    """The step at which the grammar makes this node."""
    match node:
        case tree.Conditional() | tree.Comprehension():
            return Step.WHOLE
        case tree.Range():
            return Step.RANGE
        case tree.Logic(operator=operator):
            return Step.EITHER if operator == "or" else Step.BOTH
        case tree.Unary(operator=operator):
            return Step.NEGATION if operator == "not" else Step.SIGNED
        case tree.Compare():
            return Step.COMPARISON
        case tree.Join():
            return Step.JOIN
        case tree.Binary(operator=operator):
            return Step.SUM if operator in {"+", "-", "++"} else Step.PRODUCT
        case tree.Series():
            return Step.SERIES
        case tree.Tag():
            return Step.TAGGED
        case tree.Compose():
            return Step.COMPOSITION
        case tree.Power():
            return Step.POWER
        case tree.Call() | tree.Index():
            return Step.POSTFIX
        case tree.Number(value=value):
            return Step.SIGNED if value < 0 else Step.ATOM
        case (
            tree.String() | tree.Boolean() | tree.Name() | tree.Qualified() | tree.Parenthesised()
            | tree.TupleDisplay() | tree.ListDisplay() | tree.ListComprehension() | tree.Shared()
            | tree.Extern() | tree.Reference() | tree.Block() | tree.Wiring()
        ):  # fmt: skip
            return Step.ATOM
        case _:
            assert_never(node)
