"""Columns side by side: places for a sheet that is nested series and forks.

The shallowest column stands on the left, the deepest on the right. A branch that is shorter
than its neighbours spreads over their height, so that one convolution stands in the middle
beside eight. A bar spans what comes into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from fractal_dsl.emit.diagram.geometry import Path, Placement, Point, Spot, polyline
from fractal_dsl.emit.diagram.series import Box, Branch, Fork, Piece, Wire
from fractal_dsl.emit.diagram.sheet import Kind, Sheet
from fractal_dsl.emit.diagram.theme import ELBOW, STEP, WIRE, Sizes, label_width

__all__ = ["place"]

BARE = 8.0


@dataclass(frozen=True, slots=True)
class _Room:
    """Where a branch may spread: its left edge and width, its top and height."""

    branch: Branch
    left: float
    width: float
    top: float
    height: float


@dataclass(slots=True)
class _Lane:
    """A link's vertical line: where it runs, and between which items of its own branch."""

    x: float
    top: float
    bottom: float
    before: int | None
    after: int | None


@dataclass(slots=True)
class _Layout:
    sheet: Sheet
    sizes: Sizes
    spots: dict[int, Spot] = field(default_factory=dict)
    lanes: dict[int, _Lane] = field(default_factory=dict)


def place(sheet: Sheet, branch: Branch, sizes: Sizes) -> Placement:
    """`branch` of `sheet`, placed; only its own items and links have places."""
    layout = _Layout(sheet, sizes)
    _spread(layout, branch)
    _straighten(layout)
    _stretch_bars(layout)
    starts = _bus_starts(layout)
    stops = _stops(layout)
    paths = {link: _path(layout, link, starts.get(link), stops.get(link)) for link in layout.lanes}
    placed = Placement(branch.measure.width, branch.measure.height, layout.spots, paths)
    return _with_room(placed, sheet)


def _with_room(placed: Placement, sheet: Sheet) -> Placement:
    """Wide enough for the texts beside the rightmost column, and still in the middle."""
    rights = [
        path.label.x + label_width(sheet.links[at].text) / 2
        for at, path in placed.paths.items()
        if path.label
    ]
    extra = max(0.0, *rights, placed.width) - placed.width
    return replace(placed.moved(extra, 0.0), width=placed.width + 2 * extra) if extra else placed


def _spread(layout: _Layout, branch: Branch) -> None:
    rooms = [_Room(branch, 0.0, branch.measure.width, 0.0, branch.measure.height)]
    while rooms:
        room = rooms.pop()
        pieces = room.branch.pieces
        centre = room.left + room.width / 2
        for at, (piece, top, height) in enumerate(_stacked(room)):
            match piece:
                case Box(item):
                    width, own = layout.sizes.item(layout.sheet.items[item])
                    layout.spots[item] = Spot(centre, top + height / 2, width, own)
                case Wire(link):
                    before, after = _item(pieces, at - 1), _item(pieces, at + 1)
                    layout.lanes[link] = _Lane(centre, top, top + height, before, after)
                case Fork():
                    rooms.extend(_side_by_side(piece, room, top, height))


def _item(pieces: tuple[Piece, ...], at: int) -> int | None:
    piece = pieces[at] if 0 <= at < len(pieces) else None
    return piece.item if isinstance(piece, Box) else None


def _stacked(room: _Room) -> Iterator[tuple[Piece, float, float]]:
    """Pieces with top and height: wires and forks share what height is left."""
    pieces = room.branch.pieces
    total = sum(_softness(piece) for piece in pieces)
    slack = (room.height - room.branch.measure.height) / total if total else 0.0
    top = room.top
    for piece in pieces:
        height = piece.measure.height + slack * _softness(piece)
        yield piece, top, height
        top += height


def _softness(piece: Piece) -> float:
    """A piece's share in what height is left; all wires have the same."""
    match piece:
        case Box():
            return 0.0
        case Wire():
            return WIRE
        case Fork():
            return piece.measure.height


def _side_by_side(fork: Fork, room: _Room, top: float, height: float) -> Iterable[_Room]:
    left = room.left + room.width - fork.measure.width
    for branch in fork.branches:
        yield _Room(branch, left, branch.measure.width, top, height)
        left += branch.measure.width


def _straighten(layout: _Layout) -> None:
    """A fork of the whole width stands to the right; what follows alone stays below a bar."""
    for lane in layout.lanes.values():
        for end in (lane.after, lane.before):
            if end is not None and not layout.sheet.items[end].kind.is_bar:
                lane.x = layout.spots[end].x
                break


