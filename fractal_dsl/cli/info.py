"""`fractalc info SPEC`: a page about a network, for a person or as JSON."""

from __future__ import annotations

import argparse
import json
import sys

from fractal_dsl.cli.console import Console
from fractal_dsl.cli.page import page
from fractal_dsl.cli.reading import compiled
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver.facts import report_data

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    compilation = compiled(arguments)
    with waiting(f"counting {compilation.name}"):
        report = compilation.report
    if arguments.json:
        console.result(json.dumps(report_data(compilation), indent=2, allow_nan=False))
        return OK
    console.diagnostics(compilation.warnings)
    console.result(
        page(report, compilation.program.sampling, console.width(sys.stdout),
             colour=console.has_colour(sys.stdout))
    )  # fmt: skip
    return OK
