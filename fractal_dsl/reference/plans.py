"""Drop-path plans of a flat DAG, straight from their definition. Needs no torch.

A plan holds, for each flat join in data-flow order, one boolean an operand: True where it is
live. A join that the drawn sub-network does not reach has none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.flat import Choice, FlatNode, FlatOperand, FlatProgram
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.ir.operators import spec_of

__all__ = [
    "Plan",
    "call_columns",
    "column_count",
    "column_plan",
    "full_plan",
    "live_nodes",
    "live_sources",
    "local_plan",
    "node_depth",
    "node_macs",
    "resolve",
]

Plan: TypeAlias = tuple[tuple[bool, ...], ...]
Assignment: TypeAlias = dict[int, int]

LIMIT = 1 << 16


class Column(NamedTuple):
    """One column of a call: what it costs, and the branch at each level, highest level first.

    `nodes` are the positions it keeps among those that the call made. Fields stand in the
    order that columns are sorted by.
    """

    depth: int
    macs: int
    branches: tuple[int, ...]
    nodes: frozenset[int]


def node_macs(flat: FlatProgram, at: int) -> int:
    """Multiply-adds of the node at position `at`, for one sample."""
    node = flat.nodes[at]
    if node.attributes is None:
        return 0
    shapes = [flat.nodes[source].shape for source in node.inputs]
    return spec_of(node.attributes).macs(node.attributes, shapes, node.shape)


def node_depth(node: FlatNode) -> int:
    """1 for a convolution that counts as a layer, else 0."""
    return 0 if node.attributes is None else spec_of(node.attributes).depth(node.attributes)


def full_plan(flat: FlatProgram) -> Plan:
    """Everything live that an output needs: what eval mode does."""
    return resolve(flat, lambda number: (True,) * len(flat.nodes[flat.joins[number]].operands))


def resolve(flat: FlatProgram, choose: Callable[[int], tuple[bool, ...]]) -> Plan:
    """The plan that takes `choose(number)` at each join it reaches, from the output back.

    Raises ValueError where the choice is not one boolean an operand, or keeps none.
    """
    masks: dict[int, tuple[bool, ...]] = {}
    needed = set(flat.outputs)
    for at in range(len(flat.nodes) - 1, -1, -1):
        node = flat.nodes[at]
        if at not in needed:
            continue
        if node.join is None:
            needed.update(node.inputs)
            continue
        mask = masks[node.join] = choose(node.join)
        if len(mask) != len(node.operands) or not any(mask):
            raise ValueError(f"join {node.join} of {len(node.operands)} inputs cannot take {mask}")
        needed.update(kept_sources(node, mask))
    return tuple(
        masks.get(number, (False,) * len(flat.nodes[at].operands))
        for number, at in enumerate(flat.joins)
    )


def kept_sources(node: FlatNode, mask: tuple[bool, ...]) -> Iterator[int]:
    return (source for source, kept in zip(node.inputs, mask, strict=True) if kept)


def live_sources(node: FlatNode, plan: Plan | None) -> tuple[int, ...]:
    """What a node reads under `plan`; None: everything live."""
    if plan is None or node.join is None:
        return node.inputs
    return tuple(kept_sources(node, plan[node.join]))


def live_nodes(flat: FlatProgram, plan: Plan | None) -> frozenset[int]:
    """Positions that the outputs need under `plan`; None: all, those that nothing reads too."""
    if plan is None:
        return frozenset(range(len(flat.nodes)))
    needed = set(flat.outputs)
    for at in range(len(flat.nodes) - 1, -1, -1):
        node = flat.nodes[at]
        if at in needed:
            needed.update(live_sources(node, plan))
    return frozenset(needed)


def local_plan(flat: FlatProgram, sampling: Sampling, generator: random.Random) -> Plan:
    """Each input of each join reached is dropped by itself; if all were, one is revived."""

    def choose(number: int) -> tuple[bool, ...]:
        operands = flat.nodes[joins[number]].operands
        rates = (sampling.local if one.rate is None else one.rate for one in operands)
        mask = [generator.random() >= rate for rate in rates]
        if not any(mask):
            mask[generator.randrange(len(mask))] = True
        return tuple(mask)

    joins = flat.joins
    return resolve(flat, choose)


def column_count(flat: FlatProgram) -> int:
    """Columns of the net: those of the call with the most."""
    return max((len(call_columns(flat, at)) for at in range(len(flat.calls))), default=1)


def column_plan(flat: FlatProgram, column: int) -> Plan:
    """Column `column` of the net (1 = shallowest): in every call, its own min(column, number).

    Every assignment of every call is tried: for small nets only.
    """
    chosen: list[Assignment] = []
    for number in range(len(flat.calls)):
        columns = call_columns(flat, number)
        levels = _levels(flat, number)
        branches = columns[min(column, len(columns)) - 1].branches
        chosen.append(dict(zip(levels, branches, strict=True)))
    joins = flat.joins

    def choose(number: int) -> tuple[bool, ...]:
        operands = flat.nodes[joins[number]].operands
        return tuple(all(_taken(one, chosen[one.call]) for one in op.path) for op in operands)

    return resolve(flat, choose)


def _taken(choice: Choice, assignment: Assignment) -> bool:
    return choice.branch == min(assignment[choice.level or 0], choice.branches - 1)


def call_columns(flat: FlatProgram, number: int) -> tuple[Column, ...]:
    """Columns of call `number`, shallowest first; with it alone pruned, all else live.

    Of the assignments that keep the same nodes the smallest is the column. Columns of a join
    outside recursion are its branches in order, whatever they cost (left at 0).
    Raises ValueError where there are more than 65,536 assignments.
    """
    call = flat.calls[number]
    if call.branches is not None:
        return tuple(Column(0, 0, (at,), frozenset()) for at in range(call.branches))
    levels = _levels(flat, number)
    if prod(levels.values()) > LIMIT:
        raise ValueError(f"{call.label} has more than {LIMIT} assignments")
    found: dict[frozenset[int], Column] = {}
    for branches in product(*map(range, levels.values())):
        network = _network(flat, number, dict(zip(levels, branches, strict=True)))
        nodes = frozenset(network)
        if nodes not in found:
            macs = sum(node_macs(flat, at) for at in nodes)
            found[nodes] = Column(_depth(flat, network), macs, branches, nodes)
    return tuple(sorted(found.values(), key=lambda column: column[:3]))


def _levels(flat: FlatProgram, number: int) -> dict[int, int]:
    """Levels of call `number` where there is something to choose, highest first: branches."""
    call = flat.calls[number]
    operands = list(call.outputs)
    for node in flat.nodes[call.start : call.stop]:
        operands.extend(node.operands)
    levels: dict[int, int] = {}
    for choice in (choice for operand in operands for choice in operand.path):
        if choice.call == number:
            level = choice.level or 0
            levels[level] = max(levels.get(level, 0), choice.branches)
    return dict(sorted(levels.items(), reverse=True))


def _network(flat: FlatProgram, number: int, assignment: Assignment) -> dict[int, list[int]]:
    """Nodes of call `number` that its outputs need under `assignment`, with what they read."""

    def kept(operand: FlatOperand) -> bool:
        own = (choice for choice in operand.path if choice.call == number)
        return all(_taken(choice, assignment) for choice in own)

    call = flat.calls[number]
    needed = {operand.source for operand in call.outputs if kept(operand)}
    network: dict[int, list[int]] = {}
    for at in range(call.stop - 1, call.start - 1, -1):
        if at in needed:
            node = flat.nodes[at]
            sources = [operand.source for operand in node.operands if kept(operand)]
            network[at] = sources if node.operands else list(node.inputs)
            needed.update(network[at])
    return network


def _depth(flat: FlatProgram, network: dict[int, list[int]]) -> int:
    """Convolution layers on the longest path through `network`."""
    depths: dict[int, int] = {}
    for at in sorted(network):
        before = max((depths.get(source, 0) for source in network[at]), default=0)
        depths[at] = before + node_depth(flat.nodes[at])
    return max(depths.values(), default=0)
