"""Places for a whole sheet: columns where it has them, Graphviz's layers where it has not.

A net that is one thing after another is cut into slabs, each placed by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

from fractal_dsl.emit.diagram import columns
from fractal_dsl.emit.diagram.geometry import Frame, Placement, Spot
from fractal_dsl.emit.diagram.labels import text_width
from fractal_dsl.emit.diagram.places import told
from fractal_dsl.emit.diagram.ports import with_ports
from fractal_dsl.emit.diagram.series import (
    Box,
    Branch,
    Fork,
    Measure,
    Piece,
    Wire,
    boxes_beside,
    reduce,
)
from fractal_dsl.emit.diagram.sheet import Sheet
from fractal_dsl.emit.diagram.strips import TALL, Slab, in_strips
from fractal_dsl.emit.diagram.theme import GAP, TEXT, WIDEST, Sizes

__all__ = ["Layered", "arrange"]

Layered: TypeAlias = Callable[[Sheet, Sizes, Sequence[int], Sequence[int]], Placement]
"""Lays out part of a sheet (items, links) in layers."""

Part: TypeAlias = tuple[bool, int]
"""A group (True and its number) or an item alone (False and its position)."""

SIDE, HEAD, FOOT = 8.0, 20.0, 9.0


def arrange(sheet: Sheet, layered: Layered) -> Placement:
    """A place for every item of `sheet`, a path for every link, a frame for every group."""
    sizes = Sizes.of(sheet)
    ported = with_ports(sheet)
    arranger = _Arranger(ported.sheet, sizes, layered)
    knots = arranger.knots()
    if None in knots:
        whole = layered(sheet, sizes, range(len(sheet.items)), range(len(sheet.links)))
        return replace(whole, paths=told(sheet, whole.paths))
    cuts = arranger.cuts()
    if cuts or knots:
        ported = with_ports(sheet, cuts, knots)
        arranger = _Arranger(ported.sheet, sizes, layered)
    whole = arranger.run()
    count = len(sheet.items)
    spots = {at: spot for at, spot in whole.spots.items() if at < count}
    paths = dict(enumerate(ported.whole(told(sheet, whole.paths), len(sheet.links))))
    frames = tuple(
        frame._replace(items=tuple(at for at in frame.items if at < count))
        for frame in whole.frames
    )
    return Placement(whole.width, whole.height, spots, paths, frames)


class _Arranger:
    def __init__(self, sheet: Sheet, sizes: Sizes, layered: Layered) -> None:
        self.sheet = sheet
        self.sizes = sizes
        self.layered = layered
        self.parts = _chain(sheet) if sheet.groups else None

    def run(self) -> Placement:
        if self.parts is not None:
            slabs = [self.slab(items) for items in self.parts]
        else:
            branch = self.whole()
            assert branch is not None
            slabs = [self.cut(pieces) for pieces in _segments(branch)]
        return in_strips(self.sheet, self.sizes, slabs)

    def whole(self) -> Branch | None:
        return self.reduced(range(len(self.sheet.items)), range(len(self.sheet.links)))

    def knots(self) -> Collection[int | None]:
        """Groups that are no columns; None stands for the whole sheet, if it is no chain."""
        if self.parts is None:
            return () if self.whole() else (None,)
        return [
            self.sheet.items[items[0]].group
            for items in self.parts
            if self.reduced(items, self.inside(items)) is None
        ]

    def cuts(self) -> Collection[int]:
        """Bars after which a tall main line may be continued in the next strip."""
        branch = self.whole() if self.parts is None else None
        if branch is None or branch.measure.height <= TALL:
            return ()
        return [
            first.item
            for first, second in pairwise(branch.pieces)
            if isinstance(first, Box)
            and self.sheet.items[first.item].kind.is_bar
            and isinstance(second, Fork)
        ]

    def reduced(self, items: Sequence[int], links: Sequence[int]) -> Branch | None:
        """The part as a branch whose columns are of one width, if it is made of columns."""
        branch = self.measured(items, links, self.sizes)
        if branch is None:
            return None
        widths = {box.measure.width for box in boxes_beside(branch)}
        common = max((width for width in widths if width <= WIDEST + GAP), default=0.0)
        return self.measured(items, links, replace(self.sizes, column=common))

    def measured(self, items: Sequence[int], links: Sequence[int], sizes: Sizes) -> Branch | None:
        return reduce(
            self.sheet,
            items,
            links,
            lambda item: sizes.measure(self.sheet.items[item]),
            lambda link: sizes.wire(self.sheet, link),
        )

    def cut(self, pieces: Sequence[Piece]) -> Slab:
        width = max(piece.measure.width for piece in pieces)
        height = sum(piece.measure.height for piece in pieces)
        branch = Branch(tuple(pieces), Measure(width, height))
        return Slab(columns.place(self.sheet, branch, self.sizes), *_ends(pieces))

    def inside(self, items: Sequence[int]) -> list[int]:
        """The links between some items."""
        known = set(items)
        if len(known) == 1:
            return []
        return [
            at
            for at, link in enumerate(self.sheet.links)
            if link.source in known and link.target in known
        ]

    def slab(self, items: Sequence[int]) -> Slab:
        """A group in its frame, or an item alone."""
        links = self.inside(items)
        branch = self.reduced(items, links)
        if branch is not None:
            inlet, outlet = _ends(branch.pieces)
            placement = columns.place(self.sheet, branch, self.sizes)
        else:
            inlet, outlet = _terminals(self.sheet, items, links)
            placement = self.layered(self.sheet, self.sizes, items, links)
        group = self.sheet.items[items[0]].group
        if group is not None:
            placement = _framed(placement, self.sheet.groups[group], tuple(items))
        return Slab(placement, inlet, outlet)


def _ends(pieces: Sequence[Piece]) -> tuple[int, int]:
    first, last = pieces[0], pieces[-1]
    assert isinstance(first, Box) and isinstance(last, Box)
    return first.item, last.item


def _terminals(sheet: Sheet, items: Sequence[int], links: Sequence[int]) -> tuple[int, int]:
    targets = {sheet.links[link].target for link in links}
    sources = {sheet.links[link].source for link in links}
    inlet = next(item for item in items if item not in targets)
    outlet = next(item for item in items if item not in sources)
    return inlet, outlet


def _segments(branch: Branch) -> list[list[Piece]]:
    """The pieces of the main line, cut at its links."""
    segments: list[list[Piece]] = [[]]
    for piece in branch.pieces:
        if isinstance(piece, Wire):
            segments.append([])
        else:
            segments[-1].append(piece)
    return segments


def _framed(placement: Placement, title: str, items: tuple[int, ...]) -> Placement:
    """With a frame around it; the title stands to the left of the line that comes in."""
    width = max(placement.width + 2 * SIDE, 2 * text_width(title, TEXT) + 4 * SIDE)
    height = placement.height + HEAD + FOOT
    moved = placement.moved((width - placement.width) / 2, HEAD)
    frame = Frame(title, Spot(width / 2, height / 2, width, height), items)
    return Placement(width, height, moved.spots, moved.paths, (frame,))


def _chain(sheet: Sheet) -> list[list[int]] | None:
    """Groups and single items in a row, if that is what the sheet is."""
    parts: list[Part] = [
        (False, at) if item.group is None else (True, item.group)
        for at, item in enumerate(sheet.items)
    ]
    members: dict[Part, list[int]] = {}
    for at, part in enumerate(parts):
        members.setdefault(part, []).append(at)
    following: dict[Part, Part] = {}
    for link in sheet.links:
        before, after = parts[link.source], parts[link.target]
        if before == after:
            continue
        if before in following:
            return None
        following[before] = after
    entered = set(following.values())
    starts = [part for part in members if part not in entered]
    if len(starts) != 1 or len(following) != len(members) - 1:
        return None
    row = starts
    while row[-1] in following:
        row.append(following[row[-1]])
    return [members[part] for part in row] if len(row) == len(members) else None
