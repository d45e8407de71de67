"""Graphs that are no columns: places from Graphviz's layered layout."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.emit.diagram.dot import bare_source
from fractal_dsl.emit.diagram.geometry import Path, Placement, Point, Spot
from fractal_dsl.emit.diagram.render import Graphviz
from fractal_dsl.emit.diagram.sheet import Sheet
from fractal_dsl.emit.diagram.theme import Sizes

__all__ = ["TooManyPartsError", "layers"]


class TooManyPartsError(Exception):
    """More parts than are drawn, or than Graphviz lays out in good time."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(count, limit)
        self.count = count
        self.limit = limit


def layers(
    graphviz: Graphviz,
    most: int,
    sheet: Sheet,
    sizes: Sizes,
    items: Sequence[int],
    links: Sequence[int],
) -> Placement:
    """Part of `sheet` in layers.

    Raises `TooManyPartsError` above `most` parts, and what `Graphviz.layout` raises.
    """
    if len(items) > most:
        raise TooManyPartsError(len(items), most)
    found = graphviz.layout(bare_source(sheet, sizes, items, links))
    _, _, width, height = _numbers(found["page"])
    spots = {}
    for at in items:
        x, y = _numbers(found["nodes"][f"n{at}"])
        spots[at] = Spot(x, height - y, *sizes.item(sheet.items[at]))
    paths = {}
    for at in links:
        curve, label = found["edges"][f"e{at}"]
        points = [_point(pair, height) for pair in curve.split()]
        paths[at] = Path(tuple(points), _point(label, height) if label else None)
    return Placement(width, height, spots, paths)


def _point(text: str, height: float) -> Point:
    x, y = _numbers(text)
    return Point(x, height - y)


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
