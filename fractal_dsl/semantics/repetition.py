"""Repeats, `e ** n`: copies of one graph from the turn on at which the shape stays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fractal_dsl.ir.graph import Call, Graph, Segment
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import GraphBuilder, is_identity
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.instantiation import apply_shared, finish, instantiate
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.named_networks import segment_name
from fractal_dsl.semantics.naming import called_name, called_part
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand
from fractal_dsl.semantics.values import Closure, Network, SharedNetwork, Value, is_whole
from fractal_dsl.semantics.wire_errors import joined_with_network, not_a_network, show_text
from fractal_dsl.semantics.world import Made
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["power"]

# Turns of a `**` that each change the shape, as a dense block's do; DenseNet-264 has 64.
MAX_TURNS = 160


def power(site: Site, expression: tree.Power, arrival: Arrival | None) -> Steps[Flow]:
    """`e ** n`: copies of one graph from the turn on at which the shape stays."""
    if arrival is None:
        raise joined_with_network(expression.span, show_text(expression))
    count: int = yield repeat_count(site, expression, arrival)
    flow = Flow.of(arrival)
    done = 0
    while done < count:
        arrival = site.builder.close(flow)
        turn: Turn = yield one_turn(site, expression.base, arrival)
        graph = site.builder.world.graphs[turn.made.graph]
        if is_identity(graph) and isinstance(arrival, Strand):
            return Flow.of(arrival)
        left = count - done
        # Turns that borrow a shared network are nodes of their own, one after the other.
        stays = (
            isinstance(arrival, Strand)
            and not turn.made.borrows
            and not changes(graph, arrival)
            and (graph.is_open or len(graph.outputs) == 1)
        )
        if not stays:
            site.builder.check_turns(left, expression.span)
            if done > MAX_TURNS and changes(graph, arrival):
                raise site.builder.world.endless(
                    expression.span, f"the shape still changes after {MAX_TURNS} turns"
                )
        if graph.is_open and left > 1:
            turn = yield closed_turn(site, expression.base, turn, arrival)
            left = left - 1 if stays else 1
        elif not stays:
            left = 1
        flow = copies(site, turn, arrival, done, left)
        done += left
    return flow


def changes(graph: Graph, arrival: Arrival) -> bool:
    """Whether a turn gives another shape than it takes."""
    return isinstance(arrival, Strand) and any(one != arrival.shape for one in graph.output_shapes)


def repeat_count(site: Site, expression: tree.Power, arrival: Arrival) -> Steps[int]:
    count: Value = yield plain(
        site.place(arrival), expression.exponent, "a repeat count", "a whole number"
    )
    if not is_whole(count) or count < 0:
        raise fail(
            "F0405", "a network is repeated a whole number of times", expression.exponent.span,
            "0 or more is needed",
        )  # fmt: skip
    return count


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a repeat: the graph it calls; `name` is None for an inline body."""

    made: Made
    name: str | None
    span: Span


def one_turn(site: Site, base: tree.Expression, arrival: Arrival) -> Steps[Turn]:
    """The graph of a repeat's body for the shape that arrives at this turn."""
    while isinstance(base, tree.Parenthesised):
        base = base.inner
    word = called_name(base)
    known = word is not None and (word in site.scope.locals or word in site.scope.names)
    if known and word is not None:
        value: Value = yield site.place(arrival).evaluate(base)
        if not isinstance(value, Network):
            raise not_a_network(value, base.span)
        if isinstance(value, SharedNetwork):
            again: Turn = yield shared_turn(site, value, arrival, base.span)
            return again
        name = segment_name(site, base, called_part(base) or word)
        made: Made = yield instantiate(site, value, arrival, name, base.span)
        return Turn(made, name, base.span)
    body = site.builder.world.closure(base, site.scope)
    inner = GraphBuilder(site.builder.world, site.builder.names, dropping=site.builder.dropping)
    start = inner.entering(arrival, base.span)
    flow: Flow = yield replace(site, builder=inner).apply(base, start)
    return Turn(finish(inner, flow, body, "turn"), None, base.span)


def shared_turn(site: Site, value: SharedNetwork, arrival: Arrival, span: Span) -> Steps[Turn]:
    """One use of a shared network, as the body of a repeat."""
    inner = GraphBuilder(site.builder.world, site.builder.names)
    start = inner.entering(arrival, span)
    flow: Flow = yield apply_shared(replace(site, builder=inner), value, start, span)
    assert isinstance(value.network, Closure)
    return Turn(finish(inner, flow, value.network, "turn"), None, span)


def copies(site: Site, turn: Turn, arrival: Arrival, first: int, count: int) -> Flow:
    """`count` copies of a turn's graph, the first with index `first`."""
    builder = site.builder
    if turn.name is not None and count == 1:
        with builder.turn(first):
            segment = builder.segment(turn.name)
        return builder.call(turn.made, arrival, segment, turn.span)
    segment = builder.segment(turn.name or "turn")
    before = len(builder.nodes)
    flow = builder.call(turn.made, arrival, segment, turn.span)
    if before < len(builder.nodes):
        node = builder.nodes[-1]
        assert isinstance(node, Call)
        builder.nodes[-1] = replace(node, count=count, first=first, inline=turn.name is None)
    return flow


def closed_turn(site: Site, base: tree.Expression, turn: Turn, arrival: Arrival) -> Steps[Turn]:
    """The same turn with its open join closed, as the next copy would close it."""
    builder = site.builder
    inner = GraphBuilder(builder.world, builder.names, dropping=builder.dropping)
    start = inner.entering(arrival, turn.span)
    if turn.name is not None:
        flow = inner.call(turn.made, start, Segment(turn.name), turn.span)
    else:
        flow = yield replace(site, builder=inner).apply(base, start)
    closed = Flow.of(inner.close(flow))
    body = builder.world.closure(base, site.scope)
    return Turn(finish(inner, closed, body, "turn"), None, turn.span)
