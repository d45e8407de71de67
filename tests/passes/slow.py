"""Every analysis the slow way: on the flat DAG, from the definition, with networkx."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import networkx as nx

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.flatten import flat_networkx
from fractal_dsl.ir.graph import Apply, Call, Join, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.view import networkx_view
from fractal_dsl.reference.plans import Plan

SEES_ALL = {
    "global_avg_pool",
    "global_max_pool",
    "flatten",
    "attention",
    "cross_attention",
    "transpose",
}
VIEWS = {"chunk", "slice", "parameter", "flatten", "tokens", "image", "transpose", "take"}
IN_PLACE = {"relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "tanh"}


def layers(node: FlatNode) -> int:
    return spec_of(node.attributes).depth(node.attributes) if node.attributes else 0


def weighted_layers(node: FlatNode) -> int:
    return spec_of(node.attributes).weighted(node.attributes) if node.attributes else 0


def tensor_sizes(flat: FlatProgram, node: FlatNode, which: str) -> int:
    if node.attributes is None:
        return 0
    shapes = [flat.nodes[at].shape for at in node.inputs]
    tensors = getattr(spec_of(node.attributes), which)(node.attributes, shapes)
    return sum(prod(tensor.shape) for tensor in tensors)


def held(flat: FlatProgram, nodes: Iterable[FlatNode], which: str) -> int:
    """Numbers in the tensors of some nodes; a shared instance has one key and counts once."""
    return sum({node.key: tensor_sizes(flat, node, which) for node in nodes}.values())


def dead_ends_removed(flat: FlatProgram) -> nx.MultiDiGraph[int]:
    """The flat DAG from the inputs to the outputs."""
    view = flat_networkx(flat)
    behind = set(flat.inputs).union(*(nx.descendants(view, at) for at in flat.inputs))
    before = set(flat.outputs).union(*(nx.ancestors(view, at) for at in flat.outputs))
    return view.subgraph(behind & before)


def longest(flat: FlatProgram, weigh: Callable[[FlatNode], int]) -> int:
    view: nx.DiGraph[int] = nx.DiGraph(dead_ends_removed(flat))
    for _, at, data in view.edges(data=True):
        data["weight"] = weigh(flat.nodes[at])
    return nx.dag_longest_path_length(view, weight="weight")


def lengths(flat: FlatProgram) -> Counter[int]:
    """Number of paths from the input by their convolutions."""
    view = dead_ends_removed(flat)
    found: dict[int, Counter[int]] = {}
    for at in nx.topological_sort(view):
        node = flat.nodes[at]
        here: Counter[int] = Counter({0: 1}) if node.is_input else Counter()
        for source, _, _ in view.in_edges(at, keys=True):
            for length, number in found[source].items():
                here[length + layers(node)] += number
        found[at] = here
    return sum((found.get(at, Counter()) for at in flat.outputs), Counter())


def listed_lengths(flat: FlatProgram) -> Counter[int]:
    """The same by listing every path."""
    view = dead_ends_removed(flat)
    total: Counter[int] = Counter()
    for start, end in product(flat.inputs, flat.outputs):
        if start == end:
            total[0] += 1
        elif start in view and end in view:
            ways: Any = nx.all_simple_edge_paths(view, start, end)
            total.update(sum(layers(flat.nodes[edge[1]]) for edge in way) for way in ways)
    return total


def field(flat: FlatProgram, axis: int) -> tuple[int, Fraction, bool]:
    """Places of an input that one of an output sees, largest jump, whether a path sees all.

    From the outputs back: how many steps of each value lie between what one place of it sees.
    """
    view = dead_ends_removed(flat)
    steps: dict[int, int] = {}
    jumps: dict[int, Fraction] = {}
    sees_all: dict[int, bool] = {}
    for at in reversed(list(nx.topological_sort(view))):
        readers = [flat.nodes[reader] for reader in view.successors(at)]
        ways = [looks(flat, reader, axis) for reader in readers]
        after = list(zip(view.successors(at), ways, strict=True))
        is_end = at in flat.outputs
        steps[at] = max([0] * is_end + [way(steps[reader]) for reader, (way, *_) in after])
        own = [Fraction(1)] * is_end
        jumps[at] = max(own + [jumps[reader] * way[1] for reader, way in after])
        sees_all[at] = any(sees_all[reader] or way[2] for reader, way in after)
    starts = [at for at in flat.inputs if at in view]
    steps_, jumps_ = max(steps[at] for at in starts), max(jumps[at] for at in starts)
    return 1 + steps_, jumps_, any(sees_all[at] for at in starts)


def looks(
    flat: FlatProgram, node: FlatNode, axis: int
) -> tuple[Callable[[int], int], Fraction, bool]:
    """Steps of the input for those of the output, jump, whether it sees everything."""
    if node.attributes is None:
        return (lambda steps: steps), Fraction(1), False
    shapes = [flat.nodes[source].shape for source in node.inputs]
    whole = node.attributes.operator in SEES_ALL and shapes[0].kind != "vector"
    window = spec_of(node.attributes).window(node.attributes, shapes)
    if window is None or whole:
        return (lambda steps: steps), Fraction(1), whole
    reach = (window.kernel[axis] - 1) * window.dilation[axis]
    jump = Fraction(window.stride[axis])
    if jump.denominator == 1:
        return (lambda steps: steps * int(jump) + reach), jump, whole
    return (lambda steps: int((steps + reach) * jump)), jump, whole


def activation_bytes(program: Program) -> int:
    """Instance by instance, down the tree of calls."""
    total = 0
    todo = [program.net]
    while todo:
        graph = todo.pop()
        view = networkx_view(graph)
        returned = Counter(operand.source.node for operand in graph.outputs)
        for at, node in enumerate(graph.nodes):
            if isinstance(node, Call):
                todo.extend([program.graphs[node.callee]] * node.count)
            elif isinstance(node, Join):
                total += 4 * node.shape.elements
            elif isinstance(node, Apply) and node.attributes.operator not in VIEWS:
                before = next(iter(view.predecessors(at)), None)
                if before is None:  # a learned tensor counts like the output of any operator
                    total += 4 * node.shape.elements
                    continue
                source = graph.nodes[before]
                norm = isinstance(source, Apply) and source.attributes.operator == "batch_norm"
                alone = view.out_degree(before) + returned[before] == 1
                in_place = node.attributes.operator in IN_PLACE and norm and alone
                total += 0 if in_place else 4 * node.shape.elements
                if node.attributes.operator == "attention":  # queries, keys, values; mixed values
                    total += 4 * (3 + 1) * node.shape.elements
                if node.attributes.operator == "cross_attention":  # keys and values as long as
                    memory = graph.shape_of(node.inputs[1])  # what is looked at
                    total += 4 * 2 * node.shape.elements
                    total += 4 * 2 * memory.sizes[0] * node.shape.channels
    return total


def plan_count(flat: FlatProgram) -> int:
    return prod(2 ** len(flat.nodes[at].operands) - 1 for at in flat.joins)


def join_outcomes(rates: list[float]) -> Iterator[tuple[float, tuple[bool, ...]]]:
    """Every set of inputs that local sampling may keep, with its probability."""
    chances: dict[tuple[bool, ...], float] = defaultdict(float)
    for mask in product((True, False), repeat=len(rates)):
        chance = prod(1 - r if kept else r for kept, r in zip(mask, rates, strict=True))
        if any(mask):
            chances[mask] += chance
        else:
            for revived in range(len(rates)):
                chances[tuple(at == revived for at in range(len(rates)))] += chance / len(rates)
    return ((chance, mask) for mask, chance in chances.items())


def local_work(flat: FlatProgram, local: float, cost: Callable[[int], int]) -> float:
    """Expected cost of what is live under local sampling, over every plan there is."""

    def from_here(at: int, needed: frozenset[int]) -> float:
        work = 0.0
        while at >= 0:
            node = flat.nodes[at]
            if at in needed:
                work += cost(at)
                if node.join is not None:
                    rates = [local if o.rate is None else o.rate for o in node.operands]
                    for chance, mask in join_outcomes(rates):
                        kept = {s for s, k in zip(node.inputs, mask, strict=True) if k}
                        if chance:
                            work += chance * from_here(at - 1, needed | kept)
                    return work
                needed |= set(node.inputs)
            at -= 1
        return work

    return from_here(len(flat.nodes) - 1, frozenset(flat.outputs))


def join_labels(flat: FlatProgram, net: str) -> list[tuple[str, int]]:
    """Who closes each flat join, and its arity, in order of their numbers; `net` at the top."""
    joins = [flat.nodes[at] for at in flat.joins]
    return [(node.calls[-1] if node.calls else net, len(node.operands)) for node in joins]


def reached(plan: Plan) -> dict[int, tuple[bool, ...]]:
    return {number: mask for number, mask in enumerate(plan) if any(mask)}
