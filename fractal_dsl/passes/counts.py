"""Counts: what a network holds and what it costs, exactly.

Every count is a sum over distinct graphs, each as often as it has instances:
N = sum over graphs g of instances(g) * own(g), in Python's exact integers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import prod

from fractal_dsl.ir.graph import Apply, Graph, Join, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.elementwise import (
    Elu,
    LeakyRelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Tanh,
)
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.operators.layers import BatchNorm
from fractal_dsl.passes.fold import holders, instances

__all__ = [
    "activation_bytes",
    "buffers",
    "convs",
    "joins",
    "kept_elements",
    "macs",
    "node_macs",
    "node_parameters",
    "nodes",
    "operators",
    "parameters",
]

# Activations whose gradient is computed from their output: they may overwrite their input.
IN_PLACE = (Relu, Relu6, LeakyRelu, Elu, Selu, Sigmoid, Tanh)
FLOAT32 = 4


def convs(program: Program) -> int:
    """Convolutions that count as layers: all but projections."""
    return _sum(program, lambda graph, node: spec_of(node.attributes).depth(node.attributes))


def macs(program: Program) -> int:
    """Multiply-adds for one sample, of convolutions, dense layers and attention."""
    return _sum(program, node_macs)


def parameters(program: Program, kind: str | None = None) -> int:
    """Learned numbers, all or those of one kind of operator (`conv2d`, `batch_norm`, ...)."""
    return _held(program, node_parameters, kind)


def buffers(program: Program) -> int:
    """Numbers in buffers: running means, variances and counters of batch normalisation."""
    return _held(program, _node_buffers)


def operators(program: Program) -> Counter[str]:
    """How many operators of each kind the flat program holds."""
    found: Counter[str] = Counter()
    for graph, number in _used(program):
        for node in _applied(graph):
            found[node.attributes.operator] += number
    return found


def externs(program: Program) -> Counter[str]:
    """How many modules of others the flat program holds, by their dotted names."""
    found: Counter[str] = Counter()
    for graph, number in _used(program):
        for node in _applied(graph):
            if isinstance(node.attributes, Extern):
                found[node.attributes.path] += number
    return found


def joins(program: Program) -> Counter[int]:
    """How many joins take 2, 3, ... operands, after joins have collapsed into each other."""
    found: Counter[int] = Counter()
    for graph, number in _used(program):
        for node in graph.nodes:
            if isinstance(node, Join):
                found[len(node.operands)] += number
    return found


def nodes(program: Program, limit: int | None = None) -> int:
    """Nodes of the flat DAG: inputs, operators and joins; `limit` where there are more."""
    counted = len(program.net.inputs)
    for graph, number in _used(program):
        counted += number * sum(isinstance(node, Apply | Join) for node in graph.nodes)
    return counted if limit is None else min(counted, limit)


def activation_bytes(program: Program) -> int:
    """Bytes of all activations of one sample in float32, each held once.

    The output of every operator and every join counts, as in a training step that keeps
    them all for the backward pass, except for
    - views of an input: `flatten`, `tokens`, `image`, `transpose`, `take`, parts of a `split`;
    - an activation function that may run in place (relu, relu6, leaky_relu with a slope of
      at least 0, elu, selu, sigmoid, tanh) on the output of a `batch_norm` of the same
      graph that nothing else reads.
    Attention keeps its queries, keys, values and what the heads give besides its output, and
    no weights, which fused attention computes again. The network's input does not count.
    """
    total = 0
    for graph, number in _used(program):
        total += number * FLOAT32 * sum(kept_elements(graph))
    return total


def node_macs(graph: Graph, node: Apply) -> int:
    """Multiply-adds of one operator for one sample."""
    incoming = [graph.shape_of(ref) for ref in node.inputs]
    return spec_of(node.attributes).macs(node.attributes, incoming, node.shape)


def node_parameters(graph: Graph, node: Apply) -> int:
    """Learned numbers that one instance of an operator holds."""
    incoming = [graph.shape_of(ref) for ref in node.inputs]
    tensors = spec_of(node.attributes).parameters(node.attributes, incoming)
    own = (one for one in tensors if node.weight is None or one.name != "weight")
    return sum(prod(tensor.shape) for tensor in own)


def _node_buffers(graph: Graph, node: Apply) -> int:
    incoming = [graph.shape_of(ref) for ref in node.inputs]
    tensors = spec_of(node.attributes).buffers(node.attributes, incoming)
    return sum(prod(tensor.shape) for tensor in tensors)


def _used(program: Program) -> Iterator[tuple[Graph, int]]:
    for graph, number in zip(program.graphs, instances(program), strict=True):
        if number:
            yield graph, number


def _applied(graph: Graph) -> Iterator[Apply]:
    return (node for node in graph.nodes if isinstance(node, Apply))


def _held(program: Program, own: Callable[[Graph, Apply], int], kind: str | None = None) -> int:
    """A sum over weights: those of a shared instance count once, where they are made."""
    return sum(
        number * own(graph, node)
        for graph, number in zip(program.graphs, holders(program), strict=True)
        if number
        for node in _applied(graph)
        if kind is None or node.attributes.operator == kind
    )


def _sum(program: Program, own: Callable[[Graph, Apply], int], kind: str | None = None) -> int:
    total = 0
    for graph, number in _used(program):
        for node in _applied(graph):
            if kind is None or node.attributes.operator == kind:
                total += number * own(graph, node)
    return total


def kept_elements(graph: Graph) -> Iterator[int]:
    readers: Counter[int] = Counter(operand.source.node for operand in graph.outputs)
    for node in graph.nodes:
        readers.update(ref.node for ref in node.inputs)
    for node in graph.nodes:
        free = isinstance(node, Apply) and _costs_nothing(graph, node, readers)
        if isinstance(node, Apply | Join) and not free:
            yield node.shape.elements
        if isinstance(node, Apply):
            incoming = [graph.shape_of(ref) for ref in node.inputs]
            yield spec_of(node.attributes).inner(node.attributes, incoming)


def _costs_nothing(graph: Graph, node: Apply, readers: Counter[int]) -> bool:
    attributes = node.attributes
    if spec_of(attributes).is_view:
        return True
    if not isinstance(attributes, IN_PLACE):
        return False
    if isinstance(attributes, LeakyRelu) and attributes.slope < 0:
        return False
    at = node.inputs[0].node
    source = graph.nodes[at]
    is_norm = isinstance(source, Apply) and isinstance(source.attributes, BatchNorm)
    return is_norm and readers[at] == 1
