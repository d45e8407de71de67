"""State-dict segments: the name of every part of an equation, fixed by its text alone."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from fractal_dsl.syntax import tree

__all__ = ["COMBINATORS", "LEARNED", "called_name", "segments"]

# Calls whose arguments are networks that belong to the equation itself.
COMBINATORS = frozenset(
    {
        "chain",
        "concat",
        "drop",
        "each",
        "joined",
        "max",
        "mean",
        "min",
        "product",
        "split",
        "stochastic_depth",
        "sum",
    }
)


# The word for a learned tensor; it is named like an operator.
LEARNED = "parameter"


def segments(root: tree.Expression) -> dict[int, str]:
    """Segment of each named part of `root`, by the identity of its expression.

    A part is called by its `@name`, else as it is written; equal names of the second kind are
    numbered `_1`, `_2` in data-flow order, whatever branch of an `if` is taken later. What
    stands in the arguments of calls, where wires may be computed, comes after all else.
    """
    named: dict[int, str] = {}
    taken: set[str] = set()
    roots = [root]
    while roots:
        parts, tags, roots = _parts(roots)
        _name(parts, tags, named, taken)
    return named


def _name(
    parts: list[tuple[tree.Expression, str]],
    tags: dict[int, str],
    named: dict[int, str],
    taken: set[str],
) -> None:
    """Give parts and tagged ones their names, which none of those `taken` may be."""
    count = Counter(name for _, name in parts)
    before = frozenset(taken)
    taken |= {*count, *tags.values()}
    named.update(tags)
    serial: Counter[str] = Counter()
    for expression, name in parts:
        if count[name] == 1 and name not in tags.values() and name not in before:
            named[id(expression)] = name
            continue
        serial[name] += 1
        while f"{name}_{serial[name]}" in taken:
            serial[name] += 1
        named[id(expression)] = f"{name}_{serial[name]}"
        taken.add(named[id(expression)])


def called_name(expression: tree.Expression) -> str | None:
    """The name by which `expression` calls something: of `f`, `f(3)` and `b::f`, `f`."""
    function = expression.function if isinstance(expression, tree.Call) else expression
    return function.name if isinstance(function, tree.Name | tree.Qualified) else None


def _parts(
    roots: list[tree.Expression],
) -> tuple[list[tuple[tree.Expression, str]], dict[int, str], list[tree.Expression]]:
    """Parts called as they are written, in data-flow order, and tagged ones by identity.

    The arguments of the calls among them are for later.
    """
    found: list[tuple[tree.Expression, str]] = []
    tags: dict[int, str] = {}
    later: list[tree.Expression] = []
    waiting: list[tree.Expression] = roots[::-1]
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, tree.Tag):
            inner = expression.operand
            name = called_name(inner)
            direct = name is not None and name not in COMBINATORS
            tags[id(inner if direct else expression)] = expression.name
            continue
        name = called_name(expression)
        if isinstance(expression, tree.Shared):
            name = called_name(expression.operand) or "shared"
        if name is not None and name not in COMBINATORS and name != "id":
            found.append((expression, name))
            if isinstance(expression, tree.Call):
                later.extend(argument.value for argument in expression.arguments)
            continue
        waiting.extend(reversed(_network_children(expression)))
    return found, tags, later


def _network_children(expression: tree.Expression) -> tuple[tree.Expression, ...]:
    """Sub-expressions that may be networks of the same equation, in data-flow order."""
    match expression:
        case tree.Series():
            return expression.items
        case tree.Compose():
            return tuple(reversed(expression.items))
        case tree.Join() | tree.Logic():
            return expression.operands
        case tree.Binary() | tree.Compare():
            return expression.left, expression.right
        case tree.Conditional():
            return expression.positive, expression.negative
        case tree.Parenthesised():
            return (expression.inner,)
        case tree.Power() | tree.Index():
            return (expression.base,)
        case tree.Unary() | tree.Tag() | tree.Shared():
            return (expression.operand,)
        case tree.Call():
            return tuple(argument.value for argument in expression.arguments)
        case tree.TupleDisplay() | tree.ListDisplay():
            return expression.items
        case tree.Comprehension():
            return (expression.element,)
        case tree.ListComprehension():
            return (expression.comprehension,)
        case tree.Block():
            return (*(binding.value for binding in expression.bindings), expression.result)
        case tree.Wiring():
            return (expression.block,)
        case tree.Extern() | tree.Reference():
            return ()
        case tree.Range() | tree.Number() | tree.String() | tree.Boolean():
            return ()
        case tree.Name() | tree.Qualified():
            return ()
        case _:
            assert_never(expression)
