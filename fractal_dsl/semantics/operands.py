"""Operands of joins, sums and the like: what is built on the value that comes in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.comprehensions import turns
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_part
from fractal_dsl.semantics.site import Place, Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.values import Items, Network, Scope, Value, describe
from fractal_dsl.semantics.wires import flow_of
from fractal_dsl.syntax import tree

__all__ = ["Operation", "operands_of", "operate"]

# What may give a list of networks.
MAY_LIST = (tree.Name, tree.Index, tree.Binary, tree.Call, tree.Conditional, tree.Parenthesised)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operand to build: an expression in its scope, with its turn of a comprehension.

    `value` is what the expression is worth where that is known: a wire, an item of a list.
    """

    expression: tree.Expression
    scope: Scope
    turn: int | None = None
    of: int = 1
    value: Value | None = None


def operate(site: Site, operation: Operation, arrival: Arrival | None) -> Steps[Flow]:
    inside = replace(site, scope=operation.scope)
    turn = operation.turn
    with nullcontext() if turn is None else site.builder.turn(turn, operation.of):
        flow: Flow = yield build(inside, operation, arrival)
    return flow


def build(site: Site, operation: Operation, arrival: Arrival | None) -> Steps[Flow]:
    value, span = operation.value, operation.expression.span
    if value is None:
        flow: Flow = yield site.apply(operation.expression, arrival)
        return flow
    if arrival is None:
        return flow_of(site.builder, value, span)
    if not isinstance(value, Network):
        raise fail("F0405", f"{describe(value)} stands where a network is needed", span)
    name = called_part(operation.expression) or "part"
    name = site.builder.names.get(id(operation.expression), name)
    copy: Flow = yield site.builders.use(site, value, arrival, name, span)
    return copy


def operands_of(
    site: Site, arguments: Sequence[tree.Expression], arrival: Arrival | None
) -> Steps[list[Operation]]:
    """Operands, a comprehension, or one list, as operations in order."""
    found: list[Operation] = []
    for argument in arguments:
        if isinstance(argument, tree.ListDisplay):
            found.extend(Operation(item, site.scope) for item in argument.items)
            continue
        if isinstance(argument, tree.ListComprehension):
            argument = argument.comprehension
        if isinstance(argument, tree.Comprehension):
            places: list[Place] = yield turns(site.place(arrival), argument)
            site.builder.check_turns(len(places), argument.span)
            element, count = argument.element, len(places)
            found.extend(Operation(element, p.scope, at, count) for at, p in enumerate(places))
            continue
        value: Value | None = None
        if arrival is None or (len(arguments) == 1 and isinstance(argument, MAY_LIST)):
            value = yield site.place(arrival).evaluate(argument)
        if isinstance(value, Items):
            count = len(value.values)
            items = enumerate(value.values)
            found.extend(Operation(argument, site.scope, at, count, one) for at, one in items)
        else:
            found.append(Operation(argument, site.scope, value=value if arrival is None else None))
    return found
