"""Messages about a lexeme that cannot stand where it stands.

The parser says at which position it stuck and what it would have taken; the words for it are
found here from the lexemes around that position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.source import Span
from fractal_dsl.syntax.habits import known_habit
from fractal_dsl.syntax.lexemes import CLOSERS, KEYWORDS, OPENERS, OPERATORS, Lexeme

__all__ = ["run_on", "unexpected"]

_OPERAND = "expected a network, a rule call, a number or `(`"
_ENDS_OPERAND = frozenset(CLOSERS) | {"NAME", "NUMBER", "STRING", "TRUE", "FALSE"}
_BINARY = OPERATORS | {"AND", "OR", "DEFINE"}


@dataclass(frozen=True, slots=True)
class _Stuck:
    """A statement that could be read only up to the lexeme at `at`, which may be its end."""

    lexemes: list[Lexeme]
    at: int
    expected: frozenset[str]

    def kind(self, offset: int = 0) -> str:
        place = self.at + offset
        return self.lexemes[place].type if 0 <= place < len(self.lexemes) else ""

    @property
    def here(self) -> Lexeme:
        """The lexeme that cannot stand here, or the statement's last."""
        return self.lexemes[min(self.at, len(self.lexemes) - 1)]

    @property
    def last(self) -> Lexeme:
        return self.lexemes[max(self.at - 1, 0)]

    @property
    def at_end(self) -> bool:
        return self.at == len(self.lexemes)

    @property
    def wants_operand(self) -> bool:
        return "NUMBER" in self.expected

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


_Case: TypeAlias = Callable[[_Stuck], Diagnostic | None]


def unexpected(lexemes: list[Lexeme], at: int, expected: frozenset[str]) -> Diagnostic:
    """The message for a statement that sticks at lexeme `at` (its length: it ends too early)."""
    habit = known_habit(lexemes, at)
    if habit is not None:
        return habit
    stuck = _Stuck(lexemes, at, expected)
    for case in _CASES:
        if (found := case(stuck)) is not None:
            return found
    return _plain(stuck)


def run_on(lexemes: list[Lexeme], at: int) -> int | None:
    """Where the next statement begins, if one ran into it: `a = b .` and then `c = d`.

    The parser stuck at the second `=`, whose head begins a line after an operator.
    """
    if at >= len(lexemes) or lexemes[at].type != "DEFINE":
        return None
    start = at - 1
    if lexemes[start].type == "CLOSE_ROUND":
        depth = 0
        while start > 0:
            depth += (lexemes[start].type in CLOSERS) - (lexemes[start].type in OPENERS)
            if depth == 0:
                break
            start -= 1
        start -= 1
    if start < 1 or lexemes[start].type != "NAME" or _inside(lexemes[:start]):
        return None
    if lexemes[start - 1].type not in _BINARY:
        return None
    return start if lexemes[start - 1].span.line < lexemes[start].span.line else None


def _inside(lexemes: list[Lexeme]) -> bool:
    return sum((one.type in OPENERS) - (one.type in CLOSERS) for one in lexemes) > 0


def _error(
    message: str,
    lexeme: Lexeme,
    label: str = "",
    help_text: str = "",
    edit: Edit | None = None,
    labels: tuple[Label, ...] = (),
) -> Diagnostic:
    helps = (Help(help_text, edit),) if help_text else ()
    return Diagnostic("F0101", message, lexeme.span, label, labels=labels, helps=helps)


def _shown(lexeme: Lexeme) -> str:
    if lexeme.type == "NEWLINE":
        return "end of the line"
    kind = {"NUMBER": "number ", "STRING": "string ", "NAME": "name "}.get(lexeme.type, "")
    text = lexeme.text if len(lexeme.text) <= 40 else f"{lexeme.text[:36]}..."
    return f"{kind}`{text}`"


# The beginning of a statement ---------------------------------------------------------


def _bad_start(stuck: _Stuck) -> Diagnostic | None:
    if stuck.at != 0:
        return None
    lexeme = stuck.here
    match lexeme.type:
        case "RETURN":
            return _error(
                "`return` outside a block",
                lexeme,
                "nothing to return from",
                "blocks stand in `{ }`; a rule is `name(x) = expression`",
            )
        case "IF" | "NOT" | "OPEN_ROUND" | "OPEN_SQUARE":
            return _error(
                f"a line that begins with `{lexeme.text}` starts a new statement",
                lexeme,
                "no statement begins so",
                "to go on with the line above, end it with an operator, or put both in brackets",
            )
        case "FOR" | "WIRING" | "SHARED" | "OPEN_CURLY":
            return _error(
                f"no statement begins with `{lexeme.text}`",
                lexeme,
                "expected `name = ...`",
                "give it a name: a definition is `name = expression`",
            )
        case kind if kind in KEYWORDS and _is_defined(stuck.lexemes):
            return _reserved(lexeme)
    return _error(f"no statement begins with {_shown(lexeme)}", lexeme, "expected `name = ...`")


