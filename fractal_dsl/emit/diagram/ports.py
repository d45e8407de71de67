"""Meeting points: where a box has many links, they share one line up to a point of their own.

With ports, whatever leaves or enters a group of parts does so by a single line, and a fork
from a box is drawn as a line that branches. Ports are points of the layout alone; the drawing
has the links of the sheet, each along all lines that it shares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from fractal_dsl.emit.diagram.geometry import Path
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link, Sheet

__all__ = ["Ported", "with_ports"]


@dataclass(frozen=True, slots=True)
class Ported:
    """A sheet with ports. Its first links are those of the sheet without, in order.

    `before` and `after` give, for a link, the shared line that it follows first and last.
    """

    sheet: Sheet
    before: Mapping[int, int]
    after: Mapping[int, int]

    def whole(self, paths: Mapping[int, Path], count: int) -> tuple[Path, ...]:
        """Paths of the `count` links without ports.

        A shared line and its text go with the first live link that follows it: drawn over
        itself, a line would look bold.
        """
        drawn: set[int] = set()
        made = dict(paths)
        for link in sorted(range(count), key=lambda at: self.lateness(paths, at)):
            for shared, joined in ((self.before, _head), (self.after, _tail)):
                if link in shared and shared[link] not in drawn:
                    made[link] = joined(made[link], paths[shared[link]])
                    drawn.add(shared[link])
        return tuple(made[link] for link in range(count))

    def lateness(self, paths: Mapping[int, Path], link: int) -> tuple[bool, bool]:
        """Live links come first, and among them those that start at the end of the shared line."""
        shared = self.before.get(link)
        apart = shared is not None and paths[shared].points[-1] != paths[link].points[0]
        return not self.sheet.links[link].live, apart


def _head(path: Path, line: Path) -> Path:
    return line.then(path)


def _tail(path: Path, line: Path) -> Path:
    return path.then(line)


def with_ports(
    sheet: Sheet, cuts: Collection[int] = (), knots: Collection[int | None] = ()
) -> Ported:
    """Add a port after each box that feeds many, and before each box that many feed.

    A bar is wide enough to do without, unless it is one of `cuts` or what it feeds is a group
    of its own; so is a box for operands whose order counts. Groups that are `knots` have ports
    only where a line comes in.
    """
    adder = _Adder(sheet)
    for item, links in enumerate(sheet.leaving()):
        if len(links) > 1 and (
            adder.forks(item, knots) or item in cuts or adder.crosses(item, links)
        ):
            adder.fan_out(item, links)
    for item, links in enumerate(sheet.entering()):
        if len(links) > 1 and adder.forks(item, knots) and not sheet.items[item].places:
            adder.fan_in(item, links)
    return Ported(
        Sheet(tuple(adder.items), tuple(adder.links), sheet.groups), adder.before, adder.after
    )


class _Adder:
    def __init__(self, sheet: Sheet) -> None:
        self.items = list(sheet.items)
        self.links = list(sheet.links)
        self.before: dict[int, int] = {}
        self.after: dict[int, int] = {}

    def group(self, ends: Iterable[int]) -> int | None:
        """The group that all of some items belong to."""
        groups = {self.items[end].group for end in ends}
        return groups.pop() if len(groups) == 1 else None

    def forks(self, item: int, knots: Collection[int | None]) -> bool:
        """Whether an item needs a port for its own sake."""
        known = self.items[item]
        return not known.kind.is_bar and (known.group is None or known.group not in knots)

    def crosses(self, item: int, links: list[int]) -> bool:
        inner = self.group(self.links[link].target for link in links)
        return inner is not None and inner != self.items[item].group

    def fan_out(self, item: int, links: list[int]) -> None:
        inner = self.group(self.links[link].target for link in links)
        port = self.port(self.items[item].group if inner is None else inner)
        shape = next((self.links[link].shape for link in links if self.links[link].shape), "")
        shared = self.line(item, port, shape, links)
        for link in links:
            self.links[link] = replace(self.links[link], source=port, shape="")
            self.before[link] = shared

    def fan_in(self, item: int, links: list[int]) -> None:
        port = self.port(self.items[item].group)
        shared = self.line(port, item, "", links)
        for link in links:
            self.links[link] = replace(self.links[link], target=port)
            self.after[link] = shared

    def port(self, group: int | None) -> int:
        self.items.append(Item(Kind.PORT, group=group))
        return len(self.items) - 1

    def line(self, source: int, target: int, shape: str, links: list[int]) -> int:
        live = any(self.links[link].live for link in links)
        self.links.append(Link(source, target, shape, live=live))
        return len(self.links) - 1
