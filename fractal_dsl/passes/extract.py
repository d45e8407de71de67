"""One column of a network as a network of its own, with the same names of parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    HeadParameter,
    Input,
    Join,
    Node,
    Operand,
    Origin,
    Program,
    Ref,
)
from fractal_dsl.passes import pipeline
from fractal_dsl.passes.columns import ColumnMap, Context
from fractal_dsl.passes.fold import Memo, Steps

__all__ = ["extract_column"]

Key: TypeAlias = "tuple[int, Context, tuple[int, ...]]"
"""A graph, its context of columns, and which of its outputs are read, in order."""


def extract_column(program: Program, column: int) -> Program:
    """Column `column` of a net, 1 = the shallowest: what it leaves out is not there.

    Joins of which one input stays are gone. Parameters keep their names, so weights of the
    whole net load into it (semantics.md, section 4). Nothing is sampled any more.
    """
    return _Extractor(program, ColumnMap(program)).run(column)


@dataclass(eq=False)
class _Draft:
    """A graph being built: where each value of the old one is now."""

    nodes: list[Node] = field(default_factory=list)
    values: dict[Ref, Ref] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)

    def put(self, at: int, node: Node) -> int:
        self.places[at] = len(self.nodes)
        self.nodes.append(node)
        return self.places[at]


class _Extractor:
    def __init__(self, program: Program, columns: ColumnMap) -> None:
        self.program = program
        self.columns = columns
        self.graphs: list[Graph] = []
        self.places: dict[int, int] = {}
        self.made: Memo[Key, int] = Memo(self.make)

    def run(self, column: int) -> Program:
        entry = self.program.entry
        outputs = tuple(range(len(self.program.net.outputs)))
        made = self.made((entry, self.columns.root(column), outputs))
        heads = tuple(
            HeadParameter(
                head.name, head.value, tuple(self.places[at] for at in head.nodes), head.attribute
            )
            for head in self.program.head_parameters
        )
        return pipeline.run(
            replace(
                self.program,
                graphs=tuple(self.graphs),
                entry=made,
                sampling=None,
                head_parameters=heads,
            )
        )

    def make(self, key: Key) -> Steps[Key, int]:
        """The number of the graph that is left of one in its context."""
        at, context, wanted = key
        graph, draft = self.program.graphs[at], _Draft()
        needs = self.needs(graph, context, wanted)
        for position, node in enumerate(graph.nodes):
            match node:
                case Input():
                    draft.values[Ref(position, 0)] = Ref(draft.put(position, node), 0)
                case _ if not needs[position]:
                    pass
                case Call():
                    inside = self.columns.enter(context, node.callee)
                    ports = tuple(sorted(needs[position]))
                    callee = yield node.callee, inside, ports
                    self.call(draft, position, node, callee, ports)
                case Join():
                    self.join(draft, graph, context, position, node)
                case Apply():
                    inputs = tuple(draft.values[ref] for ref in node.inputs)
                    tied = None if node.weight is None else draft.places[node.weight]
                    made = draft.put(position, replace(node, inputs=inputs, weight=tied))
                    draft.values[Ref(position, 0)] = Ref(made, 0)
        if at == self.program.entry:
            self.places = draft.places
        outputs = self.operands(draft, tuple(graph.outputs[port] for port in wanted))
        is_open = graph.is_open and len(outputs) > 1
        if not is_open:
            outputs = tuple(Operand(one.source) for one in outputs)
        branches = len(outputs) if is_open else 0
        nodes = tuple(draft.nodes)
        self.graphs.append(
            replace(graph, nodes=nodes, outputs=outputs, is_open=is_open, branches=branches)
        )
        return len(self.graphs) - 1

    def needs(self, graph: Graph, context: Context, wanted: tuple[int, ...]) -> list[set[int]]:
        """Which outputs of each node are read, from the wanted ones of the graph back."""
        need: list[set[int]] = [set() for _ in graph.nodes]
        for port in wanted:
            source = graph.outputs[port].source
            need[source.node].add(source.port)
        for position in reversed(range(len(graph.nodes))):
            node = graph.nodes[position]
            if not need[position]:
                continue
            inputs = node.inputs
            if isinstance(node, Join):
                inputs = tuple(one.source for one in self.kept(graph, context, node))
            for ref in inputs:
                need[ref.node].add(ref.port)
            if isinstance(node, Apply) and node.weight is not None:
                need[node.weight].add(0)
        return need

    def kept(self, graph: Graph, context: Context, node: Join) -> tuple[Operand, ...]:
        stays = self.columns.kept(graph, context, node.operands, node.branches, node.sampled)
        return tuple(one for one, stay in zip(node.operands, stays, strict=True) if stay)

    def call(
        self, draft: _Draft, position: int, node: Call, callee: int, ports: tuple[int, ...]
    ) -> None:
        """A call of what is left; where nothing is left, its input goes through."""
        inside = self.graphs[callee]
        inputs = tuple(draft.values[ref] for ref in node.inputs)
        sources = [inside.outputs[number].source for number in range(len(ports))]
        if all(isinstance(inside.nodes[source.node], Input) for source in sources):
            for port, source in zip(ports, sources, strict=True):
                draft.values[Ref(position, port)] = inputs[source.node]
            return
        shapes = tuple(node.shapes[port] for port in ports)
        made = draft.put(position, replace(node, callee=callee, inputs=inputs, shapes=shapes))
        for number, port in enumerate(ports):
            draft.values[Ref(position, port)] = Ref(made, number)

    def join(
        self, draft: _Draft, graph: Graph, context: Context, position: int, node: Join
    ) -> None:
        operands = self.operands(draft, self.kept(graph, context, node))
        if len(operands) == 1:
            draft.values[Ref(position, 0)] = operands[0].source
            return
        made = draft.put(position, replace(node, operands=operands, branches=len(operands)))
        draft.values[Ref(position, 0)] = Ref(made, 0)

    def operands(self, draft: _Draft, kept: tuple[Operand, ...]) -> tuple[Operand, ...]:
        """Operands of what is left of a join, each a branch of its own."""
        found = []
        for number, one in enumerate(kept):
            source = draft.values[one.source]
            maker = draft.nodes[source.node]
            opened = isinstance(maker, Call) and self.graphs[maker.callee].is_open
            origin = Origin(*source) if opened else None
            found.append(Operand(source, number, origin, None))
        return tuple(found)
