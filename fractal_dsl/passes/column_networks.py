"""What a column leaves of a network: its live nodes, their depth and what they cost."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.graph import Apply, Call, Graph, Join, Node, Ref, Share
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.column_contexts import Selector
from fractal_dsl.passes.counts import node_macs, node_parameters
from fractal_dsl.passes.fold import Memo, Steps, bits

__all__ = ["Costs", "Network", "Networks"]

Key: TypeAlias = tuple[int, int, int]
"""A graph, the number of its context, and a bit mask of the outputs that are read."""


_Depths: TypeAlias = tuple[tuple[int, int], ...]
"""(output, layers) pairs."""


# The identity of what keeps no operator and no join.
NOTHING = 0


class Costs(NamedTuple):
    """Layers that count (and add depth), learned numbers and multiply-adds of an operator by
    itself; how often a call runs what it calls, and how many of these have weights of their own."""

    convs: int = 0
    parameters: int = 0
    macs: int = 0
    copies: int = 1
    owned: int = 1


class Network(NamedTuple):
    """The live part of one instance.

    `reads` is a bit mask of the inputs it reads; `depths[i]` holds, for input i, pairs
    (output, convolutions on the longest path to it). Networks that keep the same nodes have
    the same `identity`.
    """

    identity: int
    convs: int
    parameters: int
    macs: int
    reads: int
    depths: tuple[_Depths, ...]

    @property
    def depth(self) -> int:
        return max((depth for paths in self.depths for _, depth in paths), default=0)


_Live: TypeAlias = tuple[int, tuple[Ref, ...], Network | None]
"""A live node: its position, which inputs of it are read and, of a call, what is live inside."""


class Networks:
    """The live networks of one program, one for each distinct (graph, context, outputs read)."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.graphs = selector.graphs
        self.inputs = [len(graph.inputs) for graph in selector.graphs]
        self.identities: dict[object, int] = {}
        self.costs: dict[int, tuple[Costs, ...]] = {}
        self.memo: Memo[Key, Network] = Memo(self._network)

    def of(self, graph: int, context: int) -> Network:
        """The live part of an instance whose outputs are read as far as the context keeps them."""
        return self.memo((graph, context, self.selector.ports((graph, context))))

    def _network(self, key: Key) -> Steps[Key, Network]:
        """Backwards from the outputs read to what they need, then depths forwards."""
        index, context, ports = key
        graph, first = self.graphs[index], self.inputs[index]
        wanted = [0] * len(graph.nodes)
        for port in bits(ports):
            source = graph.outputs[port].source
            wanted[source.node] |= 1 << source.port
        live: list[_Live] = []
        shared = 0
        for at in range(len(graph.nodes) - 1, first - 1, -1):
            if not wanted[at]:
                continue
            node, inner = graph.nodes[at], None
            if isinstance(node, Share):
                every = (1 << len(self.graphs[node.callee].outputs)) - 1
                held = yield node.callee, self.selector.enter(context, node.callee), every
                shared += held.parameters
                continue
            if isinstance(node, Call):
                if node.network is not None:
                    wanted[node.network.node] |= 1 << node.network.port
                inside = self.selector.enter(context, node.callee)
                inner = yield node.callee, inside, wanted[at]
                inputs = node.inputs
                if inner.reads != (1 << len(inputs)) - 1:
                    inputs = tuple(inputs[number] for number in bits(inner.reads))
            elif isinstance(node, Join):
                kept = self.selector.kept(index, context, at)
                inputs = tuple([node.operands[number].source for number in kept])
            else:
                inputs = node.inputs
            live.append((at, inputs, inner))
            for ref in inputs:
                wanted[ref.node] |= 1 << ref.port
        live.reverse()
        reads = [at for at in range(first) if wanted[at]]
        starts = {at: self._depths(index, live, at, ports) for at in reads}
        depths = tuple([starts.get(at, ()) for at in range(first)])
        return self._summed(index, live, shared, sum([1 << at for at in reads]), depths)

    def _summed(
        self, index: int, live: list[_Live], shared: int, reads: int, depths: tuple[_Depths, ...]
    ) -> Network:
        """`shared`: the parameters of the shared parts that are made here."""
        costs = self.costs_of(index)
        convs = macs = 0
        parameters = shared
        parts: list[int] = []
        for at, _, inner in live:
            own = costs[at]
            if inner is None:
                convs += own.convs
                parameters += own.parameters
                macs += own.macs
                parts += at, -1
            elif inner.identity != NOTHING:
                convs += own.copies * inner.convs
                parameters += own.owned * inner.parameters
                macs += own.copies * inner.macs
                parts += at, inner.identity
        identity = NOTHING
        if parts:
            identity = self.identities.setdefault((index, *parts), len(self.identities) + 1)
        return Network(identity, convs, parameters, macs, reads, depths)

    def _depths(self, index: int, live: list[_Live], start: int, ports: int) -> _Depths:
        """Longest paths from input `start` to each output read."""
        graph, costs = self.graphs[index], self.costs_of(index)
        depth: dict[tuple[int, int], int] = {(start, 0): 0}
        for at, inputs, inner in live:
            if inner is None:
                reached = [depth[ref] for ref in inputs if ref in depth]
                if reached:
                    depth[at, 0] = max(reached) + costs[at].convs
                continue
            for ref, paths in zip(graph.nodes[at].inputs, inner.depths, strict=True):
                for port, layers in paths if ref in depth else ():
                    total = depth[ref] + costs[at].copies * layers
                    depth[at, port] = max(total, depth.get((at, port), 0))
        found = [(port, depth.get(graph.outputs[port].source)) for port in bits(ports)]
        return tuple([(port, layers) for port, layers in found if layers is not None])

    def costs_of(self, index: int) -> tuple[Costs, ...]:
        """What each node of a graph costs by itself."""
        if index not in self.costs:
            graph = self.graphs[index]
            self.costs[index] = tuple(_cost(graph, node) for node in graph.nodes)
        return self.costs[index]


def _cost(graph: Graph, node: Node) -> Costs:
    match node:
        case Apply():
            layers = spec_of(node.attributes).depth(node.attributes)
            return Costs(layers, node_parameters(graph, node), node_macs(graph, node))
        case Call():
            return Costs(copies=node.count, owned=node.count if node.network is None else 0)
        case _:
            return Costs()
