"""Messages about characters, numbers and strings that are none of the language's."""

from __future__ import annotations

import unicodedata

from fractal_dsl.diagnostics import Diagnostic, Edit, Help
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import Lexeme
from fractal_dsl.syntax.text import number_fault, string_fault

__all__ = ["misspelt"]

_QUOTES = "“”„«‘’‚'`´"
_QUOTES_HELP = 'strings stand in `"`'

# What to write instead, and in which words to say so.
_LOOKALIKES = {
    **dict.fromkeys("→⟶⇒⟹➔➜↦▷⟫»≫", (">>", "series is written `>>`")),
    **dict.fromkeys("·∙•⋅◦○", (".", "composition is written `.` or `∘`")),
    **dict.fromkeys("⨁⊞", ("(+)", "the join is written `(+)` or `⊕`")),
    **dict.fromkeys("×✕⊗⊙∗", ("*", "a product is written `*`")),
    **dict.fromkeys("−–—‐‑", ("-", "a minus is written `-`")),
    **dict.fromkeys(_QUOTES, ('"', _QUOTES_HELP)),
    **dict.fromkeys("…‥", ("..", "a range is written `..`")),
    **dict.fromkeys("∧&", ("and", "the word is `and`")),
    **dict.fromkeys("∨|", ("or", "the word is `or`")),
    **dict.fromkeys("¬!", ("not ", "the word is `not`")),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\u00ad", ("", "remove it: it cannot be seen")),
    "÷": ("/", "division is written `/` or `//`"),
    "≤": ("<=", "write `<=`"),
    "≥": (">=", "write `>=`"),
    "≠": ("!=", "write `!=`"),
    "≡": ("==", "equality is written `==`"),
    "∈": ("in", "the word is `in`"),
    "^": ("**", "a power, or a repeat, is written `**`"),
    ";": ("", "a statement ends with its line; no sign is needed"),
}

_NO_EDIT = {
    ":": "no sign is needed before a definition's body or type; a definition is `name(x) = ...`",
    "\\": "a line goes on where an operator ends it or begins the next one; no sign is needed",
    "$": "a name stands for its value as it is, without a sign",
    "?": "a choice is written `if c then a else b`",
    "~": "the word for negation is `not`",
}

# What only stands where something is true or false.
_OF_TRUTH = frozenset(
    {"IF", "ASSERT", "AND", "OR", "NOT", "EQUAL", "UNEQUAL", "AT_MOST", "AT_LEAST", "LESS", "MORE"}
)

_SUPERSCRIPTS = {"²": "2", "³": "3"}


def misspelt(lexemes: list[Lexeme]) -> Diagnostic | None:
    """What is wrong with the first lexeme that has no meaning by itself (F0104, F0105, F0107)."""
    for at, lexeme in enumerate(lexemes):
        match lexeme.type:
            case "NUMBER" if fault := number_fault(lexeme.text):
                return _number_out_of_range(lexeme, fault)
            case "BAD_NUMBER":
                return _bad_number(lexeme)
            case "STRING":
                if (escape := string_fault(lexeme.text)) is not None:
                    return _bad_escape(lexeme, escape.start())
            case "OPEN_STRING":
                return _open_string(lexeme)
            case "UNKNOWN":
                return _unknown(lexemes, at)
    return None


def _number_out_of_range(lexeme: Lexeme, fault: str) -> Diagnostic:
    shown = lexeme.text if len(lexeme.text) <= 30 else f"{lexeme.text[:12]}..."
    return Diagnostic("F0107", f"the number `{shown}` {fault}", lexeme.span)


def _bad_number(lexeme: Lexeme) -> Diagnostic:
    text = lexeme.text
    shown = text if len(text) <= 30 else f"{text[:12]}..."
    return Diagnostic("F0107", f"`{shown}` is no number", lexeme.span, helps=_number_help(lexeme))


def _number_help(lexeme: Lexeme) -> tuple[Help, ...]:
    text, span = lexeme.text, lexeme.span
    digits = text.replace("_", "")
    if digits.isdigit():
        return (Help("digits stand without `_` between them", Edit(span, digits)),)
    for prefix, base, word in (("0x", 16, "hexadecimal"), ("0b", 2, "binary"), ("0o", 8, "octal")):
        if text.lower().startswith(prefix):
            value = _parsed(digits[2:], base)
            if value is not None:
                help_text = f"there are no {word} numbers; write `{value}`"
                return (Help(help_text, Edit(span, str(value))),)
    head = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    tail = text[len(head) :]
    if head.isdigit() and tail and tail not in {"e", "E"}:
        product = f"{head} * {tail}"
        return (
            Help(f"a product is written `{product}`, and a name begins with a letter",
                 Edit(span, product)),
        )  # fmt: skip
    return (Help("a number is written `3`, `0.15` or `1e-6`"),)


def _parsed(digits: str, base: int) -> int | None:
    try:
        return int(digits, base) if len(digits) <= 40 else None
    except ValueError:
        return None


def _bad_escape(lexeme: Lexeme, at: int) -> Diagnostic:
    start = lexeme.span.start + at
    span = Span(lexeme.span.source, start, start + 2)
    return Diagnostic(
        "F0104",
        f"`{span.text}` has no meaning in a string",
        span,
        'only `\\"` and `\\\\` do',
        helps=(Help("for a backslash write two", Edit(span, f"\\{span.text}")),),
    )


