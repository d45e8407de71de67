"""What each operator computes, in torch's functional operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.operators import elementwise, layers, normalisation, pooling, values
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.reference.externs import run_extern

__all__ = ["OPERATIONS", "Instance"]


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

    @property
    def channel_axis(self) -> int:
        """The channels of the first input, the batch counted."""
        return self.shapes[0].channel_axis + 1


def _extern(a: Extern, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    begin = f"{here.key}."
    own = {n.removeprefix(begin): t for n, t in here.tensors.items() if n.startswith(begin)}
    output, buffers = run_extern(a, x[0], own, training=here.training)
    if here.training:
        here.buffers.update({begin + name: tensor for name, tensor in buffers.items()})
    return output


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
    axis = here.channel_axis
    value = x[0].movedim(axis, 1)
    normed = F.batch_norm(value, mean, variance, weight, bias, here.training, a.momentum, a.eps)
    return normed.movedim(1, axis)


def _layer_norm(a: normalisation.LayerNorm, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    value = x[0].movedim(here.channel_axis, -1)
    normed = _standardised(value, a.eps)
    return _affine(normed, here).movedim(-1, here.channel_axis)


def _group_norm(a: normalisation.GroupNorm, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    value = x[0].movedim(here.channel_axis, 1)
    grouped = _standardised(value.reshape(len(value), a.groups, -1), a.eps)
    normed = grouped.view(value.shape).movedim(1, -1)
    return _affine(normed, here).movedim(-1, here.channel_axis)


def _standardised(x: Tensor, eps: float) -> Tensor:
    """Mean 0 and variance 1 along the last axis."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + eps)


def _affine(x: Tensor, here: Instance) -> Tensor:
    """Scale and shift of the channels, which come last."""
    weight, bias = here.tensor("weight"), here.tensor("bias")
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def _normalize(a: normalisation.Normalize, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    norm = torch.linalg.vector_norm(x[0], a.p, here.channel_axis, keepdim=True)
    return x[0] / (norm + a.eps)


def _linear(a: layers.Linear, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight = here.tensor("weight")
    assert weight is not None
    value = x[0].flatten(1) if here.shapes[0].kind == "image" else x[0]
    return F.linear(value, weight, here.tensor("bias"))


def _embedding(a: layers.Embedding, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight = here.tensor("weight")
    assert weight is not None
    return weight[x[0]]


def _max_pool(a: pooling.MaxPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return F.max_pool2d(x[0], a.window.kernel, a.strides, _pair(a.padding), ceil_mode=a.ceil)


def _avg_pool(a: pooling.AvgPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return F.avg_pool2d(
        x[0], a.window.kernel, a.strides, _pair(a.padding), a.ceil, a.count_padding
    )  # fmt: skip


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _chunk(a: values.Chunk, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    size = here.shapes[0].channels // a.of
    return x[0].narrow(here.channel_axis, a.index * size, size)


def _slice(a: values.Slice, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return x[0].narrow(here.channel_axis, a.start, a.size)


def _parameter(a: values.Parameter, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight = here.tensor("weight")
    assert weight is not None
    return weight.unsqueeze(0)


def _concat(a: elementwise.Concat, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    batch = max(len(one) for one in x)
    whole = [one if len(one) == batch else one.repeat_interleave(batch, 0) for one in x]
    return torch.cat(whole, here.channel_axis if a.axis is None else a.axis + 1)


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
    "extern": _extern,
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "linear": _linear,
    "embedding": _embedding,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "normalize": _normalize,
    "softmax": lambda a, x, here: torch.softmax(x[0], here.channel_axis),
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
    "chunk": _chunk,
    "slice": _slice,
    "parameter": _parameter,
    "concat": _concat,
    "scalar": _scalar,
}
