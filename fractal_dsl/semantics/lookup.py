"""What a name is worth: a local, a rule, a param, a fact of what comes in, an implicit."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.call_errors import circular
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.definitions import FUNCTIONS, INCOMING, Param
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import COMBINATORS, written_name
from fractal_dsl.semantics.rule_calls import call_rule
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import RuleValue, Scope, Value
from fractal_dsl.semantics.world import World
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["name", "param_value"]


def name(place: Place, expression: tree.Name | tree.Qualified) -> Steps[Value]:
    world, scope, word = place.world, place.scope, written_name(expression)
    if word in scope.locals:
        return scope.locals[word]
    if word in scope.names:
        definition = scope.names[word]
        if not definition.is_nullary:
            return RuleValue(definition)
        value: Value = yield call_rule(place, definition, (), expression)
        return value
    if word in scope.names.params:
        given: Value = yield param_value(world, scope.names.params[word], expression.span)
        return given
    if word in scope.names.externs:
        return world.closure(expression, scope)
    if word in INCOMING:
        return incoming_fact(place, word, expression.span)
    if word in scope.implicits:
        return scope.implicits[word]
    if word in world.resolved.defaults:
        declared = Place(world, Scope(world.resolved.names, {}, scope.implicits), place.incoming)
        default: Value = yield declared.evaluate(world.resolved.defaults[word].value)
        return default
    if word == "id" or word in OPERATORS or word in COMBINATORS:
        return world.closure(expression, scope)
    if word in FUNCTIONS:
        raise fail("F0405", f"`{word}` is a function of numbers", expression.span)
    raise DiagnosticError(
        Diagnostic(
            "F0208",
            f"`{word}` has no value here",
            expression.span,
            "no call outside binds it",
            notes=("an unbound name takes the nearest rule parameter up the chain of calls",),
            helps=(Help(f"give it as a parameter, or declare `implicit {word} = ...`"),),
        )
    )


def param_value(world: World, param: Param, span: Span | None = None) -> Steps[Value]:
    """The value of a param, found once: as set from outside, as imported with, or its own."""
    if param in world.params:
        known = world.params[param]
        if known is None:
            raise circular(param.name, span or param.declaration.name_span)
        return known
    world.params[param] = None
    names, written = param.home, param.declaration.value
    if param.given is not None and param.giver is not None:
        names, written = param.giver, param.given
    here = Place(world, Scope(names, {}, {}), None)
    value: Value = yield plain(here, written, f"param `{param.name}`")
    world.params[param] = value
    return value


def incoming_fact(place: Place, word: str, span: Span) -> Value:
    """`in_channels`, `in_height`, `in_width`, `in_length`, `in_shape`."""
    shape = place.incoming
    if shape is None:
        raise fail("F0408", f"`{word}` stands where no value arrives", span)
    if isinstance(shape, tuple):
        raise fail(
            "F0408", f"`{word}` reads one tensor, and a list of {len(shape)} arrives", span, "",
            f"say which: in `x[0] >> g({word})` it reads `x[0]`",
        )  # fmt: skip
    if word == "in_channels":
        return shape.channels
    if word == "in_shape":
        return shape.sizes
    if word == "in_length" and shape.kind in ("sequence", "tokens"):
        return shape.sizes[0]
    if word != "in_length" and shape.kind == "image":
        return shape.sizes[1 if word == "in_height" else 2]
    raise fail("F0408", f"{shape} has no `{word}`", span)
