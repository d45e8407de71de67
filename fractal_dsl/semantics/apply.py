"""Builds networks: what an expression does to the value that comes into it.

`apply` takes an expression and the strand that arrives, adds nodes to the site's builder,
and gives the flow that leaves. Joins stay open as `language.md`, "The join", says: they
pass through brackets, names, calls, `if`, `@` and the end of a series, and are closed by
whatever takes them in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fractal_dsl.ir.graph import Call, Graph, Segment
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.ir.operators.elementwise import Scalar
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.attributes import bind_attributes
from fractal_dsl.semantics.build import Flow, GraphBuilder, Strand, alone, is_identity
from fractal_dsl.semantics.call_errors import circular, needs_arguments
from fractal_dsl.semantics.combine import COMBINED, Site, binary, join
from fractal_dsl.semantics.equations import equation_text
from fractal_dsl.semantics.evaluate import condition, evaluate, plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import OutputPlace
from fractal_dsl.semantics.naming import COMBINATORS, called_name
from fractal_dsl.semantics.values import (
    Closure,
    Network,
    RuleValue,
    Value,
    describe,
    is_whole,
    show,
)
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

# Turns of a `**` that each change the shape, as a dense block's do; DenseNet-264 has 64.
MAX_TURNS = 160

__all__ = ["apply", "apply_value", "instantiate"]


def apply(site: Site, expression: tree.Expression, strand: Strand) -> Steps[Flow]:
    """What leaves `expression` when `strand` comes in."""
    handler = HANDLERS.get(type(expression))
    if handler is None:
        value: Value = yield evaluate(site.place(strand.shape), expression)
        raise not_a_network(site, value, expression.span)
    flow: Flow = yield handler(site, expression, strand)
    return flow


def not_a_network(site: Site, value: Value, span: Span) -> Exception:
    if isinstance(value, RuleValue):
        return needs_arguments(value.definition, span)
    message = f"{describe(value)} stands where a network is needed"
    return fail("F0405", message, span, f"this is {show(value, 24)}, not a network")


# Series ------------------------------------------------------------------------------


def series(site: Site, expression: tree.Series, strand: Strand) -> Steps[Flow]:
    flow = Flow.of(strand)
    for at, item in enumerate(expression.items):
        if called_name(item) == "each" and isinstance(item, tree.Call) and at > 0:
            flow = yield each(site, item, flow)
        else:
            flow = yield apply(site, item, site.builder.close(flow))
    return flow


def compose(site: Site, expression: tree.Compose, strand: Strand) -> Steps[Flow]:
    flow = Flow.of(strand)
    for item in reversed(expression.items):
        flow = yield apply(site, item, site.builder.close(flow))
    return flow


def each(site: Site, expression: tree.Call, flow: Flow) -> Steps[Flow]:
    """A fresh copy of the argument on every operand of an open join; the join stays open."""
    if len(expression.arguments) != 1 or expression.arguments[0].keyword is not None:
        raise fail("F0206", "`each` takes one network", expression.span)
    network = expression.arguments[0].value
    if not flow.is_open:
        only: Flow = yield apply(site, network, flow.strands[0])
        return only
    strands: list[Strand] = []
    for at, strand in enumerate(flow.strands):
        with site.builder.turn(at):
            made: Flow = yield apply(site, network, alone(strand))
            one = site.builder.close(made)
        strands.append(replace(strand, ref=one.ref, shape=one.shape))
    return replace(flow, strands=tuple(strands))


def conditional(site: Site, expression: tree.Conditional, strand: Strand) -> Steps[Flow]:
    current: tree.Expression = expression
    while isinstance(current, tree.Conditional):
        truth: bool = yield condition(site.place(strand.shape), current.condition)
        current = current.positive if truth else current.negative
    flow: Flow = yield apply(site, current, strand)
    return flow


def parenthesised(site: Site, expression: tree.Parenthesised, strand: Strand) -> Steps[Flow]:
    flow: Flow = yield apply(site, expression.inner, strand)
    return flow


# Names and calls ---------------------------------------------------------------------


def named(site: Site, expression: tree.Expression, strand: Strand) -> Steps[Flow]:
    """A name or a call: `conv`, `f(3)`, `max_pool(2)`, `chain(...)`."""
    flow: Flow = yield named_as(site, expression, strand, None)
    return flow


def named_as(
    site: Site, expression: tree.Expression, strand: Strand, tag: str | None
) -> Steps[Flow]:
    word = called_name(expression)
    if word is not None and word not in site.scope.locals and word not in site.scope.names:
        if word == "id":
            return Flow.of(strand)
        if word in COMBINATORS:
            if not isinstance(expression, tree.Call):
                raise fail("F0206", f"`{word}` needs its operands in brackets", expression.span)
            combined: Flow = yield COMBINED[word](site, expression, strand)
            return combined
        if word in OPERATORS and OPERATORS[word].callable_by_name:
            attributes = yield bind_attributes(site.place(strand.shape), word, expression)
            name = segment_name(site, expression, word)
            return Flow.of(site.builder.apply(attributes, [strand], name, expression.span, tag))
    value: Value = yield evaluate(site.place(strand.shape), expression)
    if not isinstance(value, Network):
        raise not_a_network(site, value, expression.span)
    flow: Flow = yield apply_value(
        site, value, strand, segment_name(site, expression, word or "part"), expression.span, tag
    )
    return flow


def segment_name(site: Site, expression: tree.Expression, word: str) -> str:
    return site.builder.names.get(id(expression), word)


def apply_value(
    site: Site, value: Network, strand: Strand, name: str, span: Span, tag: str | None = None
) -> Steps[Flow]:
    """A call to the graph of a rule or an argument."""
    callee: int = yield instantiate(site.builder, value, strand.shape, name, span)
    return site.builder.call(callee, strand, site.builder.segment(name), span, tag)


def instantiate(
    builder: GraphBuilder, value: Network, shape: Shape, name: str, span: Span
) -> Steps[int]:
    """The graph of a network for one incoming shape, built once."""
    world = builder.world
    key = (value.key, shape)
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
        start = inner.input(shape, root.span)
        flow: Flow = yield apply(Site(inner, value.scope, apply), root, start)
    world.building.pop()
    index = world.add_graph(finish(inner, flow, value, name), places_of(flow))
    world.instances[key] = index
    return index


def places_of(flow: Flow) -> tuple[OutputPlace, ...]:
    return tuple((strand.span, strand.written) for strand in flow.strands)


def label_of(value: Network, name: str) -> str:
    return name if isinstance(value, Closure) else value.label


def finish(inner: GraphBuilder, flow: Flow, value: Network, name: str) -> Graph:
    """The finished graph; an open join of one operand is no join."""
    nodes, outputs = tuple(inner.nodes), tuple(strand.operand for strand in flow.strands)
    is_open = flow.is_open and len(outputs) > 1
    if not is_open:
        outputs = (inner.close(flow).operand,)
    branches = flow.branches if is_open else 0
    recursion = value.scope.recursion
    if isinstance(value, Closure):
        return Graph(
            name, name, nodes, outputs, is_open, branches, recursion, is_closure=True,
            equation=" ".join(value.expression.span.text.split()), span=value.expression.span,
        )  # fmt: skip
    equation = value.equation
    return Graph(
        value.label, equation.name, nodes, outputs, is_open, branches, recursion,
        equation=equation_text(value), doc=equation.doc, span=equation.span,
    )  # fmt: skip


def tagged(site: Site, expression: tree.Tag, strand: Strand) -> Steps[Flow]:
    """`@name` on a name or call replaces its segment; on anything else it adds one around."""
    operand = expression.operand
    word = called_name(operand)
    if word is not None and word not in COMBINATORS:
        flow: Flow = yield named_as(site, operand, strand, expression.name)
        return flow
    value = site.builder.world.closure(operand, site.scope)
    name = segment_name(site, expression, expression.name)
    around: Flow = yield apply_value(site, value, strand, name, expression.span, expression.name)
    return around


# Repeats -----------------------------------------------------------------------------


def power(site: Site, expression: tree.Power, strand: Strand) -> Steps[Flow]:
    """`e ** n`: copies of one graph from the turn on at which the shape stays."""
    count: Value = yield plain(
        site.place(strand.shape), expression.exponent, "a repeat count", "a whole number"
    )
    if not is_whole(count) or count < 0:
        raise fail(
            "F0405", "a network is repeated a whole number of times", expression.exponent.span,
            "0 or more is needed",
        )  # fmt: skip
    flow = Flow.of(strand)
    done = 0
    while done < count:
        if done > MAX_TURNS:
            raise site.builder.world.endless(
                expression.span, f"the shape still changes after {MAX_TURNS} turns"
            )
        strand = site.builder.close(flow)
        turn: Turn = yield one_turn(site, expression.base, strand)
        graph = site.builder.world.graphs[turn.callee]
        if is_identity(graph):
            return Flow.of(strand)
        left = count - done
        stays = graph.output_shapes[0] == strand.shape
        if graph.is_open and left > 1:
            turn = yield closed_turn(site, expression.base, turn, strand)
            left = left - 1 if stays else 1
        elif not stays:
            left = 1
        flow = copies(site, turn, strand, done, left)
        done += left
    return flow


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a repeat: the graph it calls; `name` is None for an inline body."""

    callee: int
    name: str | None
    span: Span


