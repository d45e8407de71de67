"""The shipped library as people read it; `docs/library.md` is made by this."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.semantics.shipped import library
from fractal_dsl.syntax import tree

__all__ = ["markdown"]

HEAD = """# The library `std`

Made from the library's own text, `fractal_dsl/semantics/std.fdl`, which is FDL like any other
file. `from "std" import bottleneck` brings one rule, `import "std" as std` all of them, as
`std::bottleneck`. [language.md](language.md#imports) says what an import is.

| rule | what it is |
|---|---|
"""


def markdown() -> str:
    """A row for each rule: the heads of its equations, and the documentation of the first."""
    return HEAD + "".join(f"| `{head}` | {doc} |\n" for head, doc in rules())


def rules() -> Iterator[tuple[str, str]]:
    found: dict[str, list[tree.Equation]] = {}
    for statement in library().statements:
        if isinstance(statement, tree.Equation):
            found.setdefault(statement.name, []).append(statement)
    for cases in found.values():
        heads = "`, `".join(one_line(case.head.text) for case in cases)
        yield heads, one_line(cases[0].doc).replace("|", "\\|")


def one_line(text: str) -> str:
    return " ".join(text.split())
