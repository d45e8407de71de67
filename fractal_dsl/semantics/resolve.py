"""From a parsed file to a resolved one: what every name is, and what cannot be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.semantics.checks import (
    duplicates,
    unknown_names,
    unreachable_equations,
)
from fractal_dsl.semantics.definitions import Names, Resolved, implicit_names
from fractal_dsl.semantics.extern_checks import foreign_modules
from fractal_dsl.semantics.imports import Loader, NoFiles, link, of_kind
from fractal_dsl.semantics.lints import lints
from fractal_dsl.semantics.shipped import prelude
from fractal_dsl.semantics.termination import termination
from fractal_dsl.source import Source
from fractal_dsl.syntax import tree

__all__ = ["resolve"]


def resolve(program: tree.Program, loader: Loader | None = None) -> Resolved:
    """Names, recursion groups and implicit parameters of a file, checked before expansion.

    `loader` gives the text of the files that it imports; without one it can import the
    library alone. Raises `DiagnosticError` with everything that is wrong, each mistake once.
    """
    homes = link(program, loader or NoFiles())
    names = homes[-1]
    written = (*of_kind(prelude(), tree.ImplicitDeclaration),
               *of_kind(program, tree.ImplicitDeclaration))  # fmt: skip
    resolved = Resolved(
        names,
        homes,
        {one.name: one for one in written},
        of_kind(program, tree.NetDeclaration),
        of_kind(program, tree.Directive),
        of_kind(program, tree.Assertion),
        implicit_names(homes),
    )
    files = read(resolved)
    stop_at(one for home in files for one in mistakes(resolved, home))
    return replace(resolved, warnings=tuple(lints(resolved)))


def read(resolved: Resolved) -> tuple[Names, ...]:
    """Every file once, however many times it is imported; not those of the compiler."""
    files: dict[Source, Names] = {home.source: home for home in resolved.homes}
    return tuple(home for source, home in files.items() if not source.is_shipped)


def mistakes(resolved: Resolved, home: Names) -> Iterator[Diagnostic]:
    yield from duplicates(home.syntax)
    yield from foreign_modules(home)
    yield from unknown_names(resolved, home)
    yield from unreachable_equations(home)
    yield from termination(home)


def stop_at(found: Iterable[Diagnostic]) -> None:
    """Raises all of `found`, file by file in the order of its lines."""
    errors = tuple(found)
    if not errors:
        return
    files = {d.span.source: n for n, d in reversed([*enumerate(errors)]) if d.span}
    places = {id(d): (files[d.span.source], d.span.start) if d.span else (-1, 0) for d in errors}
    raise DiagnosticError(*sorted(errors, key=lambda d: places[id(d)]))
