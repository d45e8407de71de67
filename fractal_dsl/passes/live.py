"""How much of a network a training step computes under drop-path, in expectation, exactly.

**Global.** One column, uniform over those that may be drawn: the mean of their shares.

**Local.** A join of n inputs with drop rates p_i keeps a random set K: each input is dropped
by itself; if all are (q = product of all p_i), one of the n is revived, uniformly. So a set T
of its inputs is wholly dropped with probability

    N(T) = product of p_i over T - q |T| / n,    N of nothing = 1, N of all inputs = 0.

A node is dead if every join input that hangs on it is dropped or belongs to a dead join. Joins
draw independently, and expected work is the sum of cost * P(live), so correlations between
nodes do not matter; those between the ways on which one node is needed do (`liveness`).

**Open graphs.** What is live in a graph that leaves its join open depends on which of its
outputs the join behind it keeps. Its expected work is linear in N(T) of that join,

    W = sum over sets T of outputs of w_T N(T),

so each distinct graph needs its coefficients w_T once (about 2 C of them for f(C)), whatever
joins and rates its callers have. Work is in shares of the graph's total: f(60) has no large
number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.flatten import flatten, node_count
from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Operand,
    Program,
    Ref,
    Segment,
)
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.columns import ColumnMap, ColumnReport
from fractal_dsl.passes.counts import node_macs
from fractal_dsl.passes.droppath import operand_rates, rate_of
from fractal_dsl.passes.fold import totals
from fractal_dsl.passes.liveness import Chances, Entangled, JoinLaw, Liveness, Work

__all__ = ["LiveWork", "expected_live", "expected_live_convs"]


class Cost(NamedTuple):
    """A way to measure work: of one operator, and of a whole column."""

    of_node: Callable[[Graph, Apply], int]
    of_column: Callable[[ColumnReport], int]


def _layers(graph: Graph, node: Apply) -> int:
    return spec_of(node.attributes).depth(node.attributes)


MACS = Cost(node_macs, lambda report: report.macs)
CONVS = Cost(_layers, lambda report: report.convs)

Rates: TypeAlias = tuple[float | None, ...]

# A net that has to be laid out flat for its live work, and has more nodes, is refused.
MOST_NODES = 20_000


def expected_live(program: Program) -> float | None:
    """Expected share of multiply-adds that a training step computes under drop-path.

    None without `drop_path`, where the net has no multiply-adds, where global sampling draws
    from columns that are too many to list, and where a node is needed on too many
    interwoven ways (`liveness.MOST_TERMS`) to sum them all up.
    """
    return LiveWork(program).expected(MACS)


def expected_live_convs(program: Program) -> float | None:
    """The same as `expected_live`, with every convolution that counts costing one."""
    return LiveWork(program).expected(CONVS)


class LiveWork:
    """Expected work of one program under its drop-path, in either measure.

    `columns` are the program's, if known already.
    """

    def __init__(self, program: Program, columns: ColumnMap | None = None) -> None:
        self.program = program
        self.columns = columns
        self._local: _Local | None = None

    def expected(self, cost: Cost = MACS) -> float | None:
        """Expected share of the net's work; None as `expected_live`.

        In mode "simultaneous" a step computes one local sample and every column.
        """
        sampling = self.program.sampling
        if sampling is None:
            return None
        local = drawn = 0.0
        if sampling.simultaneous or sampling.mixture < 1:
            found = self.local(cost)
            if found is None:
                return None
            local = found
        if sampling.simultaneous or sampling.mixture > 0:
            shares = self.column_shares(cost)
            if not shares:
                return None
            drawn = float(sum(shares))
            if not sampling.simultaneous:
                drawn /= len(shares)
        if sampling.simultaneous:
            return local + drawn
        return (1 - sampling.mixture) * local + sampling.mixture * drawn

    def local(self, cost: Cost = MACS) -> float | None:
        """Expected share under local sampling alone; None as `expected_live`."""
        sampling = self.program.sampling
        if sampling is None:
            return None
        try:
            if self._local is None:
                self._local = _Local.of(self.program, sampling.local)
            return self._local.share(cost)
        except Entangled:
            return None

    def column_shares(self, cost: Cost = MACS) -> list[Fraction]:
        """Work of each column that may be drawn, as a part of the whole; empty if unknown."""
        sampling = self.program.sampling
        if self.columns is None:
            self.columns = ColumnMap(self.program)
        chosen = None if sampling is None else sampling.columns
        total = _totals(self.program, cost)[self.program.entry]
        if total == 0 or (chosen is None and not self.columns.is_listed):
            return []
        try:
            reports = [self.columns.report(k) for k in chosen or range(1, self.columns.count + 1)]
        except ValueError:
            return []
        return [Fraction(cost.of_column(report), total) for report in reports]


def _totals(program: Program, cost: Cost) -> tuple[int, ...]:
    """For each graph, the cost of one instance with all it calls."""

    def own(graph: Graph) -> int:
        return sum(cost.of_node(graph, node) for node in graph.nodes if isinstance(node, Apply))

    return totals(program, own)


def one_graph(program: Program) -> Program:
    """The flat program as a single graph without calls, for analysis only."""
    flat = flatten(program)
    nodes: list[Node] = []
    for node in flat.nodes:
        inputs = tuple(Ref(at) for at in node.inputs)
        if node.is_input:
            nodes.append(Input(node.shape))
        elif node.attributes is None:
            operands = tuple(Operand(Ref(one.source), rate=one.rate) for one in node.operands)
            nodes.append(Join(operands, node.shape))
        else:
            nodes.append(Apply(node.attributes, inputs, node.shape, Segment(node.key)))
    outputs = tuple(Operand(Ref(at)) for at in flat.outputs)
    graph = Graph(program.net.label, program.net.rule, tuple(nodes), outputs)
    return replace(program, graphs=(graph,), entry=0, head_parameters=())


@dataclass(slots=True)
class _Local:
    """Local sampling on one program, `rate` where none is written."""

    program: Program
    rate: float
    graphs: list[Liveness] = field(default_factory=list)

    def __post_init__(self) -> None:
        rates = operand_rates(self.program)
        for graph in self.program.graphs:
            joins = ((at, n) for at, n in enumerate(graph.nodes) if isinstance(n, Join))
            laws = {at: self.law(graph, join, rates) for at, join in joins}
            self.graphs.append(Liveness(graph, laws, self.graphs))

    @staticmethod
    def of(program: Program, rate: float) -> _Local:
        """Of the graphs; of one flat graph where a join inside decides whether an input is read."""
        try:
            return _Local(program, rate)
        except Entangled:
            if node_count(program) > MOST_NODES:
                raise
            return _Local(one_graph(program), rate)

    def law(self, graph: Graph, join: Join, rates: tuple[Rates, ...]) -> JoinLaw:
        found = (rate_of(graph, operand, rates) for operand in join.operands)
        return JoinLaw(tuple(self.rate if rate is None else rate for rate in found))

    def share(self, cost: Cost) -> float | None:
        """Expected live share of the net's work; None where there is none."""
        total = _totals(self.program, cost)
        if total[self.program.entry] == 0:
            return None
        works: list[Work] = []
        for at in range(len(self.program.graphs)):
            works.append(self.work(at, cost, total, works) if total[at] else Work())
        return works[self.program.entry].surely()

    def work(self, at: int, cost: Cost, total: tuple[int, ...], works: list[Work]) -> Work:
        """The coefficients of one graph, from those of its callees."""
        graph, liveness = self.program.graphs[at], self.graphs[at]
        made = Work()
        for position, node in enumerate(graph.nodes):
            if isinstance(node, Apply):
                own = cost.of_node(graph, node)
                if own:
                    made.add(liveness.chances(position), own / total[at])
            elif isinstance(node, Call) and total[node.callee]:
                share = node.count * total[node.callee] / total[at]
                ports = len(node.shapes)
                inside: Chances = liveness.behind_call(position, ports, works[node.callee])
                made.add(inside, share)
        return made
