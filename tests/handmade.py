"""Programs built by hand, without the language: what every stage after it is tested on."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.ir.graph import (
    Apply,
    Call,
    Graph,
    Input,
    Join,
    Operand,
    Origin,
    Program,
    Recursion,
    Ref,
    Sampling,
    Segment,
)
from fractal_dsl.ir.operators.elementwise import Relu
from fractal_dsl.ir.operators.layers import BatchNorm, Conv2d, Linear
from fractal_dsl.ir.operators.pooling import MaxPool
from fractal_dsl.ir.shapes import Shape, image, vector


class Builder:
    """Collects distinct graphs; `level` and `conv` return their positions."""

    def __init__(self) -> None:
        self.graphs: list[Graph] = []
        self.known: dict[object, int] = {}

    def add(self, key: object, graph: Graph) -> int:
        self.known[key] = len(self.graphs)
        self.graphs.append(graph)
        return self.known[key]

    def conv(self, shape: Shape, channels: int) -> int:
        key = ("conv", shape, channels)
        if key in self.known:
            return self.known[key]
        out = image(channels, *shape.spatial)
        nodes = (
            Input(shape),
            Apply(Conv2d(channels), (Ref(0),), out, Segment("conv2d")),
            Apply(BatchNorm(), (Ref(1),), out, Segment("batch_norm")),
            Apply(Relu(), (Ref(2),), out, Segment("relu")),
        )
        equation = "conv = conv2d(channels) >> batch_norm >> relu"
        return self.add(key, Graph("conv", "conv", nodes, (Operand(Ref(3)),), equation=equation))

    def level(self, level: int, shape: Shape, channels: int) -> int:
        """f(level) on `shape`: f(1) = conv, f(C+1) = (f(C) . f(C)) (+) conv, left open."""
        key = ("f", level, shape, channels)
        if key in self.known:
            return self.known[key]
        out = image(channels, *shape.spatial)
        conv = self.conv(shape, channels)
        recursion = Recursion("f", level)
        if level == 1:
            nodes = (Input(shape), Call(conv, (Ref(0),), (out,), Segment("conv")))
            return self.add(
                key,
                Graph("f(1)", "f", nodes, (Operand(Ref(1)),), recursion=recursion,
                      equation="f(1) = conv"),
            )  # fmt: skip
        first, second = self.level(level - 1, shape, channels), self.level(level - 1, out, channels)
        width = max(level - 1, 1)
        opens = (out,) * width
        made: list[Input | Apply | Call | Join] = [
            Input(shape),
            Call(first, (Ref(0),), opens, Segment("f_1")),
        ]
        value = Ref(1)
        if level > 2:
            operands = tuple(Operand(Ref(1, at), origin=Origin(1, at)) for at in range(width))
            made.append(Join(operands, out))
            value = Ref(2)
        made.append(Call(second, (value,), opens, Segment("f_2")))
        deep = len(made) - 1
        made.append(Call(conv, (Ref(0),), (out,), Segment("conv")))
        outputs = [
            Operand(Ref(deep, at), 0, Origin(deep, at) if level > 2 else None)
            for at in range(width)
        ]
        outputs.append(Operand(Ref(deep + 1), 1))
        return self.add(
            key,
            Graph(f"f({level})", "f", tuple(made), tuple(outputs), True, 2, recursion,
                  equation="f(C+1) = (f(C) . f(C)) (+) conv"),
        )  # fmt: skip

    def block(self, columns: int, shape: Shape, channels: int) -> int:
        """f(columns) >> max_pool(2)"""
        fractal = self.level(columns, shape, channels)
        wide = image(channels, *shape.spatial)
        made: list[Input | Apply | Call | Join] = [
            Input(shape),
            Call(fractal, (Ref(0),), (wide,) * columns, Segment("f")),
        ]
        if columns > 1:
            operands = tuple(Operand(Ref(1, at), origin=Origin(1, at)) for at in range(columns))
            made.append(Join(operands, wide))
        small = image(channels, *(size // 2 for size in shape.spatial))
        made.append(Apply(MaxPool(2), (Ref(len(made) - 1),), small, Segment("max_pool")))
        return self.add(
            ("block", columns, shape, channels),
            Graph(f"block({channels})", "block", tuple(made), (Operand(Ref(len(made) - 1)),),
                  equation="block(channels) = f(C) >> max_pool(2)"),
        )  # fmt: skip


def fractalnet(
    columns: int = 4,
    widths: tuple[int, ...] = (64, 128, 256, 512, 512),
    classes: int = 10,
    size: int = 32,
    sampling: Sampling | None = None,
) -> Program:
    """FractalNet: blocks of f(columns), a 2 x 2 max-pool after each, a dense head."""
    builder = Builder()
    shape = image(3, size, size)
    nodes: list[Input | Apply | Call | Join] = [Input(shape)]
    for at, width in enumerate(widths):
        block = builder.block(columns, shape, width)
        shape = image(width, *(edge // 2 for edge in shape.spatial))
        nodes.append(Call(block, (Ref(len(nodes) - 1),), (shape,), Segment("block", (at,))))
    head = Ref(len(nodes) - 1)
    nodes.append(Apply(Linear(classes), (head,), vector(classes), Segment("linear")))
    net = Graph("net", "net", tuple(nodes), (Operand(Ref(len(nodes) - 1)),))
    builder.add("net", net)
    return Program("FractalNet", tuple(builder.graphs), len(builder.graphs) - 1, sampling)


def block_only(columns: int, channels: int = 64, size: int = 32) -> Program:
    """One open f(columns), closed by the net: the three lines of the language's first page."""
    builder = Builder()
    shape = image(3, size, size)
    fractal = builder.level(columns, shape, channels)
    out = image(channels, size, size)
    nodes: list[Input | Apply | Call | Join] = [
        Input(shape),
        Call(fractal, (Ref(0),), (out,) * columns, Segment("f")),
    ]
    if columns > 1:
        operands = tuple(Operand(Ref(1, at), origin=Origin(1, at)) for at in range(columns))
        nodes.append(Join(operands, out))
    builder.add("net", Graph("net", "net", tuple(nodes), (Operand(Ref(len(nodes) - 1)),)))
    return Program("Net", tuple(builder.graphs), len(builder.graphs) - 1)


def with_sampling(program: Program, local: float = 0.15, mixture: float = 0.5) -> Program:
    return replace(program, sampling=Sampling(local, mixture))
