"""Places on the page: points, y downwards, and curves as Graphviz writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Frame", "Path", "Placement", "Point", "Spot", "polyline"]


class Point(NamedTuple):
    x: float
    y: float

    def moved(self, dx: float, dy: float) -> Point:
        return Point(self.x + dx, self.y + dy)


class Spot(NamedTuple):
    """A box: its centre and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    def moved(self, dx: float, dy: float) -> Spot:
        return self._replace(x=self.x + dx, y=self.y + dy)


class Path(NamedTuple):
    """Cubic Bezier segments (3k + 1 points), and the centres of the texts beside them.

    `label` is that of the text of the whole, `head` that of the text at the end.
    """

    points: tuple[Point, ...]
    label: Point | None = None
    head: Point | None = None

    def moved(self, dx: float, dy: float) -> Path:
        label = self.label.moved(dx, dy) if self.label else None
        head = self.head.moved(dx, dy) if self.head else None
        return Path(tuple(point.moved(dx, dy) for point in self.points), label, head)

    def then(self, other: Path) -> Path:
        """This path and the one that starts where it ends."""
        points = self.points + other.points[1:]
        return Path(points, self.label or other.label, self.head or other.head)


class Frame(NamedTuple):
    """A frame around some parts, and its title."""

    title: str
    spot: Spot
    items: tuple[int, ...]

    def moved(self, dx: float, dy: float) -> Frame:
        return self._replace(spot=self.spot.moved(dx, dy))


@dataclass(frozen=True, slots=True)
class Placement:
    """A drawing with its upper left corner at (0, 0)."""

    width: float
    height: float
    spots: Mapping[int, Spot]
    paths: Mapping[int, Path]
    frames: tuple[Frame, ...] = ()

    def moved(self, dx: float, dy: float) -> Placement:
        return Placement(
            self.width,
            self.height,
            {at: spot.moved(dx, dy) for at, spot in self.spots.items()},
            {at: path.moved(dx, dy) for at, path in self.paths.items()},
            tuple(frame.moved(dx, dy) for frame in self.frames),
        )


def polyline(corners: Iterable[Point]) -> tuple[Point, ...]:
    """Straight lines through `corners`, as Bezier segments; a corner met twice counts once."""
    distinct: list[Point] = []
    for corner in corners:
        if not distinct or corner != distinct[-1]:
            distinct.append(corner)
    if len(distinct) == 1:
        distinct.append(distinct[0])
    points = distinct[:1]
    for start, end in pairwise(distinct):
        for part in (1 / 3, 2 / 3):
            points.append(
                Point(start.x + (end.x - start.x) * part, start.y + (end.y - start.y) * part)
            )
        points.append(end)
    return tuple(points)
