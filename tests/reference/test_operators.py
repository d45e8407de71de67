"""Every operator of the interpreter against its formula, written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from fractal_dsl.ir.flat import FlatNode, FlatProgram
from fractal_dsl.ir.operators import OPERATORS, Attributes, spec_of
from fractal_dsl.ir.operators import elementwise as e
from fractal_dsl.ir.operators.extern import Extern
from fractal_dsl.ir.operators.layers import BatchNorm, Conv2d, ConvTranspose2d, Embedding, Linear
from fractal_dsl.ir.operators.normalisation import GroupNorm, LayerNorm, Normalize, Softmax
from fractal_dsl.ir.operators.pooling import (
    AvgPool,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
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
from fractal_dsl.ir.operators.values import Chunk, Parameter, Slice
from fractal_dsl.ir.shapes import Shape, image, sequence, tokens, vector
from fractal_dsl.reference.instance import Instance
from fractal_dsl.reference.operations import OPERATIONS
from fractal_dsl.reference.tensors import random_tensors

IMAGE = image(4, 5, 6)
Formula = Callable[..., Tensor]


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def erf_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def tanh_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def elu(alpha: float, scale: float = 1.0) -> Formula:
    return lambda x: scale * torch.where(x > 0, x, alpha * (x.exp() - 1))


def hard(x: Tensor) -> Tensor:
    return ((x + 3) / 6).clamp(0, 1)


def windows(x: Tensor, kernel: int, stride: int, pad: int, outside: float) -> Tensor:
    """[batch, channels, rows, columns, kernel, kernel], edges filled with `outside`."""
    wide = torch.nn.functional.pad(x, (pad, pad + kernel, pad, pad + kernel), value=outside)
    return wide.unfold(2, kernel, stride).unfold(3, kernel, stride)


def pooled(x: Tensor, attributes: MaxPool | AvgPool, rows: int, columns: int) -> Tensor:
    kernel, pad = attributes.kernel_size, attributes.padding
    assert isinstance(kernel, int) and isinstance(pad, int)
    stride = attributes.strides[0]
    if isinstance(attributes, MaxPool):
        found = windows(x, kernel, stride, pad, -math.inf).amax((-1, -2))
    elif attributes.count_padding:
        found = windows(x, kernel, stride, pad, 0).mean((-1, -2))
    else:
        ones = windows(torch.ones_like(x), kernel, stride, pad, 0).sum((-1, -2))
        found = windows(x, kernel, stride, pad, 0).sum((-1, -2)) / ones
    return found[:, :, :rows, :columns]


SELU = (1.6732632423543772, 1.0507009873554805)
PLAIN: list[tuple[Attributes, Formula]] = [
    (e.Relu(), lambda x: x.clamp(min=0)),
    (e.Relu6(), lambda x: x.clamp(0, 6)),
    (e.LeakyRelu(0.2), lambda x: torch.where(x > 0, x, 0.2 * x)),
    (e.Elu(0.7), elu(0.7)),
    (e.Selu(), elu(*SELU)),
    (e.Gelu(), erf_gelu),
    (e.Gelu("tanh"), tanh_gelu),
    (e.Silu(), lambda x: x * sigmoid(x)),
    (e.Mish(), lambda x: x * (1 + x.exp()).log().tanh()),
    (e.Sigmoid(), sigmoid),
    (e.HardSigmoid(), hard),
    (e.HardSwish(), lambda x: x * hard(x)),
    (e.Tanh(), lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
    (e.Softplus(), lambda x: (1 + x.exp()).log()),
    (e.Dropout(0.5), lambda x: x),
    (e.Dropout2d(0.5), lambda x: x),
    (e.StochasticDepth(0.5), lambda x: x),
    (e.Scalar("+", 2.0), lambda x: x + 2),
    (e.Scalar("-", 2.0), lambda x: x - 2),
    (e.Scalar("-", 2.0, True), lambda x: 2 - x),
    (e.Scalar("*", 2.0, True), lambda x: 2 * x),
    (e.Scalar("/", 2.0), lambda x: x / 2),
    (e.Scalar("/", 2.0, True), lambda x: 2 / x),
    (MaxPool(2), lambda x: pooled(x, MaxPool(2), 2, 3)),
    (MaxPool(3, 2, 1), lambda x: pooled(x, MaxPool(3, 2, 1), 3, 3)),
    (MaxPool(2, ceil=True), lambda x: pooled(x, MaxPool(2), 3, 3)),
    (AvgPool(2), lambda x: pooled(x, AvgPool(2), 2, 3)),
    (AvgPool(3, 1, 1), lambda x: pooled(x, AvgPool(3, 1, 1), 5, 6)),
    (AvgPool(3, 1, 1, count_padding=False),
     lambda x: pooled(x, AvgPool(3, 1, 1, count_padding=False), 5, 6)),
    (GlobalAvgPool(), lambda x: x.mean((2, 3))[:, :, None, None]),
    (GlobalMaxPool(), lambda x: x.amax((2, 3))[:, :, None, None]),
    (Flatten(), lambda x: x.reshape(len(x), 120)),
    (Slice(1, 2), lambda x: x[:, 1:3]),
    (Chunk(1, 2), lambda x: x[:, 2:]),
    (Softmax(), lambda x: x.exp() / x.exp().sum(1)[:, None]),
    (Normalize(), lambda x: x / (x.square().sum(1).sqrt() + 1e-12)[:, None]),
    (Normalize(1, 0.1), lambda x: x / (x.abs().sum(1) + 0.1)[:, None]),
]  # fmt: skip
MANY: list[tuple[Attributes, tuple[Shape, ...], Formula]] = [
    (e.Sum(), (IMAGE,) * 3, lambda a, b, c: a + b + c),
    (e.Difference(), (IMAGE,) * 3, lambda a, b, c: a - b - c),
    (e.Product(), (IMAGE, image(4, 1, 1)), lambda a, b: a * b),
    (e.Product(), (image(4, 1, 1), IMAGE, IMAGE), lambda a, b, c: a * b * c),
    (e.Product(), (image(1, 5, 6), IMAGE), lambda a, b: a * b),
    (e.Product(), (IMAGE, vector(4)), lambda a, b: a * b[:, :, None, None]),
    (e.Product(), (vector(2), sequence(3, 2), sequence(3, 1), sequence(1, 2)),
     lambda a, b, c, d: a[:, None] * b * c * d),
    (e.Product(), (IMAGE, vector(1), image(1, 1, 1)), lambda a, b, c: a * b[:, :, None, None] * c),
    (e.Quotient(), (vector(5), vector(1)), lambda a, b: a / b),
    (e.Sum(), (sequence(3, 2), vector(1)), lambda a, b: a + b[:, None, :]),
    (e.Sum(), (vector(4), IMAGE, IMAGE), lambda a, b, c: a[:, :, None, None] + b + c),
    (e.Difference(), (sequence(3, 2), vector(2)), lambda a, b: a - b[:, None, :]),
    (e.Sum(), (vector(2), vector(2)), lambda a, b: a + b),
    (e.Quotient(), (image(4, 1, 1), IMAGE), lambda a, b: a / b),
    (e.Maximum(), (IMAGE,) * 2, lambda a, b: torch.where(a > b, a, b)),
    (e.Minimum(), (IMAGE,) * 2, lambda a, b: torch.where(a < b, a, b)),
    (e.Concat(), (IMAGE, image(1, 5, 6)), lambda a, b: torch.cat([a, b], 1)),
    (e.Concat(2), (IMAGE, image(4, 5, 1)), lambda a, b: torch.cat([a, b], 3)),
    (e.Concat(), (vector(3), vector(2)), lambda a, b: torch.cat([a, b], 1)),
    (e.Concat(), (sequence(3, 2), sequence(3, 4)), lambda a, b: torch.cat([a, b], 2)),
    (e.Concat(0), (sequence(3, 2), sequence(1, 2)), lambda a, b: torch.cat([a, b], 1)),
]  # fmt: skip
HELD: tuple[type[Attributes], ...] = (Conv2d, BatchNorm, LayerNorm, GroupNorm, Linear, Embedding)
ELSEWHERE: tuple[type[Attributes], ...] = (  # test_sequences; tests/emit_torch/test_extern
    Extern,
    Attention, CrossAttention, Image, Take, Timing, Tokens, Transpose,
    ChannelShuffle, ConvTranspose2d, Pad, Upsample, e.Prelu, Parameter,
    e.StochasticDepth,  # tests/emit_torch/test_depths
)  # fmt: skip


def run(
    attributes: Attributes,
    inputs: Sequence[Tensor],
    shapes: Sequence[Shape],
    tensors: dict[str, Tensor] | None = None,
    training: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the dispatch table's entry gives, its shape as inferred; new buffers."""
    buffers: dict[str, Tensor] = {}
    held = {f"layer.{name}": tensor for name, tensor in (tensors or {}).items()}
    here = Instance("layer", tuple(shapes), held, training, buffers)
    found = OPERATIONS[attributes.operator](attributes, tuple(inputs), here)
    assert tuple(found.shape[1:]) == spec_of(attributes).infer_shape(attributes, shapes).sizes
    return found, buffers


