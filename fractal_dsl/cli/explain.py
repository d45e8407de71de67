"""`fractalc explain CODE`."""

from __future__ import annotations

import argparse

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.status import OK
from fractal_dsl.diagnostics.catalogue import Explanation, codes, explanation

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.code is None:
        lines = (f"{code}  {found.title}" for code, found in everything())
        console.result("\n".join(lines))
        return OK
    found = explanation(arguments.code.upper())
    if found is None:
        raise UsageError(f"there is no code {arguments.code}; `fractalc explain` lists all of them")
    console.result(text(arguments.code.upper(), found))
    return OK


def everything() -> list[tuple[str, Explanation]]:
    pairs = ((code, explanation(code)) for code in codes())
    return [(code, found) for code, found in pairs if found is not None]


def text(code: str, found: Explanation) -> str:
    parts = [f"{code}: {found.title}", found.text]
    if found.failing:
        parts.append("Wrong:\n\n" + indented(found.failing))
    if found.fixed:
        parts.append("Right:\n\n" + indented(found.fixed))
    return "\n\n".join(parts)


def indented(example: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in example.splitlines())
