"""Arguments of an operator's call, checked against its attributes."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from fractal_dsl.diagnostics import Help
from fractal_dsl.ir.operators import OPERATORS, Attributes
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.calls import argument_error
from fractal_dsl.semantics.evaluate import Place, plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Value, describe, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["bind_attributes"]


def bind_attributes(place: Place, word: str, expression: tree.Expression) -> Steps[Attributes]:
    """The attributes of operator `word` as called; a bare name is a call without arguments."""
    kind = OPERATORS[word].attributes
    known = {field.name: field for field in fields(kind)}
    order = list(known)
    given: dict[str, Any] = {}
    for at, argument in enumerate(call_arguments(expression)):
        name = argument.keyword or (order[at] if at < len(order) else None)
        if name is None:
            most = f"at most {len(order)}" if order else "no arguments"
            raise argument_error(f"`{word}` takes {most}", argument.span)
        if name not in known:
            helps = did_you_mean(name, order, "its parameters")
            raise argument_error(f"`{word}` has no parameter `{name}`", argument.span, *helps)
        if name in given:
            raise argument_error(f"`{name}` is given twice", argument.span)
        value: Value = yield plain(place, argument.value, f"`{name}`")
        given[name] = converted(known[name], value, word, argument.value.span)
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            message = f"`{word}` needs `{name}`"
            raise argument_error(message, expression.span, *example(word, name))
    return kind(**given)


def call_arguments(expression: tree.Expression) -> tuple[tree.Argument, ...]:
    return expression.arguments if isinstance(expression, tree.Call) else ()


def example(word: str, name: str) -> tuple[Help, ...]:
    samples = {"channels": "64", "features": "10", "kernel_size": "2"}
    return (Help(f"write `{word}({samples.get(name, name)})`"),)


def converted(field: Field[Any], value: Value, word: str, span: Span) -> Any:
    """`value` as the attribute's type, which the table of operators writes as an annotation."""
    kinds = str(field.type)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, bool) and "bool" in kinds:
        return value
    if whole and ("int" in kinds or "Pair" in kinds):
        return value
    if "float" in kinds and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if "str" in kinds and isinstance(value, str):
        return value
    if "Pair" in kinds and is_pair(value):
        return value
    raise fail(
        "F0405",
        f"`{field.name}` of `{word}` must be {wanted(kinds)}, not {describe(value)}",
        span,
        f"this is {show(value, 24)}",
    )


def is_pair(value: Value) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(isinstance(one, int) and not isinstance(one, bool) for one in value)
    )


def wanted(kinds: str) -> str:
    if "Pair" in kinds:
        return "a whole number or a pair of them"
    if "bool" in kinds:
        return "true or false"
    if "float" in kinds:
        return "a number"
    return "a string" if "str" in kinds else "a whole number"