def _open_string(lexeme: Lexeme) -> Diagnostic:
    source, end = lexeme.span.source, lexeme.span.end
    quote = Span(source, lexeme.span.start, lexeme.span.start + 1)
    written = len(lexeme.text.rstrip(" \t"))
    closing = Edit(Span(source, quote.start + written, end), '"')
    return Diagnostic(
        "F0104",
        "this string is never closed",
        quote,
        "opened here; a string ends on its line",
        helps=(Help('close it with `"`', closing),),
    )


def _unknown(lexemes: list[Lexeme], at: int) -> Diagnostic:
    lexeme = lexemes[at]
    char, span = lexeme.text, lexeme.span
    following = lexemes[at + 1] if at + 1 < len(lexemes) else None
    if following and following.text == char and char in "&|" and _touch(lexeme, following):
        span = span.to(following.span)
    if following and char == "|" and following.type == "MORE" and _touch(lexeme, following):
        both = span.to(following.span)
        return _illegal(both, Help("series is written `>>`", Edit(both, ">>")))
    if char == "|" and span == lexeme.span and not any(one.type in _OF_TRUTH for one in lexemes):
        return _illegal(span, Help("series is written `>>`", Edit(span, ">>")))
    if char == ":" and (keyword := _keyword_before(lexemes, at)) is not None:
        end = span.end + span.source.text.startswith(" ", span.end)
        gap = Span(span.source, keyword.span.end, end)
        way = f"an argument with a keyword is `{keyword.text} = ...`"
        return _illegal(span, Help(way, Edit(gap, " = ")))
    if following and char == ":" and following.type == "DEFINE" and _touch(lexeme, following):
        return _illegal(span, Help("a definition takes `=` alone", Edit(span, "")))
    if char in _QUOTES and (closing := _closing_quote(lexemes, at)) is not None:
        whole = span.to(closing.span)
        return _illegal(span, Help(_QUOTES_HELP, Edit(whole, f'"{whole.text[1:-1]}"')))
    if char in _LOOKALIKES:
        text, words = _LOOKALIKES[char]
        return _illegal(span, Help(words, Edit(span, text)))
    if char in _NO_EDIT:
        return _illegal(span, Help(_NO_EDIT[char]))
    if _plain(char) and not char.isspace() and char not in _SUPERSCRIPTS:
        span = _plain_run(lexemes, at)
        plain = _plain(span.text)
        return _illegal(span, Help(f"write the plain `{plain}`", Edit(span, plain)))
    return _illegal(span, *_by_its_nature(char, span))


def _keyword_before(lexemes: list[Lexeme], at: int) -> Lexeme | None:
    """The name before this place, if it begins an argument of a call."""
    begins = at >= 2 and lexemes[at - 2].type in {"OPEN_ROUND", "COMMA"}
    depth = sum((one.type == "OPEN_ROUND") - (one.type == "CLOSE_ROUND") for one in lexemes[:at])
    is_keyword = begins and depth > 0 and lexemes[at - 1].type == "NAME"
    return lexemes[at - 1] if is_keyword else None


def _closing_quote(lexemes: list[Lexeme], at: int) -> Lexeme | None:
    """The quote that closes the one at this place, on the same line."""
    for lexeme in lexemes[at + 1 :]:
        if lexeme.type == "NEWLINE" or "\n" in lexemes[at].span.to(lexeme.span).text:
            return None
        if lexeme.text in _QUOTES:
            return lexeme
    return None


def _plain_run(lexemes: list[Lexeme], at: int) -> Span:
    """The unknown lexemes from this place on that touch and stand for plain ones."""
    span = lexemes[at].span
    for lexeme in lexemes[at + 1 : at + 20]:
        if lexeme.type != "UNKNOWN" or lexeme.span.start != span.end or not _plain(lexeme.text):
            break
        span = span.to(lexeme.span)
    return span


def _plain(text: str) -> str:
    """The ASCII that a wide or fancy text stands for; empty if there is none."""
    plain = unicodedata.normalize("NFKC", text)
    return plain if plain != text and plain.isascii() and plain.isprintable() else ""


def _by_its_nature(char: str, span: Span) -> tuple[Help, ...]:
    """Help for a character known only by its class in Unicode."""
    if char in _SUPERSCRIPTS:
        power = f"**{_SUPERSCRIPTS[char]}"
        return (Help(f"a power is written `{power}`", Edit(span, power)),)
    if char.isspace():
        return (Help("write a plain space", Edit(span, " ")),)
    if char.isalnum():
        return (Help("names are made of the letters a to z, A to Z, digits and `_`"),)
    return ()


def _illegal(span: Span, *helps: Help) -> Diagnostic:
    char = span.text
    shown = f"`{char}`" if char.isprintable() else "this character"
    code = "" if char.isascii() or len(char) > 1 else f" (U+{ord(char):04X})"
    return Diagnostic("F0105", f"{shown}{code} is no sign of the language", span, helps=helps)


def _touch(left: Lexeme, right: Lexeme) -> bool:
    return left.span.end == right.span.start
