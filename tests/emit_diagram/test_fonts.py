"""The font that the drawings use has every sign they draw, as wide as the layout believes."""

from __future__ import annotations

import struct
from pathlib import Path

import font_source_sans_pro  # type: ignore[import-untyped]
import pytest

from fractal_dsl.emit.diagram.labels import ADVANCES, SIGNS, clean, times

FILES = Path(font_source_sans_pro.font_directory)


def tables(face: str) -> dict[str, bytes]:
    data = (FILES / f"SourceSansPro-{face}.ttf").read_bytes()
    count = struct.unpack_from(">H", data, 4)[0]
    found = {}
    for at in range(count):
        tag, _, offset, length = struct.unpack_from(">4sLLL", data, 12 + 16 * at)
        found[tag.decode()] = data[offset : offset + length]
    return found


def glyphs(face: str) -> dict[int, int]:
    """Code points of the basic plane to glyph numbers (a `cmap` subtable of format 4)."""
    cmap = tables(face)["cmap"]
    for at in range(struct.unpack_from(">H", cmap, 2)[0]):
        start = struct.unpack_from(">L", cmap, 4 + 8 * at + 4)[0]
        if struct.unpack_from(">H", cmap, start)[0] == 4:
            return _format_4(cmap[start:])
    raise AssertionError("no table of format 4")


def _format_4(table: bytes) -> dict[int, int]:
    count = struct.unpack_from(">H", table, 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", table, 14)
    starts = struct.unpack_from(f">{count}H", table, 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", table, 16 + 4 * count)
    base = 16 + 6 * count
    found = {}
    for at in range(count):
        offset = struct.unpack_from(">H", table, base + 2 * at)[0]
        for code in range(starts[at], min(ends[at], 0xFFFE) + 1):
            glyph = code
            if offset:
                where = base + 2 * at + offset + 2 * (code - starts[at])
                glyph = struct.unpack_from(">H", table, where)[0]
            if glyph:
                found[code] = (glyph + deltas[at]) % 0x10000
    return found


@pytest.mark.parametrize("face", ["Regular", "Semibold"])
def test_every_sign_is_there(face: str) -> None:
    drawn = "".join(SIGNS.values()) + times(5) + times(10**9) + "3×32×32…" + clean("∘⊕" + "x" * 99)
    known = glyphs(face)
    assert [char for char in drawn if ord(char) not in known] == []
    assert ord("⊕") not in known, "the font has it by now: drop the substitute"


def test_widths_are_the_fonts() -> None:
    found = tables("Regular")
    known = glyphs("Regular")
    unit = struct.unpack_from(">H", found["head"], 18)[0]
    widths = [
        struct.unpack_from(">H", found["hmtx"], 4 * known[code])[0] * 1000 // unit
        for code in range(0x20, 0x7F)
    ]
    assert widths == list(ADVANCES)
