"""What `--highlight` asks for: one column, or one drop-path sample, as a plan."""

from __future__ import annotations

import random
from typing import NamedTuple

from fractal_dsl.driver.request import RequestError
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program, Sampling
from fractal_dsl.reference.plans import Plan, column_count, column_plan, local_plan

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

    A net without `drop_path` is sampled at the paper's rates. Raises RequestError.
    """
    flat = flatten(program)
    count = column_count(flat)
    if highlight.what == "column":
        if not 1 <= highlight.number <= count:
            raise RequestError(f"--highlight {highlight}: the columns of this net are 1 to {count}")
        return column_plan(flat, highlight.number)
    sampling = program.sampling or PAPER
    generator = random.Random(highlight.number)
    if generator.random() < sampling.mixture:
        return column_plan(flat, generator.choice(sampling.columns or range(1, count + 1)))
    return local_plan(flat, sampling, generator)
