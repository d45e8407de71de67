"""What an expression is worth: a plain value, or a network that is built later.

A network expression is never entered here; it becomes a closure, and `apply` builds it when
a value arrives. `incoming` is the shape that arrives at the innermost network expression
around, for `in_channels` and its kin; None where nothing arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fractal_dsl.semantics.call_expressions import call
from fractal_dsl.semantics.comprehensions import list_comprehension
from fractal_dsl.semantics.list_expressions import index, list_display, range_, tuple_display
from fractal_dsl.semantics.lookup import name
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.network_expressions import block, flowing, shared
from fractal_dsl.semantics.operator_expressions import (
    binary,
    compare,
    conditional,
    logic,
    power,
    unary,
)
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Value, is_written
from fractal_dsl.syntax import tree

__all__ = ["evaluate"]


def evaluate(place: Place, expression: tree.Expression) -> Steps[Value]:
    """The value of any expression."""
    handler = HANDLERS.get(type(expression))
    if handler is None:
        return place.world.closure(expression, place.scope)
        yield  # a generator, like every handler
    value: Value = yield handler(place, expression)
    return value


def constant(place: Place, expression: Any) -> Steps[Value]:
    value: Value = expression.value
    return value
    yield


def inner(place: Place, expression: tree.Parenthesised) -> Steps[Value]:
    value: Value = yield place.evaluate(expression.inner)
    return place.world.closure(expression, place.scope) if is_written(value) else value


HANDLERS: dict[type[tree.Node], Callable[[Place, Any], Steps[Any]]] = {
    tree.Number: constant,
    tree.String: constant,
    tree.Boolean: constant,
    tree.Parenthesised: inner,
    tree.Name: name,
    tree.Qualified: name,
    tree.Call: call,
    tree.Unary: unary,
    tree.Binary: binary,
    tree.Power: power,
    tree.Compare: compare,
    tree.Logic: logic,
    tree.Conditional: conditional,
    tree.Series: flowing,
    tree.Compose: flowing,
    tree.Join: flowing,
    tree.Tag: flowing,
    tree.Block: block,
    tree.Shared: shared,
    tree.Range: range_,
    tree.TupleDisplay: tuple_display,
    tree.ListDisplay: list_display,
    tree.ListComprehension: list_comprehension,
    tree.Index: index,
}
