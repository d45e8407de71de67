"""Messages about a lexeme that cannot stand where it stands.

The parser says at which position it stuck and what it would have taken; the words for it are
found from the lexemes around that position, by the first of `_CASES` that knows the mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic, Edit, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.habits import known_habit
from fractal_dsl.syntax.lexemes import CLOSERS, OPENERS, Lexeme
from fractal_dsl.syntax.outlines import (
    bad_start,
    half_condition,
    in_block,
    missing_name,
    missing_path,
    no_definition,
    reserved_word,
)
from fractal_dsl.syntax.stuck import BINARY, Stuck, error, shown

__all__ = ["run_on", "unexpected"]

_Case: TypeAlias = Callable[[Stuck], Diagnostic | None]

_BEGINS = frozenset({"PARAM", "IMPLICIT", "ASSERT", "IMPORT", "FROM"})
_GO_ON = frozenset({"NAME", "NUMBER", "STRING"})
_OPERAND = "expected a network, a rule call, a number or `(`"


def unexpected(lexemes: list[Lexeme], at: int, expected: frozenset[str]) -> Diagnostic:
    """The message for a statement that sticks at lexeme `at` (its length: it ends too early)."""
    stuck = Stuck(lexemes, at, expected)
    for case in _CASES:
        if (found := case(stuck)) is not None:
            return found
    return _plain(stuck)


def run_on(lexemes: list[Lexeme], at: int) -> int | None:
    """Where the next statement begins, if one was taken in: `a = b .`, then `c = d`.

    The parser stuck at the second `=`, whose head begins a line after an operator, or at the
    word of the language that begins it.
    """
    start = _statement_head(lexemes, at)
    if start is None or start < 1 or lexemes[start - 1].type not in BINARY:
        return None
    return start if lexemes[start - 1].span.line < lexemes[start].span.line else None


def _statement_head(lexemes: list[Lexeme], at: int) -> int | None:
    """Where the statement begins that has its `=`, its first word or its name at `at`."""
    kind, following = [*(one.type for one in lexemes[at : at + 2]), "", ""][:2]
    if kind in _BEGINS and following in _GO_ON:
        return at
    if kind in {"NAME", "ON", "OPEN_ROUND"} and lexemes[at - 1].type == "NET":
        return at - 1
    if kind != "DEFINE":
        return None
    start = at - 1
    if lexemes[start].type in CLOSERS:
        start = _opener(lexemes, start) - 1
    return start if lexemes[start].type in {"NAME", "NET"} else None


def _opener(lexemes: list[Lexeme], closer: int) -> int:
    """Where the bracket that closes at `closer` was opened."""
    depth = 0
    for at in range(closer, -1, -1):
        depth += (lexemes[at].type in CLOSERS) - (lexemes[at].type in OPENERS)
        if depth == 0:
            return at
    return 0


def _habit(stuck: Stuck) -> Diagnostic | None:
    return known_habit(stuck.lexemes, stuck.at)


def _missing_operand(stuck: Stuck) -> Diagnostic | None:
    if not stuck.wants_operand:
        return None
    last, here = stuck.last, stuck.here
    needs = f"`{last.text}` needs something on its right"
    binary = last.type in BINARY or last.type in {"NOT", "COMMA", "AT"}
    if (half := _half_number(stuck)) is not None:
        return half
    if stuck.at_end:
        label = "the statement ends here" if binary else "expected an expression after it"
        return error(needs if binary else f"`{last.text}` has nothing after it", last, label)
    if stuck.kind() in {"IF", "NOT"}:
        message = f"`{here.text}` as an operand stands in brackets"
        labels = (Label(last.span, "an operand of this"),)
        return error(message, here, "", f"write `({here.text} ...)`", labels=labels)
    if stuck.kind() in {"CLOSE_ROUND", "CLOSE_SQUARE"} and last.type in OPENERS:
        labels = (Label(last.span, "opened here"),)
        return error("these brackets hold nothing", here, "expected an expression before it",
                     labels=labels)  # fmt: skip
    help_text = "to start another rule, begin a new line" if stuck.kind() == "DEFINE" else ""
    if not binary:
        return error(f"unexpected {shown(here)} after {shown(last)}", here, _OPERAND, help_text)
    message = f"unexpected {shown(here)} in an expression"
    return error(message, here, _OPERAND, help_text, labels=(Label(last.span, needs),))


def _half_number(stuck: Stuck) -> Diagnostic | None:
    """`.5` and `5.`"""
    here, last = stuck.here, stuck.last
    if here.text == "." and stuck.kind(1) == "NUMBER":
        number = stuck.lexemes[stuck.at + 1]
        if here.span.end == number.span.start:
            whole = here.span.to(number.span)
            message = f"unexpected `{whole.text}` in an expression"
            return error(message, here, "", f"write `0{whole.text}`", Edit(stuck.start, "0"))
    if last.text == "." and stuck.kind(-2) == "NUMBER":
        number = stuck.lexemes[stuck.at - 2]
        if number.text.isdigit() and number.span.end == last.span.start:
            after = Span(last.span.source, last.span.end, last.span.end)
            message = "`.` needs something on its right"
            return error(message, last, "", f"for a number write `{number.text}.0`",
                         Edit(after, "0"))  # fmt: skip
    return None


def _comprehension(stuck: Stuck) -> Diagnostic | None:
    if stuck.kind() != "FOR":
        return None
    help_text = "as one of several arguments it stands in `[ ]`"
    if stuck.innermost is None:
        help_text = "write `[e for x in xs]`, or give it to a join: `sum(e for x in xs)`"
    message = "unexpected `for` after an expression"
    return error(message, stuck.here, "no comprehension stands here", help_text)


def _second_definition(stuck: Stuck) -> Diagnostic | None:
    if stuck.kind() != "DEFINE" or not stuck.after_operand:
        return None
    label, help_text = "", "`==` compares; to start another definition, begin a new line"
    if stuck.innermost is not None and stuck.innermost.type == "OPEN_ROUND":
        label = "no name stands before it"
        help_text = "an argument with a keyword is `name = value`; `==` compares"
    return error("unexpected `=` after an expression", stuck.here, label, help_text)


def _side_by_side(stuck: Stuck) -> Diagnostic | None:
    if stuck.kind() not in _STARTS_OPERAND or not stuck.after_operand:
        return None
    if "OPEN_CURLY" in stuck.expected:
        return None
    return error(
        f"unexpected {shown(stuck.here)} after an expression",
        stuck.here,
        f"expected an operator {_or_end(stuck)}",
        "put an operator between the two: `>>` for series, `*` for a product",
        labels=(Label(stuck.last.span, "this ends an expression"),),
    )


_STARTS_OPERAND = frozenset(OPENERS) | frozenset(
    {"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "SHARED", "WIRING", "EXTERN", "NOT"}
)


def _or_end(stuck: Stuck) -> str:
    opener = stuck.innermost
    if opener is None or opener.type == "OPEN_CURLY":
        return "or the end of the line"
    return "or `)`" if opener.type == "OPEN_ROUND" else "or `]`"


_WORDS = {
    "DEFINE": "`=`",
    "NAME": "a name",
    "OPEN_ROUND": "`(`",
    "OPEN_CURLY": "`{`",
    "AS": "`as`",
    "IMPORT": "`import`",
    "IN": "`in`",
    "CLOSE_ROUND": "`)`",
    "COMPOSE": "`.`",
}


def _plain(stuck: Stuck) -> Diagnostic:
    """What is left: say what stands there and what could."""
    words = [word for kind, word in _WORDS.items() if kind in stuck.expected]
    label = f"expected {' or '.join(words[:3])}" if words else ""
    if stuck.after_operand and not stuck.expected <= _WORDS.keys():
        label = f"expected an operator {_or_end(stuck)}"
    if stuck.at_end:
        return error("the statement ends too early", stuck.last, f"{label} after it".strip())
    return error(f"unexpected {shown(stuck.here)}", stuck.here, label)


_CASES: tuple[_Case, ...] = (
    _habit,
    bad_start,
    no_definition,
    reserved_word,
    missing_path,
    missing_name,
    half_condition,
    in_block,
    _missing_operand,
    _comprehension,
    _second_definition,
    _side_by_side,
)
