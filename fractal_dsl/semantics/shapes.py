"""Shapes as a file writes them: `image[3, 32, 32]`."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.ir.shapes import KINDS, Shape
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Value, is_whole, show
from fractal_dsl.syntax import tree

__all__ = ["written_shape"]


def written_shape(place: Place, written: tree.Expression, what: str) -> Steps[Shape]:
    """The shape that an expression writes; messages call it `what`."""
    if not isinstance(written, tree.Index) or not isinstance(written.base, tree.Name):
        raise fail("F0405", f"{what} is written like `image[3, 32, 32]`", written.span)
    kind = written.base.name
    if kind not in KINDS:
        helps = did_you_mean(kind, KINDS, "the kinds", written.base.span)
        raise DiagnosticError(
            Diagnostic("F0201", f"no kind of value is `{kind}`", written.base.span, helps=helps)
        )
    sizes = yield sizes_of(place, written.indices)
    names = KINDS[kind]
    if len(sizes) != len(names):
        plural = "s" * (len(names) > 1)
        message = f"`{kind}` has {len(names)} size{plural}, not {len(sizes)}"
        raise fail("F0206", message, written.span, "", f"write `{kind}[{', '.join(names)}]`")
    return Shape(kind, sizes)


def sizes_of(place: Place, parts: Sequence[tree.Expression]) -> Steps[tuple[int, ...]]:
    sizes: list[int] = []
    for part in parts:
        size: Value = yield plain(place, part, "a size", "a whole number")
        if not is_whole(size) or not 0 < size < 2**31:
            raise fail("F0405", f"a size is a whole number from 1, not {show(size)}", part.span)
        sizes.append(size)
    return tuple(sizes)
