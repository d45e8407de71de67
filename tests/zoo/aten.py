"""A network as the graph of what holds weights: names, styles and spellings left out.

Vertices are the inputs, the outputs, the layers (convolution, normalisation, dense, embedding),
free parameters and what they scale or move. Everything else is a way between them: sums, means,
activations, views, dropout. A way tells which pools it went through, at which place of a
concatenation it stands, and which part of a split it took, and no more, so it does not matter how
a sum or a mean is written. A part of a concatenation that was concatenated as such is that part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind
from torch.fx import Node

__all__ = ["Net", "Vertex", "traced"]

Label: TypeAlias = tuple[str, ...]
Reach: TypeAlias = frozenset[tuple[Label, int]]

# Positions of the tensors that a layer holds, among its arguments.
LAYERS = {
    "conv2d": (1, 2),
    "conv_transpose2d": (1, 2),
    "linear": (1, 2),
    "batch_norm": (1, 2, 3, 4),
    "layer_norm": (2, 3),
    "group_norm": (2, 3),
    "embedding": (0,),
}
# A convolution of 1x1 and a dense layer are the same thing in two shapes.
SAME = {"conv2d": "affine", "linear": "affine"}
POOLS = ("max_pool2d", "avg_pool2d")
SIGNS = ("add", "sub", "mul", "div")
SPLITS = ("split", "chunk", "split_with_sizes")


@dataclass(frozen=True, slots=True)
class Vertex:
    """`kind` and the shapes of `tensors` (names in the state dict) colour it at first.

    `sources` are the ways that come in: what they say, and the vertex they come from.
    """

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    tensors: tuple[str, ...]
    sources: Reach


@dataclass(frozen=True, slots=True)
class Net:
    """Vertices in topological order."""

    vertices: tuple[Vertex, ...]


class Row(NamedTuple):
    """A concatenation that is still known by its parts: their sizes along `axis`."""

    axis: int
    parts: tuple[tuple[int, Reach], ...]


class Part(NamedTuple):
    """What a slice or an item of a split takes of `whole`."""

    whole: Node
    axis: int
    start: int
    end: int


def traced(module: nn.Module, inputs: Sequence[Tensor]) -> Net:
    """The graph of `module`, in eval mode, as `torch.export` sees it on `inputs`."""
    program = torch.export.export(module.eval(), tuple(inputs))
    return _Walk(program).net()


class _Walk:
    """One pass over the ATen graph; `reach` is what can be seen from each node's value."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.vertices: list[Vertex] = []
        self.reach: dict[Node, Reach] = {}
        self.held: dict[Node, str] = {}
        self.rows: dict[Node, Row] = {}

    def net(self) -> Net:
        specs = {spec.arg.name: spec for spec in self.program.graph_signature.input_specs}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.placeholder(node, specs[node.name])
            elif node.op == "call_function":
                self.call(node)
            elif node.op == "output":
                for at, result in enumerate(_nodes(node.args[0])):
                    self.add(f"output {at}", self.seen([result]))
        return Net(tuple(self.vertices))

    def placeholder(self, node: Node, spec: Any) -> None:
        constant = spec.kind is InputKind.BUFFER and not spec.persistent
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and not constant:
            self.held[node] = spec.target
        elif spec.kind is InputKind.USER_INPUT:
            self.reach[node] = self.add(f"input {len(self.reach)}", frozenset())
        else:
            self.reach[node] = frozenset()

    def add(self, kind: str, sources: Reach, held: Iterable[Node] = ()) -> Reach:
        """A new vertex, and what is seen from it: itself."""
        nodes = list(held)
        shapes = tuple(_squeezed(node.meta["val"].shape) for node in nodes)
        tensors = tuple(self.held[node] for node in nodes)
        self.vertices.append(Vertex(kind, shapes, tensors, sources))
        return frozenset([((), len(self.vertices) - 1)])

    def call(self, node: Node) -> None:
        name = _operator(node)
        if name in LAYERS and any(argument in self.held for argument in node.args):
            self.reach[node] = self.layer(node, name)
        elif name == "cat":
            self.rows[node] = self.row(node)
        elif (part := _part(node, name)) is not None:
            self.take(node, part)
        else:
            self.reach[node] = self.way(node, name)
        if name.endswith("_"):  # in place: whoever reads the operand later sees the result
            self.reach[_nodes(node.args)[0]] = self.reach[node]

    def layer(self, node: Node, name: str) -> Reach:
        held = [
            argument
            for place in LAYERS[name]
            if place < len(node.args) and isinstance(argument := node.args[place], Node)
        ]
        incoming = self.seen(argument for argument in _nodes(node.args) if argument not in held)
        return self.add(SAME.get(name, name), incoming, held)

    def row(self, node: Node) -> Row:
        """A concatenation; a part that is one itself, along the same axis, stands for its own."""
        axis = _axis(node, 1)
        parts: list[tuple[int, Reach]] = []
        for operand in _nodes(node.args[0]):
            inner = self.rows.get(operand)
            if inner is not None and inner.axis == axis:
                parts += inner.parts
            else:
                parts.append((operand.meta["val"].shape[axis], self.seen([operand])))
        return Row(axis, tuple(parts))

    def take(self, node: Node, part: Part) -> None:
        """A part of a split, or a slice."""
        row, start = self.rows.get(part.whole), 0
        chosen = []
        if row is not None and row.axis == part.axis:
            for size, reach in row.parts:
                if part.start <= start and start + size <= part.end:
                    chosen.append((size, reach))
                start += size
        if row is not None and sum(size for size, _ in chosen) == part.end - part.start:
            self.rows[node] = row._replace(parts=tuple(chosen))
        else:
            where = f"from {part.start} of {part.whole.meta['val'].shape[part.axis]}"
            self.reach[node] = _labelled(self.seen([part.whole]), where)

    def way(self, node: Node, name: str) -> Reach:
        """Through something that holds nothing; where a parameter meets a value, a vertex."""
        operands = _nodes((node.args, node.kwargs))
        seen = self.seen(operands)
        name = name.removesuffix("_")
        if name in SIGNS and len({self.is_parameter([operand]) for operand in operands}) == 2:
            return self.add("meeting", seen)
        return _labelled(seen, name) if name in POOLS else seen

    def is_parameter(self, nodes: Iterable[Node]) -> bool:
        """Whether these values are made of parameters alone."""
        seen = self.seen(nodes)
        return bool(seen) and all(self.vertices[at].kind == "parameter" for _, at in seen)

    def seen(self, nodes: Iterable[Node]) -> Reach:
        """What the values are made of; a parameter met here is a vertex of its own."""
        found: set[tuple[Label, int]] = set()
        for node in nodes:
            if node in self.held and node not in self.reach:
                self.reach[node] = self.add("parameter", frozenset(), [node])
            found |= _together(self.rows[node]) if node in self.rows else self.reach[node]
        return frozenset(found)


