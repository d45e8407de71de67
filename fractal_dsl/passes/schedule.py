"""In which order to compute a network, so that the fewest activations wait at any time.

For evaluation, with batch norms folded: joins are running sums, and a value goes when it is read
last. What is best for a part depends on where it stands: on whether its inputs are needed
afterwards, and on whether a sum is waiting for what it gives. So each distinct graph is
scheduled once for each such context. In FractalNet's f(C) this finds three orders,

    f(C-1) >> f(C-1) around the short branch    its input may go, no sum waits,
    the short branch last                       its input stays,
    the short branch first                      a sum waits already,

and floor(C / 2) + 2 activations at most, its input included; any one order for all needs C + 1.
Orders of a graph are searched as paths through its sets of computed nodes, the parts it calls
taken whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import product
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.flatten import node_count
from fractal_dsl.ir.graph import Apply, Call, Graph, Input, Join, Node, Program, Ref, Share
from fractal_dsl.ir.operators.elementwise import Dropout, Dropout2d, Relu, Relu6
from fractal_dsl.ir.operators.layers import BatchNorm
from fractal_dsl.ir.operators.pooling import Flatten

__all__ = ["peak_elements", "schedule"]

# Operators that make no new tensor in evaluation: folded, in place, or nothing but a view.
PASS_ON = (BatchNorm, Relu, Relu6, Dropout, Dropout2d, Flatten)
# Sets of computed nodes that are looked at in one graph; wider graphs keep their own order.
MOST_SETS = 2000
# Nodes of a graph that are ordered at all.
MOST_NODES = 500
# Inputs of a graph whose fate is told apart; of more, all are taken to stay.
MOST_INPUTS = 3


class Sum(Enum):
    """What a graph's outputs go to: values of their own, or a sum, new or waiting already."""

    NONE = auto()
    NEW = auto()
    WAITS = auto()


class Context(NamedTuple):
    """Where a part stands: which inputs nobody reads after it, and what its outputs go to."""

    dies: tuple[bool, ...]
    sum: Sum


class Plan(NamedTuple):
    """The order of a graph's nodes, by position, and the most elements alive meanwhile."""

    order: tuple[int, ...]
    peak: int


def schedule(program: Program) -> list[int]:
    """Positions in `ir.flatten(program)` of all but the inputs, in the order to compute them.

    Shared networks keep the order written, in which their uses move batch-norm statistics.
    """
    if any(isinstance(node, Share) for graph in program.graphs for node in graph.nodes):
        inputs = len(program.net.inputs)
        return list(range(inputs, node_count(program)))
    return list(_Scheduler(program).flat_order())


def peak_elements(program: Program) -> int:
    """The most elements of one image alive at once in that order; the net's inputs may go."""
    net = program.net
    context = Context(tuple(True for _ in net.inputs), Sum.NONE)
    return _Scheduler(program).plan(program.entry, context).peak


class _Scheduler:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.plans: list[dict[Context, Plan]] = []
        self.sizes: list[int] = []
        for graph in program.graphs:
            self.sizes.append(sum(self.size(node) for node in graph.nodes))
            self.plans.append({one: _Search(self, graph, one).best() for one in contexts(graph)})

    def size(self, node: Node) -> int:
        """Nodes of the flat graph that a node stands for."""
        if isinstance(node, Call):
            return node.count * self.sizes[node.callee]
        return 0 if isinstance(node, Input | Share) else 1

    def plan(self, graph: int, context: Context) -> Plan:
        known = self.plans[graph]
        return known.get(context) or known[Context((False,) * len(context.dies), context.sum)]

    def flat_order(self) -> Iterator[int]:
        net = self.program.net
        start = Context((False,) * len(net.inputs), Sum.NONE)
        stack = [self.steps(self.program.entry, start, len(net.inputs))]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
            elif isinstance(step, int):
                yield step
            else:
                stack.append(self.steps(*step))

    def steps(
        self, number: int, context: Context, base: int
    ) -> Iterator[int | tuple[int, Context, int]]:
        """Positions of a graph's own nodes, and the parts to go into, in order."""
        graph = self.program.graphs[number]
        starts = [base]
        for node in graph.nodes:
            starts.append(starts[-1] + self.size(node))
        state = _State.at_start(self.program, graph, context)
        for at in self.plan(number, context).order:
            node = graph.nodes[at]
            if isinstance(node, Call):
                inner = state.context_of(node, at)
                for copy in range(node.count):
                    yield node.callee, inner, starts[at] + copy * self.sizes[node.callee]
                    inner = Context(tuple(True for _ in inner.dies), inner.sum)
            else:
                yield starts[at]
            state.done(at)


def contexts(graph: Graph) -> list[Context]:
    count = len(graph.inputs)
    fates = list(product((False, True), repeat=count)) if count <= MOST_INPUTS else []
    sums = list(Sum) if graph.is_open else [Sum.NONE]
    return [Context(dies, one) for dies in fates or [(False,) * count] for one in sums]


