"""Signs, comparisons, `and`, `or` and `if` between values; networks are left for later."""

from __future__ import annotations

from fractal_dsl.semantics import arithmetic
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import condition, plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.network_expressions import computed
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Value, Wire, is_plain, is_written
from fractal_dsl.semantics.wires import computes
from fractal_dsl.syntax import tree

__all__ = ["binary", "compare", "conditional", "logic", "power", "unary"]


def unary(place: Place, expression: tree.Unary) -> Steps[Value]:
    if expression.operator == "not":
        truth: bool = yield condition(place, expression.operand)
        return not truth
    if computes(place, expression.operand):
        wire: Value = yield computed(place, expression)
        return wire
    value: Value = yield place.evaluate(expression.operand)
    if not is_plain(value):
        return place.world.closure(expression, place.scope)
    if expression.operator == "+":
        return value
    return arithmetic.negate(value, expression.span)  # type: ignore[arg-type]


def binary(place: Place, expression: tree.Binary) -> Steps[Value]:
    if computes(place, expression):
        wire: Value = yield computed(place, expression)
        return wire
    left: Value = yield place.evaluate(expression.left)
    right: Value = yield place.evaluate(expression.right)
    if not (is_plain(left) and is_plain(right)):
        return place.world.closure(expression, place.scope)
    return arithmetic.compute(expression.operator, left, right, expression.span)  # type: ignore[arg-type]


def power(place: Place, expression: tree.Power) -> Steps[Value]:
    base: Value = yield place.evaluate(expression.base)
    if isinstance(base, Wire):
        raise fail("F0405", "`**` repeats a network, not a wire", expression.base.span,
                   "this is a wire", "write `x >> g ** n`")  # fmt: skip
    if not is_plain(base):
        return place.world.closure(expression, place.scope)
    exponent: Value = yield plain(place, expression.exponent, "an exponent", "a number")
    return arithmetic.power(base, exponent, expression.span)  # type: ignore[arg-type]


def compare(place: Place, expression: tree.Compare) -> Steps[Value]:
    left: Value = yield place.evaluate(expression.left)
    right: Value = yield place.evaluate(expression.right)
    return arithmetic.compare(expression.operator, left, right, expression.span)


def logic(place: Place, expression: tree.Logic) -> Steps[Value]:
    wanted = expression.operator == "or"
    for operand in expression.operands:
        truth: bool = yield condition(place, operand)
        if truth is wanted:
            return wanted
    return not wanted


def conditional(place: Place, expression: tree.Conditional) -> Steps[Value]:
    current: tree.Expression = expression
    while isinstance(current, tree.Conditional):
        truth: bool = yield condition(place, current.condition)
        current = current.positive if truth else current.negative
    value: Value = yield place.evaluate(current)
    return place.world.closure(expression, place.scope) if is_written(value) else value
