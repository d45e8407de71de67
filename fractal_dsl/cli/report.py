"""`fractalc report RUN...`."""

from __future__ import annotations

import argparse
from pathlib import Path

from fractal_dsl import train as training
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.told import needing_packages
from fractal_dsl.cli.waiting import waiting

__all__ = ["run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    folders = [Path(one) for one in arguments.runs]
    output = folders[0] / "report" if arguments.output is None else Path(arguments.output)
    with needing_packages("report"), asked(), waiting("drawing"):
        paths = training.write_report(folders, output)
    console.result("\n".join(map(str, paths)))
    return OK
