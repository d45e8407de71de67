"""The finished page: panels with all their parts in place, ready to be written as DOT."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.emit.diagram.geometry import Placement, Point, Spot
from fractal_dsl.emit.diagram.labels import text_width
from fractal_dsl.emit.diagram.sheet import Item, Kind, Sheet
from fractal_dsl.emit.diagram.strips import fairest
from fractal_dsl.emit.diagram.theme import SMALL, TITLE

__all__ = ["Figure", "Key", "Panel", "Words", "compose"]

PAD, HEAD, LINE, GUTTER = 12.0, 24.0, 11.5, 20.0
SWATCH, DASHED_SWATCH = 16.0, 30.0
NOWHERE = Spot(0.0, 0.0, 0.0, 0.0)
TOLD = (Kind.CONV, Kind.DENSE, Kind.POOL, Kind.OTHER, Kind.JOIN, Kind.OPEN, Kind.CALL)


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text with no box, by its centre."""

    text: str
    centre: Point


@dataclass(frozen=True, slots=True)
class Panel:
    """One framed drawing: what is in it, where, and what is written over it."""

    title: str
    lines: tuple[str, ...]
    sheet: Sheet
    placement: Placement
    frame: Spot = NOWHERE
    words: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend: a swatch and its name."""

    item: Item
    spot: Spot
    words: Words

    @property
    def right(self) -> float:
        return self.words.centre.x + text_width(self.words.text, SMALL) / 2


@dataclass(frozen=True, slots=True)
class Figure:
    width: float
    height: float
    panels: tuple[Panel, ...]
    legend: tuple[Key, ...] = ()


def compose(panels: list[Panel], *, legend: bool) -> Figure:
    """Panels one below the other, in as many columns as suit the page."""
    framed = [_framed(panel) for panel in panels]
    tries = [_columns(framed, height) for height in _heights(framed)]
    width, height, placed = tries[fairest([(width, height) for width, height, _ in tries])]
    keys = _legend(placed, height + 14) if legend else ()
    if keys:
        height = keys[-1].spot.bottom + 4
        width = max(width, keys[-1].right)
    return Figure(width, height, tuple(placed), keys)


def _framed(panel: Panel) -> Panel:
    placement = panel.placement
    texts = [text_width(line, SMALL) for line in panel.lines]
    widest = max([placement.width, text_width(panel.title, TITLE), *texts])
    head = HEAD + LINE * len(panel.lines) + (6 if panel.lines else 0)
    width, height = widest + 2 * PAD, placement.height + head + PAD
    moved = placement.moved((width - placement.width) / 2, head)
    words = tuple(
        Words(line, Point(width / 2, HEAD + LINE * (at + 0.5)))
        for at, line in enumerate(panel.lines)
    )
    frame = Spot(width / 2, height / 2, width, height)
    return Panel(panel.title, panel.lines, panel.sheet, moved, frame, words)


def _heights(panels: list[Panel]) -> list[float]:
    """Page heights worth trying: the tallest panel's, and even shares of all of them."""
    tallest = max(panel.frame.height for panel in panels)
    total = sum(panel.frame.height + GUTTER for panel in panels)
    return [max(tallest, total / count) for count in range(len(panels), 0, -1)]


def _columns(panels: list[Panel], limit: float) -> tuple[float, float, list[Panel]]:
    placed: list[Panel] = []
    left = top = widest = lowest = 0.0
    for panel in panels:
        if top and top + panel.frame.height > limit + 0.01:
            left, top, widest = left + widest + GUTTER, 0.0, 0.0
        placed.append(_moved(panel, left, top))
        top += panel.frame.height + GUTTER
        widest = max(widest, panel.frame.width)
        lowest = max(lowest, top - GUTTER)
    return left + widest, lowest, placed


def _moved(panel: Panel, dx: float, dy: float) -> Panel:
    words = tuple(Words(word.text, word.centre.moved(dx, dy)) for word in panel.words)
    placement = panel.placement.moved(dx, dy)
    frame = panel.frame.moved(dx, dy)
    return Panel(panel.title, panel.lines, panel.sheet, placement, frame, words)


def _legend(panels: list[Panel], top: float) -> tuple[Key, ...]:
    items = [item for panel in panels for item in panel.sheet.items]
    present = {item.kind for item in items}
    shown = [(Item(kind), kind.value) for kind in TOLD if kind in present]
    if not all(item.live for item in items):
        shown.append((Item(Kind.OTHER, live=False), "dropped"))
    left, keys = 0.0, []
    for item, text in shown:
        width = text_width(text, SMALL)
        swatch = SWATCH if item.live else DASHED_SWATCH  # long enough for some dashes
        spot = Spot(left + swatch / 2, top, swatch, 4.0 if item.kind.is_bar else 9.0)
        words = Words(text, Point(left + swatch + 5 + width / 2, top))
        keys.append(Key(item, spot, words))
        left += swatch + width + 22
    return tuple(keys)
