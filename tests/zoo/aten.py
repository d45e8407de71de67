"""A network as the graph of what holds weights: names, styles and spellings left out.

Vertices are the inputs, the outputs, the layers (convolution, normalisation, dense, embedding)
and free parameters. Everything else is a way between them: sums, means, activations, views,
dropout. A way tells which pools it went through, at which place of a concatenation it stands, and
which part of a split it took, and no more, so it does not matter how a sum or a mean is written.
A part of a concatenation that was concatenated as such is that part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

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


class Row(NamedTuple):
    """A concatenation that is still known by its parts: their sizes along `axis`."""

    axis: int
    parts: tuple[tuple[int, Reach], ...]


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
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            self.held[node] = spec.target
        elif spec.kind is InputKind.USER_INPUT:
            self.reach[node] = self.add(f"input {len(self.reach)}", frozenset())
        else:
            self.reach[node] = frozenset()
