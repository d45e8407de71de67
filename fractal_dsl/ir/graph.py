"""The hierarchical graph: one small graph for each distinct sub-network, calling others.

A graph is a template: every node that calls it is an instance with weights of its own.
`Node.inputs` is the one source of truth; networkx views are derived (`ir.view`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.shapes import NETWORK, Shape
from fractal_dsl.source import Span

__all__ = [
    "Apply",
    "Call",
    "Graph",
    "HeadParameter",
    "Input",
    "Join",
    "Node",
    "Operand",
    "Origin",
    "Program",
    "Recursion",
    "Ref",
    "Sampling",
    "Segment",
    "Share",
    "references",
]


class Ref(NamedTuple):
    """Output `port` of the node at position `node` of the same graph."""

    node: int
    port: int = 0


class Segment(NamedTuple):
    """One part of a state-dict key: `conv`, `f_2` or, inside `chain` or `**`, `block.0`."""

    name: str
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ".".join([self.name, *map(str, self.indices)])


class Recursion(NamedTuple):
    """A graph's place in a recursion: `group` names the rules that recur together."""

    group: str
    level: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an operand comes from when a call leaves its join open: that call's `port`."""

    node: int
    port: int


@dataclass(frozen=True, slots=True)
class Operand:
    """One input of a join, open or closed.

    `source` is the value that enters the join. `branch` is the branch of the join *written
    in this graph* that the operand belongs to, counted from 0; None where this graph writes
    no join there. `origin` is the open call whose operand it is (the value may have passed
    through `each` since); the provenance goes on in the callee's outputs. `rate` is the
    local drop rate that `drop(e, local = r)` set, None for the net's.
    """

    source: Ref
    branch: int | None = None
    origin: Origin | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """A value that comes into the graph; it has no inputs of its own.

    `name` is what the text calls it, for people only.
    """

    shape: Shape
    name: str = field(default="", compare=False)

    @property
    def inputs(self) -> tuple[Ref, ...]:
        return ()

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self.shape,)


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator at work. `segment` names it in state-dict keys and in generated code.

    `weight` is the node of this graph whose weight it uses in place of one of its own.
    """

    attributes: Attributes
    inputs: tuple[Ref, ...]
    shape: Shape
    segment: Segment
    tag: str | None = None
    weight: int | None = None
    span: Span | None = field(default=None, compare=False)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self.shape,)


@dataclass(frozen=True, slots=True)
class Call:
    """`count` fresh copies in series of graph `callee` (an index into `Program.graphs`).

    A call has one output port for each output of the callee. `count > 1` only where the
    callee is closed, has one output, and gives the shape it takes; its copies carry the
    indices 0 .. count - 1 after the segment (`layer.0`, `layer.1`).

    An `inline` call is the body of a `**` that is no single name, `(a >> b) ** 3`: it adds
    no part of its own to state-dict keys, and each segment inside takes its indices and the
    copy's (`a.0`, `b.0`, `a.1`, ...), also where `count` is 1. Its name is for people only.

    `first` is the index of the first copy, where earlier turns of a `**` change the shape.

    `network` is the shared instance that it uses (a `Share`, or an input that hands one on);
    None: an instance of its own.
    """

    callee: int
    inputs: tuple[Ref, ...]
    shapes: tuple[Shape, ...]
    segment: Segment
    count: int = 1
    first: int = 0
    inline: bool = False
    tag: str | None = None
    network: Ref | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Share:
    """One instance of `callee` that several calls use: its weights are made here, once.

    Calls may use it on values of other shapes, and so by way of other graphs than `callee`;
    their weights are the same.
    """

    callee: int
    segment: Segment
    tag: str | None = None
    span: Span | None = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[Ref, ...]:
        return ()

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (NETWORK,)


@dataclass(frozen=True, slots=True)
class Join:
    """A closed fractal join: the mean of its live operands, a drop-path point.

    `branches` is the number of branches of the join as written in this graph, 0 where the
    join closes what a call left open and nothing else. `sampled` is False for joins that
    `drop(..., global = false)` took out of global sampling: there all inputs stay, and the
    branches make no columns.
    """

    operands: tuple[Operand, ...]
    shape: Shape
    branches: int = 0
    sampled: bool = True
    tag: str | None = None
    span: Span | None = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[Ref, ...]:
        return tuple(operand.source for operand in self.operands)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self.shape,)


Node: TypeAlias = Input | Apply | Call | Share | Join


def references(node: Node) -> tuple[Ref, ...]:
    """All values that a node needs: its inputs, a weight in common, the instance it uses."""
    match node:
        case Apply(weight=int(tied)):
            return (*node.inputs, Ref(tied))
        case Call(network=Ref() as network):
            return (*node.inputs, network)
        case _:
            return node.inputs


@dataclass(frozen=True, slots=True)
class Graph:
    """One distinct sub-network; `nodes` are in topological order, inputs first.

    `label` is how a person calls it (`f(3)`, `conv`, `block(64, 0)`), `rule` the name of the
    definition. `equation` is the text it came from. If `is_open`, `outputs` are the operands
    of a join that whoever calls the graph closes, and `branches` is the number of branches
    of the open join as written here (0: all of it is a callee's). Otherwise `outputs` are
    plain values (one, unless the graph returns a list). `is_closure` marks a network that
    was written as an argument: it belongs to the recursion of where it was written.
    """

    label: str
    rule: str
    nodes: tuple[Node, ...]
    outputs: tuple[Operand, ...]
    is_open: bool = False
    branches: int = 0
    recursion: Recursion | None = None
    is_closure: bool = False
    equation: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)
    span: Span | None = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[Shape, ...]:
        return tuple(node.shape for node in self.nodes if isinstance(node, Input))

    @property
    def output_shapes(self) -> tuple[Shape, ...]:
        return tuple(self.shape_of(operand.source) for operand in self.outputs)

    def shape_of(self, ref: Ref) -> Shape:
        return self.nodes[ref.node].shapes[ref.port]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What `drop_path(...)` says: rates are data of the sampler, never of a graph.

    `local`: probability that a join drops an input; `mixture`: probability that a
    mini-batch is global (`global` in FDL); `columns`: the columns that global sampling may
    draw, None for all.
    """

    local: float = 0.0
    mixture: float = 0.0
    per: str = "batch"
    mode: str = "sampled"
    dead: str = "skip"
    columns: tuple[int, ...] | None = None

    @property
    def per_sample(self) -> bool:
        """Whether each sample has a sub-network of its own."""
        return self.per == "sample"

    @property
    def simultaneous(self) -> bool:
        """Whether each step trains a local sample and all columns."""
        return self.mode == "simultaneous"


class HeadParameter(NamedTuple):
    """A net's parameter that sizes last layers of the entry graph, such as `classes = 10`.

    The generated class takes it as a keyword argument; `attribute` of the operators at
    positions `nodes` holds it.
    """

    name: str
    value: int
    nodes: tuple[int, ...]
    attribute: str


@dataclass(frozen=True, slots=True)
class Program:
    """A whole network: graphs in dependency order (callees before callers), `entry` last.

    The entry graph is closed. `sampling` is None where the file has no `drop_path`.
    `head_parameters` are the net's parameters that reach only the size of a last layer.
    """

    name: str
    graphs: tuple[Graph, ...]
    entry: int
    sampling: Sampling | None = None
    doc: str = ""
    head_parameters: tuple[HeadParameter, ...] = ()

    @property
    def net(self) -> Graph:
        return self.graphs[self.entry]

    @property
    def input(self) -> Shape:
        return self.net.inputs[0]

    @property
    def output(self) -> Shape:
        return self.net.output_shapes[0]
