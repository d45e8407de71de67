"""Arithmetic of sliding windows, shared by convolution and pooling."""

from __future__ import annotations

from typing import TypeAlias

from fractal_dsl.ir.operators.spec import ShapeError, Window
from fractal_dsl.ir.shapes import Shape

__all__ = ["Pair", "pair", "spatial_size"]

Pair: TypeAlias = int | tuple[int, int]


def pair(value: Pair) -> tuple[int, int]:
    """Height and width of a size that may be given once for both."""
    return value if isinstance(value, tuple) else (value, value)


def spatial_size(
    operator: str, incoming: Shape, window: Window, padding: tuple[int, int], *, rounds_up: bool
) -> tuple[int, int]:
    """Height and width after a window slid over `incoming`, as torch rounds them."""
    axes = zip(
        incoming.spatial, window.kernel, window.stride, window.dilation, padding, strict=True
    )
    sizes = []
    for size, kernel, stride, dilation, pad in axes:
        if kernel < 1 or stride < 1 or dilation < 1 or pad < 0:
            raise ShapeError(
                f"`{operator}` needs kernel_size, stride and dilation of at least 1 and "
                "padding of at least 0"
            )
        room = size + 2 * pad - dilation * (kernel - 1) - 1
        steps = -(-room // stride) if rounds_up else room // stride
        if rounds_up and steps * stride >= size + pad:
            steps -= 1  # torch: the last window must start inside the input
        if room < 0 or steps < 0:
            height, width = incoming.spatial
            raise ShapeError(
                f"spatial size falls to zero: a window of {dilation * (kernel - 1) + 1} on "
                f"{height} x {width}" + (f" padded by {pad}" if pad else ""),
                "use fewer reductions, or a larger input",
                code="F0402",
            )
        sizes.append(steps + 1)
    return sizes[0], sizes[1]
