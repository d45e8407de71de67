"""`##` comments: which lines of them document which statement.

A run of `##` lines documents the definition that follows it; of two runs, the nearer one.
The run that opens a file is the file's documentation, and the first definition's too unless
a blank line parts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fractal_dsl.syntax.lexemes import Lexeme

__all__ = ["Commented", "take_comments"]


@dataclass(frozen=True, slots=True)
class Commented:
    """A file without its comments.

    `docs` maps the position of a lexeme that begins a line to the text of the run above it;
    `opening` is the text of the run that opens the file.
    """

    lexemes: list[Lexeme]
    docs: dict[int, str]
    opening: str


def take_comments(lexemes: Iterable[Lexeme]) -> Commented:
    """Part the `##` comments from the rest, and leave one newline where there were several."""
    kept: list[Lexeme] = []
    docs: dict[int, str] = {}
    opening: str | None = None
    run: list[str] = []
    blank = False
    for lexeme in lexemes:
        at_margin = not kept or kept[-1].type == "NEWLINE"
        if lexeme.type == "NEWLINE":
            blank = lexeme.text.count("\n") > 1
            if run and blank and opening is None:
                opening, run = _text(run), []
            if not at_margin:
                kept.append(lexeme)
        elif lexeme.type == "DOC":
            if at_margin:
                if blank:
                    run = []
                run.append(lexeme.text)
                blank = False
        else:
            if run:
                docs[len(kept)] = _text(run)
                opening = _text(run) if opening is None else opening
                run = []
            opening = opening or ""
            kept.append(lexeme)
    return Commented(kept, docs, opening if opening is not None else _text(run))


def _text(run: list[str]) -> str:
    """The lines without their signs and one space after them."""
    return "\n".join(line[2:].removeprefix(" ").rstrip() for line in run).strip("\n")
