"""`fractalc SPEC -o OUT`: compile, make every output, then write them."""

from __future__ import annotations

import argparse
from pathlib import Path

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked, compiled
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver.compilation import Compilation, Form
from fractal_dsl.driver.output import write_atomically
from fractal_dsl.driver.targets import PICTURES, STDOUT, Target, targets

__all__ = ["run"]

OPTIONS = {
    "expand": (PICTURES, "pictures"),
    "highlight": (PICTURES, "pictures"),
    "checkpoint": ({"python"}, "Python"),
    "style": ({"python"}, "Python"),
}
"""Which kinds of output an option is for."""

UNASKED = (None, False, "modules")


def run(arguments: argparse.Namespace, console: Console) -> int:
    wanted = targets_of(arguments)
    compilation = compiled(arguments)
    forms = [made(compilation, target, arguments) for target in wanted]
    console.diagnostics(compilation.warnings)
    for note in dict.fromkeys(note for form in forms for note in form.notes):
        console.note(note)
    for target, form in zip(wanted, forms, strict=True):
        if target.path == STDOUT:
            console.data(form.data)
        else:
            write_atomically(target.path, form.data)
    return OK


def targets_of(arguments: argparse.Namespace) -> tuple[Target, ...]:
    if not arguments.outputs:
        raise UsageError(
            "say where to write, for example `-o model.py`, or `-o -` for standard output; "
            "`fractalc check` only looks for mistakes"
        )
    with asked():
        wanted = targets(arguments.outputs, arguments.to)
    for target in wanted:
        if is_one_file(target.path, arguments.spec):
            raise UsageError(f"-o {target.path} would overwrite the specification")
    kinds = {target.kind for target in wanted}
    for option, (of, name) in OPTIONS.items():
        if getattr(arguments, option) not in UNASKED and kinds.isdisjoint(of):
            raise UsageError(f"--{option} is for {name}, and no output is that")
    return wanted


def is_one_file(path: str, other: str) -> bool:
    """Whether both names lead to one file that is there."""
    try:
        return STDOUT not in (path, other) and Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def made(compilation: Compilation, target: Target, arguments: argparse.Namespace) -> Form:
    with asked(), waiting(f"making {target.kind}"):
        return compilation.form(
            target.kind,
            style=arguments.style,
            checkpoint=arguments.checkpoint,
            expand=arguments.expand,
            highlight=arguments.highlight,
        )
