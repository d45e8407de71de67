"""`fractalc info SPEC`: a page about a network, for a person or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from fractal_dsl import runtime
from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.page import page
from fractal_dsl.cli.reading import compiled
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.told import needing_packages
from fractal_dsl.cli.waiting import waiting
from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.driver.facts import report_data

if TYPE_CHECKING:
    from fractal_dsl.runtime import DrawMemory

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    compilation = compiled(arguments)
    with waiting(f"counting {compilation.name}"):
        report = compilation.report
    memory = None
    if arguments.batch:
        with waiting(f"following {compilation.name}"):
            memory = kept_memory(compilation, arguments.batch)
    if arguments.json:
        data = report_data(compilation)
        if memory is not None:
            data["memory"] = {"batch": arguments.batch, **asdict(memory)}
        console.result(json.dumps(data, indent=2, allow_nan=False))
        return OK
    console.diagnostics(compilation.warnings)
    console.result(
        page(report, compilation.program.sampling, console.width(sys.stdout), memory,
             colour=console.has_colour(sys.stdout))
    )  # fmt: skip
    return OK


def kept_memory(compilation: Compilation, batch: int) -> DrawMemory:
    """On torch's meta device: nothing is computed or allocated."""
    inputs = compilation.program.net.inputs
    if len(inputs) > 1:
        raise UsageError(f"--batch follows one input; {compilation.name} takes {len(inputs)}")
    with needing_packages("info --batch"):
        model = runtime.hollow_model(compilation.module())
        return runtime.worst_draw_memory(model, (batch, *inputs[0].sizes))