def one_turn(site: Site, base: tree.Expression, strand: Strand) -> Steps[Turn]:
    """The graph of a repeat's body for the shape that arrives at this turn."""
    while isinstance(base, tree.Parenthesised):
        base = base.inner
    word = called_name(base)
    known = word is not None and (word in site.scope.locals or word in site.scope.names)
    if known and word is not None:
        value: Value = yield evaluate(site.place(strand.shape), base)
        if not isinstance(value, Network):
            raise not_a_network(site, value, base.span)
        name = segment_name(site, base, word)
        callee: int = yield instantiate(site.builder, value, strand.shape, name, base.span)
        return Turn(callee, name, base.span)
    body = site.builder.world.closure(base, site.scope)
    inner = GraphBuilder(site.builder.world, site.builder.names, dropping=site.builder.dropping)
    start = inner.input(strand.shape, base.span)
    flow: Flow = yield apply(replace(site, builder=inner), base, start)
    index = site.builder.world.add_graph(finish(inner, flow, body, "turn"), places_of(flow))
    return Turn(index, None, base.span)


def copies(site: Site, turn: Turn, strand: Strand, first: int, count: int) -> Flow:
    """`count` copies of a turn's graph, the first with index `first`."""
    builder = site.builder
    if turn.name is not None and count == 1:
        with builder.turn(first):
            segment = builder.segment(turn.name)
        return builder.call(turn.callee, strand, segment, turn.span)
    segment = builder.segment(turn.name or "turn")
    flow = builder.call(turn.callee, strand, segment, turn.span)
    at = flow.strands[0].ref.node
    node = builder.nodes[at]
    assert isinstance(node, Call)
    builder.nodes[at] = replace(node, count=count, first=first, inline=turn.name is None)
    return flow


