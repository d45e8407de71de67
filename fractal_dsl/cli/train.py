"""`fractalc train SPEC --data DATA`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fractal_dsl import train as training
from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.show import Shown
from fractal_dsl.cli.status import INTERRUPTED, OK
from fractal_dsl.cli.told import Interrupt, given, needing_packages, recipe_of, together
from fractal_dsl.driver.sources import read_source
from fractal_dsl.train.recipe import settings

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    folder = None if arguments.out is None else Path(arguments.out)
    with needing_packages("train"), asked(), together() as first:
        job = first(lambda: job_of(arguments, folder))
        insisted = given(arguments) if arguments.recipe is None else settings()
        progress = Shown(console, sys.stderr.isatty())
        heard: training.Progress = progress
        if arguments.tensorboard and training.is_first():
            heard = training.WithTensorBoard(progress)
        with Interrupt() as stop:
            result = training.train(
                job, folder, heard, resume=arguments.resume, stop=stop,
                given=[one.name for one in insisted],
            )  # fmt: skip
    return OK if result.finished else INTERRUPTED


def job_of(arguments: argparse.Namespace, folder: Path | None) -> training.Job | None:
    """What the command line says to do; what it leaves out, the folder of a begun run knows.

    None where there is no such run, and nothing is said. Raises UsageError.
    """
    recipe = recipe_of(arguments)
    begun = begun_in(folder) if arguments.resume else None
    if arguments.spec is None and (folder is None or not arguments.resume):
        raise UsageError(
            "say what to train, for example `fractalc train specs/digits.fdl --data digits`; "
            "or go on with `fractalc train --out FOLDER --resume`"
        )
    data, words = arguments.data, tuple(arguments.settings)
    if arguments.spec is None:
        own = {"words": words or None, "net": arguments.net, "column": arguments.column}
        said = {name: one for name, one in {"data": data, **own}.items() if one is not None}
        return None if begun is None else replace(begun, recipe=recipe, **said)
    if data is None and begun is not None:
        data = begun.data
    if data is None:
        raise UsageError("say what to train on, for example `--data digits`")
    return training.Job(
        read_source(arguments.spec), data, recipe, words, arguments.net, arguments.column
    )


def begun_in(folder: Path | None) -> training.Job | None:
    if folder is None or not (run := training.Run(folder)).exists():
        return None
    _, job = run.read()
    return job