def _is_defined(lexemes: list[Lexeme]) -> bool:
    return len(lexemes) > 1 and lexemes[1].type in {"DEFINE", "OPEN_ROUND"}


def _no_definition(stuck: _Stuck) -> Diagnostic | None:
    """An expression where a statement should be: `conv`, `conv >> conv`, `a, b = ...`."""
    if stuck.lexemes[0].type != "NAME" or "DEFINE" not in stuck.expected:
        return None
    if any(one.type == "DEFINE" for one in stuck.lexemes[: stuck.at]) or stuck.innermost:
        return None
    lexeme = stuck.here
    if stuck.kind() == "OPEN_SQUARE" and stuck.at == 1:
        return _error(
            f"`{stuck.lexemes[0].text}[...]` cannot be defined here",
            lexeme,
            "families of wires stand in a block",
            "a rule's head takes round brackets: `name(i) = ...`",
        )
    if stuck.kind() == "COMMA":
        return _error(
            "only wires in a block are unpacked",
            lexeme,
            "expected `=`",
            "write one definition a line, or `[a, b] = ...` inside `{ }`",
        )
    whole = Span(lexeme.span.source, stuck.lexemes[0].span.start, stuck.last.span.end)
    if stuck.at_end:
        return Diagnostic(
            "F0101",
            "this defines nothing",
            whole,
            "expected `=` and an expression after it",
            helps=(Help("a definition is `name = expression`"),),
        )
    return _error(
        f"unexpected {_shown(lexeme)} after the head of a definition",
        lexeme,
        "expected `=`",
        "a definition is `name = expression` or `name(x) = expression`",
    )


# Names --------------------------------------------------------------------------------


def _reserved(lexeme: Lexeme) -> Diagnostic:
    other = f"{lexeme.text}_"
    return Diagnostic(
        "F0108",
        f"`{lexeme.text}` is a word of the language and cannot be a name",
        lexeme.span,
        "reserved",
        helps=(Help(f"choose another name, such as `{other}`", Edit(lexeme.span, other)),),
    )


_NEVER_BEGIN = frozenset({"ON", "PARAM", "IMPLICIT", "ASSERT", "IMPORT", "FROM", "AS", "NET"})


def _reserved_word(stuck: _Stuck) -> Diagnostic | None:
    if stuck.kind(-1) == "NET" and "COMPOSE" in stuck.expected and stuck.at > 1:
        return _reserved(stuck.last)
    kind = stuck.kind()
    if kind not in KEYWORDS:
        return None
    if stuck.wants_name and not (kind == "DEFINE" or _starts_clause(stuck)):
        return _reserved(stuck.here)
    in_place = stuck.wants_operand and (
        kind in _NEVER_BEGIN or stuck.kind(1) in {"DEFINE", "OPEN_ROUND"} and kind in _LINKING
    )
    return _reserved(stuck.here) if in_place else None


_LINKING = frozenset({"THEN", "ELSE", "FOR", "IN", "AND", "OR", "RETURN"})


def _starts_clause(stuck: _Stuck) -> bool:
    """`for in xs`, `net on`: the word is in its place and the name is what lacks."""
    return stuck.kind() in stuck.expected or (stuck.kind(-1) == "FOR" and stuck.kind() == "IN"
                                              and stuck.kind(1) != "IN")  # fmt: skip


def _missing_name(stuck: _Stuck) -> Diagnostic | None:
    if not stuck.wants_name:
        return None
    after = f"`{stuck.last.text}`"
    if stuck.at_end:
        return _error(f"{after} needs a name after it", stuck.last)
    if stuck.kind(-1) == "FOR" and stuck.kind() in {"OPEN_ROUND", "OPEN_SQUARE"}:
        return _error(
            f"unexpected `{stuck.here.text}` after `for`",
            stuck.here,
            "expected a name",
            "names stand without brackets: `for a, b in pairs`",
        )
    return _error(f"unexpected {_shown(stuck.here)} after {after}", stuck.here, "expected a name")


