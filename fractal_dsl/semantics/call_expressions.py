"""What a written call is worth: of a rule, a function of numbers, a word for networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics import arithmetic
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.comprehensions import elements
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.definitions import FUNCTIONS
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, written_name
from fractal_dsl.semantics.network_expressions import computed
from fractal_dsl.semantics.rule_calls import call_rule
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import (
    Given,
    RuleCall,
    RuleValue,
    Value,
    describe,
    is_number,
    is_plain,
)
from fractal_dsl.semantics.wires import computes
from fractal_dsl.syntax import tree

__all__ = ["call"]

# Combinators that also work on numbers: `max(3, w)`, `sum(widths)`.
FOLDS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "max": max,
    "min": min,
    "sum": sum,
}


def call(place: Place, expression: tree.Call) -> Steps[Value]:
    function = expression.function
    if isinstance(function, tree.Extern):
        return place.world.closure(expression, place.scope)
    if not isinstance(function, tree.Name | tree.Qualified):
        raise fail("F0405", "only a name can be called", function.span)
    word, scope = written_name(function), place.scope
    local = scope.locals.get(word)
    if local is not None and not isinstance(local, RuleValue):
        message = f"`{word}` is {describe(local)} here and takes no arguments"
        raise fail("F0405", message, expression.span)
    rule = scope.names.get(word) if local is None else local.definition
    if rule is not None:
        given: list[Given] = yield arguments(place, expression)
        value: Value = yield call_rule(place, rule, given, expression)
        return value
    if word in scope.names.externs:
        return place.world.closure(expression, scope)
    if (word in COMBINATORS or word == LEARNED) and computes(place, expression):
        wire: Value = yield computed(place, expression)
        return wire
    if word in FOLDS:
        folded: Value = yield fold(place, expression, word)
        return folded
    if word in FUNCTIONS:
        result: Value = yield function_call(place, expression, word)
        return result
    if (
        word in COMBINATORS
        or word == LEARNED
        or (word in OPERATORS and OPERATORS[word].callable_by_name)
    ):
        return place.world.closure(expression, scope)
    raise fail("F0405", f"`{word}` cannot be called", function.span)


def function_call(place: Place, expression: tree.Call, word: str) -> Steps[Value]:
    if len(expression.arguments) != 1 or expression.arguments[0].keyword is not None:
        raise fail("F0206", f"`{word}` takes one argument", expression.span)
    value: Value = yield plain(place, expression.arguments[0].value, "its argument", "a number")
    return arithmetic.call_function(word, value, expression.span)


def fold(place: Place, expression: tree.Call, word: str) -> Steps[Value]:
    """`max`, `min`, `sum`: of numbers a number, of networks a network."""
    values: list[Value] = []
    for argument in expression.arguments:
        items: Sequence[Value] = yield elements(place, argument.value)
        values.extend(items)
    if not all(is_plain(value) for value in values):
        return place.world.closure(expression, place.scope)
    if not values and word != "sum":
        raise fail("F0407", f"`{word}` of an empty list", expression.span, "no item to choose")
    for value in values:
        if not is_number(value):
            raise fail("F0405", f"`{word}` does not take {describe(value)}", expression.span)
    return FOLDS[word](values)  # type: ignore[no-any-return]


def arguments(place: Place, expression: tree.Call) -> Steps[list[Given]]:
    """Arguments of a rule call; networks are closed over what their names mean here."""
    given: list[Given] = []
    for argument in expression.arguments:
        if isinstance(argument.value, tree.Comprehension):
            raise fail("F0206", "a rule takes no `for` here; write `[... for ...]`", argument.span)
        value: Value = yield place.evaluate(argument.value)
        if isinstance(value, RuleCall):
            value = place.world.closure(argument.value, place.scope)
        given.append(Given(argument.keyword, value, argument.span))
    return given
