"""Where drop-path acts: the joins, each with its inputs' rates and where they come from.

Joins are numbered through the whole flat program in data-flow order. Each instance of a graph
holds the same number of them, so the numbers inside it are those of the graph plus an offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fractal_dsl.ir.graph import Call, Graph, Join, Operand, Program
from fractal_dsl.passes.fold import instances, totals

__all__ = [
    "DropInput",
    "DropPoint",
    "Written",
    "drop_points",
    "join_counts",
    "join_offsets",
    "operand_rates",
    "rate_of",
]


class Written(NamedTuple):
    """A join as somebody wrote it, and the branch of it that an input came by."""

    label: str
    rule: str
    level: int | None
    branch: int
    branches: int
    equation: str


class DropInput(NamedTuple):
    """One input of a join. `path` holds the written joins on its way, outermost first.

    `rate` is its local drop rate; None where neither it nor the net has one.
    """

    rate: float | None
    path: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class DropPoint:
    """One join of one distinct graph, in `instances` copies in the flat program.

    `graph` and `node` are its place; `label`, `rule`, `level` and `equation` those of the
    graph that closes it. It is `sampled` unless `drop(..., global = false)` took it out of
    global sampling.
    """

    graph: int
    node: int
    label: str
    rule: str
    level: int | None
    equation: str
    instances: int
    sampled: bool
    inputs: tuple[DropInput, ...]

    @property
    def arity(self) -> int:
        return len(self.inputs)


def drop_points(program: Program) -> tuple[DropPoint, ...]:
    """Every distinct join of a program, callees first."""
    found = []
    numbers = instances(program)
    local = None if program.sampling is None else program.sampling.local
    left_open: list[tuple[DropInput, ...]] = []
    for at, graph in enumerate(program.graphs):
        for position, node in enumerate(graph.nodes):
            if isinstance(node, Join) and numbers[at]:
                inputs = _inputs(graph, node.operands, node.branches, left_open)
                found.append(
                    DropPoint(
                        at,
                        position,
                        graph.label,
                        graph.rule,
                        _level(graph),
                        graph.equation,
                        numbers[at],
                        node.sampled,
                        tuple(one._replace(rate=_first(one.rate, local)) for one in inputs),
                    )
                )
        left_open.append(_inputs(graph, graph.outputs, graph.branches, left_open))
    return tuple(found)


def join_counts(program: Program) -> tuple[int, ...]:
    """For each graph, the flat joins that one instance of it holds, those of callees included."""
    return totals(program, lambda graph: sum(isinstance(node, Join) for node in graph.nodes))


def join_offsets(program: Program, graph: int) -> tuple[int, ...]:
    """For each node of a graph, how many flat joins of an instance come before it.

    Copy c of a repeat begins c times the callee's `join_counts` after the call's offset.
    """
    counts = join_counts(program)
    offsets, before = [], 0
    for node in program.graphs[graph].nodes:
        offsets.append(before)
        if isinstance(node, Call):
            before += node.count * counts[node.callee]
        before += isinstance(node, Join)
    return tuple(offsets)


def operand_rates(program: Program) -> tuple[tuple[float | None, ...], ...]:
    """For each graph, the rates of what it returns: its own, else the callee's it comes from."""
    rates: list[tuple[float | None, ...]] = []
    for graph in program.graphs:
        rates.append(tuple(rate_of(graph, operand, rates) for operand in graph.outputs))
    return tuple(rates)


def rate_of(
    graph: Graph, operand: Operand, rates: Sequence[tuple[float | None, ...]]
) -> float | None:
    """The rate that `drop` gave an operand of `graph`; `rates` are those its callees return."""
    if operand.rate is not None or operand.origin is None:
        return operand.rate
    node = graph.nodes[operand.origin.node]
    assert isinstance(node, Call)
    return rates[node.callee][operand.origin.port]


def _inputs(
    graph: Graph,
    operands: tuple[Operand, ...],
    branches: int,
    left_open: list[tuple[DropInput, ...]],
) -> tuple[DropInput, ...]:
    made = []
    for operand in operands:
        path: tuple[Written, ...] = ()
        rate = operand.rate
        if operand.branch is not None:
            path = (
                Written(
                    graph.label, graph.rule, _level(graph), operand.branch, branches,
                    graph.equation,
                ),
            )  # fmt: skip
        if operand.origin is not None:
            node = graph.nodes[operand.origin.node]
            assert isinstance(node, Call)
            inner = left_open[node.callee][operand.origin.port]
            path += inner.path
            rate = _first(rate, inner.rate)
        made.append(DropInput(rate, path))
    return tuple(made)


def _level(graph: Graph) -> int | None:
    return None if graph.recursion is None else graph.recursion.level


def _first(rate: float | None, other: float | None) -> float | None:
    return other if rate is None else rate
