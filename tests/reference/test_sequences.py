"""Operators of sequences and of larger maps against their formulas, written out value by value."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.elementwise import Prelu
from fractal_dsl.ir.operators.layers import ConvTranspose2d
from fractal_dsl.ir.operators.pooling import GlobalAvgPool, GlobalMaxPool
from fractal_dsl.ir.operators.resampling import ChannelShuffle, Pad, Upsample
from fractal_dsl.ir.operators.sequences import (
    Attention,
    CrossAttention,
    Image,
    Take,
    Timing,
    Tokens,
    Transpose,
)
from fractal_dsl.ir.operators.values import Parameter
from fractal_dsl.ir.shapes import Shape, image, sequence, vector
from tests.reference.test_operators import draw, run, weights

IMAGE = image(4, 5, 6)
SEQUENCE = sequence(5, 4)


def test_tokens_are_the_places_row_by_row() -> None:
    (x,) = draw((IMAGE,))
    found, _ = run(Tokens(), [x], (IMAGE,))
    for row, column in product(range(5), range(6)):
        assert torch.equal(found[:, 6 * row + column], x[:, :, row, column])
    back, _ = run(Image(5, 6), [found], (sequence(30, 4),))
    assert torch.equal(back, x)


def test_transpose_and_take() -> None:
    (x,) = draw((SEQUENCE,))
    transposed, _ = run(Transpose(), [x], (SEQUENCE,))
    assert all(torch.equal(transposed[:, d], x[:, :, d]) for d in range(4))
    for index in (0, 3, -1):
        assert torch.equal(run(Take(index), [x], (SEQUENCE,))[0], x[:, index, :])
        assert torch.equal(run(Take(index, 1), [x], (SEQUENCE,))[0], x[:, :, index])


def test_global_pools_are_over_the_tokens() -> None:
    (x,) = draw((SEQUENCE,))
    found, _ = run(GlobalAvgPool(), [x], (SEQUENCE,))
    torch.testing.assert_close(found, sum(x.unbind(1)) / 5)
    found, _ = run(GlobalMaxPool(), [x], (SEQUENCE,))
    assert torch.equal(found, x.sort(1).values[:, -1])


@pytest.mark.parametrize(
    "attributes",
    [Attention(1), Attention(2), Attention(4, causal=True), Attention(2, bias=False)],
    ids=str,
)
def test_attention_token_by_token(attributes: Attention) -> None:
    """Vaswani et al., 2017, section 3.2: what each token looks at, one head after the other."""
    (x,) = draw((SEQUENCE,))
    held = weights(attributes, SEQUENCE)
    assert sum(one.numel() for one in held.values()) == 4 * 16 + 4 * 4 * attributes.bias
    found, _ = run(attributes, [x], (SEQUENCE,), held)
    none = torch.zeros(12, dtype=torch.double)
    qkv = x @ held["qkv.weight"].T + held.get("qkv.bias", none)
    size = 4 // attributes.heads
    mixed = torch.zeros_like(x)
    for sample, at, head in product(range(len(x)), range(5), range(attributes.heads)):
        query, key, value = (qkv[sample, :, start + size * head :][:, :size] for start in (0, 4, 8))
        seen = range(at + 1 if attributes.causal else 5)
        scores = [math.exp(float(query[at] @ key[other]) / math.sqrt(size)) for other in seen]
        for score, other in zip(scores, seen, strict=True):
            mixed[sample, at, size * head :][:size] += score / sum(scores) * value[other]
    expected = mixed @ held["proj.weight"].T + held.get("proj.bias", none[:4])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("attributes", [CrossAttention(2), CrossAttention(1, bias=False)], ids=str)
def test_attention_to_another_sequence_token_by_token(attributes: CrossAttention) -> None:
    """Section 3.2.3: queries of one, keys and values of the other, which has other sizes."""
    shapes = SEQUENCE, sequence(3, 6)
    x, memory = draw(shapes)
    held = weights(attributes, *shapes)
    assert sum(one.numel() for one in held.values()) == (
        4 * 4 + 8 * 6 + 4 * 4 + (4 + 8 + 4) * attributes.bias
    )
    found, _ = run(attributes, [x, memory], shapes, held)
    none = torch.zeros(8, dtype=torch.double)
    queries = x @ held["q.weight"].T + held.get("q.bias", none[:4])
    keys_values = memory @ held["kv.weight"].T + held.get("kv.bias", none)
    size = 4 // attributes.heads
    mixed = torch.zeros_like(x)
    for sample, at, head in product(range(len(x)), range(5), range(attributes.heads)):
        query = queries[sample, at, size * head :][:size]
        key, value = (keys_values[sample, :, start + size * head :][:, :size] for start in (0, 4))
        scores = [math.exp(float(query @ one) / math.sqrt(size)) for one in key]
        for score, one in zip(scores, value, strict=True):
            mixed[sample, at, size * head :][:size] += score / sum(scores) * one
    expected = mixed @ held["proj.weight"].T + held.get("proj.bias", none[:4])
    torch.testing.assert_close(found, expected)


def test_the_work_of_attention() -> None:
    """Every multiplication of the loops above, with N tokens of D channels."""
    spec, shape = spec_of(Attention(2)), sequence(7, 6)
    dense = 7 * 6 * (3 * 6) + 7 * 6 * 6
    assert spec.macs(Attention(2), [shape], shape) == dense + 2 * (7 * 7 * 6)
    assert spec.weighted(Attention(2)) == 2
    cross, other = spec_of(CrossAttention(2)), sequence(3, 4)
    dense = 2 * 7 * 6 * 6 + 3 * 4 * (2 * 6)
    assert cross.macs(CrossAttention(2), [shape, other], shape) == dense + 2 * (7 * 3 * 6)


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("width", [4, 5])
def test_timing_is_equations_4_and_5(step: int, width: int) -> None:
    """Dehghani et al., 2019; at step 0 only the positions of Vaswani et al., 2017, 3.5."""
    shape = sequence(6, width)
    (x,) = draw((shape,))
    found, _ = run(Timing(step), [x], (shape,))
    for i, j in product(range(6), range((width + 1) // 2)):
        rate = 1 / 10000 ** (2 * j / width)
        even = math.sin(i * rate) + (math.sin(step * rate) if step else 0)
        odd = math.cos(i * rate) + (math.cos(step * rate) if step else 0)
        assert abs(float(found[0, i, 2 * j]) - even) < 1e-6
        if 2 * j + 1 < width:
            assert abs(float(found[0, i, 2 * j + 1]) - odd) < 1e-6
    assert all(torch.equal(one, found[0]) for one in found)


# Images ---------------------------------------------------------------------------


def test_nearest_upsampling_repeats() -> None:
    (x,) = draw((IMAGE,))
    found, _ = run(Upsample((2, 3)), [x], (IMAGE,))
    for row, column in product(range(10), range(18)):
        assert torch.equal(found[:, :, row, column], x[:, :, row // 2, column // 3])


@pytest.mark.parametrize("corners", [False, True])
def test_bilinear_upsampling_by_the_four_neighbours(corners: bool) -> None:
    (x,) = draw((IMAGE,))
    found, _ = run(Upsample(2, "bilinear", corners), [x], (IMAGE,))
    for row, column in product(range(10), range(12)):
        total = torch.zeros(3, 4, dtype=torch.double)
        for near_row, high in neighbours(row, 5, corners):
            for near_column, wide in neighbours(column, 6, corners):
                total += high * wide * x[:, :, near_row, near_column]
        torch.testing.assert_close(found[:, :, row, column], total)


def neighbours(at: int, size: int, corners: bool) -> list[tuple[int, float]]:
    """Places before and after a place of the map twice as large, and their weights."""
    place = at * (size - 1) / (2 * size - 1) if corners else max(0.0, (at + 0.5) / 2 - 0.5)
    before = min(int(place), size - 1)
    share = place - before
    return [(before, 1 - share), (min(before + 1, size - 1), share)]


def test_pad_adds_zeros_and_cuts() -> None:
    (x,) = draw((IMAGE,))
    found, _ = run(Pad(top=1, left=2, right=-3), [x], (IMAGE,))
    assert torch.equal(found[:, :, 1:, 2:], x[:, :, :, :3])
    assert not found[:, :, 0].any() and not found[:, :, :, :2].any()


def test_channel_shuffle_deals_the_groups_out() -> None:
    """Zhang et al., 2018, figure 1: g groups of n channels give n groups of g."""
    shape = image(6, 2, 2)
    (x,) = draw((shape,))
    found, _ = run(ChannelShuffle(2), [x], (shape,))
    assert torch.equal(found, x[:, [0, 3, 1, 4, 2, 5]])


@pytest.mark.parametrize(
    "attributes",
    [
        ConvTranspose2d(6),
        ConvTranspose2d(6, 3, 2, 1, 1, bias=True),
        ConvTranspose2d(6, 3, 1, groups=2),
        ConvTranspose2d(6, (1, 3), (1, 2), (0, 1), dilation=(1, 2)),
    ],
    ids=str,
)
def test_transposed_convolution_by_the_taps(attributes: ConvTranspose2d) -> None:
    (x,) = draw((IMAGE,))
    held = weights(attributes, IMAGE)
    found, _ = run(attributes, [x], (IMAGE,), held)
    wide: Tensor = torch.zeros(3, 6, 40, 40, dtype=torch.double)  # edges not cut off yet
    kernel, stride, pad, gap = (
        one if isinstance(one, tuple) else (one, one)
        for one in (
            attributes.kernel_size, attributes.stride, attributes.padding, attributes.dilation
        )
    )  # fmt: skip
    each = 6 // attributes.groups
    for channel, row, column in product(range(4), range(5), range(6)):
        group = channel // (4 // attributes.groups)
        for out, down, right in product(range(each), range(kernel[0]), range(kernel[1])):
            place = row * stride[0] + down * gap[0], column * stride[1] + right * gap[1]
            tap = held["weight"][channel, out, down, right]
            wide[:, each * group + out, place[0], place[1]] += tap * x[:, channel, row, column]
    rows, columns = found.shape[2:]
    expected = wide[:, :, pad[0] :, pad[1] :][:, :, :rows, :columns]
    if attributes.bias:
        expected = expected + held["bias"][:, None, None]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [IMAGE, vector(4), SEQUENCE])
@pytest.mark.parametrize("channelwise", [False, True])
def test_prelu_has_slopes_of_its_own(shape: Shape, channelwise: bool) -> None:
    (x,) = draw((shape,))
    attributes = Prelu(channelwise)
    held = weights(attributes, shape)
    found, _ = run(attributes, [x], (shape,), held)
    slopes = held["weight"].expand(4)
    for channel in range(4):
        at = (slice(None),) * (shape.channel_axis + 1) + (channel,)
        expected = [one if one > 0 else slopes[channel] * one for one in x[at].flatten()]
        torch.testing.assert_close(found[at].flatten(), torch.stack(expected))


def test_a_parameter_is_what_it_holds_whatever_comes_in() -> None:
    attributes = Parameter((5, 4))
    held = {"weight": torch.randn(5, 4, dtype=torch.double)}
    found, _ = run(attributes, [], (), held)
    assert torch.equal(found, held["weight"][None])
