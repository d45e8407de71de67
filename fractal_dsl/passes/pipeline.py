"""Passes that turn a program into a program; the program is verified after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fractal_dsl.ir.graph import Graph, Program
from fractal_dsl.ir.prune import drop_unreached, recalled, renumbered
from fractal_dsl.ir.verify import verify
from fractal_dsl.passes.needed import leave_out_unneeded

__all__ = ["PIPELINE", "Pass", "merge_equal_graphs", "run"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One step of the pipeline, and why it stands where it does."""

    name: str
    transform: Callable[[Program], Program]
    reason: str


def merge_equal_graphs(program: Program) -> Program:
    """One graph for each distinct content, callees first; the first of equal ones stays.

    Contents are compared after the callees have been merged, so equal sub-networks however
    deep become one. What is only for people (equations, documentation, places in the source)
    does not count; labels do.
    """
    known: dict[Graph, int] = {}
    number: dict[int, int] = {}
    kept: list[int] = []
    for at, graph in enumerate(program.graphs):
        same = known.setdefault(recalled(graph, number), len(kept))
        if same == len(kept):
            kept.append(at)
        number[at] = same
    return renumbered(program, kept, number)


PIPELINE = (
    Pass(
        "drop_unreached",
        drop_unreached,
        "first: expansion leaves graphs that only lost branches of an `if` or a sum would call",
    ),
    Pass(
        "leave_out_unneeded",
        leave_out_unneeded,
        "then what lists hold and nothing reads goes, since a call may read less than another",
    ),
    Pass(
        "merge_equal_graphs",
        merge_equal_graphs,
        "then what is left is made distinct, so analysis and code see each sub-network once",
    ),
)


def run(program: Program) -> Program:
    """The program after all passes. Raises InternalError where one leaves it ill formed."""
    for step in PIPELINE:
        program = step.transform(program)
        verify(program)
    return program
