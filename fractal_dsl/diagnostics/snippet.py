"""Lines of source with marks under them, as they stand in a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fractal_dsl.diagnostics.diagnostic import Diagnostic, Edit
from fractal_dsl.diagnostics.terminal import Cells, Painter, safe
from fractal_dsl.source import Source, Span

__all__ = ["after_edit", "mended_lines", "snippet"]

MARGIN = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """Cells `start` up to `end` of a line, the sign that marks them, and its label."""

    start: int
    end: int
    sign: str
    text: str
    style: str


def snippet(diagnostic: Diagnostic, gutter: int, width: int, paint: Painter) -> Iterator[str]:
    """The marked lines of a message: the primary place's first, then the others'."""
    primary = diagnostic.span
    assert primary is not None
    previous = None
    for place, spans in by_line(diagnostic):
        source, number = place
        if previous is None or source is not previous[0]:
            lead = "-->" if previous is None else ":::"
            at = primary if previous is None else spans[0][0]
            yield paint(" " * gutter + lead, "gutter") + " " + safe(str(at))
            yield paint(" " * (gutter + 1) + "|", "gutter")
        elif number > previous[1] + 1:
            yield paint("...", "gutter")
        previous = place
        cells = Cells.of(source.line(number))
        marks = [mark(span, number, cells, text, style) for span, text, style in spans]
        yield from marked(cells, number, marks, gutter, width, paint)


def by_line(
    diagnostic: Diagnostic,
) -> list[tuple[tuple[Source, int], list[tuple[Span, str, str]]]]:
    """Spans with their labels and styles, gathered by (source, line), the primary's first."""
    assert diagnostic.span is not None
    lines: dict[tuple[Source, int], list[tuple[Span, str, str]]] = {}
    everything = [
        (diagnostic.span, diagnostic.label, diagnostic.severity.value),
        *((label.span, label.text, "second") for label in diagnostic.labels),
    ]
    for span, text, style in everything:
        lines.setdefault((span.source, span.line), []).append((span, safe(text), style))
    first, *others = lines.items()
    files = list(dict.fromkeys(source for source, _ in lines))
    others.sort(key=lambda item: (files.index(item[0][0]), item[0][1]))
    return [first, *others]


def mark(span: Span, number: int, cells: Cells, text: str, style: str) -> Mark:
    """Where a span shows on its first line; a span of nothing still takes one cell."""
    column = span.source.location(span.start)[1] - 1
    length = len(cells.pieces)
    first = min(column, length)
    last = min(column + span.end - span.start, length)
    if span.source.location(max(span.start, span.end - 1))[0] > number:
        last = length
    start = cells.starts[first]
    sign = "-" if style == "second" else "^"
    return Mark(start, max(cells.starts[max(last, first)], start + 1), sign, text, style)


def marked(
    cells: Cells, number: int, marks: Sequence[Mark], gutter: int, width: int, paint: Painter
) -> Iterator[str]:
    """The line itself, the row of carets, and the labels that hang below it."""
    first, last = window(cells, marks, width - gutter - 3)
    row = cells.window(first, last).rstrip()
    row = ("..." if first else "") + row + ("..." if last < cells.starts[-1] else "")
    shift = 3 - first if first else 0
    edge = paint(" " * (gutter + 1) + "|", "gutter")
    yield f"{paint(f'{number:>{gutter}} |', 'gutter')} {row}".rstrip()
    for under in rows(moved(marks, shift, first, last), paint):
        yield f"{edge} {under}"


def window(cells: Cells, marks: Sequence[Mark], room: int) -> tuple[int, int]:
    """The cells of a line to show: all, or those around its first mark and what else fits."""
    whole = cells.starts[-1]
    if whole <= room:
        return 0, whole
    room = max(room - 6, 2 * MARGIN)
    low = min(mark.start for mark in marks)
    if marks[0].start - low > room - MARGIN:
        low = marks[0].start
    last = min(max(low - MARGIN, 0) + room, whole)
    return max(last - room, 0), last


def moved(marks: Sequence[Mark], shift: int, first: int, last: int) -> list[Mark]:
    """The marks that fall into the window, in the row's own cells."""
    return [
        Mark(mark.start + shift, max(min(mark.end, last + 1), mark.start + 1) + shift,
             mark.sign, mark.text, mark.style)
        for mark in marks
        if first <= mark.start <= last
    ]  # fmt: skip


