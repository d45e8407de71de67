"""Numbers where links come in whose order counts: `x - y` is not `y - x`."""

from __future__ import annotations

from collections.abc import Mapping

from fractal_dsl.emit.diagram.geometry import Path, Point
from fractal_dsl.emit.diagram.sheet import Sheet
from fractal_dsl.emit.diagram.theme import label_width

__all__ = ["told"]

RISE, ASIDE, STRAIGHT = 6.5, 3.5, 1.0


def told(sheet: Sheet, paths: Mapping[int, Path]) -> dict[int, Path]:
    """`paths`, those of the sheet's links that have a `place` with room for it at their heads."""
    made = dict(paths)
    for at, link in enumerate(sheet.links):
        if link.place:
            made[at] = made[at]._replace(head=_head(made[at].points, label_width(link.place)))
    return made


def _head(points: tuple[Point, ...], width: float) -> Point:
    """Beside the last stretch that falls, where the line does not come from."""
    last = len(points) - 1
    while last > 3 and points[last].y == points[last - 3].y:
        last -= 3
    before, end = points[last - 1], points[last]
    is_short = end.y - points[last - 3].y < 2 * RISE
    start = points[max(last - 6, 0) if is_short else last - 3]
    fall = end.y - before.y
    lean = (end.x - before.x) / fall if fall > 0 else 0.0
    side = 1 if end.x - start.x > STRAIGHT else -1
    return Point(end.x - lean * RISE + side * (ASIDE + width / 2), end.y - RISE)
