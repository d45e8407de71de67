"""What a flat DAG computes, with torch's functional operators and nothing of the emitter's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.plans import Plan, kept_sources, live_nodes

__all__ = ["Interpretation", "Observer", "interpret"]

Observer: TypeAlias = Callable[[FlatNode, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What one forward pass gave.

    `outputs` are [batch, *shape] each; `buffers` the new values of batch-norm buffers by name,
    in training only; `live` the positions of the nodes that were executed.
    """

    outputs: tuple[Tensor, ...]
    buffers: dict[str, Tensor]
    live: frozenset[int]

    @property
    def output(self) -> Tensor:
        """The last of the outputs; of most networks the only one."""
        return self.outputs[-1]


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
    with its live inputs and its output.
    """
    live = live_nodes(flat, plan)
    values = dict(zip(flat.inputs, inputs, strict=True))
    buffers: dict[str, Tensor] = {}
    for at in sorted(live - values.keys()):
        node = flat.nodes[at]
        read = tuple(values[source] for source in _sources(node, plan))
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


def _sources(node: FlatNode, plan: Plan | None) -> tuple[int, ...]:
    if plan is None or node.join is None:
        return node.inputs
    return tuple(kept_sources(node, plan[node.join]))


def _mean(inputs: tuple[Tensor, ...]) -> Tensor:
    return reduce(torch.add, inputs) / len(inputs)
