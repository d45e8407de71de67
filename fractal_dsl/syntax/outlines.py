"""Messages about the outline of a statement: its beginning, its names, conditions and blocks."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import CLOSERS, KEYWORDS, OPENERS, Lexeme
from fractal_dsl.syntax.stuck import Stuck, error, shown

__all__ = [
    "bad_start",
    "half_condition",
    "in_block",
    "missing_name",
    "missing_path",
    "no_definition",
    "reserved_word",
]

_GO_ON = "to go on with the line above, end it with an operator, or put both in brackets"
_ELSEWHERE = frozenset({"ON", "PARAM", "IMPLICIT", "ASSERT", "IMPORT", "FROM", "AS", "NET"})
_LINKING = frozenset({"THEN", "ELSE", "FOR", "IN", "AND", "OR", "RETURN"})


def bad_start(stuck: Stuck) -> Diagnostic | None:
    """No statement begins with this lexeme."""
    if stuck.at != 0:
        return None
    lexeme = stuck.here
    if lexeme.type in KEYWORDS and stuck.kind(1) == "DEFINE":
        return _reserved(lexeme)
    match lexeme.type:
        case "RETURN":
            help_text = "blocks stand in `{ }`; a rule is `name(x) = expression`"
            return error("`return` outside a block", lexeme, "nothing to return from", help_text)
        case "IF" | "NOT" | "OPEN_ROUND" | "OPEN_SQUARE":
            message = f"a line that begins with `{lexeme.text}` starts a new statement"
            return error(message, lexeme, "no statement begins so", _GO_ON)
        case "FLOOR_DIVIDE":
            edit = Edit(lexeme.span, "#")
            return error("no statement begins with `//`", lexeme, "",
                         "a comment begins with `#`", edit)  # fmt: skip
    help_text = "give it a name: a definition is `name = expression`"
    return error(
        f"no statement begins with {shown(lexeme)}", lexeme, "expected `name = ...`", help_text
    )


def no_definition(stuck: Stuck) -> Diagnostic | None:
    """An expression where a statement should be: `conv`, `conv >> conv`, `a, b = ...`."""
    if stuck.lexemes[0].type != "NAME" or "DEFINE" not in stuck.expected:
        return None
    if stuck.innermost is not None or stuck.before("DEFINE") is not None:
        return None
    if stuck.at_end:
        return Diagnostic(
            "F0101",
            "this defines nothing",
            stuck.lexemes[0].span.to(stuck.last.span),
            "expected `=` and an expression after it",
            helps=(Help("a definition is `name = expression`"),),
        )
    lexeme = stuck.here
    if stuck.kind() == "OPEN_SQUARE" and stuck.at == 1:
        message = f"`{stuck.lexemes[0].text}[...]` cannot be defined here"
        help_text = "a rule's head takes round brackets: `name(i) = ...`"
        return error(message, lexeme, "families of wires stand in a block", help_text)
    if stuck.kind() == "COMMA":
        help_text = "write one definition a line, or `[a, b] = ...` inside `{ }`"
        return error("only wires in a block are unpacked", lexeme, "expected `=`", help_text)
    if lexeme.text in {"when", "where"}:
        edit = Edit(lexeme.span, "if")
        return error(f"unexpected {shown(lexeme)}", lexeme, "", "a guard begins with `if`", edit)
    return error(
        f"unexpected {shown(lexeme)} after the head of a definition",
        lexeme,
        "expected `=`",
        "a definition is `name = expression` or `name(x) = expression`",
    )


def reserved_word(stuck: Stuck) -> Diagnostic | None:
    """A word of the language used as a name (F0108)."""
    if stuck.kind(-1) == "NET" and "COMPOSE" in stuck.expected and stuck.at > 1:
        return _reserved(stuck.last)
    if stuck.at == 1 and stuck.kind() == "DEFINE" and stuck.last.type in KEYWORDS:
        return _reserved(stuck.last)
    kind = stuck.kind()
    if kind not in KEYWORDS or kind in stuck.expected:
        return None
    if "RETURN" in stuck.expected and stuck.kind(1) != "DEFINE":
        return None
    if stuck.wants_name:
        lacks_name = stuck.kind(-1) == "FOR" and kind == "IN" and stuck.kind(1) != "IN"
        return None if lacks_name or "DEFINE" in stuck.expected else _reserved(stuck.here)
    named = kind in _LINKING and stuck.kind(1) in {"DEFINE", "OPEN_ROUND"}
    return _reserved(stuck.here) if stuck.wants_operand and (kind in _ELSEWHERE or named) else None


def _reserved(lexeme: Lexeme) -> Diagnostic:
    other = f"{lexeme.text}_"
    return Diagnostic(
        "F0108",
        f"`{lexeme.text}` is a word of the language and cannot be a name",
        lexeme.span,
        "reserved",
        helps=(Help(f"choose another name, such as `{other}`", Edit(lexeme.span, other)),),
    )


def missing_name(stuck: Stuck) -> Diagnostic | None:
    """Something else stands where only a name can."""
    if not stuck.wants_name or stuck.expected & {"DEFINE", "RETURN"}:
        return None
    after = f"`{stuck.last.text}`"
    if stuck.at_end:
        return error(f"{after} needs a name after it", stuck.last)
    in_brackets = stuck.kind(-1) == "FOR" and stuck.kind() in {"OPEN_ROUND", "OPEN_SQUARE"}
    help_text = "names stand without brackets: `for a, b in pairs`" if in_brackets else ""
    message = f"unexpected {shown(stuck.here)} after {after}"
    return error(message, stuck.here, "expected a name", help_text)


def missing_path(stuck: Stuck) -> Diagnostic | None:
    """`import`, `from` or `extern` without text in quotes, `import` without `as`."""
    if "AS" in stuck.expected and stuck.lexemes[0].type == "IMPORT":
        alias = _alias(stuck.lexemes[1].text)
        edit = Edit(_after(stuck.last), f" as {alias}")
        written = stuck.lexemes[1].span.to(stuck.last.span).text
        help_text = f"write `import {written} as {alias}`"
        return error("this import has no name", stuck.last, "expected `as` after it", help_text,
                     edit)  # fmt: skip
    if "STRING" not in stuck.expected or stuck.wants_operand:
        return None
    if stuck.kind() != "NAME":
        return error(f"`{stuck.last.text}` needs text in quotes after it", stuck.last)
    name = stuck.here.text
    path = f'"{name}"' if stuck.kind(-1) == "EXTERN" else f'"{name}.fdl"'
    if stuck.kind(-1) == "IMPORT" and stuck.kind(1) != "AS":
        path += f" as {name}"
    help_text = f"write `{stuck.last.text} {path}`"
    message = f"unexpected {shown(stuck.here)}"
    return error(message, stuck.here, "expected text in quotes", help_text,
                 Edit(stuck.here.span, path))  # fmt: skip


def _alias(path: str) -> str:
    stem = path.strip('"').rsplit("/", 1)[-1].removesuffix(".fdl")
    return stem if stem.isascii() and stem.isidentifier() else "blocks"


def half_condition(stuck: Stuck) -> Diagnostic | None:
    """`if` without its `then` or `else`."""
    if not stuck.expected & {"THEN", "ELSE"} or not stuck.after_operand:
        return None
    beginning, lacks_then = _open_if(stuck)
    ended = stuck.at_end or stuck.kind() in {"NEWLINE", "ELSE", "COMMA", "FOR", *CLOSERS}
    if beginning is None or not ended:
        return None
    word = "then" if lacks_then else "else"
    here = Label(stuck.here.span, f"expected `{word}` before it")
    return Diagnostic(
        "F0101",
        f"this `if` has no `{word}`",
        beginning.span,
        labels=() if stuck.at_end or stuck.kind() == "NEWLINE" else (here,),
        helps=(Help("a choice is `if c then a else b`, with all three parts"),),
    )


def _open_if(stuck: Stuck) -> tuple[Lexeme | None, bool]:
    """The innermost `if` that is not complete, and whether it is `then` that it lacks."""
    waiting: list[tuple[Lexeme, bool]] = []
    outer: list[list[tuple[Lexeme, bool]]] = []
    for lexeme in stuck.lexemes[: stuck.at]:
        if lexeme.type in OPENERS:
            outer.append(waiting)
            waiting = []
        elif lexeme.type in CLOSERS and outer:
            waiting = outer.pop()
        elif lexeme.type == "IF":
            waiting.append((lexeme, True))
        elif lexeme.type == "THEN" and waiting:
            waiting[-1] = (waiting[-1][0], False)
        elif lexeme.type == "ELSE" and waiting:
            waiting.pop()
    return waiting[-1] if waiting else (None, False)


def in_block(stuck: Stuck) -> Diagnostic | None:
    """A block without `return`, something after it, or a line that binds nothing."""
    opener = stuck.innermost
    if opener is None or opener.type != "OPEN_CURLY" or stuck.kind(-1) in {"DEFINE", "RETURN"}:
        return None
    here, kind, returned = stuck.here, stuck.kind(), stuck.before("RETURN")
    if kind == "CLOSE_CURLY" and returned is None and not stuck.wants_operand:
        help_text = "a block ends with `return expression`, on a line of its own"
        labels = (Label(opener.span, "of this block"),)
        return error("this block returns nothing", here, "expected `return` before it", help_text,
                     labels=labels)  # fmt: skip
    if kind == "RETURN" and stuck.after_operand:
        message = "unexpected `return` on the line of a binding"
        edit = Edit(stuck.start, "\n")
        return error(message, here, "", "`return` begins a line of its own", edit)
    if returned is not None and kind == "NEWLINE" and stuck.after_operand:
        following = stuck.lexemes[min(stuck.at + 1, len(stuck.lexemes) - 1)]
        labels = (Label(returned.span, "returned here"),)
        return error("nothing may follow `return` in a block", following, "expected `}`",
                     labels=labels)  # fmt: skip
    return _no_binding(stuck) if returned is None and not stuck.wants_operand else None


def _no_binding(stuck: Stuck) -> Diagnostic | None:
    nearest = stuck.before("DEFINE", "NEWLINE")
    if nearest is not None and nearest.type == "DEFINE":
        return None
    help_text = "a block holds bindings, `name = expression`, and `return expression`"
    if stuck.kind() in {"IF", "NOT", "OPEN_ROUND"} and stuck.kind(-1) == "NEWLINE":
        help_text = _GO_ON
    message = f"unexpected {shown(stuck.here)} in a block"
    return error(message, stuck.here, "expected `name = ...`", help_text)


def _after(lexeme: Lexeme) -> Span:
    return Span(lexeme.span.source, lexeme.span.end, lexeme.span.end)
