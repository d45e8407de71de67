"""From the hierarchical graph to the one flat DAG: every call expanded, in data-flow order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from fractal_dsl.ir.flat import Choice, FlatCall, FlatNode, FlatOperand, FlatProgram
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
    Share,
)
from fractal_dsl.ir.names import attribute_name
from fractal_dsl.ir.operators.elementwise import StochasticDepth

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["flat_networkx", "flatten", "node_count", "segment_of"]


def flatten(program: Program) -> FlatProgram:
    """Every instance of `program` as a node of its own.

    Time and memory are those of the result: ask `node_count` first.
    """
    return _Flattener(program).run()


def node_count(program: Program) -> int:
    """How many nodes `flatten` would make, counted over distinct graphs, exactly."""
    made: list[int] = []
    for graph in program.graphs:
        made.append(sum(_share(node, made) for node in graph.nodes))
    return len(program.net.inputs) + made[program.entry]


def _share(node: Node, made: list[int]) -> int:
    if isinstance(node, Call):
        return node.count * made[node.callee]
    return 0 if isinstance(node, Input | Share) else 1


def flat_networkx(flat: FlatProgram) -> nx.MultiDiGraph[int]:
    """`flat` as a networkx DAG: nodes are positions (attribute `node` the `FlatNode`).

    An edge's key is the input's position at its head.
    """
    import networkx as nx  # most compilations do without, and start a third sooner

    view: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    for at, node in enumerate(flat.nodes):
        view.add_node(at, node=node)
        for position, source in enumerate(node.inputs):
            view.add_edge(source, at, position)
    return view


def segment_of(node: Apply | Call | Share, turns: tuple[int, ...] = ()) -> Segment:
    """The part of state-dict keys that `node` adds: its `@name`, else its segment, as an attribute.

    `turns` are the copies' indices of the inline calls around it; they stand first.
    """
    name, indices = node.segment
    return Segment(attribute_name(node.tag or name), turns + indices)


class _Scope(NamedTuple):
    """Whose column decides here: the call that a written join belongs to, and its level.

    `groups` remembers, for closures, the current top-level call of each recursion.
    """

    call: int | None
    level: int | None
    group: str | None
    groups: dict[str, int]


@dataclass(slots=True)
class _Frame:
    """A graph being expanded: one instance, or one copy of a repeat."""

    graph: Graph
    arguments: tuple[int, ...]
    scope: _Scope
    prefix: str = ""
    turns: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    copy: int = 0
    opened: int | None = None
    start: int = 0
    values: list[tuple[int, ...]] = field(default_factory=list)
    operands: dict[int, tuple[FlatOperand, ...]] = field(default_factory=dict)

    def value(self, ref: Ref) -> int:
        return self.values[ref.node][ref.port]


class _Flattener:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[FlatNode] = []
        self.calls: list[FlatCall] = []
        self.joins = 0
        self.shares: list[str] = []

    def run(self) -> FlatProgram:
        net = self.program.net
        for shape in net.inputs:
            self.nodes.append(FlatNode(None, (), shape))
        scope = _Scope(None, None, None, {})
        top = _Frame(net, tuple(range(len(net.inputs))), scope)
        self.expand(top)
        outputs = tuple(top.value(operand.source) for operand in net.outputs)
        return FlatProgram(self.program.name, tuple(self.nodes), outputs, tuple(self.calls))

    def expand(self, top: _Frame) -> None:
        stack = [top]
        while stack:
            frame = stack[-1]
            at = len(frame.values)
            if at == len(frame.graph.nodes):
                stack.pop()
                if stack:
                    self.leave(frame, stack)
                continue
            node = frame.graph.nodes[at]
            match node:
                case Input():
                    frame.values.append((frame.arguments[at],))
                case Apply():
                    frame.values.append((self.apply(node, frame),))
                case Join():
                    frame.values.append((self.join(node, frame),))
                case Share():
                    frame.values.append((self.share(node, frame),))
                case Call():
                    inputs = tuple(frame.value(ref) for ref in node.inputs)
                    stack.append(self.enter(frame, node, inputs, 0))

    def add(self, node: FlatNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def apply(self, node: Apply, frame: _Frame) -> int:
        inputs = tuple(frame.value(ref) for ref in node.inputs)
        key = frame.prefix + str(segment_of(node, frame.turns))
        tied = "" if node.weight is None else self.nodes[frame.values[node.weight][0]].key
        made = FlatNode(
            node.attributes, inputs, node.shape, key, frame.labels, node.tag,
            weight=tied, span=node.span,
        )  # fmt: skip
        if isinstance(node.attributes, StochasticDepth):
            made = replace(made, key=frame.prefix.removesuffix("."), start=frame.start)
        return self.add(made)

    def join(self, node: Join, frame: _Frame) -> int:
        operands = self.resolved(node.operands, node.branches, frame, sampled=node.sampled)
        inputs = tuple(operand.source for operand in operands)
        number, self.joins = self.joins, self.joins + 1
        return self.add(
            FlatNode(
                None, inputs, node.shape, "", frame.labels, node.tag, number, operands, node.span
            )
        )

    def resolved(
        self, operands: tuple[Operand, ...], branches: int, frame: _Frame, *, sampled: bool = True
    ) -> tuple[FlatOperand, ...]:
        """Operands of a join of `frame`, each with all joins written on its way.

        Where the join is not `sampled` no branch of it is ever chosen: paths are empty.
        """
        scope = frame.scope
        own = sampled and branches > 0 and scope.call is None
        call = len(self.calls) if own else scope.call
        made = []
        for operand in operands:
            path: tuple[Choice, ...] = ()
            rate = operand.rate
            if operand.branch is not None and call is not None:
                path = (Choice(call, scope.level, operand.branch, branches),)
            if operand.origin is not None:
                inner = frame.operands[operand.origin.node][operand.origin.port]
                path += inner.path
                rate = inner.rate if rate is None else rate
            source = frame.value(operand.source)
            made.append(FlatOperand(source, path if sampled else (), rate))
        if own:
            here = len(self.nodes)
            self.calls.append(FlatCall(frame.graph.label, here, here, tuple(made), branches))
        return tuple(made)

    def share(self, node: Share, frame: _Frame) -> int:
        """A number below zero for the instance that calls will use, by its prefix of keys."""
        self.shares.append(f"{frame.prefix}{segment_of(node, frame.turns)}.")
        return ~(len(self.shares) - 1)

    def enter(self, frame: _Frame, node: Call, inputs: tuple[int, ...], copy: int) -> _Frame:
        callee = self.program.graphs[node.callee]
        scope, opened = self.scope(frame.scope, callee)
        segment = segment_of(node, frame.turns)
        if node.network is not None:
            prefix = self.shares[~frame.value(node.network)]
            labels = (*frame.labels, callee.label)
            return _Frame(
                callee, inputs, scope, prefix=prefix, labels=labels, copy=copy, opened=opened
            )
        if node.inline or node.count > 1:
            segment = Segment(segment.name, (*segment.indices, node.first + copy))
        labels = (*frame.labels, callee.label)
        made = _Frame(callee, inputs, scope, labels=labels, copy=copy, opened=opened)
        made.start = len(self.nodes)
        if node.inline:
            made.prefix, made.turns = frame.prefix, segment.indices
        else:
            made.prefix = f"{frame.prefix}{segment}."
        return made

    def scope(self, outer: _Scope, callee: Graph) -> tuple[_Scope, int | None]:
        """Scope of an instance of `callee`, and the number of the call it opens, if any."""
        recursion = callee.recursion
        if recursion is None:
            return outer._replace(call=None, level=None, group=None), None
        group, level = recursion
        if group == outer.group or (callee.is_closure and group in outer.groups):
            return outer._replace(call=outer.groups[group], level=level, group=group), None
        number = len(self.calls)
        self.calls.append(FlatCall(callee.label, len(self.nodes), len(self.nodes), ()))
        return _Scope(number, level, group, {**outer.groups, group: number}), number

    def leave(self, frame: _Frame, stack: list[_Frame]) -> None:
        """Hand what `frame` returns to its caller, or to the next copy of the repeat."""
        graph, caller = frame.graph, stack[-1]
        outputs = self.resolved(graph.outputs, graph.branches, frame)
        if frame.opened is not None:
            opened = self.calls[frame.opened]
            self.calls[frame.opened] = opened._replace(stop=len(self.nodes), outputs=outputs)
        values = tuple(operand.source for operand in outputs)
        at = len(caller.values)
        node = caller.graph.nodes[at]
        assert isinstance(node, Call)
        if frame.copy + 1 < node.count:
            stack.append(self.enter(caller, node, values, frame.copy + 1))
            return
        caller.values.append(values)
        if graph.is_open:
            caller.operands[at] = outputs
