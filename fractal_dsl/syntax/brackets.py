"""Messages about brackets that do not pair."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import OPERATORS, Lexeme

__all__ = ["closes_nothing", "never_closed"]

_WORDS = {"OPEN_ROUND": "parenthesis", "OPEN_SQUARE": "bracket", "OPEN_CURLY": "brace"}
_SIGNS = {"OPEN_ROUND": ")", "OPEN_SQUARE": "]", "OPEN_CURLY": "}"}

_ARITHMETIC = frozenset({"PLUS", "MINUS", "CONCAT", "TIMES", "DIVIDE"})


def closes_nothing(closer: Lexeme, opened: Lexeme | None) -> Diagnostic:
    """A closing bracket that pairs with nothing; `opened` is the bracket open at that place."""
    if opened is None:
        return Diagnostic(
            "F0103",
            f"this `{closer.text}` closes nothing",
            closer.span,
            "no bracket is open here",
            helps=(Help("remove it", Edit(closer.span, "")),),
        )
    wanted = _SIGNS[opened.type]
    return Diagnostic(
        "F0103",
        f"`{closer.text}` does not close `{opened.text}`",
        closer.span,
        f"expected `{wanted}`",
        labels=(Label(opened.span, "opened here"),),
        helps=(Help(f"write `{wanted}`", Edit(closer.span, wanted)),),
    )


def never_closed(
    opener: Lexeme, inside: list[Lexeme], last: Lexeme, others: list[Lexeme], in_head: bool
) -> Diagnostic:
    """An opening bracket without its partner.

    `inside` are the lexemes that stand directly in it, up to `last`, where the statement
    ends; `others` are brackets opened later and left open too.
    """
    labels = [Label(other.span, "and so is this one") for other in others]
    closing = "".join(_SIGNS[one.type] for one in reversed([opener, *others]))
    place, help_text = _end_of(last), f"close it with `{closing}`"
    joins = [at for at, one in enumerate(inside) if one.type == "JOIN" and at > 0]
    defines = [at for at, one in enumerate(inside) if one.type == "DEFINE" and at > 0]
    if opener.type == "OPEN_CURLY":
        help_text = "close the block with `}`, on a line of its own"
    elif in_head and defines and not others:
        place, help_text = _end_of(inside[defines[-1] - 1]), "close it before the `=`"
    elif joins and not others:
        labels.append(Label(inside[joins[0]].span, "the join begins here"))
        place, help_text = _end_of(inside[joins[0] - 1]), "close it before the join"
    elif not others and (at := _series_after(opener, inside)) is not None:
        labels.append(Label(inside[at].span, "the series goes on here"))
        place, help_text = _end_of(inside[at - 1]), "close it before the `>>`"
    if last.type in OPERATORS or last is opener:
        return _fault(opener, labels, Help(help_text))
    text = f"\n{closing}" if opener.type == "OPEN_CURLY" and not others else closing
    return _fault(opener, labels, Help(help_text, Edit(place, text)))


def _series_after(opener: Lexeme, inside: list[Lexeme]) -> int | None:
    """Where a series goes on behind the bracket's end: after the arguments of a call, or a sum."""
    kinds = [one.type for one in inside]
    if "SERIES" not in kinds or opener.type != "OPEN_ROUND":
        return None
    at = kinds.index("SERIES")
    before = opener.span.source.text[: opener.span.start][-1:]
    is_call = before.isalnum() or before == "_"
    if at == 0 or {"COMMA", "FOR"} & {*kinds[at:]} or not (is_call or _ARITHMETIC & {*kinds[:at]}):
        return None
    return at


def _fault(opener: Lexeme, labels: list[Label], way_out: Help) -> Diagnostic:
    return Diagnostic(
        "F0102",
        f"this {_WORDS[opener.type]} is never closed",
        opener.span,
        "opened here",
        labels=tuple(labels),
        helps=(way_out,),
    )


def _end_of(lexeme: Lexeme) -> Span:
    return Span(lexeme.span.source, lexeme.span.end, lexeme.span.end)
