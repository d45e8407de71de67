"""Layers with weights: convolution and its transpose, batch normalisation, dense, embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from fractal_dsl.ir.operators.kinds import not_tokens, the_image
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Tensor, Window
from fractal_dsl.ir.operators.windows import Pair, pair, spatial_size
from fractal_dsl.ir.shapes import Shape, image, sequence

__all__ = ["LAYERS", "BatchNorm", "Conv2d", "ConvTranspose2d", "Embedding", "Linear"]


@dataclass(frozen=True, slots=True)
class Conv2d(Attributes):
    """Convolution alone; the default padding keeps sizes at stride 1 and dilation 1.

    `counted = false` is a projection, which is no layer of the net (`project`).
    """

    channels: int
    kernel_size: Pair = 3
    stride: Pair = 1
    padding: Pair | None = None
    dilation: Pair = 1
    groups: int = 1
    bias: bool = False
    counted: bool = True

    @property
    def paddings(self) -> tuple[int, int]:
        if self.padding is not None:
            return pair(self.padding)
        kernel = pair(self.kernel_size)
        return kernel[0] // 2, kernel[1] // 2

    @property
    def window(self) -> Window:
        return Window(pair(self.kernel_size), pair(self.stride), pair(self.dilation))


def check_channels(attributes: Conv2d | ConvTranspose2d, incoming: Shape) -> None:
    if attributes.channels < 1:
        raise ShapeError(f"a convolution to {attributes.channels} channels", "give at least 1")
    for what, width in (("incoming", incoming.channels), ("outgoing", attributes.channels)):
        if attributes.groups < 1 or width % attributes.groups:
            raise ShapeError(
                f"{width} {what} channels do not divide into {attributes.groups} groups",
                f"choose `groups` among the divisors of {width}",
            )


def conv2d_shape(attributes: Conv2d, inputs: Sequence[Shape]) -> Shape:
    incoming = the_image("conv2d", inputs)
    check_channels(attributes, incoming)
    height, width = spatial_size(
        "conv2d", incoming, attributes.window, attributes.paddings, rounds_up=False
    )
    return image(attributes.channels, height, width)


def conv2d_parameters(attributes: Conv2d, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    fan_in = inputs[0].channels // attributes.groups
    weight = Tensor("weight", (attributes.channels, fan_in, *pair(attributes.kernel_size)))
    if attributes.bias:
        return weight, Tensor("bias", (attributes.channels,))
    return (weight,)


def conv2d_macs(attributes: Conv2d, inputs: Sequence[Shape], output: Shape) -> int:
    taps = prod(pair(attributes.kernel_size)) * (inputs[0].channels // attributes.groups)
    return taps * output.elements


@dataclass(frozen=True, slots=True)
class ConvTranspose2d(Attributes):
    """Transposed convolution: every value spread out by the kernel, `stride` places apart."""

    channels: int
    kernel_size: Pair = 2
    stride: Pair = 2
    padding: Pair = 0
    output_padding: Pair = 0
    dilation: Pair = 1
    groups: int = 1
    bias: bool = False

    @property
    def window(self) -> Window:
        down, right = pair(self.stride)
        strides = Fraction(1, down), Fraction(1, right)
        return Window(pair(self.kernel_size), strides, pair(self.dilation))


def conv_transpose2d_shape(attributes: ConvTranspose2d, inputs: Sequence[Shape]) -> Shape:
    incoming = the_image("conv_transpose2d", inputs)
    check_channels(attributes, incoming)
    sizes = []
    for size, kernel, stride, pad, more, gap in zip(
        incoming.spatial,
        *map(pair, (attributes.kernel_size, attributes.stride, attributes.padding)),
        *map(pair, (attributes.output_padding, attributes.dilation)),
        strict=True,
    ):
        if min(kernel, stride, gap) < 1 or pad < 0:
            raise ShapeError(
                "`conv_transpose2d` needs kernel_size, stride and dilation of at least 1 and "
                "padding of at least 0"
            )
        if not 0 <= more < max(stride, gap):
            raise ShapeError(
                f"an `output_padding` of {more} beside a stride of {stride}",
                f"it tells apart sizes that the stride makes alike: at most {stride - 1}",
            )
        sizes.append((size - 1) * stride - 2 * pad + gap * (kernel - 1) + more + 1)
    if min(sizes) < 1:
        raise ShapeError(
            f"spatial size falls to zero: {sizes[0]} x {sizes[1]}",
            "use less padding, or a larger input",
            code="F0402",
        )
    return image(attributes.channels, *sizes)


def conv_transpose2d_parameters(
    attributes: ConvTranspose2d, inputs: Sequence[Shape]
) -> tuple[Tensor, ...]:
    fan_out = attributes.channels // attributes.groups
    weight = Tensor("weight", (inputs[0].channels, fan_out, *pair(attributes.kernel_size)))
    if attributes.bias:
        return weight, Tensor("bias", (attributes.channels,))
    return (weight,)


def conv_transpose2d_macs(
    attributes: ConvTranspose2d, inputs: Sequence[Shape], output: Shape
) -> int:
    taps = prod(pair(attributes.kernel_size)) * (attributes.channels // attributes.groups)
    return taps * inputs[0].elements


@dataclass(frozen=True, slots=True)
class BatchNorm(Attributes):
    """Batch normalisation over the batch and all places: height and width, or tokens."""

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True


def batch_norm_shape(attributes: BatchNorm, inputs: Sequence[Shape]) -> Shape:
    return not_tokens("batch_norm", inputs)


def batch_norm_parameters(attributes: BatchNorm, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    if not attributes.affine:
        return ()
    width = (inputs[0].channels,)
    return Tensor("weight", width), Tensor("bias", width)


def batch_norm_buffers(attributes: BatchNorm, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    width = (inputs[0].channels,)
    return (
        Tensor("running_mean", width),
        Tensor("running_var", width),
        Tensor("num_batches_tracked", ()),
    )


@dataclass(frozen=True, slots=True)
class Linear(Attributes):
    """A dense layer on the last axis; an image of 1 x 1 drops the ones first.

    `bias_init` is what all its biases start from.
    """

    features: int
    bias: bool = True
    bias_init: float | None = None


def linear_shape(attributes: Linear, inputs: Sequence[Shape]) -> Shape:
    incoming = not_tokens("linear", inputs)
    if attributes.features < 1:
        raise ShapeError(f"a dense layer to {attributes.features} features", "give at least 1")
    if attributes.bias_init is not None and not attributes.bias:
        raise ShapeError("`bias_init` without a bias", "leave one of the two settings out")
    if incoming.kind == "image":
        if incoming.spatial != (1, 1):
            height, width = incoming.spatial
            raise ShapeError(
                f"`linear` takes a vector, or an image of 1 x 1; here {incoming} comes in",
                f"`flatten >> linear(...)` reads all {incoming.elements} values",
                f"`global_avg_pool >> linear(...)` averages over the {height} x {width} places",
                code="F0404",
            )
        return Shape("vector", (attributes.features,))
    return Shape(incoming.kind, (*incoming.sizes[:-1], attributes.features))


def linear_parameters(attributes: Linear, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    weight = Tensor("weight", (attributes.features, inputs[0].channels))
    return (weight, Tensor("bias", (attributes.features,))) if attributes.bias else (weight,)


def linear_macs(attributes: Linear, inputs: Sequence[Shape], output: Shape) -> int:
    return inputs[0].channels * output.elements


@dataclass(frozen=True, slots=True)
class Embedding(Attributes):
    """A learned vector for each of `vocab` tokens: tokens[N] to sequence[N, width]."""

    vocab: int
    width: int


def embedding_shape(attributes: Embedding, inputs: Sequence[Shape]) -> Shape:
    incoming = inputs[0]
    if incoming.kind != "tokens":
        raise ShapeError(
            f"`embedding` takes tokens, which are integers; here {incoming} comes in",
            f"`linear({attributes.width})` maps numbers to {attributes.width} channels",
        )
    if attributes.vocab < 1 or attributes.width < 1:
        raise ShapeError(
            f"an embedding of {attributes.vocab} tokens in {attributes.width} channels",
            "give at least 1 of both",
        )
    return sequence(incoming.sizes[0], attributes.width)


def embedding_parameters(attributes: Embedding, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    return (Tensor("weight", (attributes.vocab, attributes.width)),)


LAYERS = (
    OperatorSpec(
        "conv2d",
        Conv2d,
        "convolution alone",
        conv2d_shape,
        conv2d_parameters,
        macs=conv2d_macs,
        depth=lambda attributes: int(attributes.counted),
        weighted=lambda attributes: int(attributes.counted),
        window=lambda attributes, inputs: attributes.window,
    ),
    OperatorSpec(
        "conv_transpose2d",
        ConvTranspose2d,
        "transposed convolution",
        conv_transpose2d_shape,
        conv_transpose2d_parameters,
        macs=conv_transpose2d_macs,
        depth=lambda attributes: 1,
        weighted=lambda attributes: 1,
        window=lambda attributes, inputs: attributes.window,
    ),
    OperatorSpec(
        "batch_norm",
        BatchNorm,
        "batch normalisation",
        batch_norm_shape,
        batch_norm_parameters,
        batch_norm_buffers,
    ),
    OperatorSpec(
        "linear",
        Linear,
        "dense layer on the last axis",
        linear_shape,
        linear_parameters,
        macs=linear_macs,
        weighted=lambda attributes: 1,
    ),
    OperatorSpec(
        "embedding",
        Embedding,
        "a learned vector for each token",
        embedding_shape,
        embedding_parameters,
    ),
)
