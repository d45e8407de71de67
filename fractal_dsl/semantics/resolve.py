"""From a parsed file to a resolved one: what every name is, and what cannot be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TypeVar

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.resources import resource_dir
from fractal_dsl.semantics.checks import (
    duplicates,
    unknown_names,
    unreachable_equations,
    unsupported,
)
from fractal_dsl.semantics.definitions import (
    Definition,
    Names,
    Resolved,
    implicit_names,
    recursion_groups,
)
from fractal_dsl.semantics.lints import lints
from fractal_dsl.semantics.termination import termination
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse, tree

__all__ = ["resolve"]

Statement = TypeVar("Statement", bound=tree.Node)


def resolve(program: tree.Program) -> Resolved:
    """Names, recursion groups and implicit parameters of a file, checked before expansion.

    Raises `DiagnosticError` with everything that is wrong, each mistake once.
    """
    stop_at(unsupported(program))
    names, prelude_names = all_names(program)
    params = {one.name: one for one in of_kind(program, tree.ParamDeclaration)}
    written = (*of_kind(prelude(), tree.ImplicitDeclaration),
               *of_kind(program, tree.ImplicitDeclaration))  # fmt: skip
    everyone = {*names.values(), *prelude_names.values()}
    resolved = Resolved(
        program,
        names,
        prelude_names,
        params,
        {one.name: one for one in written},
        of_kind(program, tree.NetDeclaration),
        of_kind(program, tree.Directive),
        of_kind(program, tree.Assertion),
        implicit_names(everyone, names, prelude_names, params),
    )
    stop_at(mistakes(resolved))
    return replace(resolved, warnings=tuple(lints(resolved)))


def all_names(program: tree.Program) -> tuple[Names, Names]:
    """What the file sees, and what the prelude sees, each rule with those it recurs with."""
    ours = definitions(prelude(), from_prelude=True)
    names = {**ours, **definitions(program, from_prelude=False)}
    groups = recursion_groups(names, ours)
    names = {name: recurring(one, groups) for name, one in names.items()}
    return names, {n: names[n] if names[n].from_prelude else d for n, d in ours.items()}


def mistakes(resolved: Resolved) -> Iterator[Diagnostic]:
    yield from duplicates(resolved.syntax)
    yield from unknown_names(resolved)
    yield from unreachable_equations(resolved)
    yield from termination(resolved)


def stop_at(found: Iterable[Diagnostic]) -> None:
    errors = tuple(found)
    if errors:
        places = {id(d): d.span.start if d.span else -1 for d in errors}
        raise DiagnosticError(*sorted(errors, key=lambda d: places[id(d)]))


@cache
def prelude() -> tree.Program:
    """The prelude's syntax; it travels inside the package."""
    path = resource_dir("semantics") / "prelude.fdl"
    return parse(Source("prelude.fdl", path.read_text(encoding="utf-8")))


def of_kind(program: tree.Program, kind: type[Statement]) -> tuple[Statement, ...]:
    return tuple(s for s in program.statements if isinstance(s, kind))


def definitions(program: tree.Program, *, from_prelude: bool) -> dict[str, Definition]:
    """Equations collected by name, in the order of each name's first equation."""
    equations: dict[str, list[tree.Equation]] = {}
    for equation in of_kind(program, tree.Equation):
        equations.setdefault(equation.name, []).append(equation)
    return {
        name: Definition(name, tuple(cases), pattern_positions(cases), from_prelude=from_prelude)
        for name, cases in equations.items()
    }


def pattern_positions(equations: Iterable[tree.Equation]) -> frozenset[int]:
    """Places where some equation has an integer or a successor: recursion indices."""
    return frozenset(
        at
        for equation in equations
        for at, pattern in enumerate(equation.patterns or ())
        if not isinstance(pattern, tree.Parameter)
    )


def recurring(definition: Definition, groups: Mapping[str, str]) -> Definition:
    """`definition` with its recursion group and the place of its level."""
    if definition.name not in groups:
        return definition
    places = sorted(definition.pattern_positions)
    level = places[0] if places else 0 if definition.equations[0].patterns else None
    return replace(definition, group=groups[definition.name], level_position=level)
