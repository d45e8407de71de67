"""What is wrong with an import."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import tree

__all__ = [
    "circular_import",
    "no_param",
    "not_in_file",
    "set_without_name",
    "too_many_imports",
    "twice",
]


def twice(name: str, span: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        "F0209",
        f"`{name}` is defined twice",
        span,
        "again here",
        labels=(Label(first, "first here"),),
        helps=(Help("give one of them another name"),),
    )


def not_in_file(source: Source, name: str, span: Span, known: Iterable[str]) -> Diagnostic:
    helps = did_you_mean(name, known, f"what `{source.name}` defines", span)
    return Diagnostic(
        "F0201", f"`{source.name}` has no rule or param `{name}`", span, "not there", helps=helps
    )


def no_param(source: Source, setting: tree.Argument, known: Iterable[str]) -> Diagnostic:
    name = setting.keyword or ""
    span = Span(setting.span.source, setting.span.start, setting.span.start + len(name))
    helps = did_you_mean(name, known, "its params", span)
    return Diagnostic("F0206", f"`{source.name}` has no param `{name}`", span, helps=helps)


def set_without_name(setting: tree.Argument, known: Iterable[str]) -> Diagnostic:
    listed = ", ".join(f"`{name}`" for name in known)
    help_ = Help(f"its params: {listed}" if listed else "the file has no params")
    message = "an import sets params by name, such as `width = 32`"
    return Diagnostic("F0206", message, setting.span, "which param?", helps=(help_,))


def circular_import(ring: Sequence[tuple[Source, Span | None]], again: Span) -> DiagnosticError:
    """`ring` are the files of the circle, each with the place where the one before imports it."""
    names = [source.name for source, _ in ring]
    circle = " -> ".join([*names, names[0]])
    labels = tuple(
        Label(at, f"`{source.name}` is imported here") for source, at in ring[1:] if at is not None
    )
    return DiagnosticError(
        Diagnostic(
            "F0215",
            f"`{names[0]}` imports itself: {circle}",
            again,
            "the circle closes here",
            labels=labels,
            helps=(Help("move what both need into a file of its own"),),
        )
    )


def too_many_imports(most: int, span: Span) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0214",
            f"more than {most} imported files, counting each file once for each of its settings",
            span,
            "not read",
            helps=(Help("pass what differs as an argument of a rule"),),
        )
    )
