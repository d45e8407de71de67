"""What a flat DAG computes where each sample has a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.operators.elementwise import StochasticDepth
from fractal_dsl.ir.operators.layers import BatchNorm
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.interpretation import Interpretation, Observer
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.plans import Plan, live_nodes, live_sources

__all__ = ["interpret_samples"]


def interpret_samples(
    flat: FlatProgram,
    tensors: Mapping[str, Tensor],
    inputs: Tensor | Sequence[Tensor],
    plans: Sequence[Plan | None],
    *,
    training: bool = True,
    observe: Observer | None = None,
) -> Interpretation:
    """Run `flat` on its inputs, [batch, *shape] each, sample n under `plans[n]`.

    A node runs on the samples for which it is live, and on no other. Batch norm of n of N
    samples moves its statistics by 1 - (1 - momentum)^(n / N); fewer than two values a channel
    are normalised by the running statistics, which then stay.
    """
    lives = [live_nodes(flat, plan) for plan in plans]
    live = frozenset().union(*lives)
    depths = _Depths(flat, training)
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    values = dict(zip(flat.inputs, given, strict=True))
    buffers: dict[str, Tensor] = {}
    for at in sorted(live - values.keys()):
        node = flat.nodes[at]
        depths.draw(at, lives)
        rows = [number for number in depths.present(at, len(plans)) if at in lives[number]]
        if not rows:
            continue
        if at in depths.survivors:
            result = depths.ended(at, rows, values)
        elif node.attributes is None:
            sources = [live_sources(node, plans[row]) for row in rows]
            means = [
                torch.stack([values[source][row] for source in kept]).mean(0)
                for row, kept in zip(rows, sources, strict=True)
            ]
            result = torch.stack(means)
        else:
            read = tuple(values[source][rows] for source in node.inputs)
            attributes, trains = node.attributes, training
            if isinstance(attributes, BatchNorm) and training:
                weight = 1 - (1 - attributes.momentum) ** (len(rows) / len(plans))
                attributes = replace(attributes, momentum=weight)
                trains = read[0].numel() > node.shape.channels
            shapes = tuple(flat.nodes[source].shape for source in node.inputs)
            here = Instance(node.key, shapes, tensors, trains, buffers, node.weight)
            result = OPERATIONS[attributes.operator](attributes, read, here)
            if observe is not None:
                observe(node, read, result)
        whole = result.new_zeros(len(plans), *result.shape[1:])
        values[at] = whole.index_put((torch.tensor(rows),), result)
    outputs = tuple(values[at] for at in flat.outputs)
    return Interpretation(outputs, buffers, live)


class _Depths:
    """Which samples survive the branches under stochastic depth, drawn where each begins."""

    def __init__(self, flat: FlatProgram, training: bool) -> None:
        self.flat = flat
        ends = [at for at, node in enumerate(flat.nodes) if node.start is not None and training]
        self.waiting = sorted(ends, key=lambda end: (self.start(end), -end))
        self.around = {
            at: [end for end in ends if self.start(end) <= at < end]
            for at in range(len(flat.nodes))
        }
        self.survivors: dict[int, set[int]] = {}

    def start(self, end: int) -> int:
        start = self.flat.nodes[end].start
        assert start is not None
        return start

    def draw(self, at: int, lives: Sequence[frozenset[int]]) -> None:
        """Of the branches that begin at a position or before, the outermost first."""
        while self.waiting and self.start(self.waiting[0]) <= at:
            end = self.waiting.pop(0)
            attributes = self.flat.nodes[end].attributes
            assert isinstance(attributes, StochasticDepth)
            rows = [number for number in self.present(end, len(lives)) if end in lives[number]]
            size = len(rows) if attributes.per == "sample" else min(1, len(rows))
            drawn = (torch.rand(size, dtype=torch.float32) >= attributes.rate).tolist()
            if attributes.per == "batch":
                drawn *= len(rows)
            kept = zip(rows, drawn, strict=True)
            self.survivors[end] = {row for row, survives in kept if survives}

    def present(self, at: int, samples: int) -> list[int]:
        """The samples that have come through all branches around a node."""
        kept = set(range(samples))
        for end in self.around[at]:
            kept &= self.survivors[end]
        return sorted(kept)

    def ended(self, end: int, rows: Sequence[int], values: Mapping[int, Tensor]) -> Tensor:
        """The value of a branch, scaled up, and zeros for samples that did without."""
        node, survivors = self.flat.nodes[end], self.survivors[end]
        assert isinstance(node.attributes, StochasticDepth)
        if not survivors:
            return next(iter(values.values())).new_zeros(len(rows), *node.shape.sizes)
        scaled = values[node.inputs[0]] / (1 - node.attributes.rate)
        zeros = torch.zeros_like(scaled[0])
        return torch.stack([scaled[row] if row in survivors else zeros for row in rows])
