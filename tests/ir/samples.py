"""Small programs with what FractalNets lack: repeats, closures, plain joins, `each`, `id`."""

from __future__ import annotations

from dataclasses import replace

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
    Segment,
)
from fractal_dsl.ir.operators.elementwise import Relu
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.ir.shapes import image

SHAPE = image(2, 4, 4)


def layer(source: int, name: str, *indices: int) -> Apply:
    """A 3x3 convolution that keeps the shape."""
    return Apply(Conv2d(2), (Ref(source),), SHAPE, Segment(name, indices))


def call(
    callee: int, source: int, name: str, *, width: int = 1, count: int = 1, first: int = 0
) -> Call:
    shapes = (SHAPE,) * width
    return Call(callee, (Ref(source),), shapes, Segment(name), count, first)


def relu(source: int) -> Apply:
    return Apply(Relu(), (Ref(source),), SHAPE, Segment("relu"))


def branch(source: int, number: int) -> Operand:
    return Operand(Ref(source), number)


def closed(label: str, *nodes: Node, recursion: Recursion | None = None) -> Graph:
    """A graph of an input and `nodes`, which returns the last."""
    made = (Input(SHAPE), *nodes)
    outputs = (Operand(Ref(len(made) - 1)),)
    return Graph(label, label, made, outputs, recursion=recursion)


def program(*graphs: Graph) -> Program:
    return Program("Sample", graphs, len(graphs) - 1)


def repeats() -> Program:
    """Series of a plain repeat, nested inline repeats, and a call with a tag."""
    unit = closed("unit", layer(0, "conv2d"))
    inner = Call(0, (Ref(0),), (SHAPE,), Segment("a"), count=2)
    body = closed("(unit ** 2) >> b", inner, layer(1, "b", 5))
    outer = closed(
        "twice", Call(1, (Ref(0),), (SHAPE,), Segment("x", (7,)), count=2, inline=True), relu(1)
    )
    net = closed(
        "net",
        call(0, 0, "unit", count=2, first=1),
        Call(2, (Ref(1),), (SHAPE,), Segment("y"), count=1, first=3, inline=True),
        Call(0, (Ref(2),), (SHAPE,), Segment("unit_2"), tag="head"),
    )
    return program(unit, body, outer, net)


def plain_join() -> Program:
    """net = pair >> pair, pair = a (+) b (+) c: a join outside recursion."""
    nodes = (Input(SHAPE), layer(0, "a"), layer(0, "b"), layer(0, "c"))
    outputs = (branch(1, 0), branch(2, 1), branch(3, 2))
    pair = Graph("pair", "pair", nodes, outputs, True, 3)
    closing = tuple(Operand(Ref(1, at), origin=Origin(1, at)) for at in range(3))
    both = tuple(Operand(Ref(3, at), origin=Origin(3, at)) for at in range(3))
    net = closed(
        "net",
        call(0, 0, "pair_1", width=3),
        Join(closing, SHAPE),
        call(0, 2, "pair_2", width=3),
        Join(both, SHAPE),
    )
    return program(pair, net)


def each() -> Program:
    """net = pair >> each(relu): operands pass a node of the caller before the join."""
    pair = plain_join().graphs[0]
    passed = tuple(
        Apply(Relu(), (Ref(1, at),), SHAPE, Segment("relu", (at,))) for at in range(3)
    )  # fmt: skip
    operands = tuple(Operand(Ref(2 + at), origin=Origin(1, at)) for at in range(3))
    net = closed("net", call(0, 0, "pair", width=3), *passed, Join(operands, SHAPE))
    return program(pair, net)


