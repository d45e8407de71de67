"""What `extern` names must be names to Python too: they are written into its code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator

from fractal_dsl.diagnostics import Diagnostic, Help
from fractal_dsl.semantics.definitions import Names
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["foreign_modules"]

# A dotted name of Python's, and a part of it: nothing that begins with `_` is meant for others.
PART = r"[A-Za-z][A-Za-z0-9_]{0,63}"
DOTTED = re.compile(rf"{PART}(\.{PART}){{1,9}}")


def foreign_modules(home: Names) -> Iterator[Diagnostic]:
    """Modules and arguments that Python has no name for."""
    for node in walk(home.syntax):
        if isinstance(node, tree.Extern):
            parts = node.path.split(".")
            if not DOTTED.fullmatch(node.path) or any(map(keyword.iskeyword, parts)):
                yield no_module(node)
        elif isinstance(node, tree.ExternDeclaration):
            yield from no_argument((one.name, one.span) for one in node.parameters)
        elif isinstance(node, tree.Call) and isinstance(node.function, tree.Extern):
            named = [one for one in node.arguments if one.keyword is not None]
            yield from no_argument((one.keyword or "", one.span) for one in named)


def no_module(extern: tree.Extern) -> Diagnostic:
    way = "write its package and its class, such as `torch.nn.GELU`"
    if re.fullmatch(PART, extern.path):
        way = f"say where it is, such as `torch.nn.{extern.path}`"
    return Diagnostic(
        "F0216",
        "`extern` takes the dotted name of a class",
        extern.span,
        "no name that Python could import",
        helps=(Help(way),),
    )


def no_argument(names: Iterable[tuple[str, Span]]) -> Iterator[Diagnostic]:
    for name, span in names:
        if keyword.iskeyword(name) or not re.fullmatch(PART, name):
            message = f"no argument of a Python class is called `{name}`"
            yield Diagnostic(
                "F0216", message, Span(span.source, span.start, span.start + len(name))
            )
