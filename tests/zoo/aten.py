"""A network as the graph of what holds weights: names, styles and spellings left out.

Vertices are the inputs, the outputs, the layers (convolution, normalisation, dense, embedding),
free parameters, and concatenations. Everything else is a way between them: sums, means,
activations, views, dropout. A way tells which pools and which parts of a split it went through,
and no more, so it does not matter how a sum or a mean is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind
from torch.fx import Node

__all__ = ["Net", "Vertex", "traced"]

Label: TypeAlias = tuple[str, ...]
Reach: TypeAlias = frozenset[tuple[Label, int]]

# Positions of the tensors that a layer holds, after the value that comes into it.
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


@dataclass(frozen=True, slots=True)
class Vertex:
    """`kind` and the shapes of `tensors` (names in the state dict) colour it at first.

    `sources` are the ways that come in, one set for each place where the order of the places
    counts, as it does in a concatenation.
    """

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    tensors: tuple[str, ...]
    sources: tuple[Reach, ...]


@dataclass(frozen=True, slots=True)
class Net:
    """Vertices in topological order."""

    vertices: tuple[Vertex, ...]


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
        self.places: dict[int, tuple[Reach, ...]] = {}  # of concatenations

    def net(self) -> Net:
        specs = {spec.arg.name: spec for spec in self.program.graph_signature.input_specs}
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self.placeholder(node, specs[node.name])
            elif node.op == "call_function":
                self.call(node)
            elif node.op == "output":
                for at, result in enumerate(_nodes(node.args[0])):
                    self.add(f"output {at}", (self.reach[result],))
        return Net(tuple(self.vertices))

    def placeholder(self, node: Node, spec: Any) -> None:
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            self.held[node] = spec.target
        elif spec.kind is InputKind.USER_INPUT:
            self.reach[node] = self.add(f"input {len(self.reach)}", ())
        else:
            self.reach[node] = frozenset()

    def add(self, kind: str, sources: tuple[Reach, ...], held: Iterable[Node | None] = ()) -> Reach:
        """A new vertex, and what is seen from it: itself."""
        nodes = [node for node in held if node is not None]
        shapes = tuple(_squeezed(node.meta["val"].shape) for node in nodes)
        tensors = tuple(self.held[node] for node in nodes)
        self.vertices.append(Vertex(kind, shapes, tensors, sources))
        return frozenset([((), len(self.vertices) - 1)])

    def call(self, node: Node) -> None:
        name = _operator(node)
        if name in LAYERS and any(argument in self.held for argument in node.args):
            self.reach[node] = self.layer(node, name)
        elif name == "cat":
            self.reach[node] = self.concatenation(node)
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
        return self.add(SAME.get(name, name), (incoming,), held)

    def concatenation(self, node: Node) -> Reach:
        """Of the parts; a part that is a concatenation itself stands for its own parts."""
        operands = _nodes(node.args[0])
        axis = node.args[1] if len(node.args) > 1 else 0
        assert isinstance(axis, int)
        axis %= len(node.meta["val"].shape)
        places: list[Reach] = []
        for operand in operands:
            seen = self.seen([operand])
            ((label, vertex),) = seen if len(seen) == 1 else (((), -1),)
            inner = self.vertices[vertex].kind == f"concat {axis}" and label == ()
            places += self.vertices[vertex].sources if vertex >= 0 and inner else [seen]
        return self.add(f"concat {axis}", tuple(places))

    def way(self, node: Node, name: str) -> Reach:
        """Through something that holds nothing."""
        seen = self.seen(_nodes((node.args, node.kwargs)))
        label = _label(node, name)
        if not label:
            return seen
        return frozenset((tuple(sorted({*way, label})), vertex) for way, vertex in seen)

    def seen(self, nodes: Iterable[Node]) -> Reach:
        """What the values are made of; a parameter met here is a vertex of its own."""
        found: set[tuple[Label, int]] = set()
        for node in nodes:
            if node in self.held and node not in self.reach:
                self.reach[node] = self.add("parameter", (), [node])
            found |= self.reach[node]
        return frozenset(found)


def _operator(node: Node) -> str:
    """`aten.conv2d.default` is `conv2d`."""
    parts = str(node.target).split(".")
    return parts[1] if parts[0] == "aten" else parts[-1]


def _label(node: Node, name: str) -> str:
    """What a way says of a node it goes through; empty where it says nothing."""
    if name.removesuffix("_") in POOLS:
        return name
    operand = node.args[0] if node.args else None
    if not isinstance(operand, Node):
        return ""
    if name == "slice":
        axis, start = int(str(node.args[1])), int(str(node.args[2] or 0))
        whole = operand.meta["val"].shape[axis]
        return "" if node.meta["val"].shape[axis] == whole else f"from {start} of {whole}"
    if node.target.__class__.__name__ == "builtin_function_or_method":  # an item of a tuple
        return _part(operand, int(str(node.args[1])))
    return ""


def _part(split: Node, index: int) -> str:
    """Part `index` of a split by where it starts; other tuples' first items are their values."""
    name = _operator(split)
    if name not in ("split", "chunk", "split_with_sizes"):
        return ""
    axis = int(str(split.args[2])) if len(split.args) > 2 else 0
    sizes = [part.shape[axis] for part in split.meta["val"]]
    return f"from {sum(sizes[:index])} of {sum(sizes)}"


def _nodes(argument: object) -> list[Node]:
    """All nodes in an argument, however it nests."""
    found: list[Node] = []
    torch.fx.node.map_arg(argument, found.append)  # type: ignore[arg-type, return-value]
    return found


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without ones at the end, as of a 1x1 convolution, and at the start, as of a batch axis."""
    sizes = list(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    while len(sizes) > 1 and sizes[0] == 1:
        sizes.pop(0)
    return tuple(sizes)
