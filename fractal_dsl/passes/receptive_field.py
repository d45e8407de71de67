"""How much of the input one place of the output sees.

Along one axis a stretch of path is a function of how far is looked from (`passes.spans`), and the
field of a path is 1 more than its value at 0: for windows k, strides s and dilations d alone,
(k - 1) d times the strides before, summed up. The field of a network is the largest over its paths:
of parallel paths all functions are kept that no other exceeds everywhere (one, unless a net joins
different strides).

A path through a global pool, `flatten`, `attention` or `transpose` sees the whole input, however
wide its windows. Padding is not taken off: as usual, fields can be larger than the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.pooling import Flatten, GlobalAvgPool, GlobalMaxPool
from fractal_dsl.ir.operators.sequences import Attention, CrossAttention, Transpose
from fractal_dsl.passes import counts
from fractal_dsl.passes.fold import Algebra, PathFold
from fractal_dsl.passes.spans import SAME, Span, undominated, window

__all__ = ["ReceptiveField", "receptive_field"]

WHOLES = (GlobalAvgPool, GlobalMaxPool, Flatten, Attention, CrossAttention, Transpose)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Input pixels that one place of the output sees, along height and width.

    `jump` is the largest product of strides on a path, along height and width; below 1 where the
    output is larger. `is_whole`: some path sees the whole input.
    """

    height: int
    width: int
    jump: tuple[int | Fraction, int | Fraction]
    is_whole: bool


def receptive_field(program: Program) -> ReceptiveField | None:
    """The largest receptive field of a network on images; None where an input is no image.

    None too where a module of others looks as far as nobody knows.
    """
    images = [shape for shape in program.net.inputs if shape.kind == "image"]
    if len(images) < len(program.net.inputs) or counts.externs(program):
        return None
    view = PathFold(program, VIEWS).through()
    if view is None:
        return None
    sizes = [1 + max(span(0) for span in axis) for axis in view.axes]
    if view.is_whole:
        sizes = [max(sides) for sides in zip(sizes, *(one.spatial for one in images), strict=True)]
    jumps = [max(span.slope for span in axis) for axis in view.axes]
    return ReceptiveField(sizes[0], sizes[1], (jumps[0], jumps[1]), view.is_whole)


class _View(NamedTuple):
    """What a set of paths sees: undominated functions along height and width."""

    axes: tuple[tuple[Span, ...], tuple[Span, ...]]
    is_whole: bool


ONE = _View(((SAME,), (SAME,)), is_whole=False)
WHOLE = ONE._replace(is_whole=True)


def _add(one: _View, other: _View) -> _View:
    height, width = (
        undominated(a + b) for a, b in zip(one.axes, other.axes, strict=True)
    )  # fmt: skip
    return _View((height, width), one.is_whole or other.is_whole)


def _chain(first: _View, then: _View) -> _View:
    height, width = (
        undominated(one.after(other) for one in before for other in behind)
        for before, behind in zip(first.axes, then.axes, strict=True)
    )
    return _View((height, width), first.is_whole or then.is_whole)


def _power(view: _View, times: int) -> _View:
    result, square = ONE, view
    while times:
        if times & 1:
            result = _chain(result, square)
        times >>= 1
        if times:
            square = _chain(square, square)
    return result


def _operator(graph: Graph, node: Apply) -> _View | None:
    attributes = node.attributes
    incoming = [graph.shape_of(ref) for ref in node.inputs]
    if isinstance(attributes, WHOLES):
        return None if incoming[0].kind == "vector" else WHOLE
    looks = spec_of(attributes).window(attributes, incoming)
    if looks is None:
        return None
    height, width = map(window, looks.kernel, looks.stride, looks.dilation)
    return _View(((height,), (width,)), is_whole=False)


VIEWS = Algebra(ONE, _add, _chain, _power, _operator)
