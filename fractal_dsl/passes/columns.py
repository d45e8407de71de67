"""Columns: the anytime sub-networks that keep one branch of every written join.

A **level** is a rule's recursion argument. A column of one recursive call assigns a branch to
each level, the same for all rules that recur together and all their instances; assignments
that keep the same nodes are one column. Columns of a call are ordered by (depth,
multiply-adds, assignment), shallowest first, counting as live what its own assignment does not
decide. A net has as many columns as the call with the most, where a join outside recursion is
a call whose columns are its branches in order; column k of the net is column min(k, number) of
every call. FractalNet's f(C) has exactly C.

`ColumnMap` answers, while one walks from calls to callees, which operands stay:

    columns = ColumnMap(program)
    context = columns.root(k)
    columns.kept(program.net, context, join.operands, join.branches, join.sampled)
    inside = columns.enter(context, call.callee)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fractal_dsl.ir.graph import Call, Graph, Join, Operand, Program
from fractal_dsl.passes.column_contexts import Assignment, CallEdges, Context, Selector
from fractal_dsl.passes.column_extremes import extreme_candidates
from fractal_dsl.passes.column_networks import Network, Networks
from fractal_dsl.passes.column_space import CallSpace, sort_key

__all__ = [
    "MOST_COLUMNS",
    "Assignment",
    "CallColumns",
    "ColumnMap",
    "ColumnReport",
    "Context",
    "ProgramColumns",
    "column_report",
    "columns",
]

MOST_COLUMNS = 1_024
# So many assignments are looked through for those that keep the same nodes. Counting has done
# so before, up to ways that lead through nothing but `id`.
MOST_LOOKED_AT = 4 * MOST_COLUMNS

_Sized: TypeAlias = tuple[int, int, Assignment, Assignment]


@dataclass(frozen=True, slots=True)
class CallColumns:
    """The columns of a call that enters a recursion at `graph`.

    `assignments` lists them, shallowest first, levels that a column does not reach left out;
    where there are more than 1,024 it has only the first and the last. (Of more than 4,096
    assignments, two count as different also if they differ in nothing but ways through `id`.)
    """

    graph: int
    count: int
    assignments: tuple[Assignment, ...]

    @property
    def is_listed(self) -> bool:
        return self.count == len(self.assignments)

    @property
    def extremes(self) -> tuple[Assignment, Assignment]:
        return self.assignments[0], self.assignments[-1]

    def assignment(self, column: int) -> Assignment:
        """Column `column`, or the last if there are fewer. ValueError if it is not listed."""
        if column >= self.count:
            return self.assignments[-1]
        if column > 1 and not self.is_listed:
            raise ValueError(f"column {column} of {self.count} is not listed")
        return self.assignments[column - 1]


@dataclass(frozen=True, slots=True)
class ProgramColumns:
    """The columns of a net: their number, and those of each recursive call it makes."""

    count: int
    calls: tuple[CallColumns, ...]


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What one column alone is: its live layers, their weights and its work for one sample."""

    column: int
    depth: int
    convs: int
    parameters: int
    macs: int


def columns(program: Program) -> ProgramColumns:
    """How many columns a net has, and the assignments of each recursive call."""
    return ColumnMap(program).columns


def column_report(program: Program, column: int) -> ColumnReport:
    """Column `column` of a net, 1 = the shallowest; the last where there are fewer."""
    return ColumnMap(program).report(column)


