"""Slabs of a chain, one below the other, in as many strips as give the page a fair shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log

from fractal_dsl.emit.diagram.geometry import Frame, Path, Placement, Point, Spot, polyline
from fractal_dsl.emit.diagram.sheet import Sheet
from fractal_dsl.emit.diagram.theme import Sizes, label_width

__all__ = ["Slab", "fairest", "in_strips"]

TALL, GUTTER, EAVES, FOOT, MOST = 680.0, 30.0, 10.0, 14.0, 16
ROOM, WIDE, PAGE = 130.0, 2.2, 1.5


@dataclass(frozen=True, slots=True)
class Slab:
    """A placed part of the chain, and the items by which it is entered and left."""

    placement: Placement
    inlet: int
    outlet: int


@dataclass(slots=True)
class _Page:
    """Slabs as they come to stand; `gutters` and `floors` say where each slab's strip ends."""

    spots: dict[int, Spot] = field(default_factory=dict)
    paths: dict[int, Path] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    gutters: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def add(self, placement: Placement, gutter: float, floor: float) -> None:
        self.spots.update(placement.spots)
        self.paths.update(placement.paths)
        self.frames.extend(placement.frames)
        self.gutters.append(gutter)
        self.floors.append(floor)


def fairest(sizes: Sequence[tuple[float, float]], aspect: float = PAGE) -> int:
    """Which of some pages (width, height) comes closest to a shape, width over height."""
    return min(range(len(sizes)), key=lambda at: abs(log(sizes[at][0] / sizes[at][1] / aspect)))


def in_strips(sheet: Sheet, sizes: Sizes, slabs: Sequence[Slab]) -> Placement:
    """The chain of `slabs`, with the links between them."""
    ends = {(link.source, link.target): at for at, link in enumerate(sheet.links)}
    joints = [ends[first.outlet, second.inlet] for first, second in pairwise(slabs)]
    gaps = [sizes.wire(sheet, joint).height for joint in joints]
    strips = _packed(slabs, gaps)
    page, left = _Page(), 0.0
    eaves = EAVES if len(strips) > 1 else 0.0
    for strip in strips:
        across = max(slabs[at].placement.width for at in strip)
        top = eaves
        for at in strip:
            placed = slabs[at].placement
            moved = placed.moved(left + (across - placed.width) / 2, top)
            page.add(moved, left + across + GUTTER / 2, top + placed.height)
            top += placed.height + (gaps[at] if at < len(gaps) else 0)
        left += across + GUTTER
    firsts = {strip[0] for strip in strips}
    for at, joint in enumerate(joints):
        turns = at + 1 in firsts
        page.paths[joint] = _joint(sheet, page, joint, at, turns=turns, gap=gaps[at])
    turning = [page.floors[strip[-1]] + EAVES + FOOT for strip in strips[:-1]]
    height = max([*page.floors, *turning])
    return Placement(left - GUTTER, height, page.spots, page.paths, tuple(page.frames))


def _packed(slabs: Sequence[Slab], gaps: Sequence[float]) -> list[list[int]]:
    """Slabs by strip: one strip unless it would be too tall."""
    heights = [slab.placement.height for slab in slabs]
    total = sum(heights) + sum(gaps)
    if total <= TALL:
        return [list(range(len(slabs)))]
    tries = [_filled(heights, gaps, total / count) for count in range(1, MOST + 1)]
    sizes = []
    for strips in tries:
        widths = [max(slabs[at].placement.width for at in strip) + GUTTER for strip in strips]
        tallest = max(sum(heights[at] for at in strip) + gaps[0] * len(strip) for strip in strips)
        sizes.append((sum(widths), tallest))
    return tries[fairest(sizes, WIDE)]


def _filled(heights: Sequence[float], gaps: Sequence[float], limit: float) -> list[list[int]]:
    limit = max(limit, max(heights) + ROOM)
    strips: list[list[int]] = [[]]
    used = 0.0
    for at, height in enumerate(heights):
        if strips[-1] and used + height > limit:
            strips.append([])
            used = 0.0
        strips[-1].append(at)
        used += height + (gaps[at] if at < len(gaps) else 0)
    return strips


def _joint(sheet: Sheet, page: _Page, joint: int, at: int, *, turns: bool, gap: float) -> Path:
    """The line from slab `at` to the next; if it `turns`, up the gutter to the next strip."""
    link = sheet.links[joint]
    source, target = page.spots[link.source], page.spots[link.target]
    floor, half = page.floors[at], label_width(link.text) / 2
    start, stop = source.x, target.x
    if turns:
        gutter, low = page.gutters[at], floor + EAVES
        turn = [Point(start, low), Point(gutter, low), Point(gutter, 0.0), Point(stop, 0.0)]
        label = Point(start + 4 + half, low + 7)
    else:
        if sheet.items[link.source].kind.is_bar:
            start = min(max(stop, source.left), source.right)
        elif sheet.items[link.target].kind.is_bar:
            stop = min(max(start, target.left), target.right)
        middle = floor + gap / 2
        turn = [Point(start, middle), Point(stop, middle)] if start != stop else []
        label = Point(stop + 4 + half, middle)
    corners = [Point(start, source.bottom), *turn, Point(stop, target.top)]
    return Path(polyline(corners), label if link.text else None)
