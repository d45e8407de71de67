"""Messages for what is right in another language, Python above all.

Each of the functions in `_HABITS` looks at a statement that could not be read up to the
lexeme at position `at`, and gives a message if it knows that mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import CLOSERS, OPENERS, Lexeme

__all__ = ["foreign_statement", "known_habit"]

_Habit: TypeAlias = Callable[[list[Lexeme], int], Diagnostic | None]

_DEFINING = frozenset({"def", "let", "fn", "func", "function", "var", "val", "const", "fun"})
_COMPARISONS = frozenset({"EQUAL", "UNEQUAL", "AT_MOST", "AT_LEAST", "LESS", "MORE"})
_OPERANDS = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE"})


def known_habit(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """The message of the first habit that the statement shows."""
    for habit in _HABITS:
        if (found := habit(lexemes, at)) is not None:
            return found
    return None


def foreign_statement(lexemes: list[Lexeme]) -> Diagnostic | None:
    """The message for a whole statement of another language, whatever is wrong inside it."""
    for habit in (_defining_word, _class_or_loop, _anonymous):
        if (found := habit(lexemes, len(lexemes))) is not None:
            return found
    return None


def _kind(lexemes: list[Lexeme], at: int) -> str:
    return lexemes[at].type if 0 <= at < len(lexemes) else ""


def _text(lexemes: list[Lexeme], at: int) -> str:
    return lexemes[at].text if 0 <= at < len(lexemes) else ""


def _touching(lexemes: list[Lexeme], at: int) -> bool:
    """Whether no space parts this lexeme and the next."""
    return lexemes[at].span.end == lexemes[at + 1].span.start


def _defining_word(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    first = lexemes[0]
    if first.text not in _DEFINING or _kind(lexemes, 1) != "NAME":
        return None
    return _mended(
        f"`{first.text}` is no word of the language",
        first.span,
        Help("write `name = ...` or `name(x) = ...`", _without_word(lexemes)),
        "a definition needs no word before it",
    )


def _without_word(lexemes: list[Lexeme]) -> Edit:
    """`def f(x): return e` as `f(x) = e`: the colon and what Python wants after it go as well."""
    source, start, head = lexemes[0].span.source, lexemes[0].span.start, lexemes[1].span.start
    for at, lexeme in enumerate(lexemes):
        if lexeme.text == ":" and _depth(lexemes, at) == 0:
            body = re.compile(r"\s*(return\b)?[ \t]*").match(source.text, lexeme.span.end)
            assert body is not None
            text = f"{source.text[head : lexeme.span.start].rstrip()} = "
            return Edit(Span(source, start, body.end()), text)
    return Edit(Span(source, start, head), "")


def _class_or_loop(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    word = lexemes[0].text
    if _kind(lexemes, 1) not in _OPERANDS:
        return None
    if word == "class":
        return _no_such("there are no classes", lexemes[0], "a network is `net Name = ...`")
    if word in {"for", "while"}:
        way = "repeat with `e ** n` or `chain(e for x in xs)`"
        return _no_such("there are no loops", lexemes[0], way)
    return None


def _anonymous(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    for place in range(min(at + 1, len(lexemes))):
        follows = _kind(lexemes, place + 1)
        is_lambda = _text(lexemes, place) == "lambda" and (
            follows == "NAME" or _text(lexemes, place + 1) == ":"
        )
        if is_lambda:
            way = "give the rule a name, or write `wiring(x) { return ... }` for a network"
            return _no_such("there are no anonymous functions", lexemes[place], way)
    return None


def _no_such(message: str, lexeme: Lexeme, way: str) -> Diagnostic:
    return _mended(message, lexeme.span, Help(way))


def _mended(
    message: str, span: Span, way: Help, label: str = "", second: tuple[Label, ...] = ()
) -> Diagnostic:
    return Diagnostic("F0101", message, span, label, second, helps=(way,))


def _comparing_definition(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`f(1) == conv`"""
    if _kind(lexemes, at) != "EQUAL" or any(one.type == "DEFINE" for one in lexemes[:at]):
        return None
    if lexemes[0].type not in {"NAME", "NET", "PARAM", "IMPLICIT"} or _depth(lexemes, at):
        return None
    span = lexemes[at].span
    message = "unexpected `==` after the head of a definition"
    return _mended(message, span, Help("a definition takes `=`", Edit(span, "=")), "`==` compares")


