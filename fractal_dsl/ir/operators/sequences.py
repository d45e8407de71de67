"""Operators of sequences: attention, positions, and the ways from images to tokens and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from fractal_dsl.ir.operators.kinds import the_image, the_sequence
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Tensor, check_rate
from fractal_dsl.ir.shapes import Shape, image, sequence, vector

__all__ = ["SEQUENCES", "Attention", "Image", "Take", "Timing", "Tokens", "Transpose"]


@dataclass(frozen=True, slots=True)
class Attention(Attributes):
    """Self-attention with several heads (Vaswani et al., 2017, section 3.2).

    Weights: `qkv`, a dense layer to queries, keys and values in this order, each head after
    head, and `proj` on what the heads give. `causal`: no token looks at later ones; `dropout`
    is that of the attention's weights.
    """

    heads: int
    causal: bool = False
    bias: bool = True
    dropout: float = 0.0


def attention_shape(attributes: Attention, inputs: Sequence[Shape]) -> Shape:
    incoming = the_sequence("attention", inputs)
    check_rate(attributes.dropout)
    if attributes.heads < 1 or incoming.channels % attributes.heads:
        raise ShapeError(
            f"{incoming.channels} channels do not divide into {attributes.heads} heads",
            f"choose `heads` among the divisors of {incoming.channels}",
        )
    return incoming


def attention_parameters(attributes: Attention, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    width = inputs[0].channels
    tensors = (
        Tensor("qkv.weight", (3 * width, width)),
        Tensor("qkv.bias", (3 * width,)),
        Tensor("proj.weight", (width, width)),
        Tensor("proj.bias", (width,)),
    )
    return tensors if attributes.bias else tensors[::2]


def attention_macs(attributes: Attention, inputs: Sequence[Shape], output: Shape) -> int:
    """Of both dense layers, and of both products of tokens with tokens (causal ones too)."""
    length, width = output.sizes
    return 4 * length * width * width + 2 * length * length * width


def attention_inner(attributes: Attention, inputs: Sequence[Shape]) -> int:
    """Queries, keys, values and what the heads give; the weights are never kept."""
    return 4 * inputs[0].elements


@dataclass(frozen=True, slots=True)
class CrossAttention(Attributes):
    """Attention of one sequence to another: `[x, memory] >> cross_attention(heads)`.

    As in a decoder (Vaswani et al., 2017, section 3.2.3). Weights: `q`, a dense layer to the
    queries of `x`, `kv`, one to keys and values of `memory`, each head after head, and `proj`
    on what the heads give, which has the shape of `x`.
    """

    heads: int
    bias: bool = True
    dropout: float = 0.0


def cross_attention_shape(attributes: CrossAttention, inputs: Sequence[Shape]) -> Shape:
    for one in inputs:
        the_sequence("cross_attention", [one])
    self_attention = Attention(attributes.heads, dropout=attributes.dropout)
    return attention_shape(self_attention, inputs[:1])


def cross_attention_parameters(
    attributes: CrossAttention, inputs: Sequence[Shape]
) -> tuple[Tensor, ...]:
    width, memory = (one.channels for one in inputs)
    tensors = (
        Tensor("q.weight", (width, width)),
        Tensor("q.bias", (width,)),
        Tensor("kv.weight", (2 * width, memory)),
        Tensor("kv.bias", (2 * width,)),
        Tensor("proj.weight", (width, width)),
        Tensor("proj.bias", (width,)),
    )
    return tensors if attributes.bias else tensors[::2]


def cross_attention_macs(attributes: CrossAttention, inputs: Sequence[Shape], output: Shape) -> int:
    """Of the three dense layers, and of both products of tokens with those of the memory."""
    length, width = output.sizes
    other, memory = inputs[1].sizes
    return 2 * length * width * width + 2 * other * memory * width + 2 * length * other * width


def cross_attention_inner(attributes: CrossAttention, inputs: Sequence[Shape]) -> int:
    """Queries, keys, values and what the heads give; the weights are never kept."""
    (length, width), (other, _) = (one.sizes for one in inputs)
    return 2 * length * width + 2 * other * width


@dataclass(frozen=True, slots=True)
class Timing(Attributes):
    """Sines and cosines of position and step, whatever comes in, of its length and width.

    As in the Universal Transformer (Dehghani et al., 2019, equations 4 and 5); `step = 0` is
    the Transformer's signal of positions alone.
    """

    step: int = 0


def timing_shape(attributes: Timing, inputs: Sequence[Shape]) -> Shape:
    return the_sequence("timing", inputs)


@dataclass(frozen=True, slots=True)
class Tokens(Attributes):
    """A token for each place, row by row: [C, H, W] to [H * W, C]."""


def tokens_shape(attributes: Tokens, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = the_image("tokens", inputs).sizes
    return sequence(height * width, channels)


@dataclass(frozen=True, slots=True)
class Image(Attributes):
    """Tokens laid out row by row: [height * width, C] to [C, height, width]."""

    height: int
    width: int


def image_shape(attributes: Image, inputs: Sequence[Shape]) -> Shape:
    length, channels = the_sequence("image", inputs).sizes
    height, width = attributes.height, attributes.width
    if min(height, width) < 1 or height * width != length:
        sizes = nearest_sizes(length)
        raise ShapeError(
            f"{length} tokens do not fill {height} x {width} places",
            f"`image({sizes[0]}, {sizes[1]})` takes {length} tokens",
        )
    return image(channels, height, width)


def nearest_sizes(length: int) -> tuple[int, int]:
    """The most square height and width of so many places."""
    height = next(one for one in range(isqrt(length), 0, -1) if length % one == 0)
    return height, length // height


@dataclass(frozen=True, slots=True)
class Transpose(Attributes):
    """Channels for tokens: [N, D] to [D, N]."""


def transpose_shape(attributes: Transpose, inputs: Sequence[Shape]) -> Shape:
    length, width = the_sequence("transpose", inputs).sizes
    return sequence(width, length)


@dataclass(frozen=True, slots=True)
class Take(Attributes):
    """One token (`axis = 0`) or one channel of all tokens (`axis = 1`); -1 is the last."""

    index: int
    axis: int = 0


def take_shape(attributes: Take, inputs: Sequence[Shape]) -> Shape:
    sizes = the_sequence("take", inputs).sizes
    if attributes.axis not in (0, 1):
        raise ShapeError(
            f"{inputs[0]} has no axis {attributes.axis}", "0 is the tokens, 1 the channels"
        )
    size = sizes[attributes.axis]
    if not -size <= attributes.index < size:
        what = "channels" if attributes.axis else "tokens"
        raise ShapeError(
            f"there is no number {attributes.index} among {size} {what}",
            f"they count from 0 to {size - 1}, or from -1 back to -{size}",
        )
    return vector(sizes[1 - attributes.axis])


SEQUENCES = (
    OperatorSpec(
        "attention",
        Attention,
        "self-attention with several heads",
        attention_shape,
        attention_parameters,
        macs=attention_macs,
        weighted=lambda attributes: 2,
        inner=attention_inner,
    ),
    OperatorSpec(
        "cross_attention",
        CrossAttention,
        "attention of one sequence to another",
        cross_attention_shape,
        cross_attention_parameters,
        macs=cross_attention_macs,
        weighted=lambda attributes: 2,
        inner=cross_attention_inner,
        arity=2,
    ),
    OperatorSpec("timing", Timing, "sines of position and step", timing_shape),
    OperatorSpec("tokens", Tokens, "a token for each place", tokens_shape, is_view=True),
    OperatorSpec("image", Image, "tokens laid out as an image", image_shape, is_view=True),
    OperatorSpec("transpose", Transpose, "channels for tokens", transpose_shape, is_view=True),
    OperatorSpec("take", Take, "one token", take_shape, is_view=True),
)