def _together(row: Row) -> Reach:
    """All of a concatenation, each part with its place; of a single part, that part."""
    if len(row.parts) == 1:
        return row.parts[0][1]
    found: set[tuple[Label, int]] = set()
    start = 0
    for size, reach in row.parts:
        found |= _labelled(reach, f"at {start}")
        start += size
    return frozenset(found)


def _labelled(reach: Reach, label: str) -> Reach:
    return frozenset((tuple(sorted({*way, label})), vertex) for way, vertex in reach)


def _operator(node: Node) -> str:
    """`aten.conv2d.default` is `conv2d`."""
    parts = str(node.target).split(".")
    return parts[1] if parts[0] == "aten" else str(getattr(node.target, "__name__", parts[-1]))


def _part(node: Node, name: str) -> Part | None:
    """What a slice or an item of a split takes of what; None for all else."""
    operand = node.args[0] if node.args else None
    if not isinstance(operand, Node):
        return None
    if name == "slice":
        axis = int(str(node.args[1]))
        if axis > 1:  # a smaller picture of the same channels, as padding by less than 0 makes
            return None
        start = int(str(node.args[2] or 0))
        return Part(operand, axis, start, start + node.meta["val"].shape[axis])
    if name == "getitem" and _operator(operand) in SPLITS:
        whole = operand.args[0]
        assert isinstance(whole, Node)
        axis, index = _axis(operand, 2), int(str(node.args[1]))
        sizes = [part.shape[axis] for part in operand.meta["val"]]
        return Part(whole, axis, sum(sizes[:index]), sum(sizes[: index + 1]))
    return None


def _axis(node: Node, place: int) -> int:
    """The axis that stands at a place of a node's arguments, counted from the first."""
    axis = int(str(node.args[place])) if len(node.args) > place else 0
    value = node.meta["val"]
    return axis % len((value[0] if isinstance(value, list | tuple) else value).shape)


def _nodes(argument: Any) -> list[Node]:
    """All nodes in an argument, however it nests."""
    found: list[Node] = []

    def visit(node: Node) -> Node:
        found.append(node)
        return node

    torch.fx.node.map_arg(argument, visit)
    return found


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without ones at the end, as of a 1x1 convolution, and at the start, as of a batch axis."""
    sizes = list(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    while len(sizes) > 1 and sizes[0] == 1:
        sizes.pop(0)
    return tuple(sizes)
