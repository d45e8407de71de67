"""What a file may be at most, checked before the parser sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax.lexemes import CLOSERS, OPENERS, OPERATORS, Lexeme

__all__ = [
    "MOST_ALTERNATIVES",
    "MOST_BYTES",
    "MOST_LEXEMES",
    "MOST_NESTING",
    "check_characters",
    "check_nesting",
    "check_size",
    "limited",
]

MOST_BYTES = 256 * 1024
MOST_LEXEMES = 40_000
MOST_NESTING = 200
MOST_ALTERNATIVES = 2_000

# Control characters, lone carriage returns and surrogates, line separators that editors show
# as new lines, signs that turn the direction of writing, and byte order marks.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\ud800-\udfff]|\r(?!\n)"
)
_NAMES = {
    "\x00": "a NUL character",
    "\r": "a carriage return without a line feed",
    "\ufeff": "a byte order mark",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
}


def check_size(source: Source) -> None:
    """Raises DiagnosticError (F0302) for a file of more than 256 KiB."""
    size = len(source.text.encode("utf-8", "replace"))
    if size > MOST_BYTES:
        raise DiagnosticError(
            Diagnostic(
                "F0302",
                f"the file has {size:,} bytes; the limit is {MOST_BYTES:,}",
                Span(source, 0, 0),
                helps=(Help("split it, and bring the parts together with `import`"),),
            )
        )


def check_characters(source: Source) -> None:
    """Raises DiagnosticError (F0001) for characters that no text should hold, at the first."""
    found = _FORBIDDEN.search(source.text)
    if found is None:
        return
    char = found[0]
    code = f"U+{ord(char):04X}"
    if char in _NAMES:
        message = f"the file holds {_NAMES[char]} ({code})"
    elif 0xD800 <= ord(char) <= 0xDFFF:
        byte = f"byte 0x{ord(char) - 0xDC00:02X}" if ord(char) >= 0xDC80 else code
        message = f"the file is not UTF-8 text ({byte})"
    elif char > "\u2000":
        message = f"the file holds a character that changes the direction of writing ({code})"
    else:
        message = f"the file holds a control character ({code})"
    helps = () if "UTF-8 text" in message else (Help("remove it"),)
    if char == "\ufeff":
        helps = (Help("save the file as UTF-8 without a byte order mark"),)
    raise DiagnosticError(
        Diagnostic("F0001", message, Span(source, found.start(), found.end()), "here", helps=helps)
    )


def limited(lexemes: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """The same lexemes; raises DiagnosticError at the first one too many (F0303) or too deep.

    Only brackets count here as depth (F0304), so that a file of nothing else is refused
    without reading it to the end; `check_nesting` looks closer.
    """
    depth = 0
    for count, lexeme in enumerate(lexemes):
        if lexeme.type in OPENERS:
            depth += 1
            if depth > MOST_NESTING:
                raise DiagnosticError(_too_deep(lexeme, False))
        elif lexeme.type in CLOSERS:
            depth = max(depth - 1, 0)
        if count == MOST_LEXEMES:
            raise DiagnosticError(_too_many(lexeme))
        yield lexeme


def _too_many(lexeme: Lexeme) -> Diagnostic:
    return Diagnostic(
        "F0303",
        f"the file has more than {MOST_LEXEMES:,} words and signs, the limit",
        lexeme.span,
        "the first one beyond it",
        helps=(Help("split it, and bring the parts together with `import`"),),
    )


def check_nesting(statement: list[Lexeme]) -> None:
    """Raises DiagnosticError (F0304) where a statement nests more than 200 deep.

    Brackets nest, and so do signs before an operand (`--1`), towers (`2 ** 2 ** 2`) and
    conditions within conditions. A chain of `else if` lies flat; it may be 2,000 long.
    """
    outer: list[tuple[int, int, int]] = []
    depth, run, alternatives = 0, 0, 0  # of brackets and open `if`; of signs; of `else`
    after_operand = False
    for lexeme in statement:
        kind = lexeme.type
        if kind in OPENERS:
            outer.append((depth, run, alternatives))
            depth, run, alternatives = depth + run + 1, 0, 0
        elif kind in CLOSERS:
            if outer:
                depth, run, alternatives = outer.pop()
        elif kind == "POWER" or (kind in {"MINUS", "PLUS", "NOT"} and not after_operand):
            run += 1
        elif kind == "IF" and not after_operand:
            depth += 1
        elif kind == "ELSE":
            depth, run, alternatives = depth - 1, 0, alternatives + 1
        elif kind in OPERATORS or kind in {"COMMA", "NEWLINE", "THEN", "AND", "OR", "DEFINE"}:
            run = 0
            if kind in {"COMMA", "NEWLINE"}:
                alternatives = 0
        after_operand = kind in _OPERAND_ENDS
        if depth + run > MOST_NESTING or alternatives > MOST_ALTERNATIVES:
            raise DiagnosticError(_too_deep(lexeme, alternatives > MOST_ALTERNATIVES))


_OPERAND_ENDS = frozenset(CLOSERS) | {"NAME", "NUMBER", "STRING", "TRUE", "FALSE"}


def _too_deep(lexeme: Lexeme, is_chain: bool) -> Diagnostic:
    if is_chain:
        message = f"more than {MOST_ALTERNATIVES:,} `else` in one expression, the limit"
        way_out = "write the cases as equations of a rule"
    else:
        message = f"nested more than {MOST_NESTING} levels deep, the limit"
        way_out = "give inner parts names of their own, or repeat with `**` or `chain`"
    return Diagnostic("F0304", message, lexeme.span, "one too many", helps=(Help(way_out),))
