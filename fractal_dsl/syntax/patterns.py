"""The heads of equations: read as calls, checked here to be patterns."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Edit, Help
from fractal_dsl.syntax import tree

__all__ = ["parameters_of", "patterns_of"]

_FORMS = "an integer, a name, a name plus an integer, or `name = default`"


def patterns_of(arguments: tuple[tree.Argument, ...]) -> tuple[tree.Pattern, ...]:
    """The arguments of a head as patterns.

    Raises DiagnosticError (F0106) for each one that is no pattern.
    """
    made = [_pattern(argument) for argument in arguments]
    faults = [one for one in made if isinstance(one, Diagnostic)]
    patterns = tuple(one for one in made if not isinstance(one, Diagnostic))
    faults.extend(_repeated(patterns))
    if faults:
        raise DiagnosticError(*faults)
    return patterns


def parameters_of(arguments: tuple[tree.Argument, ...]) -> tuple[tree.Parameter, ...]:
    """The arguments of a net's or an extern's head: names, with or without defaults.

    Raises DiagnosticError (F0106) where one is a pattern.
    """
    patterns = patterns_of(arguments)
    faults = [
        _fault(one, "only rules match patterns", "here a parameter is a name or `name = default`")
        for one in patterns
        if not isinstance(one, tree.Parameter)
    ]
    if faults:
        raise DiagnosticError(*faults)
    return tuple(one for one in patterns if isinstance(one, tree.Parameter))


def _pattern(argument: tree.Argument) -> tree.Pattern | Diagnostic:
    value = argument.value
    if argument.keyword is not None:
        return tree.Parameter(argument.span, argument.keyword, value)
    match value:
        case tree.Name(name=name):
            return tree.Parameter(argument.span, name, None)
        case tree.Number(value=int(number)):
            return tree.LiteralPattern(argument.span, number)
        case tree.Unary(operator="-", operand=tree.Number(value=int(number))):
            return tree.LiteralPattern(argument.span, -number)
        case tree.Binary(
            operator="+", left=tree.Name(name=name), right=tree.Number(value=int(offset))
        ) if offset > 0:
            return tree.SuccessorPattern(argument.span, name, offset)
        case _:
            return _no_pattern(value)


def _no_pattern(value: tree.Expression) -> Diagnostic:
    match value:
        case tree.Binary(
            operator="+", left=tree.Number(value=int(offset)), right=tree.Name(name=name)
        ) if offset > 0:
            swapped = f"{name}+{offset}"
            return _fault(
                value,
                "the name comes first",
                f"write `{swapped}`",
                Edit(value.span, swapped),
            )
        case tree.Binary(operator="+", left=tree.Name(name=name), right=tree.Number(value=0)):
            return _fault(value, "adds nothing", f"write `{name}`", Edit(value.span, name))
        case tree.Binary(operator="-", left=tree.Name(name=name), right=tree.Number(value=int())):
            return _fault(
                value,
                "a case goes up from the smaller one",
                f"define `{name}+1` by what holds for `{name}`, or match `{name}` "
                "and write the difference on the right",
            )
        case tree.Number():
            return _fault(
                value, "a float is never matched", "use a guard: `f(x) if x == 0.5 = ...`"
            )
        case tree.Comprehension():
            return _fault(value, "not a pattern", f"a pattern is {_FORMS}")
        case _:
            help_text = (
                f"a pattern is {_FORMS}; for anything else use a guard: `f(n) if n > 2 = ...`"
            )
            return _fault(value, "not a pattern", help_text)


def _repeated(patterns: tuple[tree.Pattern, ...]) -> list[Diagnostic]:
    seen: set[str] = set()
    faults: list[Diagnostic] = []
    for pattern in patterns:
        if isinstance(pattern, tree.LiteralPattern):
            continue
        if pattern.name in seen:
            faults.append(
                Diagnostic(
                    "F0106",
                    f"two parameters are called `{pattern.name}`",
                    pattern.span,
                    "the second one",
                    helps=(Help("give each parameter its own name"),),
                )
            )
        seen.add(pattern.name)
    return faults


def _fault(node: tree.Node, label: str, help_text: str, edit: Edit | None = None) -> Diagnostic:
    text = node.span.text
    shown = f"`{text}`" if len(text) <= 40 and "\n" not in text else "this"
    message = f"{shown} cannot stand in the head of a definition"
    return Diagnostic("F0106", message, node.span, label, helps=(Help(help_text, edit),))
