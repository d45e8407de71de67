"""Programs to draw, and DOT read back by Graphviz's own parser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pygraphviz import AGraph  # type: ignore[import-untyped]

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
from fractal_dsl.ir.operators.elementwise import Relu, Sum
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.ir.shapes import image

SHAPE = image(8, 16, 16)
BLUE = "#d3e3f3"


@dataclass(frozen=True)
class Part:
    """A node of a parsed drawing; places and sizes in points, y upwards."""

    name: str
    attributes: Mapping[str, str]

    @property
    def x(self) -> float:
        return float(self.attributes["pos"].split(",")[0])

    @property
    def y(self) -> float:
        return float(self.attributes["pos"].split(",")[1])

    @property
    def width(self) -> float:
        return float(self.attributes["width"]) * 72

    @property
    def height(self) -> float:
        return float(self.attributes["height"]) * 72

    @property
    def label(self) -> str:
        return self.attributes["label"] or ""


@dataclass(frozen=True)
class Parsed:
    """A drawing as Graphviz reads it."""

    parts: tuple[Part, ...]
    edges: int
    clusters: int

    @property
    def boxes(self) -> list[Part]:
        """Items, without captions and legend."""
        return [part for part in self.parts if part.name.startswith("n")]

    @property
    def convs(self) -> list[Part]:
        return [part for part in self.boxes if part.attributes["fillcolor"] == BLUE]

    @property
    def joins(self) -> list[Part]:
        return [part for part in self.boxes if part.attributes["fillcolor"] == "#2b2f36"]


def parsed(dot: str) -> Parsed:
    graph: Any = AGraph(string=dot)
    parts = tuple(Part(str(node), dict(node.attr)) for node in graph.nodes())
    waiting, clusters = [graph], 0
    while waiting:
        inner = waiting.pop().subgraphs()
        clusters += len(inner)
        waiting.extend(inner)
    return Parsed(parts, graph.number_of_edges(), clusters)


def bridges(count: int) -> Program:
    """`count` Wheatstone bridges in a row: no series, no fork, so no columns."""
    nodes: list[Node] = [Input(SHAPE)]
    for _ in range(count):
        start = len(nodes) - 1
        conv, relu = start + 1, start + 2
        nodes += [
            Apply(Conv2d(8), (Ref(start),), SHAPE, Segment("conv2d", (conv,))),
            Apply(Relu(), (Ref(start),), SHAPE, Segment("relu")),
            Apply(Sum(), (Ref(conv), Ref(relu)), SHAPE, Segment("sum")),
            Apply(Conv2d(8), (Ref(conv),), SHAPE, Segment("conv2d", (conv + 3,))),
            Join((Operand(Ref(conv + 3), 0), Operand(Ref(conv + 2), 1)), SHAPE, 2),
        ]
    return net(nodes, "Bridges")


def net(nodes: list[Node], name: str, *graphs: Graph) -> Program:
    whole = Graph("net", "net", tuple(nodes), (Operand(Ref(len(nodes) - 1)),))
    return Program(name, (*graphs, whole), len(graphs))


def row(labels: list[str]) -> Program:
    """Distinct parts in a row, each with a label of its own and two convolutions beside a relu."""
    graphs = []
    for label in labels:
        inner: tuple[Node, ...] = (
            Input(SHAPE),
            Apply(Conv2d(8), (Ref(0),), SHAPE, Segment("conv2d"), tag=label),
            Apply(Relu(), (Ref(0),), SHAPE, Segment("relu")),
            Join((Operand(Ref(1), 0), Operand(Ref(2), 1)), SHAPE, 2),
        )
        equation = f"{label} = {label}"
        graphs.append(Graph(label, label, inner, (Operand(Ref(3)),), equation=equation, doc=label))
    nodes: list[Node] = [Input(SHAPE)]
    nodes += [Call(at, (Ref(at),), (SHAPE,), Segment("part", (at,))) for at in range(len(labels))]
    return net(nodes, labels[0] if labels else "Net", *graphs)