def closed_turn(site: Site, base: tree.Expression, turn: Turn, strand: Strand) -> Steps[Turn]:
    """The same turn with its open join closed, as the next copy would close it."""
    builder = site.builder
    inner = GraphBuilder(builder.world, builder.names, dropping=builder.dropping)
    start = inner.input(strand.shape, turn.span)
    if turn.name is not None:
        flow = inner.call(turn.callee, start, Segment(turn.name), turn.span)
    else:
        flow = yield apply(replace(site, builder=inner), base, start)
    closed = Flow.of(inner.close(flow))
    body = builder.world.closure(base, site.scope)
    index = builder.world.add_graph(finish(inner, closed, body, "turn"), places_of(closed))
    return Turn(index, None, turn.span)


# Arithmetic --------------------------------------------------------------------------


def unary(site: Site, expression: tree.Unary, strand: Strand) -> Steps[Flow]:
    """`-e` is `-1 * e`."""
    if expression.operator != "-":
        raise fail("F0405", f"`{expression.operator}` does not take a network", expression.span)
    flow: Flow = yield apply(site, expression.operand, strand)
    value = site.builder.close(flow)
    return Flow.of(site.builder.apply(Scalar("*", -1.0, True), [value], "scalar", expression.span))


HANDLERS: dict[type[tree.Node], Callable[[Site, Any, Strand], Steps[Flow]]] = {
    tree.Series: series,
    tree.Compose: compose,
    tree.Conditional: conditional,
    tree.Parenthesised: parenthesised,
    tree.Name: named,
    tree.Qualified: named,
    tree.Call: named,
    tree.Tag: tagged,
    tree.Power: power,
    tree.Unary: unary,
    tree.Binary: binary,
    tree.Join: join,
}
