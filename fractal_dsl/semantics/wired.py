"""Rules that take wires: a graph with an input for each tensor, called where the wires are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fractal_dsl.semantics.apply import apply
from fractal_dsl.semantics.blocks import block
from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.call_errors import circular
from fractal_dsl.semantics.calls import Case
from fractal_dsl.semantics.instantiation import apply_value, finish
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Builders, Place, Site
from fractal_dsl.semantics.strands import Arrival, Strands, entry_key
from fractal_dsl.semantics.values import RuleCall, Scope, Value, holds_wires
from fractal_dsl.semantics.wires import flow_of, value_of, wire_of
from fractal_dsl.semantics.world import Made, value_key
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["BUILDERS"]


def call(
    place: Place, case: Case, scope: Scope, outer: Mapping[str, Value], at: tree.Expression
) -> Steps[Value]:
    """The value of a rule some of whose arguments hold wires: its graph is called on them.

    What the rule gives may still be a plain value or a network: `scales(x) = len(x)`.
    """
    world, builder, span = place.world, place.here().builder, case.span
    given = {n: entering(builder, v, span) for n, v in scope.locals.items() if holds_wires(v)}
    others = {n: value_key(v) for n, v in scope.locals.items() if n not in given}
    forms = tuple((name, entry_key(value)) for name, value in given.items())
    key = ("wired", id(case.equation), forms, tuple(others.items()), world.names_key(outer),
           place.incoming)  # fmt: skip
    if key in world.instances:
        made = world.instances[key]
        if made is None:
            raise circular(case.definition.name, span)
    else:
        world.count_call(span)
        world.instances[key] = None
        built: Made | Value = yield build(place, case, scope, given)
        if not isinstance(built, Made):
            del world.instances[key]
            return built
        made = world.instances[key] = built
    name = builder.names.get(id(at), case.definition.name)
    arrival = Strands(tuple(given.values()), span)
    return wire_of(builder, builder.call(made, arrival, builder.segment(name), span))


def entering(builder: GraphBuilder, value: Value, span: Span) -> Arrival:
    """Wires among the arguments as what comes into the rule's graph; open joins are closed."""
    return builder.close(flow_of(builder, value, span))


def build(place: Place, case: Case, scope: Scope, given: Mapping[str, Arrival]) -> Steps[Any]:
    """The graph of a rule for the forms of its wires, or what it gives where that is no wire."""
    world, label = place.world, case.label
    inner = GraphBuilder(world, world.segments(case.equation.body))
    wires: dict[str, Value] = {}
    for name, arrival in given.items():
        start = inner.entering(arrival, case.equation.body.span)
        inner.name_inputs(start, name)
        wires[name] = value_of(inner, start)
    kept = {n: v for n, v in scope.implicits.items() if n not in wires and not holds_wires(v)}
    inside = Scope(scope.names, {**scope.locals, **wires}, kept, scope.recursion)
    site = Site(inner, inside, BUILDERS, place.incoming)
    world.building.append(inner.nodes)
    with world.frame(label, case.span):
        value: Value = yield site.place(None).evaluate(case.equation.body)
        if not holds_wires(value):
            world.building.pop()
            return value
        flow = flow_of(inner, value, case.equation.body.span)
    world.building.pop()
    return finish(inner, flow, RuleCall(case.equation, inside, label, 0, case.span), label)


BUILDERS = Builders(apply, apply_value, call, block)
