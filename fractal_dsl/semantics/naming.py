"""State-dict segments: the name of every part of an equation, fixed by its text alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import assert_never

from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.syntax import tree

__all__ = [
    "COMBINATORS",
    "LEARNED",
    "branch_part",
    "called_name",
    "called_part",
    "segments",
    "written_name",
]

# Calls whose arguments are networks that belong to the equation itself.
DEPTH = "stochastic_depth"
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
    numbered `_1`, `_2` in data-flow order, whatever branch of an `if` is taken later. Parts in
    the arguments of a call, which are this equation's where they compute a wire, come last.
    """
    parts, tags = _parts(root)
    named = dict(tags)
    _number(parts, named)
    inner: list[tuple[tree.Expression, str]] = []
    for expression in _arguments(parts):
        deeper, tagged = _parts(expression)
        inner += deeper
        named |= tagged
    _number(inner, named)
    return named


def _number(parts: list[tuple[tree.Expression, str]], named: dict[int, str]) -> None:
    """Give each of `parts` a name that none has: its own, where no other wants it."""
    count = Counter(name for _, name in parts)
    used = set(named.values())
    taken = {*count, *used}
    serial: Counter[str] = Counter()
    for expression, name in parts:
        if count[name] == 1 and name not in used:
            named[id(expression)] = name
            continue
        serial[name] += 1
        while f"{name}_{serial[name]}" in taken:
            serial[name] += 1
        named[id(expression)] = f"{name}_{serial[name]}"


def _arguments(parts: list[tuple[tree.Expression, str]]) -> Iterator[tree.Expression]:
    """The arguments of `parts`, and of the parts in them."""
    waiting = [expression for expression, _ in reversed(parts)]
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, tree.Call):
            for argument in expression.arguments:
                yield argument.value
                waiting.extend(part for part, _ in _parts(argument.value)[0])


def written_name(name: tree.Name | tree.Qualified) -> str:
    """A name as the text has it: `f`, `b::f`."""
    return name.name if isinstance(name, tree.Name) else f"{name.module}::{name.name}"


def called_name(expression: tree.Expression) -> str | None:
    """The name by which `expression` calls something: of `f` and `f(3)`, `f`; of `b::f`, that."""
    function = expression.function if isinstance(expression, tree.Call) else expression
    return written_name(function) if isinstance(function, tree.Name | tree.Qualified) else None


def called_part(expression: tree.Expression) -> str | None:
    """The word for what is called: `f` of `b::f(3)`, `gelu` of `extern "torch.nn.GELU"`."""
    function = expression.function if isinstance(expression, tree.Call) else expression
    if isinstance(function, tree.Extern):
        last = function.path.rpartition(".")[2]
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last).lower()
    name = called_name(expression)
    return None if name is None else name.rpartition("::")[2]


def _parts(root: tree.Expression) -> tuple[list[tuple[tree.Expression, str]], dict[int, str]]:
    """Parts called as they are written, in data-flow order, and tagged ones by identity."""
    found: list[tuple[tree.Expression, str]] = []
    tags: dict[int, str] = {}
    waiting: list[tree.Expression] = [root]
    while waiting:
        expression = waiting.pop()
        if isinstance(expression, tree.Tag):
            inner = expression.operand
            name = called_part(inner)
            direct = name is not None and name not in COMBINATORS
            tags[id(inner if direct else expression)] = expression.name
            continue
        name = called_part(expression)
        if isinstance(expression, tree.Shared):
            name = called_part(expression.operand) or "shared"
        if name == DEPTH and isinstance(expression, tree.Call):
            expression, name = branch_part(expression)
            if isinstance(expression, tree.Tag):
                waiting.append(expression)
                continue
        if name is not None and name not in COMBINATORS - {DEPTH} and not is_id(expression):
            found.append((expression, name))
            continue
        waiting.extend(reversed(_network_children(expression)))
    return found, tags


def is_id(expression: tree.Expression) -> bool:
    return isinstance(expression, tree.Name) and expression.name == "id"


def branch_part(expression: tree.Call) -> tuple[tree.Expression, str]:
    """What names the branch of `stochastic_depth(e, p)`: `e` where that is a tag, or the name
    or a call of a network; else the whole, as `stochastic_depth`."""
    branch = next((a.value for a in expression.arguments if a.keyword is None), None)
    while isinstance(branch, tree.Parenthesised):
        branch = branch.inner
    if isinstance(branch, tree.Tag):
        return branch, branch.name
    name = None if branch is None else called_name(branch)
    if branch is None or name is None or name in COMBINATORS | OPERATORS.keys() | {"id"}:
        return expression, DEPTH
    return branch, name


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
