"""What each operator computes, in torch's functional operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.operators import (
    elementwise,
    layers,
    normalisation,
    pooling,
    resampling,
    values,
)
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.reference import sequences
from fractal_dsl.reference.externs import run_extern
from fractal_dsl.reference.instance import Instance

__all__ = ["OPERATIONS"]


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
    stride, gap = _pair(a.stride), _pair(a.dilation)
    return F.conv2d(x[0], weight, bias, stride, a.paddings, gap, a.groups)


def _conv_transpose2d(a: layers.ConvTranspose2d, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    weight, bias = here.tensor("weight"), here.tensor("bias")
    assert weight is not None
    stride, padding, more, gap = map(_pair, (a.stride, a.padding, a.output_padding, a.dilation))
    return F.conv_transpose2d(x[0], weight, bias, stride, padding, more, a.groups, gap)


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
    norm: Tensor = torch.linalg.vector_norm(x[0], a.p, here.channel_axis, keepdim=True)
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


def _global_avg_pool(a: pooling.GlobalAvgPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    if here.shapes[0].kind == "sequence":
        return x[0].mean(1)
    return F.adaptive_avg_pool2d(x[0], 1)


def _global_max_pool(a: pooling.GlobalMaxPool, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    if here.shapes[0].kind == "sequence":
        return x[0].max(1).values
    return F.adaptive_max_pool2d(x[0], 1)


def _upsample(a: resampling.Upsample, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    down, right = _pair(a.factor)
    if a.mode == "nearest":
        return x[0].repeat_interleave(down, 2).repeat_interleave(right, 3)
    size = (x[0].shape[2] * down, x[0].shape[3] * right)
    return F.interpolate(x[0], size, mode="bilinear", align_corners=a.align_corners)


def _pad(a: resampling.Pad, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return F.pad(x[0], (a.left, a.right, a.top, a.bottom))


def _channel_shuffle(a: resampling.ChannelShuffle, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    order = torch.arange(x[0].shape[1]).view(a.groups, -1).T.flatten()
    return x[0][:, order.to(x[0].device)]


def _prelu(a: elementwise.Prelu, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    slope = here.tensor("weight")
    assert slope is not None
    value = x[0].movedim(here.channel_axis, -1)
    return torch.where(value > 0, value, slope * value).movedim(-1, here.channel_axis)


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
    return lambda a, x, here: reduce(function, _beside(x, here))


def _beside(x: tuple[Tensor, ...], here: Instance) -> list[Tensor]:
    """Vectors beside images or sequences as one value for each channel of them, or for all."""
    whole = max(here.shapes, key=lambda shape: len(shape.sizes))
    before, behind = whole.channel_axis, len(whole.sizes) - whole.channel_axis - 1
    return [
        one.view(-1, *[1] * before, one.shape[1], *[1] * behind) if one.dim() == 2 else one
        for one in x
    ]


OPERATIONS: dict[str, Operation] = {
    "extern": _extern,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "batch_norm": _batch_norm,
    "linear": _linear,
    "embedding": _embedding,
    "attention": sequences.attention,
    "cross_attention": sequences.cross_attention,
    "timing": sequences.timing,
    "tokens": sequences.tokens,
    "image": sequences.image,
    "transpose": sequences.transpose,
    "take": sequences.take,
    "upsample": _upsample,
    "pad": _pad,
    "channel_shuffle": _channel_shuffle,
    "prelu": _prelu,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "normalize": _normalize,
    "softmax": lambda a, x, here: torch.softmax(x[0], here.channel_axis),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_avg_pool": _global_avg_pool,
    "global_max_pool": _global_max_pool,
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
    "stochastic_depth": _plain(lambda x: x),  # in eval; `per_sample` knows what training does
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
