"""Lark's side of the parser: the grammar, its tables, and the lexer they bring along.

Building the tables takes some 200 ms, as long as the rest of a run, so they are kept
in a file of the user's cache folder. Where that cannot be used, they are built each time.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import lark

from fractal_dsl.resources import keep, kept, resource_dir
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax.builder import Builder
from fractal_dsl.syntax.lexemes import KEYWORDS, MISTAKES, Lexeme

__all__ = ["StatementParser", "lexemes_of"]


class StatementParser:
    """Takes the lexemes of one statement, one after the other, and gives its tree node."""

    def __init__(self) -> None:
        self._lark = _lark().parse_interactive()

    def takes(self, lexeme: Lexeme) -> bool:
        """Take one lexeme; False where it cannot stand, and then nothing more may follow.

        Raises DiagnosticError where a phrase that it completes is at fault.
        """
        try:
            self._lark.feed_token(lexeme)  # type: ignore[arg-type]
        except lark.UnexpectedToken:
            return False
        return True

    def finish(self, end: Span) -> Any:
        """The node of the statement, or None where it is not complete."""
        try:
            return self._lark.feed_token(Lexeme("$END", "", end))  # type: ignore[arg-type]
        except lark.UnexpectedToken:
            return None

    @property
    def expected(self) -> frozenset[str]:
        """Kinds of lexemes that could stand at this place."""
        choices: Iterable[str] = self._lark.choices()  # type: ignore[no-untyped-call]
        return frozenset(kind for kind in choices if kind.isupper())


def lexemes_of(source: Source) -> Iterator[Lexeme]:
    """The words and signs of a file in order, newlines and `##` comments among them."""
    terminals = _terminals()
    for found in terminals.pattern.finditer(source.text):
        kind, text = found.lastgroup or "UNKNOWN", found[0]
        if kind not in terminals.ignored:
            start, end = found.span()
            yield Lexeme(terminals.words.get(text, kind), text, Span(source, start, end))


@dataclass(frozen=True, slots=True)
class _Terminals:
    """The grammar's terminals as one pattern with a group for each, and the reserved words."""

    pattern: re.Pattern[str]
    words: dict[str, str]
    ignored: frozenset[str]


@cache
def _terminals() -> _Terminals:
    """Tried in the order of Lark's basic lexer, which finds the same, four times slower."""
    terminals = sorted(
        _lark().terminals,
        key=lambda one: (-one.priority, -one.pattern.max_width, -len(one.pattern.value), one.name),
    )
    words = {one.pattern.value: one.name for one in terminals if one.name in KEYWORDS}
    groups = [
        f"(?P<{one.name}>{one.pattern.to_regexp()})"
        for one in terminals
        if one.name not in KEYWORDS
    ]
    return _Terminals(re.compile("|".join(groups)), words, frozenset({"COMMENT", "BLANK"}))


class _Unused:
    """Keeps terminals that no rule names; Lark drops them unless a filter asks for them."""

    always_accept = ("DOC", *sorted(MISTAKES))

    def process(self, stream: Iterator[lark.Token]) -> Iterator[lark.Token]:
        return stream


@cache
def _lark() -> lark.Lark:
    grammar = (resource_dir("grammars") / "fdl.lark").read_text("utf-8")
    version = f"{lark.__version__} {sys.version_info[:2]} {Builder.__module__} {__name__} {grammar}"
    name = f"fdl-{hashlib.sha256(version.encode()).hexdigest()[:20]}.tables"
    tables = kept(name)
    if tables is not None:
        return lark.Lark.load(io.BytesIO(tables))
    made = _build(grammar)
    written = io.BytesIO()
    made.save(written)
    keep(name, written.getvalue())
    return made


def _build(grammar: str) -> lark.Lark:
    return lark.Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        start="statement",
        keep_all_tokens=True,
        maybe_placeholders=True,
        transformer=Builder(),
        postlex=_Unused(),
    )
