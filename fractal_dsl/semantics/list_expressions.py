"""Lists, tuples and ranges as they are written, and items of them."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.semantics import arithmetic
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.strands import Flow
from fractal_dsl.semantics.values import (
    Elements,
    Items,
    RuleCall,
    Value,
    Wire,
    describe,
    is_whole,
    show,
)
from fractal_dsl.semantics.wires import wire_of
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["index", "kept", "list_display", "no_index", "range_", "tuple_display"]


def range_(place: Place, expression: tree.Range) -> Steps[Value]:
    first: Value = yield plain(place, expression.first, "the start of a range", "a whole number")
    last: Value = yield plain(place, expression.last, "the end of a range", "a whole number")
    return arithmetic.number_range(first, last, expression.span)


def tuple_display(place: Place, expression: tree.TupleDisplay) -> Steps[Value]:
    values: list[Value] = []
    for item in expression.items:
        value: Value = yield place.evaluate(item)
        values.append(kept(place, item, value))
    return tuple(values)


def kept(place: Place, expression: tree.Expression, value: Value) -> Value:
    """A value in a list; a wire is closed there, and a rule's network is used as written."""
    if isinstance(value, RuleCall):
        return place.world.closure(expression, place.scope)
    if isinstance(value, Wire) and place.site is not None:
        builder = place.here().builder
        return wire_of(builder, Flow.of(builder.close(value.flow)))
    return value


def list_display(place: Place, expression: tree.ListDisplay) -> Steps[Value]:
    values: tuple[Value, ...] = yield tuple_display(place, tree.TupleDisplay(
        expression.span, expression.items
    ))  # fmt: skip
    return Items(values)


def index(place: Place, expression: tree.Index) -> Steps[Value]:
    base: Value = yield place.evaluate(expression.base)
    indices: list[Value] = []
    for part in expression.indices:
        number: Value = yield plain(place, part, "an index", "a whole number")
        indices.append(number)
    if isinstance(base, Elements):
        element: Value = yield element_of(base, expression, indices)
        return element
    for part, at in zip(expression.indices, indices, strict=True):
        if not isinstance(base, Items | tuple):
            raise fail("F0405", f"{describe(base)} has no items", expression.base.span)
        items = base.values if isinstance(base, Items) else base
        if not is_whole(at):
            raise no_index(at, part.span)
        if not 0 <= at < len(items):
            message = f"there is no item {show(at)}: the list has {len(items)}, counted from 0"
            raise fail("F0409", message, part.span)
        base = items[at]
    return base


def element_of(family: Elements, expression: tree.Index, indices: Sequence[Value]) -> Steps[Value]:
    """One element of a family of a block."""
    whole: list[int] = []
    for part, at in zip(expression.indices, indices, strict=True):
        if not is_whole(at):
            raise no_index(at, part.span)
        whole.append(at)
    value: Value = yield family.force(tuple(whole), expression.span)
    return value


def no_index(value: Value, span: Span) -> DiagnosticError:
    message = f"an index must be a whole number, not {show(value)}"
    return fail("F0405", message, span, f"this is {describe(value)}")