def _stretch_bars(layout: _Layout) -> None:
    """Bars reach exactly from the first to the last column that they join."""
    ends: dict[int, list[tuple[float, float]]] = {}
    for link, lane in layout.lanes.items():
        source, target = layout.sheet.links[link].source, layout.sheet.links[link].target
        if layout.sheet.items[target].kind.is_bar:
            bare = lane.before is None or layout.sheet.items[source].kind is Kind.PORT
            half = BARE if bare else layout.spots[target].width / 2
            ends.setdefault(target, []).append((lane.x - half, lane.x + half))
    for item, reach in ends.items():
        spot = layout.spots[item]
        left, right = min(low for low, _ in reach), max(high for _, high in reach)
        layout.spots[item] = spot._replace(x=(left + right) / 2, width=right - left)


def _bus_starts(layout: _Layout) -> dict[int, float]:
    """Where each line of a fork leaves the line of its inner neighbour, so as not to cover it.

    A dead line leaves the outermost live one of its side, which is drawn from the middle on.
    """
    forks: dict[int, list[int]] = {}
    for link in layout.lanes:
        forks.setdefault(layout.sheet.links[link].source, []).append(link)
    starts: dict[int, float] = {}
    for port, links in forks.items():
        if layout.sheet.items[port].kind is not Kind.PORT:
            continue
        middle = layout.spots[port].x
        near = {-1: middle, 1: middle}
        for link in sorted(links, key=lambda at: _from_live(layout, at, middle)):
            x = layout.lanes[link].x
            side = 1 if x > middle else -1
            starts[link] = near[side] if (x - near[side]) * side > 0 else x
            near[side] = max(near[side] * side, x * side) * side
    return starts


def _from_live(layout: _Layout, link: int, middle: float) -> tuple[bool, float]:
    """Live lines stand before dead ones, inner before outer ones."""
    return not layout.sheet.links[link].live, abs(layout.lanes[link].x - middle)


def _stops(layout: _Layout) -> dict[int, Point]:
    """Where lines whose order counts turn down to a box: each on its own share of it.

    Of those that come from one side, the inner ones turn higher, so that no two meet.
    """
    entering: dict[int, list[int]] = {}
    for link in layout.lanes:
        ends = layout.sheet.links[link]
        if ends.place and not layout.sheet.items[ends.target].kind.is_bar:
            entering.setdefault(ends.target, []).append(link)
    stops: dict[int, Point] = {}
    for box, links in entering.items():
        spot, share = layout.spots[box], layout.spots[box].width / len(links)
        links.sort(key=lambda link: layout.lanes[link].x)
        for at, link in enumerate(links):
            x = layout.lanes[link].x
            left, right = spot.left + at * share + BARE, spot.left + (at + 1) * share - BARE
            inward = at if x < left else len(links) - 1 - at
            stops[link] = Point(min(max(x, left), right), spot.top - ELBOW - STEP * inward)
    return stops


def _path(layout: _Layout, link: int, start: float | None, turn: Point | None) -> Path:
    ends, lane = layout.sheet.links[link], layout.lanes[link]
    source, target = layout.spots[ends.source], layout.spots[ends.target]
    if start is None:
        start = _on(layout, ends.source, source, lane.x)
    stop, elbow = turn or (_on(layout, ends.target, target, lane.x), target.top)
    bend = source.bottom
    if layout.sheet.items[ends.source].kind is not Kind.PORT:
        bend = min(source.bottom + 6, lane.bottom)
    corners = [
        Point(start, source.bottom),
        Point(start, bend),
        Point(lane.x, bend),
        Point(lane.x, elbow),
        Point(stop, elbow),
        Point(stop, target.top),
    ]
    if start == lane.x:
        corners[1:3] = []
    label = None
    text = ends.text
    if text:
        middle = (lane.top + lane.bottom) / 2 if lane.x == start else (bend + lane.bottom) / 2
        label = Point(lane.x + 4 + label_width(text) / 2, middle)
    return Path(polyline(corners), label)


def _on(layout: _Layout, item: int, spot: Spot, x: float) -> float:
    """Where on an item a line at `x` ends: anywhere on a bar, else in the middle."""
    if layout.sheet.items[item].kind.is_bar:
        return min(max(x, spot.left), spot.right)
    return spot.x