def draw(shapes: Sequence[Shape], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        3 * torch.randn(3, *shape.sizes, generator=generator, dtype=torch.float64)
        for shape in shapes
    ]


def weights(attributes: Attributes, *shapes: Shape) -> dict[str, Tensor]:
    inputs = tuple(FlatNode(None, (), shape) for shape in shapes)
    last = FlatNode(attributes, tuple(range(len(shapes))), shapes[0], "layer")
    flat = FlatProgram("One", (*inputs, last), (len(shapes),))
    drawn = random_tensors(flat, torch.Generator().manual_seed(1))
    return {name.removeprefix("layer."): tensor for name, tensor in drawn.items()}


def test_every_operator_has_an_entry_and_a_test() -> None:
    assert set(OPERATIONS) == set(OPERATORS)
    tested = [attributes for attributes, _ in PLAIN] + [attributes for attributes, *_ in MANY]
    assert {type(one) for one in tested} | set(HELD) | set(ELSEWHERE) == {
        spec.attributes for spec in OPERATORS.values()
    }


def name(parameter: object) -> str:
    """A test's name, the same in every process: a formula has none of its own."""
    return "" if callable(parameter) else str(parameter)[:40]


@pytest.mark.parametrize(("attributes", "formula"), PLAIN, ids=name)
def test_one_input(attributes: Attributes, formula: Formula) -> None:
    inputs = draw((IMAGE,))
    torch.testing.assert_close(run(attributes, inputs, (IMAGE,))[0], formula(*inputs))


