"""`fractalc dump SPEC --stage NAME`."""

from __future__ import annotations

import argparse

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import settings_of
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver.sources import read_source
from fractal_dsl.driver.stages import STAGES, Request

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    values = settings_of(arguments)
    request = Request(read_source(arguments.spec), arguments.net, values)
    with waiting(f"compiling {request.source.name}"):
        text = STAGES[arguments.stage](request)
    console.result(text)
    return OK
