"""How much of the input one place of the output sees.

Along a path an operator with window k, stride s and dilation d widens the field by
(k - 1) d j and multiplies the jump j (input pixels between neighbouring outputs) by s. So
along one axis a stretch of path is a pair (a, b): it turns (field, jump) = (r, j) into
(r + a j, b j), and (a1, b1) followed by (a2, b2) is (a1 + b1 a2, b1 b2). The field of a network is
the largest over its paths, which exceed each other in a or in b: of parallel paths all pairs
are kept that no other exceeds in both (one pair, unless a net joins different strides).

A path through a global pool, `flatten`, `attention` or `transpose` sees the whole input, however
wide its windows. An `upsample` or a transposed convolution has a stride of 1/f: b is a fraction,
and a field is rounded up at the end. Padding is not taken off: as usual, fields can be larger than
the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple, TypeAlias

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.pooling import Flatten, GlobalAvgPool, GlobalMaxPool
from fractal_dsl.ir.operators.sequences import Attention, Transpose
from fractal_dsl.ir.operators.spec import Stride
from fractal_dsl.passes import counts
from fractal_dsl.passes.fold import Algebra, PathFold

__all__ = ["ReceptiveField", "receptive_field"]

Pair: TypeAlias = tuple[Stride, Stride]
WHOLES = (GlobalAvgPool, GlobalMaxPool, Flatten, Attention, Transpose)


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Input pixels that one place of the output sees, along height and width.

    `jump` is the largest product of strides on a path, along height and width. `is_whole`:
    some path sees the whole input.
    """

    height: int
    width: int
    jump: tuple[Stride, Stride]
    is_whole: bool


def receptive_field(program: Program) -> ReceptiveField | None:
    """The largest receptive field of a network on images; None for other inputs.

    None too where a module of others looks as far as nobody knows.
    """
    if program.input.kind != "image" or counts.externs(program):
        return None
    view = PathFold(program, VIEWS).through()
    if view is None:
        return None
    sizes = [1 + ceil(max(wide for wide, _ in axis)) for axis in view.axes]
    if view.is_whole:
        sizes = [max(size, edge) for size, edge in zip(sizes, program.input.spatial, strict=True)]
    jumps = [max(jump for _, jump in axis) for axis in view.axes]
    return ReceptiveField(sizes[0], sizes[1], (jumps[0], jumps[1]), view.is_whole)


class _View(NamedTuple):
    """What a set of paths sees: undominated pairs along height and width, sorted."""

    axes: tuple[tuple[Pair, ...], tuple[Pair, ...]]
    is_whole: bool


ONE = _View((((0, 1),), ((0, 1),)), is_whole=False)
WHOLE = ONE._replace(is_whole=True)


def _add(one: _View, other: _View) -> _View:
    height, width = (
        _largest(a + b) for a, b in zip(one.axes, other.axes, strict=True)
    )  # fmt: skip
    return _View((height, width), one.is_whole or other.is_whole)


def _chain(first: _View, then: _View) -> _View:
    height, width = (
        _largest(tuple((a1 + b1 * a2, b1 * b2) for a1, b1 in before for a2, b2 in behind))
        for before, behind in zip(first.axes, then.axes, strict=True)
    )
    return _View((height, width), first.is_whole or then.is_whole)


def _largest(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The pairs that no other exceeds in both places."""
    kept: list[Pair] = []
    for wide, jump in sorted(set(pairs), reverse=True):
        if not kept or jump > kept[-1][1]:
            kept.append((wide, jump))
    return tuple(kept)


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
    window = spec_of(attributes).window(attributes, incoming)
    if window is None:
        return None
    pairs = zip(window.kernel, window.stride, window.dilation, strict=True)
    height, width = ((((kernel - 1) * gap, stride),) for kernel, stride, gap in pairs)
    return _View((height, width), is_whole=False)


VIEWS = Algebra(ONE, _add, _chain, _power, _operator)
