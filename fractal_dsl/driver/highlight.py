"""What `--highlight` asks for: one column, or one drop-path sample, as a plan."""

from __future__ import annotations

import random
from typing import NamedTuple

from fractal_dsl.driver.limits import check_columns
from fractal_dsl.driver.request import RequestError
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program, Sampling
from fractal_dsl.passes.column_plans import Plan, column_plan
from fractal_dsl.passes.columns import ColumnMap
from fractal_dsl.reference.plans import local_plan, resolve

__all__ = ["Highlight", "parse_highlight", "plan_of"]

PAPER = Sampling(local=0.15, mixture=0.5)


class Highlight(NamedTuple):
    """`column=3` or `sample=7`; the number of a sample is the seed it is drawn with."""

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what}={self.number}"


def parse_highlight(text: str) -> Highlight:
    """Raises RequestError for what is neither."""
    what, _, number = text.partition("=")
    if what not in ("column", "sample") or not (number.isascii() and number.isdigit()):
        raise RequestError(f"--highlight takes column=K or sample=SEED, not {text!r}")
    return Highlight(what, int(number[:18]))


def plan_of(program: Program, highlight: Highlight) -> Plan:
    """Which join inputs are live in a column or a sample.

    A net without `drop_path` is sampled at the paper's rates. Raises RequestError for a column
    that is not there, DiagnosticError (F0308) where there are too many to list.
    """
    if highlight.what == "column":
        return named_column(program, highlight)
    sampling = program.sampling or PAPER
    generator = random.Random(highlight.number)
    if generator.random() >= sampling.mixture:
        return local_plan(flatten(program), sampling, generator)
    columns = ColumnMap(program)
    check_columns(columns)
    return reached(columns, generator.choice(sampling.columns or range(1, columns.count + 1)))


def named_column(program: Program, highlight: Highlight) -> Plan:
    columns = ColumnMap(program)
    if not 1 <= highlight.number <= columns.count:
        raise RequestError(
            f"--highlight {highlight}: the columns of this net are 1 to {columns.count:,}"
        )
    if highlight.number not in (1, columns.count):
        check_columns(columns)
    return reached(columns, highlight.number)


def reached(columns: ColumnMap, column: int) -> Plan:
    """The plan of a column, empty for the joins that it does not reach."""
    return resolve(flatten(columns.program), column_plan(columns, column).__getitem__)
