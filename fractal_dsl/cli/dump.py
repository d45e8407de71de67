"""`fractalc dump SPEC --stage NAME`."""

from __future__ import annotations

import argparse

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked, settings_of
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver.sources import read_source
from fractal_dsl.driver.stages import OF_TEXT, STAGES, Request

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    values = settings_of(arguments)
    if arguments.column is not None and arguments.stage in OF_TEXT:
        raise UsageError(f"--column is of a graph, and the stage {arguments.stage} is of the text")
    source = read_source(arguments.spec)
    request = Request(source, arguments.net, values, arguments.column)
    with asked(), waiting(f"compiling {source.name}"):
        text = STAGES[arguments.stage](request)
    console.result(text)
    return OK
