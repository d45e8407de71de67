"""Which layer of one network is which of another: Weisfeiler-Lehman, and ties one at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from itertools import count
from typing import TypeAlias

from tests.zoo.aten import Net, Vertex

__all__ = ["NoMatch", "matched"]

Colours: TypeAlias = list[int]


class NoMatch(AssertionError):
    """The two are not the same graph; the text says what only one of them has."""


class _Palette:
    """Small numbers for colours; the same number for the same description in both nets."""

    def __init__(self) -> None:
        self.numbers: defaultdict[Hashable, int] = defaultdict(count().__next__)

    def __getitem__(self, description: Hashable) -> int:
        return self.numbers[description]


def matched(first: Net, second: Net) -> list[tuple[Vertex, Vertex]]:
    """Pairs of vertices, one of each net. Raises NoMatch."""
    palette = _Palette()
    one, other = (
        [palette[vertex.kind, vertex.shapes] for vertex in net.vertices] for net in (first, second)
    )
    _same_counts(first, one, second, other)
    found = _search(first, one, second, other, palette)
    if found is None:
        raise NoMatch("the same layers, wired in different ways")
    return found


def _same_counts(first: Net, one: Colours, second: Net, other: Colours) -> None:
    names = {
        colour: f"{vertex.kind} {' '.join(map(str, vertex.shapes))}"
        for net, colours in ((first, one), (second, other))
        for vertex, colour in zip(net.vertices, colours, strict=True)
    }
    left, right = Counter(one), Counter(other)
    if left != right:
        lines = [f"{n} more in the first: {names[colour]}" for colour, n in (left - right).items()]
        lines += [
            f"{n} more in the second: {names[colour]}" for colour, n in (right - left).items()
        ]
        raise NoMatch("\n".join(lines))


def _search(
    first: Net, one: Colours, second: Net, other: Colours, palette: _Palette
) -> list[tuple[Vertex, Vertex]] | None:
    """Refine; while a colour is worn by several, give one of each net a colour of its own."""
    pending = iter([(one, other)])
    stack: list[Iterator[tuple[Colours, Colours]]] = [pending]
    while stack:
        trial = next(stack[-1], None)
        if trial is None:
            stack.pop()
            continue
        left, right = _refined(first, trial[0], palette), _refined(second, trial[1], palette)
        if Counter(left) != Counter(right):
            continue
        tied = [colour for colour, number in Counter(left).items() if number > 1]
        if not tied:
            place = {colour: at for at, colour in enumerate(right)}
            return [
                (vertex, second.vertices[place[colour]])
                for vertex, colour in zip(first.vertices, left, strict=True)
            ]
        stack.append(_individualised(left, right, tied[0], palette))
    return None


def _individualised(
    left: Colours, right: Colours, colour: int, palette: _Palette
) -> Iterator[tuple[Colours, Colours]]:
    """The first vertex of `colour` beside each of the other net's in turn."""
    own = palette[object()]
    at = left.index(colour)
    marked = [*left[:at], own, *left[at + 1 :]]
    for place, candidate in enumerate(right):
        if candidate == colour:
            yield marked, [*right[:place], own, *right[place + 1 :]]


def _refined(net: Net, colours: Colours, palette: _Palette) -> Colours:
    """Colours that neighbours no longer tell apart: down the graph, up it, until none is new."""
    number = len(set(colours))
    while True:
        colours = _downwards(net, colours, palette)
        colours = _upwards(net, colours, palette)
        if len(set(colours)) == number:
            return colours
        number = len(set(colours))


def _downwards(net: Net, colours: Colours, palette: _Palette) -> Colours:
    """In order, so that one pass carries a colour all the way."""
    found: Colours = []
    for vertex, colour in zip(net.vertices, colours, strict=True):
        ways = frozenset((label, found[source]) for label, source in vertex.sources)
        found.append(palette["down", colour, ways])
    return found


def _upwards(net: Net, colours: Colours, palette: _Palette) -> Colours:
    found = list(colours)
    readers: list[list[Hashable]] = [[] for _ in colours]
    for at in reversed(range(len(colours))):
        found[at] = palette["up", colours[at], frozenset(Counter(readers[at]).items())]
        for label, source in net.vertices[at].sources:
            readers[source].append((label, found[at]))
    return found
