"""`fractalc train SPEC --data DATA`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fractal_dsl import train as training
from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.show import Shown
from fractal_dsl.cli.status import INTERRUPTED, OK
from fractal_dsl.cli.told import Interrupt, given, needing_packages, recipe_of, together
from fractal_dsl.driver.sources import read_source

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    folder = None if arguments.out is None else Path(arguments.out)
    with needing_packages("train"), asked(), together() as each:
        job = each(lambda: job_of(arguments))
        progress = Shown(console, sys.stderr.isatty())
        heard: training.Progress = progress
        if arguments.tensorboard:
            heard = training.WithTensorBoard(progress)
        with Interrupt() as stop:
            result = training.train(
                job, folder, heard, resume=arguments.resume, stop=stop,
                given=[one.name for one in given(arguments)],
            )  # fmt: skip
    return OK if result.finished else INTERRUPTED


def job_of(arguments: argparse.Namespace) -> training.Job | None:
    """What the command line says to do; None where the folder knows. Raises UsageError."""
    recipe = recipe_of(arguments)
    if arguments.spec is None:
        if not arguments.resume or arguments.out is None:
            raise UsageError(
                "say what to train, for example `fractalc train specs/digits.fdl --data digits`; "
                "or go on with `fractalc train --out FOLDER --resume`"
            )
        return None
    if arguments.data is None:
        raise UsageError("say what to train on, for example `--data digits`")
    return training.Job(
        read_source(arguments.spec), arguments.data, recipe, tuple(arguments.settings),
        arguments.net, arguments.column,
    )  # fmt: skip
