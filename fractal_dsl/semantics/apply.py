"""Builds networks: what an expression does to the value that comes into it.

`apply` takes an expression and the value that arrives, adds nodes to the site's builder,
and gives the flow that leaves. Where nothing arrives, the expression must compute a value of
wires. Joins stay open as `language.md`, "The join", says: they pass through brackets, names,
calls, `if`, `@` and the end of a series, and are closed by whatever takes them in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fractal_dsl.semantics.constant_expressions import condition
from fractal_dsl.semantics.instantiation import shared
from fractal_dsl.semantics.joins import join
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.named_networks import indexed, named, tagged
from fractal_dsl.semantics.network_arithmetic import binary, unary
from fractal_dsl.semantics.repetition import power
from fractal_dsl.semantics.series import compose, series
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.values import Value
from fractal_dsl.semantics.wire_errors import not_a_network
from fractal_dsl.semantics.wires import flow_of
from fractal_dsl.semantics.wirings import block, listed, wiring
from fractal_dsl.syntax import tree

__all__ = ["apply"]


def apply(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """What leaves `expression` when `arrival` comes in."""
    handler = HANDLERS.get(type(expression))
    if handler is None:
        value: Value = yield site.place(arrival).evaluate(expression)
        if arrival is None:
            return flow_of(site.builder, value, expression.span)
        raise not_a_network(value, expression.span)
    flow: Flow = yield handler(site, expression, arrival)
    return flow


def conditional(site: Site, expression: tree.Conditional, arrival: Arrival | None) -> Steps[Flow]:
    current: tree.Expression = expression
    while isinstance(current, tree.Conditional):
        truth: bool = yield condition(site.place(arrival), current.condition)
        current = current.positive if truth else current.negative
    flow: Flow = yield site.apply(current, arrival)
    return flow


def parenthesised(
    site: Site, expression: tree.Parenthesised, arrival: Arrival | None
) -> Steps[Flow]:
    flow: Flow = yield site.apply(expression.inner, arrival)
    return flow


HANDLERS: dict[type[tree.Node], Callable[[Site, Any, Arrival | None], Steps[Flow]]] = {
    tree.Series: series,
    tree.Compose: compose,
    tree.Conditional: conditional,
    tree.Parenthesised: parenthesised,
    tree.Name: named,
    tree.Qualified: named,
    tree.Extern: named,
    tree.Call: named,
    tree.Tag: tagged,
    tree.Power: power,
    tree.Unary: unary,
    tree.Binary: binary,
    tree.Join: join,
    tree.Wiring: wiring,
    tree.Block: block,
    tree.Shared: shared,
    tree.ListDisplay: listed,
    tree.ListComprehension: listed,
    tree.Index: indexed,
}
