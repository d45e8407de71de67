"""Series: one network after another, and `each`, which is on every operand of a join."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_name
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand, Strands, alone
from fractal_dsl.syntax import tree

__all__ = ["compose", "series"]


def series(site: Site, expression: tree.Series, arrival: Arrival | None) -> Steps[Flow]:
    flow: Flow = yield site.apply(expression.items[0], arrival)
    for item in expression.items[1:]:
        if called_name(item) == "each" and isinstance(item, tree.Call):
            flow = yield each(site, item, flow)
        else:
            flow = yield site.apply(item, site.builder.close(flow))
    return flow


def compose(site: Site, expression: tree.Compose, arrival: Arrival | None) -> Steps[Flow]:
    flow: Flow = yield site.apply(expression.items[-1], arrival)
    for item in reversed(expression.items[:-1]):
        flow = yield site.apply(item, site.builder.close(flow))
    return flow


def each(site: Site, expression: tree.Call, flow: Flow) -> Steps[Flow]:
    """A fresh copy of the argument on every operand of an open join, or item of a list."""
    if len(expression.arguments) != 1 or expression.arguments[0].keyword is not None:
        raise fail("F0206", "`each` takes one network", expression.span)
    network = expression.arguments[0].value
    if not flow.is_open and flow.items is None:
        only: Flow = yield site.apply(network, flow.strands[0])
        return only
    values = flow.strands if flow.items is None else flow.items.items
    found: list[Arrival] = []
    for at, value in enumerate(values):
        with site.builder.turn(at):
            one = alone(value) if isinstance(value, Strand) else value
            made: Flow = yield site.apply(network, one)
            found.append(site.builder.close(made))
    if flow.items is not None:
        return Flow.of(Strands(tuple(found), expression.span))
    tensors = [site.builder.tensor(one, expression.span, "(+)") for one in found]
    strands = zip(flow.strands, tensors, strict=True)
    return replace(flow, strands=tuple(replace(s, ref=t.ref, shape=t.shape) for s, t in strands))
