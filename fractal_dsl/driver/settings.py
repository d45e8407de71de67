"""Values that a caller gives to a file's params: from the command line, and from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver.request import RequestError
from fractal_dsl.semantics.values import Items, Value
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse, tree

__all__ = ["fdl_values", "parse_settings"]

LITERALS = "numbers, true, false, strings in quotes, and tuples and lists of them"


def parse_settings(texts: Iterable[str]) -> dict[str, Value]:
    """`["C=5", "widths=[16, 32]"]` as values by name. Raises RequestError."""
    values: dict[str, Value] = {}
    for text in texts:
        name, equals, literal = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier() or not name.isascii():
            raise RequestError(f"--set takes NAME=VALUE, such as C=5, not {text!r}")
        if name in values:
            raise RequestError(f"--set gives {name} twice")
        values[name] = parse_literal(name, literal.strip())
    return values


def parse_literal(name: str, literal: str) -> Value:
    try:
        program = parse(Source("--set", f"value = {literal}"))
    except DiagnosticError:
        raise RequestError(refusal(name, literal)) from None
    statements = program.statements
    if len(statements) != 1 or not isinstance(statements[0], tree.Equation):
        raise RequestError(refusal(name, literal))
    return literal_value(name, literal, statements[0].body)


def literal_value(name: str, literal: str, written: tree.Expression) -> Value:
    """The value of a literal's tree; as deep as the parser lets a text nest."""
    match written:
        case tree.Number() | tree.String() | tree.Boolean():
            return written.value
        case tree.Unary(operator="-" | "+" as sign, operand=tree.Number(value=value)):
            return -value if sign == "-" else value
        case tree.Parenthesised():
            return literal_value(name, literal, written.inner)
        case tree.TupleDisplay():
            return tuple(literal_value(name, literal, item) for item in written.items)
        case tree.ListDisplay():
            return Items(tuple(literal_value(name, literal, item) for item in written.items))
        case _:
            raise RequestError(refusal(name, literal))


def refusal(name: str, literal: str) -> str:
    hint = f"; a string stands in quotes: --set '{name}=\"{literal}\"'" if literal.isalnum() else ""
    return f"--set {name}: {literal!r} is no value; values are {LITERALS}{hint}"


def fdl_value(value: object) -> Value:
    """A Python value as FDL's: lists are lists, tuples tuples. Raises TypeError for others."""
    match value:
        case bool() | int() | float() | str() | Items():
            return value
        case tuple():
            return tuple(map(fdl_value, value))
        case list():
            return Items(tuple(map(fdl_value, value)))
        case _:
            raise TypeError(f"no value of FDL is a {type(value).__name__}: {LITERALS}")


def fdl_values(values: Mapping[str, object]) -> dict[str, Value]:
    return {name: fdl_value(value) for name, value in values.items()}
