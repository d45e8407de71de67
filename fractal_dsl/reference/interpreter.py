"""What a flat DAG computes, with torch's functional operators and nothing of the emitter's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.operators import elementwise, layers, pooling
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.reference.plans import Plan, kept_sources, live_nodes

__all__ = ["OPERATIONS", "Interpretation", "Observer", "interpret"]

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


@dataclass(frozen=True, slots=True)
class Instance:
    """One node about to run: `shapes` are its inputs' without batch."""

    key: str
    shapes: tuple[Shape, ...]
    tensors: Mapping[str, Tensor]
    training: bool
    buffers: dict[str, Tensor]

    def tensor(self, name: str) -> Tensor | None:
        return self.tensors.get(f"{self.key}.{name}")


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
            here = Instance(node.key, shapes, tensors, training, buffers)
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


def _conv2d(a: layers.Conv2d, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight, bias = here.tensor("weight"), here.tensor("bias")
    assert weight is not None
    return F.conv2d(
        x[0], weight, bias, a.window.stride, a.paddings, a.window.dilation, a.groups
    )  # fmt: skip


def _batch_norm(a: layers.BatchNorm, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    mean, variance, seen = map(here.tensor, ("running_mean", "running_var", "num_batches_tracked"))
    assert mean is not None and variance is not None and seen is not None
    if here.training:
        mean, variance = mean.clone(), variance.clone()
        here.buffers[f"{here.key}.running_mean"] = mean
        here.buffers[f"{here.key}.running_var"] = variance
        here.buffers[f"{here.key}.num_batches_tracked"] = seen + 1
    weight, bias = here.tensor("weight"), here.tensor("bias")
    return F.batch_norm(x[0], mean, variance, weight, bias, here.training, a.momentum, a.eps)


def _linear(a: layers.Linear, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight = here.tensor("weight")
    assert weight is not None
    value = x[0].flatten(1) if here.shapes[0].kind == "image" else x[0]
    return F.linear(value, weight, here.tensor("bias"))


def _max_pool(a: pooling.MaxPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return F.max_pool2d(x[0], a.window.kernel, a.strides, _pair(a.padding), ceil_mode=a.ceil)


def _avg_pool(a: pooling.AvgPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return F.avg_pool2d(
        x[0], a.window.kernel, a.strides, _pair(a.padding), a.ceil, a.count_padding
    )  # fmt: skip


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _concat(a: elementwise.Concat, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    if a.axis is not None:
        return torch.cat(x, a.axis + 1)
    return torch.cat(x, 1 if here.shapes[0].kind == "image" else -1)


def _scalar(a: elementwise.Scalar, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    left, right = (a.value, x[0]) if a.on_left else (x[0], a.value)
    match a.sign:
        case "+":
            return torch.as_tensor(left + right)
        case "-":
            return torch.as_tensor(left - right)
        case "*":
            return torch.as_tensor(left * right)
        case _:
            return torch.as_tensor(left / right)


Operation: TypeAlias = Callable[[Any, tuple[Tensor, ...], Instance], Tensor]


def _plain(function: Callable[[Tensor], Tensor]) -> Operation:
    return lambda a, x, here: function(x[0])


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    """An operator of two inputs or more, applied from left to right."""
    return lambda a, x, here: reduce(function, x)


OPERATIONS: dict[str, Operation] = {
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "linear": _linear,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_avg_pool": _plain(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "global_max_pool": _plain(lambda x: F.adaptive_max_pool2d(x, 1)),
    "flatten": _plain(lambda x: x.flatten(1)),
    "relu": _plain(F.relu),
    "relu6": _plain(F.relu6),
    "leaky_relu": lambda a, x, here: F.leaky_relu(x[0], a.slope),
    "elu": lambda a, x, here: F.elu(x[0], a.alpha),
    "selu": _plain(F.selu),
    "gelu": lambda a, x, here: F.gelu(x[0], approximate=a.approximate),
    "silu": _plain(F.silu),
    "mish": _plain(F.mish),
    "sigmoid": _plain(torch.sigmoid),
    "hard_sigmoid": _plain(F.hardsigmoid),
    "hard_swish": _plain(F.hardswish),
    "tanh": _plain(torch.tanh),
    "softplus": _plain(F.softplus),
    "dropout": lambda a, x, here: F.dropout(x[0], a.rate, here.training),
    "dropout2d": lambda a, x, here: F.dropout2d(x[0], a.rate, here.training),
    "sum": _fold(torch.add),
    "difference": _fold(torch.sub),
    "product": _fold(torch.mul),
    "quotient": _fold(torch.div),
    "maximum": _fold(torch.maximum),
    "minimum": _fold(torch.minimum),
    "concat": _concat,
    "scalar": _scalar,
}
