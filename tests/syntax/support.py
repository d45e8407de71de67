"""Short ways from text to trees, their outlines, and what is wrong with a text."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.source import Source
from fractal_dsl.syntax import children, parse, tree, walk

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.fdl"))


def parsed(text: str) -> tree.Program:
    return parse(Source("test.fdl", text))


def expression(text: str) -> tree.Expression:
    """The body of a definition whose right side is `text`."""
    (statement,) = parsed(f"it = {text}").statements
    assert isinstance(statement, tree.Equation)
    return statement.body


def faults(text: str) -> tuple[Diagnostic, ...]:
    try:
        parsed(text)
    except DiagnosticError as error:
        return error.diagnostics
    return ()


def codes(text: str) -> list[str]:
    return [fault.code for fault in faults(text)]


def outline(node: tree.Node) -> str:
    """A small tree as text: `Series(a, Call(f, 1))`. Names and numbers stand for themselves."""
    match node:
        case tree.Name(name=name) | tree.Reference(name=name):
            return name
        case tree.Number(value=value):
            return repr(value)
        case tree.Argument(keyword=None, value=value):
            return outline(value)
    parts = [outline(child) for child in children(node)]
    return f"{type(node).__name__}({', '.join([*_words(node), *parts])})"


def _words(node: tree.Node) -> list[str]:
    """What a node holds beside its parts."""
    words: list[str] = []
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, str) and value:
            words.append(value)
        elif isinstance(value, bool | int | float):
            words.append(repr(value))
        elif isinstance(value, tuple):
            words.extend(item for item in value if isinstance(item, str))
    return words


def unbracketed(root: tree.Program) -> list[str]:
    """Every node in order as a word, those of needless brackets left out."""
    return [
        f"{type(node).__name__} {' '.join(_words(node))}".strip()
        for node in walk(root)
        if not isinstance(node, tree.Parenthesised)
    ]
