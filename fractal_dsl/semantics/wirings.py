"""Wirings, blocks and lists at work: networks whose text computes wires."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.instantiation import apply_value
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_part
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strands
from fractal_dsl.semantics.values import Closure, RuleCall, Value, describe, holds_wires
from fractal_dsl.semantics.wire_errors import joined_with_network, not_a_network
from fractal_dsl.semantics.wires import flow_of, value_of
from fractal_dsl.syntax import tree

__all__ = ["block", "listed", "wiring"]


def wiring(site: Site, expression: tree.Wiring, arrival: Arrival | None) -> Steps[Flow]:
    """`wiring(x) { ... }`: a block with its input named."""
    if arrival is None:
        raise joined_with_network(expression.span, "wiring(...)")
    names = input_names(site, expression, arrival)
    inside = replace(site, scope=site.scope.bind(names), around=arrival.shape)
    value: Value = yield inside.place(None).evaluate(expression.block)
    return flow_of(site.builder, value, expression.block.result.span)


def input_names(site: Site, expression: tree.Wiring, arrival: Arrival) -> dict[str, Value]:
    if not expression.unpacks:
        site.builder.name_inputs(arrival, expression.names[0])
        return {expression.names[0]: value_of(site.builder, arrival)}
    if not isinstance(arrival, Strands) or len(arrival.items) != len(expression.names):
        comes = f"a list of {len(arrival.items)}" if isinstance(arrival, Strands) else "one tensor"
        raise fail(
            "F0410", f"this wiring names {len(expression.names)} inputs, and {comes} comes in",
            expression.span, "", "name as many inputs as come, or `wiring(x)` for the whole list",
        )  # fmt: skip
    for name, item in zip(expression.names, arrival.items, strict=True):
        site.builder.name_inputs(item, name)
    values = (value_of(site.builder, item) for item in arrival.items)
    return dict(zip(expression.names, values, strict=True))


def block(site: Site, expression: tree.Block, arrival: Arrival | None) -> Steps[Flow]:
    """`{ ... }` as a network: what it returns is one, or computed from parameters alone."""
    if arrival is not None:
        site = replace(site, around=arrival.shape)
    value: Value = yield site.place(None).evaluate(expression)
    if arrival is None or holds_wires(value):
        return flow_of(site.builder, value, expression.result.span)
    if isinstance(value, Closure):
        inside = replace(site, scope=value.scope)
        flow: Flow = yield inside.apply(value.expression, arrival)
        return flow
    if not isinstance(value, RuleCall):
        raise not_a_network(value, expression.result.span)
    name = called_part(expression.result) or "part"
    flow = yield apply_value(site, value, arrival, name, expression.result.span)
    return flow


def listed(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """A list of wires; a list of networks is no network by itself."""
    value: Value = yield site.place(arrival).evaluate(expression)
    if arrival is not None:
        raise fail(
            "F0405", f"{describe(value)} stands where a network is needed", expression.span, "",
            "to compute each item of one value: `wiring(x) { return [x >> a, x >> b] }`",
        )  # fmt: skip
    return flow_of(site.builder, value, expression.span)
