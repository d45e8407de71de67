"""Branches under stochastic depth in a flat graph: functions of their own in the flat style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fractal_dsl.emit.torch.flat_needs import Need, Some
from fractal_dsl.emit.torch.lines import Line
from fractal_dsl.emit.torch.statements import Statement
from fractal_dsl.emit.torch.text import Code, fill
from fractal_dsl.ir.flat import FlatProgram

__all__ = ["OUTSIDE", "Branches", "Outer", "spaced"]

OUTSIDE = -1


class Outer(NamedTuple):
    """What a writer puts aside while it writes a branch."""

    lines: list[Statement[Some]]
    variables: dict[int, Code]
    free: list[Code]
    base: tuple[int, Need]


class Branches:
    """Where branches begin and end, by the positions of their ends.

    `ends[at]` are those that begin at a position, the outermost first; `sources` the one
    value that comes into each.
    """

    def __init__(self, flat: FlatProgram) -> None:
        self.flat = flat
        self.ends: dict[int, list[int]] = {}
        self.sources: dict[int, int] = {}
        self.inside = [OUTSIDE] * len(flat.nodes)
        for end in reversed(range(len(flat.nodes))):
            start = flat.nodes[end].start
            if start is not None:
                self.ends.setdefault(start, []).append(end)
                self.sources[end] = self.source(start, end)
                self.inside[start:end] = [end] * (end - start)

    def source(self, start: int, end: int) -> int:
        """What comes in from before; an end may stand alone."""
        nodes = self.flat.nodes[start : end + 1]
        return next(source for node in nodes for source in node.inputs if source < start)

    def around(self, at: int) -> int:
        """The end of the innermost branch that a node stands in."""
        return self.inside[at]

    def reader(self, source: int, at: int) -> int:
        """`at`, or the end of the outermost branch around it that `source` is not in."""
        end = at
        while (around := self.inside[end]) != OUTSIDE and around != self.inside[source]:
            end = around
        return end


def spaced(lines: Sequence[Line]) -> list[Line]:
    """With an empty line on both sides of a function, as formatters want it."""
    return list(_spaced(lines))


def _spaced(lines: Sequence[Line]) -> Iterator[Line]:
    functions: list[int] = []
    before: Line | None = None
    for line in lines:
        ended = False
        while functions and line.depth <= functions[-1]:
            functions.pop()
            ended = True
        starts = line.code.startswith("def ")
        if ended or (starts and before is not None and not before.code.endswith(":")):
            yield Line(fill(""))
        if starts:
            functions.append(line.depth)
        yield line
        before = line
