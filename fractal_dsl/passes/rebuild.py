"""A program written anew without what its outputs do not need.

What stays of a graph depends on who calls it: of a list that it returns, one call may read one
item and another call the other. So a graph is made for each way in which it is read, and what
nothing reads (nodes, outputs, inputs) is in none of them.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    HeadParameter,
    Input,
    Join,
    Node,
    Operand,
    Program,
    Ref,
    Share,
    references,
)
from fractal_dsl.passes.fold import Memo, Steps

__all__ = ["Draft", "Key", "Policy", "Rebuilt", "rebuilt"]

C = TypeVar("C", bound=Hashable)


class Key(NamedTuple, Generic[C]):
    """A graph, what is decided around it, and which of its outputs are read, in order."""

    graph: int
    context: C
    wanted: tuple[int, ...]


class Callee(NamedTuple):
    """What is left of a callee: its number among the new graphs; its old ports that are read."""

    graph: int
    ports: tuple[int, ...]


@dataclass(eq=False)
class Draft:
    """A graph being built: where each value of the old one is now."""

    nodes: list[Node] = field(default_factory=list)
    values: dict[Ref, Ref] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)

    def put(self, at: int, node: Node) -> int:
        self.places[at] = len(self.nodes)
        self.nodes.append(node)
        return self.places[at]


class Policy(Protocol[C]):
    """What is decided besides: which operands of joins stay."""

    def enter(self, context: C, callee: int) -> C:
        """What is decided in an instance of `callee` called from one in `context`."""

    def kept(self, graph: Graph, context: C, node: Join) -> tuple[Operand, ...]:
        """The operands of a join that stay."""

    def join(self, draft: Draft, graphs: list[Graph], node: Join, kept: tuple[Operand, ...]) -> Ref:
        """Where the value of a join of `kept` is: of a new one, or its only operand's."""

    def finish(
        self, draft: Draft, graphs: list[Graph], graph: Graph, outputs: tuple[Operand, ...]
    ) -> Graph:
        """The graph, of the nodes in `draft`, that returns `outputs` of `graph`."""

    def goes_through(self, is_part: bool) -> bool:
        """Whether a call of which only inputs are read gives way to them.

        `is_part`: the callee computes more than is read.
        """


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A program anew; `is_less`: something is left out."""

    program: Program
    is_less: bool


def rebuilt(program: Program, policy: Policy[C], context: C) -> Rebuilt:
    """What the outputs of `program`, in `context`, need of it."""
    rebuilder = _Rebuilder(program, policy)
    outputs = tuple(range(len(program.net.outputs)))
    entry = rebuilder.made(Key(program.entry, context, outputs))
    heads = (_moved(head, rebuilder.entry_places) for head in program.head_parameters)
    return Rebuilt(
        replace(
            program,
            graphs=tuple(rebuilder.graphs),
            entry=entry,
            head_parameters=tuple(head for head in heads if head.nodes),
        ),
        rebuilder.is_less,
    )


def _moved(head: HeadParameter, places: dict[int, int]) -> HeadParameter:
    return head._replace(nodes=tuple(places[at] for at in head.nodes if at in places))


class _Rebuilder(Generic[C]):
    def __init__(self, program: Program, policy: Policy[C]) -> None:
        self.program = program
        self.policy = policy
        self.graphs: list[Graph] = []
        self.inputs: list[tuple[int, ...]] = []
        self.entry_places: dict[int, int] = {}
        self.is_less = False
        self.made: Memo[Key[C], int] = Memo(self.make)

    def make(self, key: Key[C]) -> Steps[Key[C], int]:
        """The number of the graph that is left of one in its context."""
        graph, draft = self.program.graphs[key.graph], Draft()
        need: list[set[int]] = [set() for _ in graph.nodes]
        for port in key.wanted:
            source = graph.outputs[port].source
            need[source.node].add(source.port)
        callees: dict[int, Callee] = {}
        for position in reversed(range(len(graph.nodes))):
            node = graph.nodes[position]
            if need[position]:
                if isinstance(node, Call | Share):
                    inside = self.read(key, node, need[position])
                    made = yield inside
                    callees[position] = Callee(made, inside.wanted)
                for ref in self.reads(graph, key, node, callees.get(position)):
                    need[ref.node].add(ref.port)
        if key.graph == self.program.entry:
            for position, node in enumerate(graph.nodes):
                if isinstance(node, Input):  # the net takes what it says
                    need[position].add(0)
        for position, node in enumerate(graph.nodes):
            if need[position]:
                self.build(draft, key, position, node, callees.get(position))
        if key.graph == self.program.entry:
            self.entry_places = draft.places
        self.is_less |= not all(need) or len(key.wanted) < len(graph.outputs)
        outputs = tuple(graph.outputs[port] for port in key.wanted)
        self.graphs.append(self.policy.finish(draft, self.graphs, graph, outputs))
        self.inputs.append(tuple(at for at in range(len(graph.inputs)) if need[at]))
        return len(self.graphs) - 1

    def read(self, key: Key[C], node: Call | Share, ports: set[int]) -> Key[C]:
        """A callee as it is read here; a shared one is the same wherever it is used."""
        inside = self.policy.enter(key.context, node.callee)
        if isinstance(node, Share) or node.network is not None:
            ports = set(range(len(self.program.graphs[node.callee].outputs)))
        return Key(node.callee, inside, tuple(sorted(ports)))

    def reads(self, graph: Graph, key: Key[C], node: Node, callee: Callee | None) -> list[Ref]:
        """The values that a node needs."""
        match node:
            case Call():
                assert callee is not None
                read = tuple(node.inputs[at] for at in self.inputs[callee.graph])
                return [*references(replace(node, inputs=read))]
            case Join():
                return [one.source for one in self.policy.kept(graph, key.context, node)]
            case _:
                return [*references(node)]

    def build(self, draft: Draft, key: Key[C], at: int, node: Node, callee: Callee | None) -> None:
        match node:
            case Input():
                draft.values[Ref(at, 0)] = Ref(draft.put(at, node), 0)
            case Share():
                assert callee is not None
                draft.values[Ref(at, 0)] = Ref(draft.put(at, replace(node, callee=callee.graph)), 0)
            case Call():
                assert callee is not None
                self.call(draft, at, node, callee)
            case Join():
                graph = self.program.graphs[key.graph]
                kept = self.policy.kept(graph, key.context, node)
                draft.values[Ref(at, 0)] = self.policy.join(draft, self.graphs, node, kept)
            case Apply():
                inputs = tuple(draft.values[ref] for ref in node.inputs)
                tied = None if node.weight is None else draft.places[node.weight]
                made = draft.put(at, replace(node, inputs=inputs, weight=tied))
                draft.values[Ref(at, 0)] = Ref(made, 0)

    def call(self, draft: Draft, at: int, node: Call, callee: Callee) -> None:
        """A call of what is left; where nothing is left, its inputs go through."""
        number, ports = callee
        inside = self.graphs[number]
        inputs = tuple(draft.values[node.inputs[one]] for one in self.inputs[number])
        sources = [one.source for one in inside.outputs]
        is_part = len(ports) < len(node.shapes)
        nothing = all(isinstance(inside.nodes[source.node], Input) for source in sources)
        if nothing and self.policy.goes_through(is_part):
            for port, source in zip(ports, sources, strict=True):
                draft.values[Ref(at, port)] = inputs[source.node]
            return
        shapes = tuple(node.shapes[port] for port in ports)
        network = None if node.network is None else draft.values[node.network]
        made = draft.put(
            at, replace(node, callee=number, inputs=inputs, shapes=shapes, network=network)
        )
        for new, port in enumerate(ports):
            draft.values[Ref(at, port)] = Ref(made, new)
