"""Arguments of an operator's call, checked against its attributes."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from fractal_dsl.diagnostics import DiagnosticError, Help
from fractal_dsl.ir.operators import OPERATORS, Attributes
from fractal_dsl.ir.operators.describe import signature
from fractal_dsl.semantics.call_errors import argument_error, refuse_unknown
from fractal_dsl.semantics.kinds import converted
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import Value
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["bind_attributes"]


def bind_attributes(place: Place, word: str, expression: tree.Expression) -> Steps[Attributes]:
    """The attributes of operator `word` as called; a bare name is a call without arguments."""
    kind = OPERATORS[word].attributes
    known = {field.name: field for field in fields(kind)}
    order = list(known)
    given: dict[str, Any] = {}
    refuse_unknown(word, call_arguments(expression), order)
    for at, argument in enumerate(call_arguments(expression)):
        name = argument.keyword or (order[at] if at < len(order) else None)
        if name is None:
            raise too_many(word, len(order), argument.span)
        if name in given:
            raise argument_error(f"`{name}` is given twice", argument.span)
        value: Value = yield place.evaluate(argument.value)
        given[name] = converted(known[name], value, word, name, argument.value.span)
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            message = f"`{word}` needs `{name}`"
            raise argument_error(message, expression.span, *example(word, name))
    return kind(**given)


def too_many(word: str, most: int, span: Span) -> DiagnosticError:
    takes = f"at most {most} argument{'s' * (most > 1)}" if most else "no arguments"
    way = Help(f"what it takes: `{signature(OPERATORS[word])}`")
    return argument_error(f"`{word}` takes {takes}", span, *([way] if most else []))


def call_arguments(expression: tree.Expression) -> tuple[tree.Argument, ...]:
    return expression.arguments if isinstance(expression, tree.Call) else ()


def example(word: str, name: str) -> tuple[Help, ...]:
    samples = {"channels": "64", "features": "10", "kernel_size": "2"}
    return (Help(f"write `{word}({samples.get(name, name)})`"),)
