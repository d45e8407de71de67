"""`fractalc eval RUN`: what each column of a trained network is worth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fractal_dsl import train as training
from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.reading import asked
from fractal_dsl.cli.status import OK
from fractal_dsl.cli.told import needing_packages
from fractal_dsl.cli.waiting import waiting

__all__ = ["column_of", "run"]


def run(arguments: argparse.Namespace, console: Console) -> int:
    with needing_packages("eval"), asked(), waiting(f"evaluating {arguments.run}"):
        one = training.open_run(Path(arguments.run), arguments.step, arguments.data)
        images = one.data.test if arguments.split == "test" else one.data.train
        columns = columns_of(arguments.column, one.columns)
        lines = training.scored(one, images, columns, batches=arguments.recalibrate)
    if arguments.json:
        held = {
            "run": arguments.run,
            "step": one.step,
            "split": arguments.split,
            "images": len(images),
            "columns": [line.as_data() for line in lines],
        }
        console.result(json.dumps(held, indent=2))
    else:
        console.note(f"{one.made.name} after step {one.step:,}, on {len(images):,} images")
        console.result("\n".join(table(lines)))
    return OK


def columns_of(word: str, known: Sequence[int]) -> tuple[int | None, ...]:
    if word == "all":
        return (*known, None)
    return (column_of(word, known),)


def column_of(word: str, known: Sequence[int]) -> int | None:
    """A column's number; None for the `whole` net. Raises UsageError for what is none."""
    if word == "whole":
        return None
    if word == "deepest" and known:
        return known[-1]
    if not word.isascii() or not word.isdigit() or int(word) not in known:
        there = f"the columns are 1 to {len(known)}" if known else "the net has no columns"
        raise UsageError(f"there is no column {word}: {there}, or say `deepest` or `whole`")
    return int(word)


def table(lines: Sequence[Any]) -> Iterator[str]:
    again = any(line.recalibrated for line in lines)
    head = f"{'column':>6}  {'depth':>5}  {'parameters':>12}  {'multiply-adds':>14}  {'ms':>8}"
    yield head + f"  {'loss':>8}  {'error':>7}" + ("  recalibrated loss, error" if again else "")
    for line in lines:
        name = "all" if line.column is None else str(line.column)
        cells = (
            f"{name:>6}  {line.depth:>5}  {line.parameters:>12,}  {line.macs:>14,}"
            f"  {line.latency:>8.2f}  {line.trained.loss:>8.4f}  {line.trained.error:>7.2%}"
        )
        if line.recalibrated is not None:
            cells += f"  {line.recalibrated.loss:>17.4f}  {line.recalibrated.error:>5.2%}"
        yield cells
