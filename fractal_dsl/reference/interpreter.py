"""What a flat DAG computes, with torch's functional operators and nothing of the emitter's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.interpretation import Interpretation, Observer
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.per_sample import interpret_samples
from fractal_dsl.reference.plans import Plan, live_nodes, live_sources

__all__ = ["Interpretation", "Observer", "interpret"]


def interpret(
    flat: FlatProgram,
    tensors: Mapping[str, Tensor],
    *inputs: Tensor,
    training: bool = False,
    plan: Plan | None = None,
    observe: Observer | None = None,
) -> Interpretation:
    """Run `flat` on its inputs, [batch, *shape] each.

    `tensors` holds parameters and buffers by state-dict key; none is changed. Without a plan
    everything is live; what a plan leaves out is not executed. Nodes run in data-flow order,
    so dropout replays under one seed of torch's global generator. `observe` sees every node
    with its live inputs and its output. With stochastic depth, training goes by samples
    (`per_sample`).
    """
    if training and any(node.start is not None for node in flat.nodes):
        every = [plan] * len(inputs[0])
        return interpret_samples(flat, tensors, inputs, every, observe=observe)
    live = live_nodes(flat, plan)
    values = dict(zip(flat.inputs, inputs, strict=True))
    buffers: dict[str, Tensor] = {}
    for at in sorted(live - values.keys()):
        node = flat.nodes[at]
        read = tuple(values[source] for source in live_sources(node, plan))
        if node.attributes is None:
            values[at] = _mean(read)
        else:
            shapes = tuple(flat.nodes[source].shape for source in node.inputs)
            here = Instance(node.key, shapes, tensors, training, buffers, node.weight)
            values[at] = OPERATIONS[node.attributes.operator](node.attributes, read, here)
        if observe is not None:
            observe(node, read, values[at])
    outputs = tuple(values[at] for at in flat.outputs)
    return Interpretation(outputs, buffers, live)


def _mean(inputs: tuple[Tensor, ...]) -> Tensor:
    return reduce(torch.add, inputs) / len(inputs)