@pytest.mark.parametrize(("attributes", "shapes", "formula"), MANY, ids=name)
def test_several_inputs(
    attributes: Attributes, shapes: tuple[Shape, ...], formula: Formula
) -> None:
    inputs = draw(shapes)
    torch.testing.assert_close(run(attributes, inputs, shapes)[0], formula(*inputs))


@pytest.mark.parametrize(
    "attributes",
    [
        Conv2d(6),
        Conv2d(6, 1, bias=True),
        Conv2d(6, 3, 2, groups=2),
        Conv2d(6, (1, 3), (2, 1), (0, 2)),
        Conv2d(6, 3, 1, 2, dilation=2),
    ],
)
def test_convolution_by_the_taps(attributes: Conv2d) -> None:
    (x,) = draw((IMAGE,))
    held = weights(attributes, IMAGE)
    found, _ = run(attributes, [x], (IMAGE,), held)
    (rows, columns), (pad, side) = attributes.window.kernel, attributes.paddings
    (down, right), (far, wide) = attributes.window.stride, attributes.window.dilation
    padded = torch.nn.functional.pad(x, (side, side, pad, pad))
    group = 4 // attributes.groups
    expected = torch.zeros_like(found)
    for out in range(6):
        first = out // (6 // attributes.groups) * group
        for channel in range(group):
            for row in range(rows):
                for column in range(columns):
                    seen = padded[:, first + channel, row * far :: down, column * wide :: right]
                    seen = seen[:, : found.shape[2], : found.shape[3]]
                    expected[:, out] += held["weight"][out, channel, row, column] * seen
    if attributes.bias:
        expected += held["bias"][:, None, None]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [IMAGE, vector(4), sequence(5, 4)])
