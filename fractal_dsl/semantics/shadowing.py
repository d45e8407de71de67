"""Names that hide others of the same file: who reads one may mean the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fractal_dsl.diagnostics import Diagnostic, Label
from fractal_dsl.semantics.definitions import Names
from fractal_dsl.semantics.wording import name_in, warning
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["shadowed_names"]


class Known(NamedTuple):
    """Something that a name means further out: `the rule`, and where it is defined."""

    what: str
    span: Span


def shadowed_names(home: Names) -> Iterator[Diagnostic]:
    """Parameters, variables of comprehensions and names of blocks that hide another name.

    A recursion's index may have the name of the param that it is called with: `f(C+1)` beside
    `param C = 4` is how papers write.
    """
    outer = known_in(home)
    for statement in home.syntax.statements:
        match statement:
            case tree.Equation(patterns=patterns, body=body, guard=guard):
                inner = named(patterns or ())
                for pattern in patterns or ():
                    yield from hidden(pattern_name(pattern), pattern.span, outer, index=pattern)
                parts = [body] if guard is None else [body, guard]
            case tree.NetDeclaration(parameters=parameters, body=body):
                inner, parts = named(parameters), [body]
                for parameter in parameters:
                    yield from hidden(parameter.name, parameter.span, outer)
            case _:
                continue
        for part in parts:
            yield from hidden_inside(part, {**outer, **inner})


def known_in(home: Names) -> dict[str, Known]:
    """What the file defines or imports; not what comes from the prelude."""
    rules = {n: one for n, one in home.items() if not one.home.source.is_shipped}
    found = {name: Known("the rule", one.equations[0].head) for name, one in rules.items()}
    for name, param in home.params.items():
        found[name] = Known("the param", param.declaration.name_span)
    for name, extern in home.externs.items():
        found[name] = Known("the extern", extern.declaration.name_span)
    return found


def pattern_name(pattern: tree.Pattern) -> str:
    return "" if isinstance(pattern, tree.LiteralPattern) else pattern.name


def named(patterns: tuple[tree.Pattern, ...]) -> dict[str, Known]:
    return {pattern_name(one): Known("the parameter", one.span) for one in patterns}


def hidden(
    name: str, span: Span, known: Mapping[str, Known], index: tree.Pattern | None = None
) -> Iterator[Diagnostic]:
    found = known.get(name)
    if found is None:
        return
    if found.what == "the param" and isinstance(index, tree.SuccessorPattern):
        return
    at = Span(span.source, span.start, span.start + len(name))
    message = f"`{name}` hides {found.what} of that name"
    label = f"from here on it is not {found.what}"
    yield warning(
        "W0103", message, at, label, "give one of them another name", Label(found.span, found.what)
    )


def hidden_inside(part: tree.Expression, known: Mapping[str, Known]) -> Iterator[Diagnostic]:
    """By variables of comprehensions and by wires."""
    for node in walk(part):
        match node:
            case tree.Generator(names=names):
                for name in names:
                    yield from hidden(name, name_in(node.span, name), known)
            case tree.Target(names=names) | tree.Wiring(names=names):
                for name in names:
                    yield from hidden(name, name_in(node.span, name), known)