def closures() -> Program:
    """f(0) = relu, f(n+1) = wrap(f(n) (+) conv), wrap(g) = joined(g) >> g; net = f(2).

    The argument of `wrap` is a closure: its join belongs to f though `wrap` calls it.
    """
    graphs = [closed("f(0)", relu(0), recursion=Recursion("f", 0))]
    for level in (1, 2):
        below = len(graphs) - 1
        recursion = Recursion("f", level)
        nodes = (Input(SHAPE), call(below, 0, "f"), layer(0, "conv"))
        argument = Graph(
            "g", "g", nodes, (branch(1, 0), branch(2, 1)), True, 2, recursion, True
        )  # fmt: skip
        graphs.append(argument)
        at = len(graphs) - 1
        closing = tuple(Operand(Ref(1, port), origin=Origin(1, port)) for port in (0, 1))
        opened = tuple(Operand(Ref(3, port), origin=Origin(3, port)) for port in (0, 1))
        wrapped = (
            Input(SHAPE),
            call(at, 0, "g_1", width=2),
            Join(closing, SHAPE),
            call(at, 2, "g_2", width=2),
        )
        graphs.append(Graph("wrap", "wrap", wrapped, opened, True))
        operands = tuple(Operand(Ref(1, port), origin=Origin(1, port)) for port in (0, 1))
        joined = (call(at + 1, 0, "wrap", width=2), Join(operands, SHAPE))
        graphs.append(closed(f"f({level})", *joined, recursion=recursion))
    graphs.append(closed("net", call(len(graphs) - 1, 0, "f")))
    return program(*graphs)


def identities() -> Program:
    """f(0) = id, f(n+1) = f(n) (+) (conv >> f(n)): a skip that the input passes whole."""
    nodes: tuple[Node, ...] = (Input(SHAPE),)
    graphs = [Graph("f(0)", "f", nodes, (Operand(Ref(0)),), recursion=Recursion("f", 0))]
    for level in (1, 2):
        width = level
        nodes = (
            Input(SHAPE),
            call(level - 1, 0, "f_1", width=width),
            layer(0, "conv2d"),
            call(level - 1, 2, "f_2", width=width),
        )
        outputs = tuple(
            Operand(Ref(at, port), number, Origin(at, port) if level > 1 else None)
            for number, at in enumerate((1, 3))
            for port in range(width)
        )
        graphs.append(
            Graph(f"f({level})", "f", nodes, outputs, True, 2, Recursion("f", level))
        )  # fmt: skip
    operands = tuple(Operand(Ref(1, port), origin=Origin(1, port)) for port in range(4))
    graphs.append(closed("net", call(2, 0, "f", width=4), Join(operands, SHAPE)))
    return program(*graphs)


def two_joins() -> Program:
    """net = f(1), f(0) = id, f(n+1) = joined(a (+) (b >> c)) >> (d (+) e (+) f(n)).

    Two joins of one level, of two and of three branches; `b >> c` is deeper than `a` and
    has fewer multiply-adds.
    """
    small = [replace(layer(source, name), attributes=Conv2d(2, 1)) for source, name in
             ((0, "b"), (2, "c"))]  # fmt: skip
    base = Graph(
        "f(0)", "f", (Input(SHAPE),), (Operand(Ref(0)),), recursion=Recursion("f", 0)
    )  # fmt: skip
    nodes: tuple[Node, ...] = (
        Input(SHAPE),
        layer(0, "a"),
        *small,
        Join((branch(1, 0), branch(3, 1)), SHAPE, 2),
        layer(4, "d"),
        layer(4, "e"),
        call(0, 4, "f"),
    )
    outputs = (branch(5, 0), branch(6, 1), branch(7, 2))
    level = Graph("f(1)", "f", nodes, outputs, True, 3, Recursion("f", 1))
    operands = tuple(Operand(Ref(1, port), origin=Origin(1, port)) for port in range(3))
    return program(base, level, closed("net", call(1, 0, "f", width=3), Join(operands, SHAPE)))


def nested() -> Program:
    """net = f(1), f(1) = joined(g(3)) (+) conv, g(3) = a (+) b: a fractal in a fractal."""
    inner = Graph(
        "g(3)",
        "g",
        (Input(SHAPE), layer(0, "a"), layer(0, "b")),
        (branch(1, 0), branch(2, 1)),
        True,
        2,
        Recursion("g", 3),
    )
    operands = tuple(Operand(Ref(1, port), origin=Origin(1, port)) for port in range(2))
    outer = Graph(
        "f(1)",
        "f",
        (Input(SHAPE), call(0, 0, "g", width=2), Join(operands, SHAPE), layer(0, "conv")),
        (branch(2, 0), branch(3, 1)),
        True,
        2,
        Recursion("f", 1),
    )
    return program(inner, outer, closed("net", call(1, 0, "f", width=2), Join(operands, SHAPE)))


ALL = (repeats, plain_join, each, closures, identities, two_joins, nested)
