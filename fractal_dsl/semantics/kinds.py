"""Which kind of value a setting of an operator takes, and what any other value is told."""

from __future__ import annotations

from dataclasses import Field, fields
from functools import cache
from typing import Any

from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.naming import called_name
from fractal_dsl.semantics.values import Value, describe, is_number, is_whole, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["converted", "passed_on"]


def converted(field: Field[Any], value: Value, word: str, name: str, span: Span) -> Any:
    """`value` as the setting's type, which the table of operators writes as an annotation.

    A message calls it `name` of `word`.
    """
    kinds = str(field.type)
    if isinstance(value, bool) and "bool" in kinds:
        return value
    if is_whole(value) and ("int" in kinds or "Pair" in kinds):
        return value
    if "float" in kinds and is_number(value):
        return float(value)
    if "str" in kinds and isinstance(value, str):
        return value
    if "Pair" in kinds and is_pair(value):
        return value
    raise fail(
        "F0405",
        f"`{name}` of `{word}` must be {wanted(kinds)}, not {describe(value)}",
        span,
        f"this is {show(value, 24)}",
    )


def is_pair(value: Value) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(is_whole, value))


def wanted(kinds: str) -> str:
    if "Pair" in kinds:
        return "a whole number or a pair of them"
    if "bool" in kinds:
        return "true or false"
    if "float" in kinds:
        return "a number"
    return "a string" if "str" in kinds else "a whole number"


@cache
def passed_on(equation: tree.Equation) -> dict[str, Field[Any]]:
    """Parameters that the prelude's `equation` hands on as they are: each operator's setting."""
    found: dict[str, Field[Any]] = {}
    for node in walk(equation.body):
        word = called_name(node) if isinstance(node, tree.Call) else None
        if not isinstance(node, tree.Call) or word not in OPERATORS:
            continue
        settings = {field.name: field for field in fields(OPERATORS[word].attributes)}
        for name, argument in zip(settings, node.arguments, strict=False):
            if isinstance(argument.value, tree.Name):
                found.setdefault(argument.value.name, settings[argument.keyword or name])
    return found
