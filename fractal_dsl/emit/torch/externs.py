"""Modules of others in generated code: what it imports for them, and says of them in its head."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.emit.torch.text import Code, dotted, fill
from fractal_dsl.ir.graph import Apply, Program
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.source import Span

__all__ = ["check_names", "extern_paths", "head_lines", "import_lines"]


def extern_paths(program: Program) -> tuple[str, ...]:
    """The dotted names of all modules that others wrote, sorted."""
    found = {
        node.attributes.path
        for graph in program.graphs
        for node in graph.nodes
        if isinstance(node, Apply) and isinstance(node.attributes, Extern)
    }
    return tuple(sorted(found))


def import_lines(paths: Collection[str]) -> list[Code]:
    """One for each package; those of `torch.nn` need none."""
    packages = {path.rpartition(".")[0] for path in paths} - {"torch.nn"}
    return [fill("import {}", dotted(package)) for package in sorted(packages)]


def head_lines(paths: Collection[str]) -> Iterator[str]:
    if paths:
        yield "It uses modules that fractalc knows by name only (extern):"
        yield from (f"- {path}" for path in paths)


def check_names(program: Program, text: str, paths: Collection[str]) -> None:
    """Raises DiagnosticError (F0605) where the code has a name that hides a package's."""
    roots = {path.partition(".")[0]: path for path in paths} if paths else {}
    hidden = [name for name in bound_names(text) if name in roots] if roots else []
    for name in hidden:
        raise DiagnosticError(
            Diagnostic(
                "F0605",
                f"something called `{name}` hides the package of `{roots[name]}` in the code",
                place_of(program, roots[name]),
                f"`{name}` means something else there",
                helps=(Help(f"rename what the specification calls `{name}`"),),
            )
        )


def bound_names(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.ImportFrom(names=names):
                yield from (one.asname or one.name for one in names)


def place_of(program: Program, path: str) -> Span | None:
    """Where the specification names a module first."""
    spans = (
        node.span
        for graph in program.graphs
        for node in graph.nodes
        if isinstance(node, Apply)
        and isinstance(node.attributes, Extern)
        and node.attributes.path == path
    )
    return next(spans, None)
