"""`fractalc export RUN -o OUT`."""

from __future__ import annotations

import argparse
from pathlib import Path

from fractal_dsl import train as training
from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.eval import column_of
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.told import needing_packages
from fractal_dsl.cli.waiting import waiting

__all__ = ["run"]

ENDINGS = (".safetensors", ".pt", ".onnx", ".py")


def run(arguments: argparse.Namespace, console: Console) -> int:
    paths = [Path(one) for one in arguments.outputs]
    if not paths:
        raise UsageError("say where to write, for example `-o weights.safetensors`")
    for path in paths:
        if path.suffix not in ENDINGS:
            raise UsageError(f"`{path}`: known endings are {', '.join(ENDINGS)}")
    with needing_packages("export"), asked():
        one = training.open_run(Path(arguments.run), arguments.step)
        column = None if arguments.column is None else column_of(arguments.column, one.columns)
        for path in paths:
            with waiting(f"making {path}"):
                training.export(
                    one, path, column, batches=arguments.recalibrate, fold=arguments.fold
                )
    console.note(f"{one.made.name} after step {one.step:,}: {', '.join(map(str, paths))}")
    return OK
