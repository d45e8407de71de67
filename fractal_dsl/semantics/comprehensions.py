"""Comprehensions: the turns of `for ... if ...`, and what each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from fractal_dsl.semantics import arithmetic
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import condition, plain
from fractal_dsl.semantics.list_expressions import kept
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Items, Value, describe, show
from fractal_dsl.syntax import tree

__all__ = ["elements", "list_comprehension", "turns"]


def list_comprehension(place: Place, expression: tree.ListComprehension) -> Steps[Value]:
    values: Sequence[Value] = yield elements(place, expression.comprehension)
    return Items(tuple(values))


def elements(place: Place, expression: tree.Expression) -> Steps[Sequence[Value]]:
    """Values of a comprehension, or the one value of anything else (a list gives its items)."""
    if isinstance(expression, tree.Comprehension):
        found: list[Value] = []
        places: list[Place] = yield turns(place, expression)
        builder = place.here().builder if place.site is not None else None
        for at, turn in enumerate(places):
            with nullcontext() if builder is None else builder.turn(at, len(places)):
                item: Value = yield turn.evaluate(expression.element)
                found.append(kept(turn, expression.element, item))
        return found
    value: Value = yield place.evaluate(expression)
    return value.values if isinstance(value, Items) else (value,)


def turns(place: Place, comprehension: tree.Comprehension) -> Steps[list[Place]]:
    """One place for each turn of `for ... for ... if ...`, in order."""
    places = [place]
    for generator in comprehension.generators:
        widened: list[Place] = []
        for outer in places:
            values: Value = yield plain(
                outer, generator.values, "what `for` goes through", "a list"
            )
            if not isinstance(values, Items | tuple):
                message = f"`for` goes through a list, not {describe(values)}"
                raise fail("F0405", message, generator.values.span)
            items = values.values if isinstance(values, Items) else values
            if len(widened) + len(items) > arithmetic.MAX_ITEMS:
                raise arithmetic.too_long(len(widened) + len(items), generator.span)
            widened.extend(outer.inside(unpack(generator, item)) for item in items)
        places = widened
    if comprehension.condition is None:
        return places
    kept: list[Place] = []
    for turn in places:
        truth: bool = yield condition(turn, comprehension.condition)
        if truth:
            kept.append(turn)
    return kept


def unpack(generator: tree.Generator, item: Value) -> dict[str, Value]:
    names = generator.names
    if len(names) == 1:
        return {names[0]: item}
    parts = item.values if isinstance(item, Items) else item
    if not isinstance(parts, tuple) or len(parts) != len(names):
        size = f" of {len(parts)}" if isinstance(parts, tuple) else ""
        message = f"{len(names)} names cannot take {describe(item)}{size}: {show(item)}"
        raise fail("F0405", message, generator.span)
    return dict(zip(names, parts, strict=True))
