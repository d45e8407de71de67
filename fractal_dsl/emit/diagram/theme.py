"""How parts look: sizes in points, colours, type. Grey steps keep it legible in black and white."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.emit.diagram.labels import text_width
from fractal_dsl.emit.diagram.series import Measure
from fractal_dsl.emit.diagram.sheet import Item, Kind, Link

__all__ = ["FONT", "LOOKS", "Look", "Sizes", "label_width"]

FONT = "Source Sans Pro"
TEXT, SMALL, TITLE = 10.0, 8.0, 12.0
BOX_HEIGHT, BAR_HEIGHT, SIGN_HEIGHT = 20.0, 6.0, 12.0
WIRE, TOLD_WIRE, LANE, GAP = 13.0, 19.0, 26.0, 22.0
WIDEST = 96.0
INK, DEAD_INK, PAPER = "#1f2328", "#a8adb3", "#ffffff"


@dataclass(frozen=True, slots=True)
class Look:
    fill: str
    border: str
    ink: str = INK
    style: str = "filled"


LOOKS = {
    Kind.INPUT: Look(PAPER, PAPER),
    Kind.OUTPUT: Look(PAPER, PAPER),
    Kind.CONV: Look("#d3e3f3", "#2f5d8a", style="filled,rounded"),
    Kind.DENSE: Look("#dcecd9", "#4d7a48", style="filled,rounded"),
    Kind.POOL: Look("#f6e3b4", "#96721d", style="filled,rounded"),
    Kind.OTHER: Look("#f4f4f2", "#7a7f85", style="filled,rounded"),
    Kind.CALL: Look(PAPER, INK, style="filled,bold"),
    Kind.JOIN: Look("#2b2f36", "#2b2f36"),
    Kind.OPEN: Look(PAPER, "#2b2f36", style="filled,dashed"),
    Kind.MERGE: Look(PAPER, "#2b2f36"),
    Kind.NOTE: Look(PAPER, PAPER),
    Kind.PORT: Look(PAPER, PAPER),
}


def label_width(text: str) -> float:
    return text_width(text, SMALL)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the parts of one sheet: boxes share a width, so that columns line up."""

    box: float

    @classmethod
    def of(cls, items: tuple[Item, ...]) -> Sizes:
        widths = [_natural(item) for item in items if not item.kind.is_bar]
        return cls(max((width for width in widths if width <= WIDEST), default=40.0))

    def item(self, item: Item) -> tuple[float, float]:
        """Width and height of the part itself; a bar's width follows from its columns."""
        if item.kind is Kind.PORT:
            return 0.0, 0.0
        if item.kind.is_bar:
            text = text_width(item.text, SMALL) + 10 if item.text else 0.0
            return max(self.box, text), SIGN_HEIGHT if item.text else BAR_HEIGHT
        return max(self.box, _natural(item)), BOX_HEIGHT

    def measure(self, item: Item) -> Measure:
        """The room that the part takes in a column."""
        width, height = self.item(item)
        is_step = not item.kind.is_bar and item.kind is not Kind.PORT
        return Measure(width + GAP if width else 0.0, height, int(is_step))

    def wire(self, link: Link) -> Measure:
        told = bool(link.text)
        width = max(LANE, 2 * (label_width(link.text) + 7)) if told else LANE
        return Measure(width, TOLD_WIRE if told else WIRE)


def _natural(item: Item) -> float:
    return text_width(item.text, TEXT) + 14 if item.text else 0.0
