"""Which values a join may add up in place: memory of their own that nothing else reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.graph import Apply, Call, Graph, Join, Node, Program, Ref

__all__ = ["owned", "owned_in_flat"]

# Operators that always make a tensor. (A ReLU that runs in place overwrites such a one, and a
# batch norm that is folded away stood behind a convolution that it alone read.)
MAKE = frozenset({
    "conv2d", "batch_norm", "linear", "max_pool", "avg_pool", "global_avg_pool", "global_max_pool",
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "hard_sigmoid",
    "hard_swish", "tanh", "softplus", "sum", "difference", "product", "quotient", "maximum",
    "minimum", "concat", "scalar",
})  # fmt: skip
# Those that may give back what came in.
PASS_ON = frozenset({"dropout", "dropout2d", "flatten"})


def owned(program: Program) -> list[frozenset[Ref]]:
    """By graph, the values that only their one reader knows."""
    found: list[frozenset[Ref]] = []
    for graph in program.graphs:
        found.append(_owned(program, graph, found))
    return found


def _owned(program: Program, graph: Graph, known: Sequence[AbstractSet[Ref]]) -> frozenset[Ref]:
    readers = Counter(ref for node in graph.nodes for ref in node.inputs)
    readers.update(operand.source for operand in graph.outputs)
    mine: set[Ref] = set()
    for at, node in enumerate(graph.nodes):
        for port in range(len(node.shapes)):
            if readers[Ref(at, port)] == 1 and _is_made(program, node, port, mine, known):
                mine.add(Ref(at, port))
    return frozenset(mine)


def _is_made(
    program: Program, node: Node, port: int, mine: set[Ref], known: Sequence[AbstractSet[Ref]]
) -> bool:
    match node:
        case Apply():
            operator = node.attributes.operator
            return operator in MAKE or (operator in PASS_ON and node.inputs[0] in mine)
        case Join():
            return mine.issuperset(node.inputs)
        case Call():
            return program.graphs[node.callee].outputs[port].source in known[node.callee]
        case _:
            return False


def owned_in_flat(flat: FlatProgram) -> frozenset[int]:
    """The same of a flat graph: positions of nodes."""
    readers = Counter(source for node in flat.nodes for source in node.inputs)
    readers.update(flat.outputs)
    mine: set[int] = set()
    for at, node in enumerate(flat.nodes):
        if readers[at] == 1 and _is_made_flat(node, mine):
            mine.add(at)
    return frozenset(mine)


def _is_made_flat(node: FlatNode, mine: set[int]) -> bool:
    if node.attributes is None:
        return node.join is not None and mine.issuperset(node.inputs)
    operator = node.attributes.operator
    return operator in MAKE or (operator in PASS_ON and mine.issuperset(node.inputs[:1]))