class ColumnMap:
    """The columns of one program, and what each of them keeps. Answers are remembered."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._edges = CallEdges(program)
        self._calls: dict[int, CallColumns] = {}
        self._most: list[int] = []
        self._selector = Selector(self._edges, self._assign, self._most_of)
        self._networks = Networks(self._selector)
        for at in range(len(program.graphs)):
            self._most.append(self._count_in(at))
        listed = tuple(self._calls[graph] for graph in sorted(self._calls))
        self.columns = ProgramColumns(max(1, self._most[program.entry]), listed)

    @property
    def count(self) -> int:
        """How many columns the net has."""
        return self.columns.count

    @property
    def is_listed(self) -> bool:
        """Whether every column can be asked for; else only the first and the last."""
        return self.count <= MOST_COLUMNS

    def root(self, column: int) -> Context:
        """The context of the net in its column `column`, 1 = the shallowest; 0: all stays."""
        return self._selector.contexts[self._selector.root(column)]

    def enter(self, context: Context, callee: int) -> Context:
        """The context of an instance of graph `callee` called from one in `context`."""
        inside = self._selector.enter(self._selector.number(context), callee)
        return self._selector.contexts[inside]

    def kept(
        self,
        graph: Graph,
        context: Context,
        operands: Sequence[Operand],
        branches: int,
        sampled: bool = True,
    ) -> tuple[bool, ...]:
        """Which operands of a join in `graph`, or of its open output, stay in `context`.

        Exactly one where a column decides; all of a join that is not sampled.
        """
        if not sampled:
            return (True,) * len(operands)
        level = 0 if graph.recursion is None else graph.recursion.level
        branch = self._selector.choice(context, level)
        branch = None if branch is None else min(branch, branches - 1)
        return tuple(
            (operand.branch is None or branch is None or operand.branch == branch)
            and self._stays(graph, context, operand)
            for operand in operands
        )

    def kept_outputs(self, graph: int, context: Context) -> tuple[bool, ...]:
        """Which outputs of an instance of `graph` stay in `context`."""
        mask = self._selector.ports((graph, self._selector.number(context)))
        return tuple(bool(mask >> at & 1) for at in range(len(self.program.graphs[graph].outputs)))

    def report(self, column: int) -> ColumnReport:
        """What column `column` of the net is, alone."""
        entry = self.program.entry
        network = self._networks.of(entry, self._selector.root(column))
        return ColumnReport(
            column, network.depth, network.convs, network.parameters, network.macs
        )  # fmt: skip

    def reports(self) -> tuple[ColumnReport, ...]:
        """All columns, shallowest first; the first and the last where there are too many."""
        every = range(1, self.count + 1) if self.is_listed else (1, self.count)
        return tuple(self.report(column) for column in every)

    def _stays(self, graph: Graph, context: Context, operand: Operand) -> bool:
        if operand.origin is None:
            return True
        call = graph.nodes[operand.origin.node]
        assert isinstance(call, Call)
        inside = self._selector.enter(self._selector.number(context), call.callee)
        return bool(self._selector.ports((call.callee, inside)) >> operand.origin.port & 1)

    def _most_of(self, graph: int) -> int:
        return self._most[graph]

    def _assign(self, callee: int, column: int) -> Assignment:
        known = self._calls.get(callee)
        return () if known is None else known.assignment(column)

    def _count_in(self, at: int) -> int:
        """The most columns of anything in an instance of graph `at` that asks for the net's.

        0 if nothing does. Callees have been counted before.
        """
        graph = self.program.graphs[at]
        most = [0]
        if self._edges.group(at) is None:
            most.append(graph.branches)
            most += (n.branches for n in graph.nodes if isinstance(n, Join) and n.sampled)
        for callee in self._edges.callees[at]:
            most.append(self._most[callee])
            if (at, callee) in self._edges.fresh:
                most.append(self._count_call(callee))
        return max(most)

    def _count_call(self, callee: int) -> int:
        """The columns of a call that enters a recursion at `callee`; 0 if nothing hangs on one."""
        if callee not in self._calls:
            space = CallSpace(self._edges, callee)
            if not space.decides:
                return 0
            self._calls[callee] = self._listed(space)
        return self._calls[callee].count

    def _listed(self, space: CallSpace) -> CallColumns:
        if space.count > MOST_LOOKED_AT:
            sides = (extreme_candidates(space, self._networks, deepest=d) for d in (False, True))
            first, last = (sorted(self._sized(space, side).values()) for side in sides)
            return CallColumns(space.top, space.count, (first[0][-1], last[-1][-1]))
        found = sorted(self._sized(space, space.assignments()).values())
        listed = tuple(size[-1] for size in found)
        if len(listed) > MOST_COLUMNS:
            return CallColumns(space.top, len(listed), (listed[0], listed[-1]))
        return CallColumns(space.top, len(listed), listed)

    def _sized(self, space: CallSpace, assignments: Iterable[Assignment]) -> dict[int, _Sized]:
        """Distinct columns in what they are sorted by; of equal ones the smallest assignment."""
        found: dict[int, _Sized] = {}
        for assignment in sorted(assignments, key=sort_key):
            network = self._network(space, assignment)
            size = (network.depth, network.macs, sort_key(assignment), assignment)
            found.setdefault(network.identity, size)
        return found

    def _network(self, space: CallSpace, assignment: Assignment) -> Network:
        """The live part of a call in one column, with all that the column leaves open."""
        context = Context(0, space.group, ((space.group, assignment),))
        return self._networks.of(space.top, self._selector.number(context))
