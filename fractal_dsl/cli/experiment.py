"""`fractalc experiment TABLE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fractal_dsl import train as training
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.show import Shown
from fractal_dsl.cli.status import INTERRUPTED, OK
from fractal_dsl.cli.told import Interrupt, needing_packages, together, values_of

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    path = Path(arguments.table)
    folder = Path("runs") / path.stem if arguments.out is None else Path(arguments.out)
    with needing_packages("experiment"), asked(), together() as first, Interrupt() as stop:
        told = first(lambda: training.read_experiment(
            path, data=arguments.data, recipe=arguments.recipe, settings=values_of(arguments)
        ))  # fmt: skip
        done = True
        if not arguments.print:
            progress = Shown(console, sys.stderr.isatty(), table=False)
            done = training.carry_out(told, folder, progress, stop)
        cells = training.by_first(lambda: list(training.results(told, folder)))
        if training.is_first():
            console.result("\n".join(training.text_table(told, cells)))
    return OK if done else INTERRUPTED
