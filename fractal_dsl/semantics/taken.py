"""Which implicit parameters a rule takes from its callers, as a person would say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fractal_dsl.semantics.definitions import (
    AnyName,
    Definition,
    Names,
    Resolved,
    implicit_names,
    implicits_read,
    names_read,
)
from fractal_dsl.semantics.naming import written_name
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["taken_from_callers"]


def taken_from_callers(resolved: Resolved) -> dict[Definition, frozenset[str]]:
    """Fewer than a call may give: `branch = conv(16)` says itself what `channels` would be."""
    return implicit_names(resolved.homes, taken_in)


def taken_in(
    equation: tree.Equation, home: Names, found: Mapping[Definition, frozenset[str]]
) -> frozenset[str]:
    read = names_read(equation)
    rules = {name: home[name] for name in read if name in home}
    taken = set(implicits_read(read.keys() - rules.keys(), home, found))
    for name, given in uses(equation):
        if name in rules:
            rule = rules[name]
            taken |= found[rule] - said_by(rule, given)
    return frozenset(taken)


def uses(equation: tree.Equation) -> Iterator[tuple[str, tuple[tree.Argument, ...]]]:
    """Names as they are used, each with its arguments: none for a name that is not called."""
    called: set[tree.Node] = set()
    for node in walk(equation):
        if isinstance(node, tree.Call) and isinstance(node.function, AnyName):
            called.add(node.function)
            yield written_name(node.function), node.arguments
        elif isinstance(node, AnyName) and node not in called:
            yield written_name(node), ()


def said_by(rule: Definition, given: tuple[tree.Argument, ...]) -> set[str]:
    """Names that the arguments of a call settle, by keyword or by place."""
    keywords = {one.keyword for one in given if one.keyword is not None}
    places = sum(one.keyword is None for one in given)
    by_place = [
        {one.name for one in (equation.patterns or ())[:places] if isinstance(one, tree.Parameter)}
        for equation in rule.equations
    ]
    return keywords | set.intersection(*by_place)
