"""Operators that move the values of an image without weights: up, to the side, between channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fractal_dsl.ir.operators.kinds import the_image
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Window
from fractal_dsl.ir.operators.windows import Pair, pair
from fractal_dsl.ir.shapes import Shape, image

__all__ = ["RESAMPLING", "ChannelShuffle", "Pad", "Upsample"]


@dataclass(frozen=True, slots=True)
class Upsample(Attributes):
    """Height and width times `factor`; `mode` is "nearest" or "bilinear".

    `align_corners`, of bilinear mode: corners keep their values.
    """

    factor: Pair
    mode: str = "nearest"
    align_corners: bool = False


def upsample_shape(attributes: Upsample, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = the_image("upsample", inputs).sizes
    down, right = pair(attributes.factor)
    if min(down, right) < 1:
        raise ShapeError(
            f"an image {down} x {right} times as large",
            "give a factor of at least 1; `max_pool(2)` makes an image smaller",
        )
    if attributes.mode not in ("nearest", "bilinear"):
        raise ShapeError(
            f'`upsample` has no mode "{attributes.mode}"', 'write "nearest" or "bilinear"'
        )
    if attributes.align_corners and attributes.mode == "nearest":
        raise ShapeError(
            'corners are aligned in mode "bilinear" only',
            'write `mode = "bilinear", align_corners = true`',
        )
    return image(channels, height * down, width * right)


def upsample_window(attributes: Upsample, inputs: Sequence[Shape]) -> Window:
    down, right = pair(attributes.factor)
    wide = 2 if attributes.mode == "bilinear" else 1
    return Window((wide * down, wide * right), (Fraction(1, down), Fraction(1, right)), (1, 1))


@dataclass(frozen=True, slots=True)
class Pad(Attributes):
    """Zeros added at the edges of an image; what is below 0 is cut off."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


def pad_shape(attributes: Pad, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = the_image("pad", inputs).sizes
    high = height + attributes.top + attributes.bottom
    wide = width + attributes.left + attributes.right
    cut = max(0, -attributes.top) + max(0, -attributes.bottom) - height
    cut = max(cut, max(0, -attributes.left) + max(0, -attributes.right) - width)
    if min(high, wide) < 1 or cut >= 0:
        raise ShapeError(
            f"spatial size falls to zero: {height} x {width} padded to {high} x {wide}",
            "cut off less, or take a larger input",
            code="F0402",
        )
    return image(channels, high, wide)


@dataclass(frozen=True, slots=True)
class ChannelShuffle(Attributes):
    """Channels dealt out again: one of each of `groups` groups, then the next of each."""

    groups: int


def channel_shuffle_shape(attributes: ChannelShuffle, inputs: Sequence[Shape]) -> Shape:
    incoming = the_image("channel_shuffle", inputs)
    if attributes.groups < 1 or incoming.channels % attributes.groups:
        raise ShapeError(
            f"{incoming.channels} channels do not divide into {attributes.groups} groups",
            f"choose `groups` among the divisors of {incoming.channels}",
        )
    return incoming


RESAMPLING = (
    OperatorSpec("upsample", Upsample, "a larger image", upsample_shape, window=upsample_window),
    OperatorSpec("pad", Pad, "zeros at the edges", pad_shape),
    OperatorSpec(
        "channel_shuffle", ChannelShuffle, "channels of all groups mixed", channel_shuffle_shape
    ),
)
