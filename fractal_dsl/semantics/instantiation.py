"""Instances of networks: a graph for each form of what comes in, and calls to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import Graph, Input
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.prune import live
from fractal_dsl.ir.shapes import NETWORK
from fractal_dsl.ir.shares import named_apart
from fractal_dsl.ir.weights import same_weights
from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.call_errors import circular
from fractal_dsl.semantics.equations import equation_text, one_line
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import OutputPlace
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand, Strands, entry_key, leaves
from fractal_dsl.semantics.values import Closure, Network, RuleCall, SharedNetwork, Value
from fractal_dsl.semantics.wire_errors import joined_with_network, show_text
from fractal_dsl.semantics.world import Made
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["apply_shared", "apply_value", "finish", "instantiate", "shared"]

Fresh: TypeAlias = Closure | RuleCall


def apply_value(
    site: Site,
    value: Network,
    arrival: Arrival,
    name: str,
    span: Span,
    tag: str | None = None,
    end: Attributes | None = None,
) -> Steps[Flow]:
    """A call to the graph of a rule or an argument."""
    if isinstance(value, SharedNetwork):
        once: Flow = yield apply_shared(site, value, arrival, span)
        return once
    made: Made = yield instantiate(site, value, arrival, name, span, end)
    return site.builder.call(made, arrival, site.builder.segment(name), span, tag)


def apply_shared(site: Site, value: SharedNetwork, arrival: Arrival, span: Span) -> Steps[Flow]:
    """A use of the one instance of a shared network; its joins are closed."""
    builder = site.builder
    made: Made = yield instantiate(site, value.network, arrival, value.name, span)
    first, place = builder.world.shares.setdefault(value.key, (made.graph, span))
    if not same_weights(builder.world.graphs, first, made.graph):
        shapes = (takes(builder.world.graphs[graph]) for graph in (first, made.graph))
        raise unlike_weights(value.name, (place, span), *shapes)
    flow = builder.call(made, arrival, builder.segment(value.name), span, shared=value)
    return Flow.of(builder.close(flow))


def takes(graph: Graph) -> str:
    return " and ".join(str(shape) for shape in graph.inputs if shape != NETWORK)


def unlike_weights(name: str, places: tuple[Span, Span], first: str, other: str) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0415",
            f"the uses of shared `{name}` need weights of different shapes",
            places[1],
            f"here {other} comes in",
            labels=(Label(places[0], f"first used here, on {first}"),),
            helps=(Help("share it among values of one width, or write it twice"),),
        )
    )


def shared(site: Site, expression: tree.Shared, arrival: Arrival | None) -> Steps[Flow]:
    value: Value = yield site.place(arrival).evaluate(expression)
    assert isinstance(value, SharedNetwork)
    if arrival is None:
        raise joined_with_network(expression.span, show_text(expression))
    flow: Flow = yield apply_shared(site, value, arrival, expression.span)
    return flow


def instantiate(
    site: Site,
    value: Fresh,
    arrival: Arrival,
    name: str,
    span: Span,
    end: Attributes | None = None,
) -> Steps[Made]:
    """The graph of a network for one form of what comes in, built once.

    `end` is an operator that its value goes through last.
    """
    world = site.builder.world
    key = (value.key, entry_key(arrival), end)
    if key in world.instances:
        known = world.instances[key]
        if known is None:
            raise circular(label_of(value, name), span)
        return known
    world.count_call(span)
    world.instances[key] = None
    root = value.expression if isinstance(value, Closure) else value.equation.body
    inner = GraphBuilder(world, world.segments(root))
    world.building.append(inner.nodes)
    with world.frame(label_of(value, name), span):
        start = inner.entering(arrival, root.span)
        around = Site(inner, value.scope, site.builders, arrival.shape)
        flow: Flow = yield around.apply(root, start)
        if end is not None:
            flow = Flow.of(inner.apply(end, [inner.tensor(inner.close(flow), span)], "end", span))
    world.building.pop()
    world.instances[key] = made = finish(inner, flow, value, name)
    return made


def label_of(value: Fresh, name: str) -> str:
    return name if isinstance(value, Closure) else value.label


def finish(inner: GraphBuilder, flow: Flow, value: Fresh, name: str) -> Made:
    """The finished graph; an open join of one operand is no join, and what nothing reads goes."""
    is_open = flow.is_open and len(flow.strands) > 1
    form = None
    strands = flow.strands
    if not is_open:
        closed = inner.close(flow)
        form = closed if isinstance(closed, Strands) else None
        strands = tuple(leaves(closed))
    parts = named_apart(inner.nodes, inner.world.graphs)
    nodes, outputs, kept = live(parts, [strand.operand for strand in strands])
    branches = flow.branches if is_open else 0
    graph = labelled(Graph(name, name, nodes, outputs, is_open, branches), value)
    index = inner.world.add_graph(graph, places_of(strands))
    learned = tuple(strand.learned for strand in strands)
    reads = (at for at in kept if isinstance(inner.nodes[at], Input) and at not in inner.borrowed)
    borrows = tuple(one for at, one in inner.borrowed.items() if at in kept)
    return Made(index, tuple(reads), form, learned, borrows)


def places_of(strands: Sequence[Strand]) -> tuple[OutputPlace, ...]:
    return tuple((strand.span, strand.written) for strand in strands)


def labelled(graph: Graph, value: Fresh) -> Graph:
    """`graph` with the names, text and place of the network that it is of."""
    recursion = value.scope.recursion
    if isinstance(value, Closure):
        text = one_line(value.expression.span.text)
        return replace(
            graph, recursion=recursion, is_closure=True, equation=text, span=value.expression.span
        )
    equation = value.equation
    return replace(
        graph, label=value.label, rule=equation.name, recursion=recursion,
        equation=equation_text(value), doc=equation.doc, span=equation.span,
    )  # fmt: skip
