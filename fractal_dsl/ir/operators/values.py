"""Parts of values, and values that are learned whatever comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.ir.operators.spec import Attributes, OperatorSpec, ShapeError, Tensor
from fractal_dsl.ir.shapes import Shape

__all__ = ["VALUES", "Chunk", "Parameter", "Slice"]

RANKS = {1: "vector", 2: "sequence", 3: "image"}


@dataclass(frozen=True, slots=True)
class Chunk(Attributes):
    """Part `index` of `of` equal parts of the channels: an item of `split(of)`."""

    index: int
    of: int


@dataclass(frozen=True, slots=True)
class Slice(Attributes):
    """`size` channels from channel `start` on: an item of `split([..])`."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Parameter(Attributes):
    """A learned tensor without batch axis, [*sizes], each of its numbers `init` at first."""

    sizes: tuple[int, ...]
    init: float = 0.0


def slice_shape(attributes: Slice, inputs: Sequence[Shape]) -> Shape:
    shape = inputs[0]
    if attributes.start + attributes.size > shape.channels:
        raise ShapeError(f"{shape} has {shape.channels} channels")
    return with_channels(shape, attributes.size)


def chunk_shape(attributes: Chunk, inputs: Sequence[Shape]) -> Shape:
    shape = inputs[0]
    if shape.channels % attributes.of:
        raise ShapeError(
            f"{shape.channels} channels make no {attributes.of} equal parts",
            "give their widths: `split([a, b])`",
        )
    return with_channels(shape, shape.channels // attributes.of)


def with_channels(shape: Shape, channels: int) -> Shape:
    sizes = list(shape.sizes)
    sizes[shape.channel_axis] = channels
    return Shape(shape.kind, tuple(sizes))


def parameter_shape(attributes: Parameter, inputs: Sequence[Shape]) -> Shape:
    return Shape(RANKS[len(attributes.sizes)], attributes.sizes)


def learned(attributes: Parameter, inputs: Sequence[Shape]) -> tuple[Tensor, ...]:
    return (Tensor("weight", attributes.sizes),)


VALUES = (
    OperatorSpec(
        "chunk", Chunk, "an equal part", chunk_shape, is_view=True, callable_by_name=False
    ),
    OperatorSpec(
        "slice", Slice, "some channels", slice_shape, is_view=True, callable_by_name=False
    ),
    OperatorSpec(
        "parameter",
        Parameter,
        "a learned tensor",
        parameter_shape,
        learned,
        is_view=True,
        arity=0,
        callable_by_name=False,
    ),
)
