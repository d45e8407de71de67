"""Pooling and reshaping: operators that change the spatial size and hold no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.ir.operators.kinds import not_tokens, the_image
from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Window
from fractal_dsl.ir.operators.windows import Pair, pair, spatial_size
from fractal_dsl.ir.shapes import Shape, image, vector

__all__ = ["POOLING", "AvgPool", "Flatten", "GlobalAvgPool", "GlobalMaxPool", "MaxPool", "Pool"]


@dataclass(frozen=True, slots=True)
class Pool(Attributes):
    """A pool; `stride` defaults to the kernel, `ceil` rounds sizes up instead of down."""

    kernel_size: Pair
    stride: Pair | None = None
    padding: Pair = 0
    ceil: bool = False

    @property
    def strides(self) -> tuple[int, int]:
        return pair(self.kernel_size if self.stride is None else self.stride)

    @property
    def window(self) -> Window:
        return Window(pair(self.kernel_size), self.strides, (1, 1))


@dataclass(frozen=True, slots=True)
class MaxPool(Pool):
    """Largest value in each window."""


@dataclass(frozen=True, slots=True)
class AvgPool(Pool):
    """Mean of each window; zeros of the padding count in it unless `count_padding = false`."""

    count_padding: bool = True


def pool_shape(attributes: Pool, inputs: Sequence[Shape]) -> Shape:
    incoming = the_image(attributes.operator, inputs)
    padding, kernel = pair(attributes.padding), pair(attributes.kernel_size)
    if any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
        raise ShapeError(
            f"padding of {max(padding)} is more than half of the pool's window",
            f"use a padding of at most {min(kernel) // 2}",
        )
    height, width = spatial_size(
        attributes.operator, incoming, attributes.window, padding, rounds_up=attributes.ceil
    )
    return image(incoming.channels, height, width)


@dataclass(frozen=True, slots=True)
class GlobalAvgPool(Attributes):
    """Mean over height and width, [C, H, W] to [C, 1, 1], or tokens, [N, D] to [D]."""


@dataclass(frozen=True, slots=True)
class GlobalMaxPool(Attributes):
    """Largest value over height and width, [C, H, W] to [C, 1, 1], or tokens, [N, D] to [D]."""


def global_pool_shape(attributes: Attributes, inputs: Sequence[Shape]) -> Shape:
    if inputs[0].kind == "sequence":
        return vector(inputs[0].channels)
    return image(the_image(attributes.operator, inputs).channels, 1, 1)


def global_window(attributes: Attributes, inputs: Sequence[Shape]) -> Window | None:
    if inputs[0].kind != "image":
        return None
    height, width = inputs[0].spatial
    return Window((height, width), (1, 1), (1, 1))


@dataclass(frozen=True, slots=True)
class Flatten(Attributes):
    """All values in one row: [C, H, W] to [C * H * W], [N, D] to [N * D]."""


def flatten_shape(attributes: Flatten, inputs: Sequence[Shape]) -> Shape:
    return vector(not_tokens("flatten", inputs).elements)


POOLING = (
    OperatorSpec(
        "max_pool",
        MaxPool,
        "largest value in each window",
        pool_shape,
        window=lambda attributes, inputs: attributes.window,
    ),
    OperatorSpec(
        "avg_pool",
        AvgPool,
        "mean of each window",
        pool_shape,
        window=lambda attributes, inputs: attributes.window,
    ),
    OperatorSpec(
        "global_avg_pool",
        GlobalAvgPool,
        "mean over all places",
        global_pool_shape,
        window=global_window,
    ),
    OperatorSpec(
        "global_max_pool",
        GlobalMaxPool,
        "largest value over all places",
        global_pool_shape,
        window=global_window,
    ),
    OperatorSpec("flatten", Flatten, "all values in one row", flatten_shape, is_view=True),
)