def _conditional_after(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`a if c else b`"""
    after_operand = _kind(lexemes, at - 1) in _OPERANDS | frozenset(CLOSERS)
    if _kind(lexemes, at) != "IF" or not after_operand:
        return None
    if any(one.type == "FOR" for one in lexemes[:at]):
        return None
    message, way = "unexpected `if` after an expression", Help("write `if c then a else b`")
    return _mended(message, lexemes[at].span, way, "a condition comes first")


def _elif(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    if _text(lexemes, at) not in {"elif", "elseif", "elsif"}:
        return None
    span = lexemes[at].span
    way = Help("write `else if`", Edit(span, "else if"))
    return _mended(f"`{span.text}` is no word of the language", span, way)


def _arrow(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`a -> b`, `a => b`"""
    start = at if _kind(lexemes, at) == "DEFINE" else at - 1
    if _kind(lexemes, start) not in {"MINUS", "DEFINE"} or _kind(lexemes, start + 1) != "MORE":
        return None
    if not _touching(lexemes, start):
        return None
    span = lexemes[start].span.to(lexemes[start + 1].span)
    way = Help("series is written `>>`", Edit(span, ">>"))
    return _mended(f"`{span.text}` is no sign of the language", span, way)


def _spaced_join(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`a ( + ) b`"""
    kinds = [_kind(lexemes, at - 2), _kind(lexemes, at - 1), _kind(lexemes, at)]
    if kinds != ["OPEN_ROUND", "PLUS", "CLOSE_ROUND"]:
        return None
    span = lexemes[at - 2].span.to(lexemes[at].span)
    way = Help("write `(+)` without spaces", Edit(span, "(+)"))
    return _mended("the join is one sign", span, way)


def _slashes(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`a = b  // in words`, `a = b  /* in words */`"""
    kinds = [_kind(lexemes, at - 2), _kind(lexemes, at - 1), _kind(lexemes, at)]
    if kinds[0] == "FLOOR_DIVIDE" and kinds[1] in _OPERANDS and kinds[2] in _OPERANDS:
        sign = lexemes[at - 2]
    elif kinds[1] == "DIVIDE" and kinds[2] in {"TIMES", "POWER"}:
        sign = lexemes[at - 1]
    else:
        return None
    hash_ = Edit(sign.span, "#") if sign.type == "FLOOR_DIVIDE" else None
    way, divides = Help("a comment begins with `#`", hash_), Label(sign.span, "this divides")
    found = lexemes[at]
    return _mended(f"unexpected `{found.text}`", found.span, way, second=(divides,))


def _composed_by_letter(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`f(C) o f(C)`"""
    if _text(lexemes, at) != "o" or _kind(lexemes, at + 1) not in _OPERANDS | frozenset(OPENERS):
        return None
    if _kind(lexemes, at - 1) not in _OPERANDS | frozenset(CLOSERS):
        return None
    span = lexemes[at].span
    way = Help("composition is written `.` or `∘`", Edit(span, "."))
    return _mended("unexpected name `o` after an expression", span, way)


def _several_inputs(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`wiring(a, b)`"""
    if _kind(lexemes, at) != "COMMA" or _kind(lexemes, at - 3) != "WIRING":
        return None
    way = Help("a list that comes in is unpacked: `wiring([a, b]) { ... }`")
    return _mended("a wiring has one input", lexemes[at].span, way, "expected `)`")


def _chained_comparison(lexemes: list[Lexeme], at: int) -> Diagnostic | None:
    """`0 < n < 5`"""
    depth, earlier = 0, None
    if _kind(lexemes, at) not in _COMPARISONS:
        return None
    for place in range(at - 1, -1, -1):
        kind = lexemes[place].type
        depth += (kind in CLOSERS) - (kind in OPENERS)
        if depth < 0 or (depth == 0 and kind in {"DEFINE", "COMMA", "AND", "OR", "IF", "NEWLINE"}):
            break
        if depth == 0 and kind in _COMPARISONS:
            earlier = lexemes[place]
            break
    if earlier is None:
        return None
    way, first = Help("write `a < b and b < c`"), Label(earlier.span, "the first one")
    return _mended("comparisons do not chain", lexemes[at].span, way, "the second one", (first,))


def _depth(lexemes: list[Lexeme], at: int) -> int:
    return sum((one.type in OPENERS) - (one.type in CLOSERS) for one in lexemes[:at])


_HABITS: tuple[_Habit, ...] = (
    _defining_word,
    _class_or_loop,
    _anonymous,
    _comparing_definition,
    _conditional_after,
    _elif,
    _arrow,
    _spaced_join,
    _slashes,
    _composed_by_letter,
    _several_inputs,
    _chained_comparison,
)
