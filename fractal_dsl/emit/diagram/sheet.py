"""What is to be drawn, before anything has a place: parts and the links between them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Item", "Kind", "Link", "Sheet"]


class Kind(Enum):
    """What a part is; its value is its name in the legend."""

    INPUT = "input"
    OUTPUT = "output"
    CONV = "convolution"
    DENSE = "dense layer"
    POOL = "pooling"
    OTHER = "other operator"
    CALL = "drawn apart"
    JOIN = "join (mean)"
    OPEN = "open join"
    MERGE = "merge"
    NOTE = "note"
    PORT = "port"

    @property
    def is_bar(self) -> bool:
        """Drawn as a bar across the columns that come into it."""
        return self in (Kind.JOIN, Kind.OPEN, Kind.MERGE)


@dataclass(frozen=True, slots=True)
class Item:
    """One part. `group` is the group of the sheet that it belongs to.

    `key` is equal for parts that may be drawn as one, "x n": what kind it is of, what family
    (equal but for sizes), and which it is. None where it must be drawn alone. `places` is the
    number of operands whose order counts.
    """

    kind: Kind
    text: str = ""
    group: int | None = None
    key: tuple[Hashable, Hashable, Hashable] | None = None
    live: bool = True
    places: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A value on its way from one item to another; `shape` is given where it is new.

    `place` says which operand of the target it is, where their order counts.
    """

    source: int
    target: int
    shape: str = ""
    note: str = ""
    live: bool = True
    place: str = ""

    @property
    def text(self) -> str:
        return self.note or self.shape


@dataclass(frozen=True, slots=True)
class Sheet:
    """Items in data-flow order, links in the order of their targets' inputs, group titles."""

    items: tuple[Item, ...]
    links: tuple[Link, ...]
    groups: tuple[str, ...] = ()

    def leaving(self) -> list[list[int]]:
        """For each item, the links that leave it."""
        return _by(len(self.items), (link.source for link in self.links))

    def entering(self) -> list[list[int]]:
        """For each item, the links that enter it."""
        return _by(len(self.items), (link.target for link in self.links))


def _by(count: int, ends: Iterable[int]) -> list[list[int]]:
    lists: list[list[int]] = [[] for _ in range(count)]
    for at, end in enumerate(ends):
        lists[end].append(at)
    return lists
