"""Diagnostics as text for a person and as data for a machine.

The text follows rustc's: level and code, place, the lines with carets and labels, notes,
ways out. It is made of the diagnostic alone; nothing here prints.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from fractal_dsl.diagnostics.diagnostic import Diagnostic, Edit, Frame, Help, Severity
from fractal_dsl.diagnostics.snippet import mended_lines, snippet
from fractal_dsl.diagnostics.terminal import Painter, safe
from fractal_dsl.source import Span

__all__ = ["MOST_SHOWN", "render", "to_json"]

MOST_SHOWN = 5
OUTER_CALLS, INNER_CALLS = 3, 4


def render(diagnostics: Sequence[Diagnostic], *, colour: bool = False, width: int = 100) -> str:
    """The text of all messages, one blank line between two; empty for none.

    Of errors and of warnings, five each are shown and the rest counted. `width` is the
    terminal's, in cells: longer lines of source are cut around what is marked.
    """
    paint = Painter(colour)
    parts: list[str] = []
    for severity in Severity:
        chosen = [one for one in diagnostics if one.severity is severity]
        parts += ["\n".join(message(one, width, paint)) for one in chosen[:MOST_SHOWN]]
        rest = len(chosen) - MOST_SHOWN
        if rest > 0:
            parts.append(f"and {rest} more {severity.value}{'s' if rest > 1 else ''}")
    return "\n\n".join(parts) + "\n" if parts else ""


def message(diagnostic: Diagnostic, width: int, paint: Painter) -> Iterator[str]:
    level = diagnostic.severity.value
    title = safe(diagnostic.message)
    yield f"{paint(f'{level}[{diagnostic.code}]', level)}{paint(f': {title}', 'strong')}"
    gutter = len(str(highest_line(diagnostic)))
    if diagnostic.span is not None:
        yield from snippet(diagnostic, gutter, width, paint)
    yield from chain_lines(diagnostic.chain, gutter, paint)
    for text in diagnostic.notes:
        yield from remark("note", text, gutter, width, paint)
    for way in diagnostic.helps:
        yield from help_lines(way, gutter, width, paint)


def highest_line(diagnostic: Diagnostic) -> int:
    spans = [diagnostic.span, *(label.span for label in diagnostic.labels)]
    lines = [span.line for span in spans if span is not None]
    edits = (way.edit for way in diagnostic.helps if way.edit is not None)
    lines += [edit.span.line + edit.text.count("\n") for edit in edits]
    return max(lines, default=1)


def chain_lines(chain: Sequence[Frame], gutter: int, paint: Painter) -> Iterator[str]:
    """`in f(1) called at f.fdl:2:9`, innermost first; the middle of a long chain is counted.

    A mistake that stands in the net itself has no calls to show.
    """
    if not any(frame.span for frame in chain):
        return
    lead = paint(" " * (gutter + 1) + "=", "gutter")
    hidden = len(chain) - INNER_CALLS - OUTER_CALLS
    for at, frame in enumerate(chain):
        if hidden > 1 and at == INNER_CALLS:
            yield f"{lead} ... {hidden} more calls ..."
        if hidden <= 1 or not INNER_CALLS <= at < INNER_CALLS + hidden:
            place = "" if frame.span is None else f" called at {safe(str(frame.span))}"
            yield f"{lead} in `{safe(frame.call)}`{place}"


def remark(kind: str, text: str, gutter: int, width: int, paint: Painter) -> Iterator[str]:
    """`  = note: text`, wrapped under itself."""
    indent = " " * (gutter + len(kind) + 5)
    lead = paint(" " * (gutter + 1) + "=", "gutter") + " " + paint(kind, "strong") + ": "
    for paragraph in text.split("\n"):
        for line in wrapped(safe(paragraph), width - len(indent)):
            yield lead + line
            lead = indent


def help_lines(way: Help, gutter: int, width: int, paint: Painter) -> Iterator[str]:
    if way.edit is None:
        yield from remark("help", way.text, gutter, width, paint)
        return
    yield paint("help", "help") + ": " + safe(way.text)
    yield from mended_lines(way.edit, gutter, width, paint)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; a single long word stays whole."""
    lines = textwrap.wrap(text, max(width, 30), break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """One message as data that `json` can write; places also count in bytes of UTF-8.

    `text` of a help's `edit` replaces the bytes `start` up to `end` of the file.
    """
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "span": place(diagnostic.span),
        "label": diagnostic.label,
        "labels": [{"span": place(label.span), "text": label.text} for label in diagnostic.labels],
        "chain": [{"call": one.call, "span": place(one.span)} for one in diagnostic.chain],
        "notes": list(diagnostic.notes),
        "helps": [{"text": way.text, "edit": edit(way.edit)} for way in diagnostic.helps],
    }


def edit(mend: Edit | None) -> dict[str, Any] | None:
    if mend is None:
        return None
    return {"span": place(mend.span), "text": mend.text}


def place(span: Span | None) -> dict[str, Any] | None:
    """File, lines and columns from 1 (in characters), and offsets in bytes from 0."""
    if span is None:
        return None
    source = span.source
    (line, column), (end_line, end_column) = map(source.location, (span.start, span.end))
    start = utf8_length(source.text[: span.start])
    return {
        "file": source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": start,
        "end": start + utf8_length(span.text),
    }


def utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
