"""What a flat DAG computes where each sample has a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.operators.layers import BatchNorm
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.interpreter import Interpretation
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.plans import Plan, kept_sources, live_nodes

__all__ = ["interpret_samples"]


def interpret_samples(
    flat: FlatProgram,
    tensors: Mapping[str, Tensor],
    inputs: Tensor | Sequence[Tensor],
    plans: Sequence[Plan],
    *,
    training: bool = True,
) -> Interpretation:
    """Run `flat` on its inputs, [batch, *shape] each, sample n under `plans[n]`.

    A node runs on the samples for which it is live, and on no other. Batch norm of n of N
    samples moves its statistics by 1 - (1 - momentum)^(n / N); fewer than two values a channel
    are normalised by the running statistics, which then stay.
    """
    lives = [live_nodes(flat, plan) for plan in plans]
    live = frozenset().union(*lives)
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    values = dict(zip(flat.inputs, given, strict=True))
    buffers: dict[str, Tensor] = {}
    for at in sorted(live - values.keys()):
        node = flat.nodes[at]
        rows = [number for number, one in enumerate(lives) if at in one]
        if node.attributes is None:
            assert node.join is not None
            sources = [list(kept_sources(node, plans[row][node.join])) for row in rows]
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
                trains = read[0][:, 0].numel() > 1
            shapes = tuple(flat.nodes[source].shape for source in node.inputs)
            here = Instance(node.key, shapes, tensors, trains, buffers, node.weight)
            result = OPERATIONS[attributes.operator](attributes, read, here)
        whole = result.new_zeros(len(plans), *result.shape[1:])
        values[at] = whole.index_put((torch.tensor(rows),), result)
    outputs = tuple(values[at] for at in flat.outputs)
    return Interpretation(outputs, buffers, live)
