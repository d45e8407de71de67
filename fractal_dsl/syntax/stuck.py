"""The place where the parser stuck, and words for what stands around it."""

from __future__ import annotations

from dataclasses import dataclass

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import CLOSERS, OPENERS, OPERATORS, Lexeme

__all__ = ["BINARY", "ENDS_OPERAND", "Stuck", "error", "is_inside", "shown"]

ENDS_OPERAND = frozenset(CLOSERS) | {"NAME", "NUMBER", "STRING", "TRUE", "FALSE"}
BINARY = OPERATORS | {"AND", "OR", "DEFINE"}


@dataclass(frozen=True, slots=True)
class Stuck:
    """A statement that could be read only up to the lexeme at `at`, which may be its end.

    `expected` are the kinds of lexemes that the parser would have taken. After an operand it
    may hold too few of them, since the parser has tidied up before it noticed.
    """

    lexemes: list[Lexeme]
    at: int
    expected: frozenset[str]

    def kind(self, offset: int = 0) -> str:
        """The kind of the lexeme that many places on, empty where there is none."""
        place = self.at + offset
        return self.lexemes[place].type if 0 <= place < len(self.lexemes) else ""

    @property
    def here(self) -> Lexeme:
        """The lexeme that cannot stand here, or the statement's last."""
        return self.lexemes[min(self.at, len(self.lexemes) - 1)]

    @property
    def last(self) -> Lexeme:
        """The last lexeme that could be read."""
        return self.lexemes[max(self.at - 1, 0)]

    @property
    def at_end(self) -> bool:
        return self.at == len(self.lexemes)

    @property
    def wants_operand(self) -> bool:
        return "NUMBER" in self.expected

    @property
    def after_operand(self) -> bool:
        return self.at > 0 and self.last.type in ENDS_OPERAND and not self.wants_operand

    @property
    def wants_name(self) -> bool:
        return "NAME" in self.expected and not self.wants_operand

    @property
    def innermost(self) -> Lexeme | None:
        """The bracket that is open at this place."""
        opened: list[Lexeme] = []
        for lexeme in self.lexemes[: self.at]:
            if lexeme.type in OPENERS:
                opened.append(lexeme)
            elif lexeme.type in CLOSERS and opened:
                opened.pop()
        return opened[-1] if opened else None

    def before(self, *kinds: str) -> Lexeme | None:
        """The nearest lexeme of these kinds before this place, in the bracket open here."""
        depth = 0
        for lexeme in reversed(self.lexemes[: self.at]):
            depth += (lexeme.type in CLOSERS) - (lexeme.type in OPENERS)
            if depth < 0:
                return None
            if depth == 0 and lexeme.type in kinds:
                return lexeme
        return None

    @property
    def start(self) -> Span:
        """The place just before this lexeme."""
        span = self.here.span
        return Span(span.source, span.start, span.start)


def error(
    message: str,
    lexeme: Lexeme,
    label: str = "",
    help_text: str = "",
    edit: Edit | None = None,
    labels: tuple[Label, ...] = (),
) -> Diagnostic:
    """A message of code F0101 at a lexeme."""
    helps = (Help(help_text, edit),) if help_text else ()
    return Diagnostic("F0101", message, lexeme.span, label, labels=labels, helps=helps)


def shown(lexeme: Lexeme) -> str:
    """A lexeme as messages call it."""
    if lexeme.type == "NEWLINE":
        return "end of the line"
    kind = {"NUMBER": "number ", "STRING": "string ", "NAME": "name "}.get(lexeme.type, "")
    text = lexeme.text if len(lexeme.text) <= 40 else f"{lexeme.text[:36]}..."
    return f"{kind}`{text}`"


def is_inside(lexemes: list[Lexeme]) -> bool:
    """Whether a bracket is open after these."""
    return sum((one.type in OPENERS) - (one.type in CLOSERS) for one in lexemes) > 0