def _missing_path(stuck: _Stuck) -> Diagnostic | None:
    if "STRING" not in stuck.expected or stuck.wants_operand:
        return None
    if stuck.kind() == "NAME":
        path = stuck.here.text if stuck.kind(-1) == "EXTERN" else f"{stuck.here.text}.fdl"
        form = {
            "IMPORT": f'`import "{path}" as {stuck.here.text}`',
            "FROM": f'`from "{path}" import ...`',
        }.get(stuck.kind(-1), f'`extern "{path}"`')
        edit = Edit(stuck.here.span, f'"{path}"')
        return _error(
            f"unexpected {_shown(stuck.here)}", stuck.here, "expected text in quotes",
            f"write {form}", edit,
        )  # fmt: skip
    return _error(f"`{stuck.last.text}` needs a text in quotes after it", stuck.last)


# Operands -----------------------------------------------------------------------------


def _missing_operand(stuck: _Stuck) -> Diagnostic | None:
    if not stuck.wants_operand:
        return None
    last, here = stuck.last, stuck.here
    needs = f"`{last.text}` needs something on its right"
    binary = last.type in _BINARY or last.type in {"NOT", "COMMA", "AT"}
    if stuck.at_end:
        label = "the statement ends here" if binary else "expected an expression after it"
        message = needs if binary else f"`{last.text}` has nothing after it"
        return _error(message, last, label)
    if stuck.kind() in {"IF", "NOT"}:
        return _error(
            f"`{here.text}` as an operand stands in brackets",
            here,
            "",
            f"write `({here.text} ...)`",
            labels=(Label(last.span, "an operand of this"),),
        )
    if stuck.kind() in CLOSERS and last.type in OPENERS and stuck.kind() != "CLOSE_CURLY":
        return _error(
            "these brackets hold nothing",
            here,
            "expected an expression before it",
            labels=(Label(last.span, "opened here"),),
        )
    where = "in an expression" if binary else f"after `{last.text}`"
    help_text = "to start another rule, begin a new line" if stuck.kind() == "DEFINE" else ""
    return _error(
        f"unexpected {_shown(here)} {where}",
        here,
        _OPERAND,
        help_text,
        labels=(Label(last.span, needs),) if binary else (),
    )


# Conditions and blocks ----------------------------------------------------------------


def _half_condition(stuck: _Stuck) -> Diagnostic | None:
    """`if` without its `then` or `else`."""
    lacking = stuck.expected & {"THEN", "ELSE"}
    if not lacking:
        return None
    opened = _open_if(stuck)
    if opened is None:
        return None
    beginning, lacks_then = opened
    word = "then" if lacks_then else "else"
    if not stuck.at_end and stuck.kind() not in {"NEWLINE", "ELSE", "COMMA", "FOR", *CLOSERS}:
        return None
    return Diagnostic(
        "F0101",
        f"this `if` has no `{word}`",
        beginning.span,
        labels=() if stuck.at_end else (Label(stuck.here.span, f"expected `{word}` before it"),),
        helps=(Help("a choice is `if c then a else b`, with all three parts"),),
    )


def _open_if(stuck: _Stuck) -> tuple[Lexeme, bool] | None:
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
    return waiting[-1] if waiting else None


def _in_block(stuck: _Stuck) -> Diagnostic | None:
    opener = stuck.innermost
    if opener is None or opener.type != "OPEN_CURLY":
        return None
    here, kind = stuck.here, stuck.kind()
    if "RETURN" in stuck.expected and kind == "CLOSE_CURLY":
        label = Label(opener.span, "of this block")
        return _error(
            "this block returns nothing", here, "expected `return` before it",
            "a block ends with `return expression`", labels=(label,),
        )  # fmt: skip
    if kind == "RETURN" and stuck.last.type in _ENDS_OPERAND:
        at = Span(here.span.source, here.span.start, here.span.start)
        return _error(
            "unexpected `return` on the line of a binding", here, "",
            "`return` begins a line of its own", Edit(at, "\n"),
        )  # fmt: skip
    returned = _return_before(stuck)
    if returned is not None and kind == "NEWLINE":
        following = stuck.lexemes[stuck.at + 1 : stuck.at + 2] or [here]
        return _error(
            "nothing may follow `return` in a block", following[0], "expected `}`",
            labels=(Label(returned.span, "returned here"),),
        )  # fmt: skip
    if returned is None and not stuck.wants_operand and _begins_binding(stuck):
        return _error(
            f"unexpected {_shown(here)} in a block", here, "expected `name = ...`",
            "a block holds bindings, `name = expression`, and `return expression`",
        )  # fmt: skip
    return None