@dataclass
class _State:
    """What is alive in a graph after some of its nodes, in elements."""

    program: Program
    graph: Graph
    context: Context
    readers: dict[Ref, list[int]]
    left: Counter[Ref]
    values: dict[Ref, int] = field(default_factory=dict)
    sums: dict[int, int] = field(default_factory=dict)

    OUT = -1

    @classmethod
    def at_start(cls, program: Program, graph: Graph, context: Context) -> _State:
        readers: dict[Ref, list[int]] = {}
        for at, node in enumerate(graph.nodes):
            for ref in node.inputs:
                readers.setdefault(ref, []).append(at)
        for operand in graph.outputs:
            readers.setdefault(operand.source, []).append(cls.OUT)
        left = Counter({ref: len(found) for ref, found in readers.items()})
        state = cls(program, graph, context, readers, left)
        places = (at for at, node in enumerate(graph.nodes) if isinstance(node, Input))
        for at, dies in zip(places, context.dies, strict=True):
            left[Ref(at)] += not dies
        if context.sum is Sum.WAITS:
            state.sums[cls.OUT] = graph.output_shapes[-1].elements
        for at, node in enumerate(graph.nodes):
            if isinstance(node, Input):
                state.give(Ref(at), node.shape.elements)
        return state

    def copy(self) -> _State:
        left, values, sums = self.left.copy(), self.values.copy(), self.sums.copy()
        return replace(self, left=left, values=values, sums=sums)

    @property
    def alive(self) -> int:
        return sum(self.values.values()) + sum(self.sums.values())

    def sum_of(self, ref: Ref) -> int | None:
        """The join that alone reads a value, if one does: its sum takes the value up."""
        (reader, *others) = self.readers.get(ref, [None])
        if others or reader is None:
            return None
        if reader == self.OUT:
            return None if self.context.sum is Sum.NONE else reader
        return reader if isinstance(self.graph.nodes[reader], Join) else None

    def context_of(self, node: Call, at: int) -> Context:
        """The context of a part that is computed next."""
        reads = Counter(node.inputs)
        dies = tuple(self.left[ref] == reads[ref] for ref in node.inputs)
        joins = {self.sum_of(Ref(at, port)) for port in range(len(node.shapes))}
        join = joins.pop() if len(joins) == 1 else None
        if join is None or not self.program.graphs[node.callee].is_open:
            return Context(dies, Sum.NONE)
        return Context(dies, Sum.WAITS if join in self.sums else Sum.NEW)

    def done(self, at: int) -> None:
        """Node `at` has been computed: its inputs are read, its values are there."""
        node = self.graph.nodes[at]
        passed = 0
        for ref in node.inputs:
            self.left[ref] -= 1
            if self.left[ref] == 0:
                passed = self.values.pop(ref, 0)
        if isinstance(node, Join):
            self.sums.pop(at, None)
        for port, shape in enumerate(node.shapes):
            in_place = isinstance(node, Apply) and isinstance(node.attributes, PASS_ON)
            self.give(Ref(at, port), passed if in_place else shape.elements)

    def give(self, ref: Ref, size: int) -> None:
        join = self.sum_of(ref)
        if join is not None:
            self.left[ref] -= join != self.OUT
            self.sums.setdefault(join, size)
        elif self.left[ref]:
            self.values[ref] = size


_Layer: TypeAlias = dict[frozenset[int], tuple[tuple[int, ...], int, _State]]
"""By sets of computed nodes: the order that leaves the fewest alive, and how many they are."""


class _Search:
    """The best order of one graph in one context."""

    def __init__(self, scheduler: _Scheduler, graph: Graph, context: Context) -> None:
        self.scheduler = scheduler
        self.graph = graph
        self.start = _State.at_start(scheduler.program, graph, context)
        self.nodes = [
            at for at, node in enumerate(graph.nodes) if not isinstance(node, Input | Share)
        ]
        self.first = frozenset(range(len(graph.nodes))) - frozenset(self.nodes)

    def best(self) -> Plan:
        """By sets of computed nodes, smaller ones first; of equal orders the one as written."""
        if len(self.nodes) > MOST_NODES:
            return self.as_written()
        layer: _Layer = {self.first: ((), self.start.alive, self.start)}
        for _ in self.nodes:
            found: _Layer = {}
            for done, (order, peak, state) in layer.items():
                for at in self.ready(done):
                    most = max(peak, self.cost(state, at))
                    key = done | {at}
                    if key in found and (found[key][1], -found[key][0][-1]) <= (most, -at):
                        continue
                    after = state.copy()
                    after.done(at)
                    found[key] = ((*order, at), most, after)
            if len(found) > MOST_SETS:
                return self.as_written()
            layer = found
        ((order, peak, _),) = layer.values()
        return Plan(order, peak)

    def as_written(self) -> Plan:
        state, peak = self.start.copy(), self.start.alive
        for at in self.nodes:
            peak = max(peak, self.cost(state, at))
            state.done(at)
        return Plan(tuple(self.nodes), peak)

    def ready(self, done: frozenset[int]) -> Iterator[int]:
        for at in self.nodes:
            if at not in done and all(ref.node in done for ref in self.graph.nodes[at].inputs):
                yield at

    def cost(self, state: _State, at: int) -> int:
        """Elements alive while node `at` is computed."""
        node = self.graph.nodes[at]
        if isinstance(node, Call):
            context = state.context_of(node, at)
            inside = sum(state.values.get(ref, 0) for ref in dict.fromkeys(node.inputs))
            if context.sum is Sum.WAITS:
                inside += state.sums[self.join_of(state, at)]
            return state.alive - inside + self.scheduler.plan(node.callee, context).peak
        if isinstance(node, Apply) and not isinstance(node.attributes, PASS_ON):
            return state.alive + node.shape.elements
        return state.alive

    def join_of(self, state: _State, at: int) -> int:
        join = state.sum_of(Ref(at, 0))
        assert join is not None
        return join
