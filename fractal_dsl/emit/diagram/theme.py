"""How parts look: sizes in points, colours, type. Grey steps keep it legible in black and white."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.emit.diagram.labels import text_width
from fractal_dsl.emit.diagram.series import Measure
from fractal_dsl.emit.diagram.sheet import Item, Kind, Sheet

__all__ = ["FONT", "LOOKS", "Look", "Sizes", "label_width"]

FONT = "Source Sans Pro"
TEXT, SMALL, TITLE = 10.0, 8.0, 12.0
BOX_HEIGHT, WORD_HEIGHT, BAR_HEIGHT, SIGN_HEIGHT = 19.0, 14.0, 6.0, 12.0
WIRE, TOLD_WIRE, LANE, GAP, PLACE = 13.0, 19.0, 26.0, 22.0, 20.0
WIDEST, ELBOW, STEP = 96.0, 7.0, 5.0
INK, DEAD_INK, DEAD_BAR, PAPER = "#1f2328", "#a8adb3", "#d3d7db", "#ffffff"


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
    Kind.OPEN: Look(PAPER, "#2b2f36"),
    Kind.MERGE: Look(PAPER, "#2b2f36"),
    Kind.NOTE: Look(PAPER, PAPER),
    Kind.PORT: Look(PAPER, PAPER),
}


def label_width(text: str) -> float:
    return text_width(text, SMALL)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the parts of one sheet: boxes share a width, so that columns line up.

    `label` is the widest text beside a link, `column` the least width of a column.
    """

    conv: float
    box: float
    label: float
    column: float = 0.0

    @classmethod
    def of(cls, sheet: Sheet) -> Sizes:
        boxes = [item for item in sheet.items if not item.kind.is_bar]
        convs = [_natural(item) for item in boxes if item.kind is Kind.CONV]
        others = [_natural(item) for item in boxes if item.kind is not Kind.CONV]
        label = max((label_width(link.text) for link in sheet.links), default=0.0)
        conv = _common(convs)
        return cls(conv, max(conv, _common(others)), label)

    def item(self, item: Item) -> tuple[float, float]:
        """Width and height of the part itself; a bar's width follows from its columns."""
        if item.kind is Kind.PORT:
            return 0.0, 0.0
        places = PLACE * item.places
        if item.kind.is_bar:
            text = text_width(item.text, SMALL) + 10 if item.text else 0.0
            return max(self.conv, text, places), SIGN_HEIGHT if item.text else BAR_HEIGHT
        if item.kind in (Kind.INPUT, Kind.OUTPUT):
            return _natural(item), WORD_HEIGHT
        common = self.conv if item.kind is Kind.CONV else self.box
        return max(common, _natural(item), places), BOX_HEIGHT

    def measure(self, item: Item) -> Measure:
        """The room that the part takes in a column, a shape on its right included."""
        width, height = self.item(item)
        if item.kind is Kind.PORT:
            return Measure(0.0, 0.0)
        if item.kind.is_bar:
            return Measure(width + GAP, height)
        depth = 2 if item.kind is Kind.CALL else 1
        return Measure(max(width + GAP, width / 2 + self.label + 8, self.column), height, depth)

    def wire(self, sheet: Sheet, at: int) -> Measure:
        link = sheet.links[at]
        target = sheet.items[link.target]
        told = bool(link.text)
        turns = 0.0 if target.kind.is_bar or not link.place else ELBOW + STEP * (target.places - 1)
        width = max(LANE, 2 * (label_width(link.text) + 7)) if link.note else LANE
        return Measure(width, max(TOLD_WIRE if told else WIRE, turns))


def _common(widths: list[float]) -> float:
    """The width that boxes share; a much longer text widens its own box alone."""
    return max((width for width in widths if width <= WIDEST), default=40.0)


def _natural(item: Item) -> float:
    return text_width(item.text, TEXT) + 14 if item.text else 0.0
