"""What the operators of sequences compute, from their formulas."""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.operators import sequences
from fractal_dsl.reference.instance import Instance

__all__ = ["attention", "image", "take", "timing", "tokens", "transpose"]


def attention(a: sequences.Attention, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    """softmax(q k / sqrt(d)) v for each head; [batch, n, width] to the same."""
    query, key, value = (_heads(part, a.heads) for part in _dense(x[0], here, "qkv").chunk(3, -1))
    scores = _scores(query, key)
    if a.causal:
        length = scores.shape[-1]
        later = torch.arange(length)[:, None] < torch.arange(length)
        scores = scores.masked_fill(later.to(scores.device), float("-inf"))
    return _looked_up(scores, value, a.dropout, here)


def cross_attention(a: sequences.CrossAttention, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    """softmax(q k / sqrt(d)) v, queries of the first and keys and values of the second."""
    query = _heads(_dense(x[0], here, "q"), a.heads)
    key, value = (_heads(part, a.heads) for part in _dense(x[1], here, "kv").chunk(2, -1))
    return _looked_up(_scores(query, key), value, a.dropout, here)


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """How much each query looks at each key: [batch, heads, queries, keys], before softmax."""
    return torch.einsum("bhid,bhjd->bhij", query, key) / sqrt(query.shape[-1])


def _looked_up(scores: Tensor, value: Tensor, dropout: float, here: Instance) -> Tensor:
    """Values by what looks at them, the heads side by side, through `proj`."""
    weights = F.dropout(scores.softmax(-1), dropout, here.training)
    mixed = torch.einsum("bhij,bhjd->bihd", weights, value)
    return _dense(mixed.flatten(2), here, "proj")


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, n, width] to [batch, heads, n, width / heads]."""
    return torch.stack(x.split(x.shape[-1] // heads, -1), 1)


def _dense(x: Tensor, here: Instance, name: str) -> Tensor:
    weight, bias = here.tensor(f"{name}.weight"), here.tensor(f"{name}.bias")
    assert weight is not None
    return F.linear(x, weight, bias)


def timing(a: sequences.Timing, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    """Equations 4 and 5 of Dehghani et al., 2019, term by term, held in float32."""
    length, width = here.shapes[0].sizes
    signal = torch.empty(length, width, dtype=torch.double)
    for at in range(width):
        rate = 10000.0 ** (-(at // 2 * 2) / width)
        wave = torch.cos if at % 2 else torch.sin
        signal[:, at] = wave(torch.arange(length, dtype=torch.double) * rate)
        if a.step:
            signal[:, at] += wave(torch.tensor(a.step * rate, dtype=torch.double))
    return signal.float().to(x[0]).expand_as(x[0])


def tokens(a: sequences.Tokens, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return torch.stack([row for line in x[0].unbind(2) for row in line.unbind(2)], 1)


def image(a: sequences.Image, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    rows = [torch.stack(row.unbind(1), 2) for row in x[0].split(a.width, 1)]
    return torch.stack(rows, 2)


def transpose(a: sequences.Transpose, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return x[0].mT


def take(a: sequences.Take, x: tuple[Tensor, ...], here: Instance) -> Tensor:
    return x[0].select(a.axis + 1, a.index)
