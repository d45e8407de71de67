"""Text for a terminal: what may reach it, how wide it is there, and in which colours."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

__all__ = ["Cells", "Painter", "safe"]

TAB = 4
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "help": "1;32",
    "gutter": "1;34",
    "second": "1;34",
    "strong": "1",
}


def safe(text: str) -> str:
    """`text` with every character that could steer a terminal shown as `<U+202E>`.

    That is controls, format characters (bidi marks and zero-width ones among them), lone
    surrogates, line separators and newlines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(shown, text))


def shown(char: str) -> str:
    """`char`, or its name if it is hidden: `<U+202E>`, or `<0xFF>` for a byte of no text."""
    if unicodedata.category(char) not in HIDDEN:
        return char
    number = ord(char)
    return f"<0x{number - 0xDC00:02X}>" if 0xDC80 <= number <= 0xDCFF else f"<U+{number:04X}>"


def width(char: str) -> int:
    """Cells that one shown character takes in a terminal: 0, 1 or 2."""
    if char.isascii():
        return 1
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Cells:
    """One line of source as a terminal shows it: tabs opened, hostile characters named.

    `pieces[i]` is what stands for character i and `starts[i]` the cell that it begins at;
    `starts` has one entry more, the width of the whole.
    """

    pieces: tuple[str, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, line: str) -> Cells:
        pieces: list[str] = []
        starts = [0]
        for char in line:
            piece = " " * (TAB - starts[-1] % TAB) if char == "\t" else shown(char)
            pieces.append(piece)
            starts.append(starts[-1] + sum(map(width, piece)))
        return cls(tuple(pieces), tuple(starts))

    def window(self, first: int, last: int) -> str:
        """What stands in the cells `first` up to `last`; half a wide character is a blank."""
        row: list[str] = []
        for piece, start, end in zip(self.pieces, self.starts, self.starts[1:], strict=False):
            if start >= first and end <= last:
                row.append(piece)
            elif start < last and end > first:
                row.append(" " * (min(end, last) - max(start, first)))
        return "".join(row)


@dataclass(frozen=True, slots=True)
class Painter:
    """Puts terminal colours around text, or leaves it as it is."""

    colour: bool

    def __call__(self, text: str, style: str) -> str:
        if not self.colour or not text.strip():
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"
