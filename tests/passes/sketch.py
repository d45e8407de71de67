"""A small builder of hierarchical graphs, for rules that tests write by hand or draw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Node,
    Operand,
    Origin,
    Program,
    Recursion,
    Ref,
    Sampling,
    Segment,
)
from fractal_dsl.ir.operators import Attributes, spec_of
from fractal_dsl.ir.operators.elementwise import Relu
from fractal_dsl.ir.operators.layers import BatchNorm, Conv2d
from fractal_dsl.ir.shapes import Shape

__all__ = ["Flow", "Library", "Sketch"]


@dataclass(frozen=True)
class Flow:
    """A value, or the operands of a join that is still open."""

    operands: tuple[Operand, ...]
    branches: int = 0
    is_open: bool = False


@dataclass
class Library:
    """Graphs made so far."""

    graphs: list[Graph] = field(default_factory=list)
    names: int = 0

    def conv(self, shape: Shape, kernel: int = 3) -> int:
        sketch = Sketch(self, shape)
        flow = sketch.start
        for attributes in (Conv2d(shape.channels, kernel), BatchNorm(), Relu()):
            flow = sketch.apply(attributes, flow)
        return sketch.finish(flow, f"conv{kernel}")

    def program(self, entry: int, sampling: Sampling | None = None) -> Program:
        """The graphs up to `entry`, which must be closed."""
        return Program("Net", tuple(self.graphs[: entry + 1]), entry, sampling)


class Sketch:
    """One graph under construction, with one input."""

    def __init__(self, library: Library, shape: Shape) -> None:
        self.library = library
        self.nodes: list[Node] = [Input(shape)]
        self.start = Flow((Operand(Ref(0)),))

    def _add(self, node: Node) -> Ref:
        self.nodes.append(node)
        return Ref(len(self.nodes) - 1)

    def _segment(self) -> Segment:
        self.library.names += 1
        return Segment(f"n{self.library.names}")

    def shape(self, flow: Flow) -> Shape:
        ref = flow.operands[0].source
        return self.nodes[ref.node].shapes[ref.port]

    def apply(self, attributes: Attributes, *flows: Flow) -> Flow:
        refs = tuple(self.close(flow).operands[0].source for flow in flows)
        incoming = [self.nodes[ref.node].shapes[ref.port] for ref in refs]
        shape = spec_of(attributes).infer_shape(attributes, incoming)
        return Flow((Operand(self._add(Apply(attributes, refs, shape, self._segment()))),))

    def call(self, callee: int, flow: Flow, count: int = 1, inline: bool = False) -> Flow:
        graph = self.library.graphs[callee]
        segment = self._segment()
        if inline:
            segment = Segment(segment.name, (self.library.names,))
        inputs = (self.close(flow).operands[0].source,)
        ref = self._add(Call(callee, inputs, graph.output_shapes, segment, count, inline=inline))
        if not graph.is_open:
            return Flow((Operand(ref),))
        ports = range(len(graph.outputs))
        operands = (Operand(Ref(ref.node, at), origin=Origin(ref.node, at)) for at in ports)
        return Flow(tuple(operands), is_open=True)

    def join(self, *flows: Flow, rates: tuple[float | None, ...] = ()) -> Flow:
        """An open join; joins written in this graph and still open become part of it."""
        operands: list[Operand] = []
        branches = 0
        for number, flow in enumerate(flows):
            rate = rates[number] if number < len(rates) else None
            for one in flow.operands:
                kept = one.rate if one.rate is not None else rate
                operands.append(replace(one, branch=branches + (one.branch or 0), rate=kept))
            branches += max(1, flow.branches)
        return Flow(tuple(operands), branches, is_open=True)

    def each(self, attributes: Attributes, flow: Flow) -> Flow:
        """A fresh operator on every operand; the join stays open."""
        made = []
        for one in flow.operands:
            value = self.apply(attributes, Flow((Operand(one.source),)))
            made.append(replace(one, source=value.operands[0].source))
        return replace(flow, operands=tuple(made))

    def close(self, flow: Flow, sampled: bool = True) -> Flow:
        if not flow.is_open:
            return flow
        shape = self.shape(flow)
        return Flow((Operand(self._add(Join(flow.operands, shape, flow.branches, sampled))),))

    def finish(
        self,
        flow: Flow,
        label: str,
        recursion: Recursion | None = None,
        is_closure: bool = False,
        equation: str = "",
    ) -> int:
        branches = flow.branches if flow.is_open else 0
        rule = label.partition("(")[0]
        self.library.graphs.append(
            Graph(
                label,
                rule,
                tuple(self.nodes),
                flow.operands,
                flow.is_open,
                branches,
                recursion,
                is_closure,
                equation,
            )
        )
        return len(self.library.graphs) - 1