def rows(marks: Sequence[Mark], paint: Painter) -> Iterator[str]:
    """The row of signs with the rightmost label behind it, then the labels that hang."""
    signs = overlay(marks)
    anchors = {mark: anchor(mark, signs) for mark in marks}
    inline = signs[-1] if signs[-1] is not None and signs[-1].text else None
    labelled = sorted(
        (mark for mark in marks if mark.text and mark is not inline),
        key=lambda mark: anchors[mark],
    )
    row = painted(signs, paint)
    yield row if inline is None else f"{row} {paint(inline.text, inline.style)}"
    if labelled:
        yield hanging(labelled, anchors, paint)
    while labelled:
        last = labelled.pop()
        left = [mark for mark in labelled if anchors[mark] < anchors[last]]
        lead = hanging(left, anchors, paint)
        yield lead + " " * (anchors[last] - cells_of(left, anchors)) + paint(last.text, last.style)


def overlay(marks: Sequence[Mark]) -> list[Mark | None]:
    """Which mark shows in each cell: the shorter above the longer, the primary on a tie."""
    signs: list[Mark | None] = [None] * max(mark.end for mark in marks)
    for mark in sorted(marks, key=lambda mark: (mark.start - mark.end, mark.sign == "^")):
        signs[mark.start : mark.end] = [mark] * (mark.end - mark.start)
    return signs


def anchor(mark: Mark, signs: Sequence[Mark | None]) -> int:
    """The cell that a label hangs from: the first in which its mark shows."""
    return next((at for at in range(mark.start, mark.end) if signs[at] is mark), mark.start)


def painted(signs: Sequence[Mark | None], paint: Painter) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(signs):
        here, start = signs[at], at
        while at < len(signs) and signs[at] is here:
            at += 1
        pieces.append(
            " " * (at - start) if here is None else paint(here.sign * (at - start), here.style)
        )
    return "".join(pieces)


def hanging(marks: Sequence[Mark], anchors: dict[Mark, int], paint: Painter) -> str:
    """A `|` under each anchor."""
    row, at = "", 0
    for mark in marks:
        if anchors[mark] >= at:
            row += " " * (anchors[mark] - at) + paint("|", mark.style)
            at = anchors[mark] + 1
    return row


def cells_of(marks: Sequence[Mark], anchors: dict[Mark, int]) -> int:
    return max((anchors[mark] + 1 for mark in marks), default=0)


def after_edit(edit: Edit) -> str:
    """The whole text once the edit is made."""
    text = edit.span.source.text
    return text[: edit.span.start] + edit.text + text[edit.span.end :]


def mended_lines(edit: Edit, gutter: int, width: int, paint: Painter) -> Iterator[str]:
    """The mended line with `+` under what was put in and `~` under what was changed."""
    source, number = edit.span.source, edit.span.line
    mended = Source(source.name, after_edit(edit))
    edge = paint(" " * (gutter + 1) + "|", "gutter")
    yield edge
    if not edit.text.strip():
        yield f"{paint(f'{number:>{gutter}} -', 'error')} {plain(source.line(number), width)}"
        if edit.span.text.strip() != source.line(number).strip():
            yield f"{paint(f'{number:>{gutter}} +', 'help')} {plain(mended.line(number), width)}"
        return
    sign = "~" if edit.span.text.strip() else "+"
    for line, (first, last) in touched(edit, mended):
        cells = Cells.of(mended.line(line))
        change = Mark(cells.starts[first], cells.starts[last], sign, "", "help")
        yield from marked(cells, line, [change], gutter, width, paint)


def touched(edit: Edit, mended: Source) -> Iterator[tuple[int, tuple[int, int]]]:
    """Each line that the new text reaches, with the characters of it that are new."""
    at = edit.span.start
    for piece in edit.text.split("\n"):
        if piece.strip():
            line, column = mended.location(at)
            lead = len(piece) - len(piece.lstrip())
            yield line, (column - 1 + lead, column - 1 + len(piece.rstrip()))
        at += len(piece) + 1


def plain(line: str, width: int) -> str:
    cells = Cells.of(line)
    return cells.window(0, max(width - 8, 20)).rstrip()
