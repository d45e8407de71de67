"""Arguments of the words that combine networks."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.call_errors import refuse_unknown
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_name
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival
from fractal_dsl.semantics.values import Value
from fractal_dsl.syntax import tree

__all__ = ["keyword_values", "only_network", "positional"]


def positional(expression: tree.Call) -> tuple[tree.Expression, ...]:
    refuse_unknown(called_name(expression) or "this", expression.arguments, ())
    return tuple(argument.value for argument in expression.arguments)


def keyword_values(
    site: Site, expression: tree.Call, arrival: Arrival | None, allowed: Sequence[str]
) -> Steps[dict[str, Value]]:
    """Plain values of a combinator's keyword arguments."""
    refuse_unknown(called_name(expression) or "this", expression.arguments, allowed)
    found: dict[str, Value] = {}
    for argument in expression.arguments:
        if argument.keyword is None:
            continue
        value: Value = yield plain(site.place(arrival), argument.value, f"`{argument.keyword}`")
        found[argument.keyword] = value
    return found


def only_network(expression: tree.Call) -> tree.Expression:
    found = [a.value for a in expression.arguments if a.keyword is None]
    if len(found) != 1:
        raise fail("F0206", f"`{called_name(expression)}` takes one network", expression.span)
    return found[0]