@pytest.mark.parametrize("attributes", [BatchNorm(), BatchNorm(0.1, 0.3), BatchNorm(affine=False)])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_by_its_formula(attributes: BatchNorm, shape: Shape, training: bool) -> None:
    (x,) = draw((shape,))
    held = weights(attributes, shape)
    before = {name: tensor.clone() for name, tensor in held.items()}
    found, buffers = run(attributes, [x], (shape,), held, training)
    wide = {"image": (1, 4, 1, 1), "vector": (1, 4), "sequence": (1, 1, 4)}[shape.kind]
    axes = tuple(axis for axis, size in enumerate(wide) if size == 1)
    mean, variance = held["running_mean"], held["running_var"]
    if training:
        mean, variance = x.mean(axes), x.var(axes, correction=0)
    expected = (x - mean.view(wide)) / (variance.view(wide) + attributes.eps).sqrt()
    if attributes.affine:
        expected = expected * held["weight"].view(wide) + held["bias"].view(wide)
    torch.testing.assert_close(found, expected)
    if not training:
        assert not buffers
        return
    m = attributes.momentum
    torch.testing.assert_close(buffers, {
        "layer.running_mean": (1 - m) * held["running_mean"] + m * x.mean(axes),
        "layer.running_var": (1 - m) * held["running_var"] + m * x.var(axes),
        "layer.num_batches_tracked": held["num_batches_tracked"] + 1,
    })  # fmt: skip
    assert all(torch.equal(held[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("shape", [vector(4), image(4, 1, 1), sequence(3, 4)])
@pytest.mark.parametrize("bias", [False, True])
def test_linear_acts_on_the_last_axis_and_drops_ones(shape: Shape, bias: bool) -> None:
    attributes = Linear(5, bias)
    (x,) = draw((shape,))
    held = weights(attributes, shape)
    found, _ = run(attributes, [x], (shape,), held)
    flat = x.reshape(3, 4) if shape.kind == "image" else x
    expected = torch.einsum("...i,oi->...o", flat, held["weight"])
    torch.testing.assert_close(found, expected + held["bias"] if bias else expected)


@pytest.mark.parametrize("shape", [IMAGE, vector(4), sequence(5, 4)])
@pytest.mark.parametrize(
    "attributes", [LayerNorm(), LayerNorm(0.1), LayerNorm(bias=False), LayerNorm(affine=False)]
)
def test_layer_norm_normalises_each_place_by_itself(attributes: LayerNorm, shape: Shape) -> None:
    (x,) = draw((shape,))
    held = weights(attributes, shape)
    assert set(held) == {"weight", "bias"} - {
        *([] if attributes.affine else ["weight", "bias"]), *([] if attributes.bias else ["bias"])
    }  # fmt: skip
    found, _ = run(attributes, [x], (shape,), held)
    places = x.movedim(1, -1) if shape.kind == "image" else x
    expected = torch.empty_like(places)
    for at in torch.cartesian_prod(*map(torch.arange, places.shape[:-1])).view(-1, x.dim() - 1):
        row = places[tuple(at)]
        spread = (row.var(correction=0) + attributes.eps).sqrt()
        scaled = (row - row.mean()) / spread * held.get("weight", torch.ones(4))
        expected[tuple(at)] = scaled + held.get("bias", torch.zeros(4))
    torch.testing.assert_close(
        found, expected.movedim(-1, 1) if shape.kind == "image" else expected
    )


@pytest.mark.parametrize("shape", [IMAGE, vector(4), sequence(5, 4)])
@pytest.mark.parametrize(
    "attributes", [GroupNorm(2), GroupNorm(4, 0.1), GroupNorm(1, affine=False)]
)
def test_group_norm_normalises_groups_of_channels(attributes: GroupNorm, shape: Shape) -> None:
    (x,) = draw((shape,))
    held = weights(attributes, shape)
    found, _ = run(attributes, [x], (shape,), held)
    first = x.movedim(shape.channel_axis + 1, 0)  # [channels, batch, ...]
    expected = torch.empty_like(first)
    size = 4 // attributes.groups
    for channel in range(4):
        start = channel // size * size
        for sample in range(len(x)):
            group = first[start : start + size, sample]
            spread = (group.var(correction=0) + attributes.eps).sqrt()
            normed = (first[channel, sample] - group.mean()) / spread
            if attributes.affine:
                normed = normed * held["weight"][channel] + held["bias"][channel]
            expected[channel, sample] = normed
    torch.testing.assert_close(found, expected.movedim(0, shape.channel_axis + 1))


def test_embedding_looks_up_rows() -> None:
    shape = tokens(4)
    attributes = Embedding(7, 3)
    held = weights(attributes, shape)
    x = torch.tensor([[0, 6, 6, 2], [1, 1, 1, 5]])
    found, _ = run(attributes, [x], (shape,), held)
    assert found.shape == (2, 4, 3)
    assert all(
        torch.equal(found[n, at], held["weight"][int(x[n, at])]) for n in (0, 1) for at in range(4)
    )


@pytest.mark.parametrize("attributes", [e.Dropout(0.5), e.Dropout2d(0.5)])
def test_dropout_in_training(attributes: e.Dropout | e.Dropout2d) -> None:
    ones = torch.ones(50, *IMAGE.sizes)
    torch.manual_seed(3)
    found, _ = run(attributes, [ones], (IMAGE,), training=True)
    assert set(found.flatten().tolist()) == {0.0, 2.0}
    assert abs(float(found.mean()) - 1) < 0.25
    whole = (found.amax((2, 3)) == found.amin((2, 3))).all()
    assert bool(whole) == isinstance(attributes, e.Dropout2d)
    torch.manual_seed(3)
    assert torch.equal(found, run(attributes, [ones], (IMAGE,), training=True)[0])
