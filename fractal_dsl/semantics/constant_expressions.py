"""Expressions whose value must be known while compiling: plain values, conditions."""

from __future__ import annotations

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Network, Value, describe, is_plain, show
from fractal_dsl.syntax import tree

__all__ = ["condition", "plain"]


def plain(
    place: Place, expression: tree.Expression, what: str, wanted: str = "a plain value"
) -> Steps[Value]:
    """The value of an expression that must not be a network; `what` names its role."""
    value: Value = yield place.evaluate(expression)
    if not is_plain(value):
        message = f"{what} must be {wanted}, not {describe(value)}"
        raise fail("F0405", message, expression.span, f"this is {show(value, 24)}")
    return value


def condition(place: Place, expression: tree.Expression) -> Steps[bool]:
    value: Value = yield place.evaluate(expression)
    if not isinstance(value, bool):
        raise fail(
            "F0405",
            f"a condition must be true or false, not {describe(value)}",
            expression.span,
            "" if isinstance(value, Network) else f"this is {show(value)}",
        )
    return value
