"""Calls of rules: arguments to parameters, the case that matches, the value it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.semantics.definitions import Definition
from fractal_dsl.semantics.suggest import did_you_mean
from fractal_dsl.semantics.values import Value, describe, show
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["Given", "argument_error", "bind", "circular", "no_case", "split_keywords"]


@dataclass(frozen=True, slots=True)
class Given:
    """One argument of a call, evaluated."""

    keyword: str | None
    value: Value
    span: Span


def split_keywords(
    definition: Definition, implicits: frozenset[str], given: Sequence[Given], span: Span
) -> tuple[list[Given], dict[str, Given], dict[str, Value]]:
    """Positional arguments, keywords of parameters, and values for implicit names."""
    positional = [one for one in given if one.keyword is None]
    named: dict[str, Given] = {}
    extra: dict[str, Value] = {}
    for one in given:
        if one.keyword is None:
            continue
        if one.keyword in named or one.keyword in extra:
            raise argument_error(f"`{one.keyword}` is given twice", one.span)
        if one.keyword in definition.parameter_names:
            named[one.keyword] = one
        elif one.keyword in implicits:
            extra[one.keyword] = one.value
        else:
            known = sorted(definition.parameter_names | implicits)
            message = f"`{definition.name}` has no parameter `{one.keyword}`"
            raise argument_error(message, one.span, *did_you_mean(one.keyword, known, "its names"))
    return positional, named, extra


def bind(
    definition: Definition,
    equation: tree.Equation,
    positional: Sequence[Given],
    named: dict[str, Given],
) -> dict[int, Value] | None:
    """Values by position if the equation's patterns take these arguments, else None.

    Positions left out are those of parameters with a default.
    """
    patterns = equation.patterns or ()
    if len(positional) > len(patterns):
        return None
    bound: dict[int, Value] = {}
    used = 0
    for at, pattern in enumerate(patterns):
        if at < len(positional):
            value = positional[at].value
        elif isinstance(pattern, tree.Parameter) and pattern.name in named:
            value = named[pattern.name].value
        elif isinstance(pattern, tree.Parameter) and pattern.default is not None:
            continue
        else:
            return None
        if isinstance(pattern, tree.Parameter) and pattern.name in named:
            used += 1
            if at < len(positional):
                message = f"`{pattern.name}` is given by place and by name"
                raise argument_error(message, named[pattern.name].span)
        if not matches(definition, at, pattern, value):
            return None
        bound[at] = value
    return bound if used == len(named) else None


def matches(definition: Definition, at: int, pattern: tree.Pattern, value: Value) -> bool:
    """Whether one argument fits one pattern.

    `C + k` takes whole numbers down to k above the smallest literal case of that place (or
    above zero), so the order of literal and successor cases does not matter.
    """
    if isinstance(pattern, tree.Parameter):
        return True
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    if isinstance(pattern, tree.LiteralPattern):
        return value == pattern.value
    return value - pattern.offset >= definition.smallest_literal(at)


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
        return wrong_number(definition, len(given), least, max(arities), span)
    heads = [Label(e.head, "a case") for e in definition.equations[:4]]
    wrong = [
        one
        for at, one in enumerate(given)
        if at in definition.pattern_positions and not isinstance(one.value, int)
    ]
    notes = tuple(
        f"the cases of `{definition.name}` are by whole numbers; here is {describe(one.value)}"
        for one in wrong[:1]
    )
    return DiagnosticError(
        Diagnostic(
            "F0205",
            f"no case of `{definition.name}` takes ({call})",
            span,
            "none of its equations matches",
            labels=tuple(heads),
            notes=notes,
            helps=(Help(f"add a case for it, or call `{definition.name}` with other arguments"),),
        )
    )


def wrong_number(
    definition: Definition, count: int, least: int, most: int, span: Span
) -> DiagnosticError:
    takes = f"{least}" if least == most else f"{least} to {most}"
    head = definition.equations[0].head
    return DiagnosticError(
        Diagnostic(
            "F0206",
            f"`{definition.name}` takes {takes} argument{'' if most == 1 else 's'}, {count} given",
            span,
            labels=(Label(head, "defined here"),),
        )
    )


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
