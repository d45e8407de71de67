"""What a call is told that no rule or operator takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.semantics.definitions import Definition
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Given, describe, is_whole, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = [
    "argument_error",
    "circular",
    "example_call",
    "needs_arguments",
    "no_case",
    "refuse_unknown",
]


def refuse_unknown(
    word: str, arguments: Iterable[Given | tree.Argument], known: Collection[str]
) -> None:
    """Tells every keyword that nothing takes, each at the word alone, with the closest name."""
    wrong = []
    for one in arguments:
        if one.keyword is not None and one.keyword not in known:
            span = Span(one.span.source, one.span.start, one.span.start + len(one.keyword))
            helps = did_you_mean(one.keyword, known, "its parameters", span)
            message = f"`{word}` has no parameter `{one.keyword}`"
            wrong.append(Diagnostic("F0206", message, span, helps=helps))
    if wrong:
        raise DiagnosticError(*wrong)


def argument_error(message: str, span: Span, *helps: Help) -> DiagnosticError:
    return DiagnosticError(Diagnostic("F0206", message, span, helps=helps))


def no_case(definition: Definition, given: Sequence[Given], span: Span) -> DiagnosticError:
    """Why no equation takes the arguments: their number, or their values."""
    call = ", ".join(
        (f"{one.keyword} = " if one.keyword else "") + show(one.value, 24) for one in given
    )
    arities = {len(equation.patterns or ()) for equation in definition.equations}
    least = min(
        sum(not _has_default(p) for p in equation.patterns or ())
        for equation in definition.equations
    )
    if not least <= len(given) <= max(arities):
        return wrong_number(definition, given, least, max(arities), span)
    heads = [Label(e.head, "a case") for e in definition.equations[:4]]
    notes = [
        case_note(definition, at, one)
        for at, one in enumerate(given)
        if at in definition.pattern_positions
    ]
    return DiagnosticError(
        Diagnostic(
            "F0205",
            f"no case of `{definition.name}` takes ({call})",
            span,
            "none of its equations matches",
            labels=tuple(heads),
            notes=tuple(filter(None, notes)),
            helps=(Help(f"add a case for it, or call `{definition.name}` with other arguments"),),
        )
    )


def case_note(definition: Definition, at: int, one: Given) -> str:
    """Why a value is none of a recursion's levels; empty where it could be one."""
    if not is_whole(one.value):
        kind = describe(one.value)
        return f"the cases of `{definition.name}` are by whole numbers; here is {kind}"
    smallest = definition.smallest_literal(at)
    return f"the smallest case is {smallest}" if one.value < smallest else ""


def wrong_number(
    definition: Definition, given: Sequence[Given], least: int, most: int, span: Span
) -> DiagnosticError:
    count = len(given)
    takes = f"{least}" if least == most else f"{least} to {most}"
    equation = definition.equations[-1]
    head, label = equation.head, f"{count - most} too many"
    if count < least:
        asked = [p.span.text for p in equation.patterns or () if not _has_default(p)]
        said = {one.keyword for one in given}
        missing = [f"`{name}`" for name in asked if name not in said]
        positional = sum(one.keyword is None for one in given)
        label = f"no value for {', '.join(missing[positional:])}"
    return DiagnosticError(
        Diagnostic(
            "F0206",
            f"`{definition.name}` takes {takes} argument{'' if most == 1 else 's'}, {count} given",
            span,
            label,
            labels=(Label(head, "defined here"),),
        )
    )


def needs_arguments(definition: Definition, span: Span) -> DiagnosticError:
    head = definition.equations[-1].head
    return DiagnosticError(
        Diagnostic(
            "F0206",
            f"`{definition.name}` needs its arguments",
            span,
            labels=(Label(head, "defined here"),),
            helps=(Help(f"call it, for example `{example_call(definition)}`"),),
        )
    )


def example_call(definition: Definition) -> str:
    """`f(4)`: 4 for the level of a recursion, 64 for what else has no default."""
    values = [
        "4" if at in definition.pattern_positions else "64"
        for at, pattern in enumerate(definition.equations[-1].patterns or ())
        if not _has_default(pattern)
    ]
    return f"{definition.name}({', '.join(values)})" if values else definition.name


def circular(name: str, span: Span) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0207",
            f"`{name}` needs itself",
            span,
            "called again while it is being expanded, with the same arguments",
            helps=(Help("give the recursion an argument that gets smaller, and a base case"),),
        )
    )


def _has_default(pattern: tree.Pattern) -> bool:
    return isinstance(pattern, tree.Parameter) and pattern.default is not None