def _return_before(stuck: _Stuck) -> Lexeme | None:
    """The `return` of the block that is open here, if it stands before this place."""
    depth = 0
    for lexeme in reversed(stuck.lexemes[: stuck.at]):
        depth += (lexeme.type in CLOSERS) - (lexeme.type in OPENERS)
        if depth < 0:
            return None
        if depth == 0 and lexeme.type == "RETURN":
            return lexeme
    return None


def _begins_binding(stuck: _Stuck) -> bool:
    """Whether no `=` stands between the last newline of the block and this place."""
    depth = 0
    for lexeme in reversed(stuck.lexemes[: stuck.at]):
        depth += (lexeme.type in CLOSERS) - (lexeme.type in OPENERS)
        if depth < 0 or (depth == 0 and lexeme.type == "NEWLINE"):
            return True
        if depth == 0 and lexeme.type == "DEFINE":
            return False
    return True


# Everything else ----------------------------------------------------------------------


def _comprehension(stuck: _Stuck) -> Diagnostic | None:
    if stuck.kind() != "FOR":
        return None
    opener = stuck.innermost
    if opener is None:
        help_text = "write `[e for x in xs]`, or give it to a join: `sum(e for x in xs)`"
    else:
        help_text = "as one of several arguments it stands in `[ ]`"
    return _error(
        "unexpected `for` after an expression", stuck.here, "no comprehension stands here",
        help_text,
    )  # fmt: skip


def _second_definition(stuck: _Stuck) -> Diagnostic | None:
    if stuck.kind() != "DEFINE":
        return None
    if stuck.innermost is not None and stuck.innermost.type == "OPEN_ROUND":
        return _error(
            "unexpected `=` after an expression", stuck.here, "no name stands before it",
            "an argument with a keyword is `name = value`; `==` compares",
        )  # fmt: skip
    return _error(
        "unexpected `=` after an expression", stuck.here, "",
        "`==` compares; to start another definition, begin a new line",
    )  # fmt: skip


def _side_by_side(stuck: _Stuck) -> Diagnostic | None:
    starts = stuck.kind() in {"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "OPEN_CURLY"} or (
        stuck.kind() in {"SHARED", "WIRING", "EXTERN", "OPEN_ROUND", "OPEN_SQUARE"}
    )
    if not starts or stuck.last.type not in _ENDS_OPERAND:
        return None
    return _error(
        f"unexpected {_shown(stuck.here)} after an expression",
        stuck.here,
        f"expected an operator {_or_end(stuck)}",
        "put an operator between the two: `>>` for series, `*` for a product",
        labels=(Label(stuck.last.span, "this ends an expression"),),
    )


def _or_end(stuck: _Stuck) -> str:
    opener = stuck.innermost
    if opener is None or opener.type == "OPEN_CURLY":
        return "or the end of the line"
    return "or `)`" if opener.type == "OPEN_ROUND" else "or `]`"


_WORDS = {"DEFINE": "`=`", "AS": "`as`", "IMPORT": "`import`", "IN": "`in`", "THEN": "`then`",
          "ELSE": "`else`", "OPEN_ROUND": "`(`", "OPEN_CURLY": "`{`", "COMPOSE": "`.`",
          "RETURN": "`return`", "COMMA": "`,`", "STRING": "text in quotes", "NAME": "a name"}  # fmt: skip


def _plain(stuck: _Stuck) -> Diagnostic:
    """What is left: say what stands there and what could."""
    if stuck.expected & OPERATORS:
        label = f"expected an operator {_or_end(stuck)}"
    else:
        words = [word for kind, word in _WORDS.items() if kind in stuck.expected]
        label = f"expected {' or '.join(words[:3])}" if words else ""
    if stuck.at_end:
        return _error("the statement ends too early", stuck.last, f"{label} after it".strip())
    return _error(f"unexpected {_shown(stuck.here)}", stuck.here, label)


_CASES: tuple[_Case, ...] = (
    _bad_start,
    _no_definition,
    _reserved_word,
    _missing_path,
    _missing_name,
    _half_condition,
    _in_block,
    _missing_operand,
    _comprehension,
    _second_definition,
    _side_by_side,
)
