"""Is a sheet made of columns? Series and parallel reduction of a two-terminal graph.

A sheet whose parts fork and join again in properly nested fashion reduces to one edge: two
edges in a row become a series, two edges side by side a fork. Columns of a fractal are such
forks. (Valdes, Tarjan, Lawler, "The recognition of series parallel digraphs", 1982.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fractal_dsl.emit.diagram.sheet import Sheet

__all__ = ["Box", "Branch", "Fork", "Measure", "Piece", "Wire", "boxes_beside", "reduce"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Least width and height in points, and the number of boxes on the longest way."""

    width: float
    height: float
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A link of the sheet."""

    link: int
    measure: Measure


@dataclass(frozen=True, slots=True)
class Box:
    """An item of the sheet."""

    item: int
    measure: Measure


@dataclass(frozen=True, slots=True)
class Branch:
    """Pieces one below the other; `rank` orders branches that come into the same item."""

    pieces: tuple[Piece, ...]
    measure: Measure
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Fork:
    """Branches side by side, the shallowest first; `measure` is that of the whole."""

    branches: tuple[Branch, ...]
    measure: Measure


Piece: TypeAlias = Wire | Box | Fork


@dataclass(slots=True)
class _Edge:
    """A branch in the making, between two items."""

    source: int
    target: int
    pieces: list[Piece]
    width: float
    height: float
    depth: int
    rank: int

    def branch(self) -> Branch:
        return Branch(tuple(self.pieces), Measure(self.width, self.height, self.depth), self.rank)


def reduce(
    sheet: Sheet,
    items: Sequence[int],
    links: Sequence[int],
    measure_item: Callable[[int], Measure],
    measure_link: Callable[[int], Measure],
) -> Branch | None:
    """The given part of `sheet` as one branch, ends included; None if it is no such graph."""
    if not links:
        return _alone(measure_item, items[0]) if len(items) == 1 else None
    reducer = _Reducer(items, measure_item)
    for link in links:
        ends = sheet.links[link]
        measure = measure_link(link)
        wire = Wire(link, measure)
        reducer.add(_Edge(ends.source, ends.target, [wire], measure.width, measure.height, 0, link))
    return reducer.run()


def _alone(measure_item: Callable[[int], Measure], item: int) -> Branch:
    return Branch((Box(item, measure_item(item)),), measure_item(item))


class _Reducer:
    def __init__(self, items: Sequence[int], measure_item: Callable[[int], Measure]) -> None:
        self.measure_item = measure_item
        self.edges: dict[int, _Edge] = {}
        self.entering: dict[int, dict[int, None]] = {item: {} for item in items}
        self.leaving: dict[int, dict[int, None]] = {item: {} for item in items}
        self.made = 0

    def add(self, edge: _Edge) -> None:
        self.edges[self.made] = edge
        self.entering[edge.target][self.made] = None
        self.leaving[edge.source][self.made] = None
        self.made += 1

    def take(self, number: int) -> _Edge:
        edge = self.edges.pop(number)
        del self.entering[edge.target][number]
        del self.leaving[edge.source][number]
        return edge

    def run(self) -> Branch | None:
        sources = [item for item, into in self.entering.items() if not into]
        sinks = [item for item, out in self.leaving.items() if not out]
        if len(sources) != 1 or len(sinks) != 1:
            return None
        waiting = deque(self.entering)
        while waiting:
            item = waiting.popleft()
            waiting.extend(self.bundle(item))
            if len(self.entering[item]) == len(self.leaving[item]) == 1:
                waiting.extend(self.splice(item))
        if len(self.edges) != 1:
            return None
        (last,) = self.edges
        self.wrap(sources[0], self.edges[last], sinks[0])
        return self.edges[last].branch()

    def bundle(self, item: int) -> Iterable[int]:
        """Make one fork of the edges that come into `item` from the same item."""
        by_source: dict[int, list[int]] = {}
        for number in self.entering[item]:
            by_source.setdefault(self.edges[number].source, []).append(number)
        for source, numbers in by_source.items():
            if len(numbers) > 1:
                self.add(_fork([self.take(number) for number in numbers]))
                yield source

    def splice(self, item: int) -> Iterable[int]:
        """Make one edge of the edge into `item`, the item itself and the edge out of it."""
        (before,), (after,) = self.entering[item], self.leaving[item]
        first, second = self.take(before), self.take(after)
        measure = self.measure_item(item)
        first.pieces.append(Box(item, measure))
        first.pieces.extend(second.pieces)
        first.target = second.target
        first.width = max(first.width, measure.width, second.width)
        first.height += measure.height + second.height
        first.depth += measure.depth + second.depth
        first.rank = second.rank
        self.add(first)
        return first.source, first.target

    def wrap(self, source: int, edge: _Edge, sink: int) -> None:
        ends = [self.measure_item(end) for end in (source, sink)]
        edge.pieces = [Box(source, ends[0]), *edge.pieces, Box(sink, ends[1])]
        edge.width = max(edge.width, *(end.width for end in ends))
        edge.height += sum(end.height for end in ends)


def _fork(edges: list[_Edge]) -> _Edge:
    branches: list[Branch] = []
    for edge in edges:
        whole = edge.pieces[0]
        if len(edge.pieces) == 1 and isinstance(whole, Fork):
            branches.extend(whole.branches)
        else:
            branches.append(edge.branch())
    branches.sort(key=lambda branch: (branch.measure.depth, branch.rank))
    measure = Measure(
        sum(branch.measure.width for branch in branches),
        max(branch.measure.height for branch in branches),
        max(branch.measure.depth for branch in branches),
    )
    first = edges[0]
    fork = Fork(tuple(branches), measure)
    rank = min(branch.rank for branch in branches)
    size = (measure.width, measure.height, measure.depth)
    return _Edge(first.source, first.target, [fork], *size, rank)


def boxes_beside(branch: Branch) -> list[Box]:
    """The boxes that stand in forks."""
    waiting = [piece for piece in branch.pieces if isinstance(piece, Fork)]
    found: list[Box] = []
    while waiting:
        for inner in waiting.pop().branches:
            waiting.extend(piece for piece in inner.pieces if isinstance(piece, Fork))
            found.extend(piece for piece in inner.pieces if isinstance(piece, Box))
    return found
