"""The compiler as one straight line."""

from __future__ import annotations

import os
from collections.abc import Mapping

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.diagnostics.render import render
from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.driver.imports import resolved
from fractal_dsl.driver.settings import fdl_values
from fractal_dsl.driver.sources import read_source
from fractal_dsl.ir.graph import Program
from fractal_dsl.passes import pipeline
from fractal_dsl.passes.columns import ColumnMap
from fractal_dsl.passes.counts import joins
from fractal_dsl.passes.report import facts
from fractal_dsl.semantics import elaborate
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.source import Source

__all__ = ["compile", "compile_source"]


def compile_source(
    source: Source, *, net: str | None = None, params: Mapping[str, object] | None = None
) -> Compilation:
    """Compiles one net of a file; `params` are values for its params and the net's own.

    Raises DiagnosticError with everything that is wrong with the file.
    """
    found = resolved(source)
    elaborated = elaborate(found, net, fdl_values(params or {}))
    program = pipeline.run(elaborated.program)
    check_sampled_columns(found, program)
    if found.assertions:
        known = facts(program)
        failures = elaborated.check_assertions(known, known.unknown)
        if failures:
            raise DiagnosticError(*failures)
    return Compilation(source, program, elaborated.warnings, found.sources[1:])


def check_sampled_columns(found: Resolved, program: Program) -> None:
    """Raises DiagnosticError (F0405) where a step might draw a column that the net has not."""
    asked = () if program.sampling is None else program.sampling.columns or ()
    if not asked or max(asked) <= (count := ColumnMap(program).count) or not joins(program):
        return
    (span,) = (
        argument.value.span
        for directive in found.directives
        for argument in directive.arguments
        if argument.keyword == "columns"
    )
    said = f"`columns` asks for column {max(asked)}; `{program.name}` has {count}"
    raise DiagnosticError(
        Diagnostic("F0405", said, span, helps=(Help(f"write columns from 1 to {count}"),))
    )


def compile(  # noqa: A001 - the word users expect
    source_or_path: str | os.PathLike[str], *, net: str | None = None, **params: object
) -> Compilation:
    """Compiles a file of FDL, or its text: a string with `=` in it is text, else a path.

    `params` set the file's params and the net's own (`C=5`, `classes=100`); where a file has
    several nets, `net` names one. Raises DiagnosticError, whose notes show the messages.
    """
    try:
        if isinstance(source_or_path, str) and "=" in source_or_path:
            source = Source("<text>", source_or_path)
        else:
            source = read_source(source_or_path)
        return compile_source(source, net=net, params=params)
    except DiagnosticError as error:
        error.add_note("\n" + render(error.diagnostics).rstrip())
        raise
