"""Cuts a file into statements at the newlines that count, and checks its brackets.

A newline counts outside `()` and `[]`, unless an operator stands on either side of it
(lexemes.ends_line). Where a bracket is never closed, the statement is taken to end where it
would without that bracket, so the statements after it are still read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.syntax import brackets
from fractal_dsl.syntax.comments import Commented
from fractal_dsl.syntax.lexemes import CLOSERS, OPENERS, Lexeme, ends_line

__all__ = ["Statement", "statements_of"]


@dataclass(frozen=True, slots=True)
class Statement:
    """The lexemes of one statement, its documentation, and its first fault of brackets."""

    lexemes: list[Lexeme]
    doc: str
    fault: Diagnostic | None


def statements_of(file: Commented) -> Iterator[Statement]:
    """The statements of a file in order."""
    at, end = 0, len(file.lexemes)
    while at < end:
        if file.lexemes[at].type == "NEWLINE":
            at += 1
            continue
        scan = _Scan(file.lexemes, at)
        yield Statement(scan.kept, file.docs.get(at, ""), scan.fault)
        at = scan.end


class _Scan:
    """One statement from lexeme `start` on; `end` is where the next one may begin."""

    def __init__(self, lexemes: list[Lexeme], start: int) -> None:
        self.lexemes = lexemes
        self.start = start
        self.kept: list[Lexeme] = []
        self.fault: Diagnostic | None = None
        self.open: list[int] = []
        self.waiting: Counter[str] = Counter()
        self.partner: dict[int, int] = {}
        self.end = self._run()

    def _run(self) -> int:
        for at in range(self.start, len(self.lexemes)):
            lexeme = self.lexemes[at]
            if lexeme.type == "NEWLINE":
                if self._ends_at(at):
                    return at + 1
                continue
            if lexeme.type in OPENERS:
                self.open.append(at)
                self.waiting[lexeme.type] += 1
            elif lexeme.type in CLOSERS:
                self._close(at)
            self.kept.append(lexeme)
        return self._unclosed() if self.open else len(self.lexemes)

    def _ends_at(self, at: int) -> bool:
        """Whether the newline there ends the statement; one that parts bindings is kept."""
        following = self.lexemes[at + 1] if at + 1 < len(self.lexemes) else None
        last = self.kept[-1]
        inner = self.lexemes[self.open[-1]].type if self.open else None
        if inner in {"OPEN_ROUND", "OPEN_SQUARE"} or not ends_line(last, following):
            return False
        if inner is None:
            return True
        if last.type != "OPEN_CURLY" and following and following.type != "CLOSE_CURLY":
            self.kept.append(self.lexemes[at])
        return False

    def _close(self, at: int) -> None:
        """Pair a closing bracket with the last one open, or blame one of them."""
        closer = self.lexemes[at]
        wanted = CLOSERS[closer.type]
        if not self.waiting[wanted]:
            opened = self.lexemes[self.open[-1]] if self.open else None
            self.fault = self.fault or brackets.closes_nothing(closer, opened)
            if self.open:
                self.partner[self._pop()] = at
            return
        while self.lexemes[self.open[-1]].type != wanted:
            opener = self._pop()
            self.fault = self.fault or self._never_closed(opener, self._cut(opener, at))
        self.partner[self._pop()] = at

    def _pop(self) -> int:
        opener = self.open.pop()
        self.waiting[self.lexemes[opener].type] -= 1
        return opener

    def _unclosed(self) -> int:
        """A bracket is open at the end of the file: end the statement where it should have."""
        opener = self.open[0]
        cut = self._cut(opener, len(self.lexemes))
        others = [self.lexemes[one] for one in self.open[1:] if one < cut]
        self.fault = self.fault or self._never_closed(opener, cut, others)
        self.kept = [one for one in self.lexemes[self.start : cut] if one.type != "NEWLINE"]
        return cut

    def _never_closed(
        self, opener: int, cut: int, others: list[Lexeme] | None = None
    ) -> Diagnostic:
        inside = [self.lexemes[at] for at in self._level(opener, cut)]
        last = self.lexemes[cut - 1]
        if last.type == "NEWLINE":
            last = self.lexemes[cut - 2]
        in_head = opener == self.start + 1
        return brackets.never_closed(self.lexemes[opener], inside, last, others or [], in_head)

    def _level(self, opener: int, cut: int) -> Iterator[int]:
        """Positions after the opener, passing over what its inner brackets hold."""
        at = opener + 1
        while at < cut:
            yield at
            if at in self.partner:
                at = self.partner[at]
                yield at
            at += 1

    def _cut(self, opener: int, stop: int) -> int:
        """Where the statement would end, before `stop`, if that bracket were not there."""
        in_curly = self.lexemes[opener].type == "OPEN_CURLY"
        returned = False
        for at in self._level(opener, stop):
            returned = returned or self.lexemes[at].type == "RETURN"
            if self.lexemes[at].type != "NEWLINE" or at + 1 >= stop:
                continue
            last, following = self.lexemes[at - 1], self.lexemes[at + 1]
            if following.type == "RETURN" and not in_curly:
                return at
            if last.type in OPENERS or not ends_line(last, following):
                continue
            if not in_curly or returned or self._is_outside(opener, at + 1):
                return at
        return stop

    def _is_outside(self, opener: int, at: int) -> bool:
        """Whether a line stands too far left for the block opened there, if that is indented."""
        margin = self._column(self.start)
        lines = (one for one in self._level(opener, at) if self.lexemes[one].type == "NEWLINE")
        first = next(lines, at - 1) + 1
        return self._column(at) <= margin < self._column(first)

    def _column(self, at: int) -> int:
        span = self.lexemes[at].span
        return span.source.location(span.start)[1]
