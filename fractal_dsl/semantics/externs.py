"""Modules of others: `extern "torch.nn.GELU"(...)`, and names declared for them.

Nothing is imported here. What a module does to a shape is what its declaration says; a module
that is used without one keeps the shape.
"""

from __future__ import annotations

import math

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Label
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.attributes import call_arguments
from fractal_dsl.semantics.call_errors import argument_error, refuse_unknown
from fractal_dsl.semantics.constant_expressions import condition
from fractal_dsl.semantics.definitions import ExternRule
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_name
from fractal_dsl.semantics.shapes import written_shape
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Items, Scope, Value, describe, is_number, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["extern_attributes", "extern_of"]

LONGEST = 500


def extern_of(scope: Scope, expression: tree.Expression) -> tree.Extern | ExternRule | None:
    """What is called where an expression calls a module of others, else None."""
    function = expression.function if isinstance(expression, tree.Call) else expression
    if isinstance(function, tree.Extern):
        return function
    word = called_name(expression)
    hidden = word is None or word in scope.locals or word in scope.names
    return None if hidden else scope.names.externs.get(word or "")


def extern_attributes(
    place: Place, called: tree.Extern | ExternRule, expression: tree.Expression
) -> Steps[Extern]:
    """The module as called, and the shape that it gives for what arrives at `place`."""
    assert isinstance(place.incoming, Shape)
    if isinstance(called, ExternRule):
        declared: Extern = yield declared_attributes(place, called, expression)
        return declared
    given: dict[str, str] = {}
    for at, argument in enumerate(call_arguments(expression)):
        name = argument.keyword or f"{at}"
        if name in given:
            raise argument_error(f"`{name}` is given twice", argument.span)
        value: Value = yield place.evaluate(argument.value)
        given[name] = literal(value, argument.value.span)
    arguments = tuple((name if name.isidentifier() else "", text) for name, text in given.items())
    shape = place.incoming
    return Extern(called.path, arguments, shape.kind, shape.sizes)


def declared_attributes(
    place: Place, rule: ExternRule, expression: tree.Expression
) -> Steps[Extern]:
    """Parameters are handed on by name, as the declaration calls them."""
    given: dict[str, tree.Argument] = bound(rule, expression)
    local: dict[str, Value] = {}
    texts: list[tuple[str, str]] = []
    for parameter in rule.declaration.parameters:
        inside = Place(place.world, Scope(rule.home, dict(local), {}), place.incoming)
        if parameter.name in given:
            written, where = given[parameter.name].value, place
        elif parameter.default is not None:
            written, where = parameter.default, inside
        else:
            raise missing(rule, parameter.name, expression)
        value: Value = yield where.evaluate(written)
        local[parameter.name] = value
        texts.append((parameter.name, literal(value, written.span)))
    inside = Place(place.world, Scope(rule.home, local, {}), place.incoming)
    with place.world.frame(rule.name, expression.span):
        shape: Shape = yield shape_rule(inside, rule.declaration.shape)
    return Extern(rule.declaration.module.path, tuple(texts), shape.kind, shape.sizes)


def bound(rule: ExternRule, expression: tree.Expression) -> dict[str, tree.Argument]:
    """The arguments of a call by the names of the declaration's parameters."""
    order = [parameter.name for parameter in rule.declaration.parameters]
    given: dict[str, tree.Argument] = {}
    refuse_unknown(rule.name, call_arguments(expression), order)
    for at, argument in enumerate(call_arguments(expression)):
        name = argument.keyword or (order[at] if at < len(order) else None)
        if name is None:
            most = f"{len(order)} argument{'s' * (len(order) != 1)}"
            raise argument_error(f"`{rule.name}` takes at most {most}", argument.span)
        if name in given:
            raise argument_error(f"`{name}` is given twice", argument.span)
        given[name] = argument
    return given


def missing(rule: ExternRule, name: str, expression: tree.Expression) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0206",
            f"`{rule.name}` needs `{name}`",
            expression.span,
            labels=(Label(rule.declaration.name_span, "declared here"),),
        )
    )


def shape_rule(place: Place, written: tree.Expression) -> Steps[Shape]:
    """`in_shape`, a shape such as `image[w, in_height // 2, in_width // 2]`, or one of two."""
    while isinstance(written, tree.Conditional | tree.Parenthesised):
        if isinstance(written, tree.Parenthesised):
            written = written.inner
            continue
        truth: bool = yield condition(place, written.condition)
        written = written.positive if truth else written.negative
    if isinstance(written, tree.Name) and written.name == "in_shape":
        assert isinstance(place.incoming, Shape)
        return place.incoming
    shape: Shape = yield written_shape(place, written, "a shape")
    return shape


# Values as Python writes them ------------------------------------------------------------


def literal(value: Value, span: Span) -> str:
    """A plain value as a Python literal. Raises for what has none, with F0405."""
    match value:
        case bool() | str():
            text = ascii(value)
        case int() | float() if is_number(value) and math.isfinite(value):
            text = repr(value)
        case tuple():
            items = [literal(one, span) for one in value]
            text = f"({', '.join(items)}{',' * (len(items) == 1)})"
        case Items():
            text = f"[{', '.join(literal(one, span) for one in value.values)}]"
        case _:
            message = f"an extern takes numbers, strings and lists of them, not {describe(value)}"
            raise fail("F0405", message, span, f"this is {show(value, 24)}")
    if len(text) > LONGEST:
        raise fail("F0405", "this value is too long to be written into code", span)
    return text
