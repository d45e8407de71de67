"""Miscompilations made on purpose: a check that misses one of them is no check."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

from fractal_dsl.ir.flat import FlatNode, FlatOperand, FlatProgram
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.elementwise import Dropout, Dropout2d, Sum
from fractal_dsl.ir.operators.sequences import Timing

__all__ = ["Mutation", "mutations"]

Mutation: TypeAlias = tuple[str, FlatProgram]


def mutations(flat: FlatProgram, seed: int) -> Iterator[Mutation]:
    """Endless faulty copies of `flat`, each with its description, the same for one seed.

    Kinds, equally often where there is a place for them: an edge rewired to another earlier
    value of the same shape, a sum in place of a mean, an operand of a join lost, the weights
    of two layers swapped. Faults that change nothing (an edge around a dropout, two layers
    that stand side by side) are left out.
    """
    generator = random.Random(seed)
    sites: list[tuple[Callable[..., Mutation], list[tuple[int, int]]]] = [
        (_rewired, _rewirings(flat)),
        (_summed, [(at, 0) for at in flat.joins if len(flat.nodes[at].inputs) > 1]),
        (_lost, _losses(flat)),
        (_swapped, _swaps(flat)),
    ]
    possible = [(make, places) for make, places in sites if places]
    while possible:
        make, places = generator.choice(possible)
        yield make(flat, *generator.choice(places), generator)


def _with(flat: FlatProgram, at: int, node: FlatNode) -> FlatProgram:
    return replace(flat, nodes=(*flat.nodes[:at], node, *flat.nodes[at + 1 :]))


def _rewirings(flat: FlatProgram) -> list[tuple[int, int]]:
    """Places, as (node, position of its input), that have another source to take."""
    return [
        (at, position)
        for at, node in enumerate(flat.nodes)
        if not isinstance(node.attributes, Timing)  # which takes nothing but a shape
        for position in range(len(node.inputs))
        if _others(flat, at, position)
    ]


def _others(flat: FlatProgram, at: int, position: int) -> list[int]:
    old = flat.nodes[at].inputs[position]
    same = _value(flat, old)
    return [
        other
        for other in range(at)
        if flat.nodes[other].shape == flat.nodes[old].shape and _value(flat, other) != same
    ]


def _value(flat: FlatProgram, at: int) -> int:
    """The node whose value node `at` passes on in eval mode: past dropouts."""
    while isinstance(flat.nodes[at].attributes, Dropout | Dropout2d):
        (at,) = flat.nodes[at].inputs
    return at


def _rewired(flat: FlatProgram, at: int, position: int, generator: random.Random) -> Mutation:
    node = flat.nodes[at]
    new = generator.choice(_others(flat, at, position))
    inputs = list(node.inputs)
    old, inputs[position] = inputs[position], new
    operands = list(node.operands)
    if operands:
        operands[position] = operands[position]._replace(source=new)
    changed = replace(node, inputs=tuple(inputs), operands=tuple(operands))
    return f"input {position} of node {at}: {new} in place of {old}", _with(flat, at, changed)


def _summed(flat: FlatProgram, at: int, _: int, generator: random.Random) -> Mutation:
    gone = flat.nodes[at].join
    assert gone is not None
    nodes = [
        node if node.join is None or node.join < gone else replace(node, join=node.join - 1)
        for node in flat.nodes
    ]
    nodes[at] = replace(flat.nodes[at], attributes=Sum(), join=None, operands=())
    what = f"node {at}: the sum in place of the mean"
    return what, replace(flat, nodes=tuple(nodes))


def _losses(flat: FlatProgram) -> list[tuple[int, int]]:
    places = []
    for at in flat.joins:
        inputs = [_value(flat, source) for source in flat.nodes[at].inputs]
        if len(set(inputs)) > 1:
            places += [(at, position) for position in range(len(inputs))]
    return places


def _lost(flat: FlatProgram, at: int, position: int, generator: random.Random) -> Mutation:
    node = flat.nodes[at]
    operands: list[FlatOperand] = list(node.operands)
    del operands[position]
    inputs = tuple(operand.source for operand in operands)
    changed = replace(node, inputs=inputs, operands=tuple(operands))
    return f"operand {position} of node {at} lost", _with(flat, at, changed)


def _swaps(flat: FlatProgram) -> list[tuple[int, int]]:
    """Pairs of layers alike but for their weights, and not side by side on one input."""
    alike: dict[object, list[int]] = {}
    for at, node in enumerate(flat.nodes):
        if node.attributes is None:
            continue
        shapes = tuple(flat.nodes[source].shape for source in node.inputs)
        if spec_of(node.attributes).parameters(node.attributes, shapes):
            alike.setdefault((node.attributes, shapes), []).append(at)
    return [
        (one, other)
        for group in alike.values()
        for one, other in combinations(group[:64], 2)
        if flat.nodes[one].inputs != flat.nodes[other].inputs
    ]


def _swapped(flat: FlatProgram, one: int, other: int, generator: random.Random) -> Mutation:
    first, second = flat.nodes[one], flat.nodes[other]
    swapped = _with(flat, one, replace(first, key=second.key))
    swapped = _with(swapped, other, replace(second, key=first.key))
    return f"weights of nodes {one} and {other} swapped", swapped
