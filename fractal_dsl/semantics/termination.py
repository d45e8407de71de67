"""Rules by successor must come down to a case: checked on the text, before expansion."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic, Edit, Help, Label
from fractal_dsl.semantics.definitions import Definition, Names
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["termination"]


def termination(home: Names) -> Iterator[Diagnostic]:
    """A successor case without a base case, and calls that do not get smaller."""
    for definition in home.own:
        for at in sorted(definition.pattern_positions):
            patterns = [(e, (e.patterns or ())[at : at + 1]) for e in definition.equations]
            successors = [e for e, p in patterns if p and isinstance(p[0], tree.SuccessorPattern)]
            if successors and len(successors) == len([p for _, p in patterns if p]):
                case = f"defined only for {(successors[0].patterns or ())[at].span.text}"
                yield no_base_case(definition, successors[0], at, case)
        yield from endless(definition)
        for equation in definition.equations:
            yield from growing_calls(definition, equation)


def endless(definition: Definition) -> Iterator[Diagnostic]:
    """A rule each of whose calls makes another call of it, as `f(n) = f(n - 1) (+) conv`."""
    if definition.group is None or any(
        e.guard is not None or any(isinstance(p, tree.SuccessorPattern) for p in e.patterns or ())
        for e in definition.equations
    ):
        return
    calls = [certain_call(definition, equation) for equation in definition.equations]
    first, equation = calls[0], definition.equations[0]
    if first is None or not equation.patterns or any(call is None for call in calls):
        return
    given = [" ".join(argument.span.text.split()) for argument in first.arguments]
    if given != [pattern.span.text for pattern in equation.patterns]:
        label = f"every call of it calls `{first.span.text}`"
        yield no_base_case(definition, equation, 0, label)


def certain_call(definition: Definition, equation: tree.Equation) -> tree.Call | None:
    """A call of the rule itself that no condition, count or list could leave out."""
    waiting: list[tree.Expression] = [equation.body]
    while waiting:
        part = waiting.pop()
        match part:
            case tree.Call(function=tree.Name(name=name)) if name == definition.name:
                return part
            case tree.Series(items=parts) | tree.Compose(items=parts) | tree.Join(operands=parts):
                waiting.extend(parts)
            case tree.Binary(left=left, right=right):
                waiting += [left, right]
            case tree.Parenthesised(inner=inner) | tree.Tag(operand=inner):
                waiting.append(inner)
    return None


def no_base_case(definition: Definition, equation: tree.Equation, at: int, why: str) -> Diagnostic:
    patterns = list(equation.patterns or ())
    heads = ["1" if n == at else pattern.span.text for n, pattern in enumerate(patterns)]
    base = f"{definition.name}({', '.join(heads)})"
    start = Span(equation.head.source, equation.head.start, equation.head.start)
    return Diagnostic(
        "F0202",
        f"rule `{definition.name}` has no base case",
        equation.head,
        f"{why}, so {base} has no meaning",
        helps=(Help("add a base rule", Edit(start, f"{base} = conv\n")),),
    )


def growing_calls(definition: Definition, equation: tree.Equation) -> Iterator[Diagnostic]:
    """Calls within the recursion whose index is no smaller than the case's own."""
    place = definition.level_position
    patterns = equation.patterns or ()
    if definition.group is None or place is None or place >= len(patterns):
        return
    successor = patterns[place]
    if not isinstance(successor, tree.SuccessorPattern):
        return
    for node in walk(equation.body):
        if not (isinstance(node, tree.Call) and isinstance(node.function, tree.Name)):
            continue
        callee = definition.home.get(node.function.name)
        if callee is None or callee.group != definition.group or callee.level_position is None:
            continue
        given = node.arguments[callee.level_position : callee.level_position + 1]
        offset = offset_from(given[0].value, successor.name) if given else None
        if offset is not None and offset >= successor.offset:
            yield not_smaller(definition, equation, successor, node, given[0].value)


def offset_from(expression: tree.Expression, name: str) -> int | None:
    """k if the expression is `name + k` or `name - k`; None if it is anything else."""
    while isinstance(expression, tree.Parenthesised):
        expression = expression.inner
    if isinstance(expression, tree.Name) and expression.name == name:
        return 0
    if not isinstance(expression, tree.Binary) or expression.operator not in ("+", "-"):
        return None
    left, right = expression.left, expression.right
    if not (isinstance(left, tree.Name) and left.name == name):
        return None
    if not isinstance(right, tree.Number) or not isinstance(right.value, int):
        return None
    return right.value if expression.operator == "+" else -right.value


def not_smaller(
    definition: Definition,
    equation: tree.Equation,
    successor: tree.SuccessorPattern,
    call: tree.Call,
    argument: tree.Expression,
) -> Diagnostic:
    same = offset_from(argument, successor.name) == successor.offset
    how = "with the same index" if same else "with a larger index"
    return Diagnostic(
        "F0203",
        f"expansion of `{definition.name}` does not get smaller",
        call.span,
        f"calls itself {how}" if called(call) == definition.name else f"recurs {how}",
        labels=(Label(equation.head, "while defining this case"),),
        notes=("every call on the right must use a smaller index than the left side",),
        helps=(
            Help(
                f"did you mean `{called(call)}({successor.name})`?",
                Edit(argument.span, successor.name),
            ),
        ),
    )


def called(call: tree.Call) -> str:
    return call.function.name if isinstance(call.function, tree.Name) else "it"
