"""Lexemes: the words and signs of a file, and what their kinds have in common."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.source import Span

__all__ = ["CLOSERS", "KEYWORDS", "MISTAKES", "OPENERS", "OPERATORS", "Lexeme", "ends_line"]


@dataclass(frozen=True, slots=True, eq=False)
class Lexeme:
    """One word or sign: `type` is the terminal's name in grammars/fdl.lark."""

    type: str
    text: str
    span: Span


OPENERS = {
    "OPEN_ROUND": "CLOSE_ROUND",
    "OPEN_SQUARE": "CLOSE_SQUARE",
    "OPEN_CURLY": "CLOSE_CURLY",
}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

OPERATORS = frozenset(
    {"JOIN", "COMPOSE", "SERIES", "CONCAT", "PLUS", "MINUS", "POWER", "TIMES", "FLOOR_DIVIDE",
     "DIVIDE", "REMAINDER", "RANGE", "EQUAL", "UNEQUAL", "AT_MOST", "AT_LEAST", "LESS", "MORE"}
)  # fmt: skip

KEYWORDS = frozenset(
    {"NET", "ON", "PARAM", "IMPLICIT", "ASSERT", "IMPORT", "FROM", "AS", "EXTERN", "SHARED",
     "WIRING", "RETURN", "IF", "THEN", "ELSE", "FOR", "IN", "AND", "OR", "NOT", "TRUE", "FALSE"}
)  # fmt: skip

MISTAKES = frozenset({"BAD_NUMBER", "OPEN_STRING", "UNKNOWN"})

_BETWEEN = OPERATORS | {"DEFINE", "COMMA", "AT", "MEMBER"}
_AFTER = _BETWEEN | frozenset({"THEN", "ELSE", "FOR", "IN", "AND", "OR"})
_BEFORE = _AFTER | frozenset({"IF", "NOT"})


def ends_line(last: Lexeme, following: Lexeme | None) -> bool:
    """Whether a newline between these two ends a statement (outside round and square brackets)."""
    if following is None:
        return True
    return last.type not in _BEFORE and following.type not in _AFTER
