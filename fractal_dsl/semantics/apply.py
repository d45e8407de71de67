"""Builds networks: what an expression does to the value that comes into it.

`apply` takes an expression and the value that arrives, adds nodes to the site's builder,
and gives the flow that leaves. Where nothing arrives, the expression must compute a value of
wires. Joins stay open as `language.md`, "The join", says: they
pass through brackets, names, calls, `if`, `@` and the end of a series, and are closed by
whatever takes them in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.ir.graph import Call, Graph, Input, Segment
from fractal_dsl.ir.operators import OPERATORS, Attributes
from fractal_dsl.ir.operators.elementwise import Scalar
from fractal_dsl.ir.prune import live
from fractal_dsl.ir.shares import named_apart
from fractal_dsl.ir.weights import same_weights
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.attributes import bind_attributes
from fractal_dsl.semantics.build import GraphBuilder, is_identity
from fractal_dsl.semantics.call_errors import circular, needs_arguments
from fractal_dsl.semantics.combine import COMBINED, binary, join
from fractal_dsl.semantics.depths import stochastic_depth
from fractal_dsl.semantics.equations import equation_text
from fractal_dsl.semantics.evaluate import condition, evaluate, plain
from fractal_dsl.semantics.externs import extern_attributes, extern_of
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import OutputPlace
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, called_name, called_part
from fractal_dsl.semantics.pieces import parameter
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand, Strands, alone, entry_key, leaves
from fractal_dsl.semantics.ties import tied_weight, without_tie
from fractal_dsl.semantics.values import (
    Closure,
    Network,
    RuleCall,
    RuleValue,
    SharedNetwork,
    Value,
    describe,
    holds_wires,
    is_whole,
    show,
)
from fractal_dsl.semantics.wires import flow_of, joined_with_network, value_of
from fractal_dsl.semantics.world import Made
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

# Turns of a `**` that each change the shape, as a dense block's do; DenseNet-264 has 64.
MAX_TURNS = 160

Fresh: TypeAlias = Closure | RuleCall

__all__ = ["apply", "apply_value", "finish", "instantiate", "places_of"]


def apply(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """What leaves `expression` when `arrival` comes in."""
    handler = HANDLERS.get(type(expression))
    if handler is None:
        value: Value = yield evaluate(site.place(arrival), expression)
        if arrival is None:
            return flow_of(site.builder, value, expression.span)
        raise not_a_network(site, value, expression.span)
    flow: Flow = yield handler(site, expression, arrival)
    return flow


def not_a_network(site: Site, value: Value, span: Span) -> Exception:
    if isinstance(value, RuleValue):
        return needs_arguments(value.definition, span)
    if holds_wires(value):
        return fail(
            "F0411", "a wire stands where a network is needed", span,
            "this is computed already: it takes nothing in",
            "begin with it, `x >> g`, or write both sides as wires",
        )  # fmt: skip
    message = f"{describe(value)} stands where a network is needed"
    return fail("F0405", message, span, f"this is {show(value, 24)}, not a network")


# Series ------------------------------------------------------------------------------


def series(site: Site, expression: tree.Series, arrival: Arrival | None) -> Steps[Flow]:
    flow: Flow = yield first_of(site, expression.items[0], arrival)
    for item in expression.items[1:]:
        if called_name(item) == "each" and isinstance(item, tree.Call):
            flow = yield each(site, item, flow)
        else:
            flow = yield apply(site, item, site.builder.close(flow))
    return flow


def compose(site: Site, expression: tree.Compose, arrival: Arrival | None) -> Steps[Flow]:
    flow: Flow = yield first_of(site, expression.items[-1], arrival)
    for item in reversed(expression.items[:-1]):
        flow = yield apply(site, item, site.builder.close(flow))
    return flow


def first_of(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """What a series begins with: its first network at work, or a wire."""
    flow: Flow = yield apply(site, expression, arrival)
    return flow


def each(site: Site, expression: tree.Call, flow: Flow) -> Steps[Flow]:
    """A fresh copy of the argument on every operand of an open join, or item of a list."""
    if len(expression.arguments) != 1 or expression.arguments[0].keyword is not None:
        raise fail("F0206", "`each` takes one network", expression.span)
    network = expression.arguments[0].value
    if not flow.is_open and flow.items is None:
        only: Flow = yield apply(site, network, flow.strands[0])
        return only
    values = flow.strands if flow.items is None else flow.items.items
    found: list[Arrival] = []
    for at, value in enumerate(values):
        with site.builder.turn(at):
            one = alone(value) if isinstance(value, Strand) else value
            made: Flow = yield apply(site, network, one)
            found.append(site.builder.close(made))
    if flow.items is not None:
        return Flow.of(Strands(tuple(found), expression.span))
    tensors = [site.builder.tensor(one, expression.span, "(+)") for one in found]
    strands = zip(flow.strands, tensors, strict=True)
    return replace(flow, strands=tuple(replace(s, ref=t.ref, shape=t.shape) for s, t in strands))


def conditional(site: Site, expression: tree.Conditional, arrival: Arrival | None) -> Steps[Flow]:
    current: tree.Expression = expression
    while isinstance(current, tree.Conditional):
        truth: bool = yield condition(site.place(arrival), current.condition)
        current = current.positive if truth else current.negative
    flow: Flow = yield apply(site, current, arrival)
    return flow


def parenthesised(
    site: Site, expression: tree.Parenthesised, arrival: Arrival | None
) -> Steps[Flow]:
    flow: Flow = yield apply(site, expression.inner, arrival)
    return flow


# Names and calls ---------------------------------------------------------------------


def named(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """A name or a call: `conv`, `f(3)`, `max_pool(2)`, `chain(...)`."""
    flow: Flow = yield named_as(site, expression, arrival, None)
    return flow


def named_as(
    site: Site, expression: tree.Expression, arrival: Arrival | None, tag: str | None
) -> Steps[Flow]:
    word = called_name(expression)
    foreign = extern_of(site.scope, expression)
    if foreign is not None and arrival is not None:
        module = called_part(expression) or "part"
        tensor = site.builder.tensor(arrival, expression.span, module)
        attributes = yield extern_attributes(site.place(tensor), foreign, expression)
        name = segment_name(site, expression, module)
        return Flow.of(site.builder.apply(attributes, [tensor], name, expression.span, tag))
    if word is not None and word not in site.scope.locals and word not in site.scope.names:
        if word == "id" and arrival is not None:
            return Flow.of(arrival)
        if word == LEARNED:
            made: Flow = yield parameter(site, expression, tag)
            return made
        if word in COMBINATORS:
            if not isinstance(expression, tree.Call):
                raise fail("F0206", f"`{word}` needs its operands in brackets", expression.span)
            combined: Flow = yield WORDS[word](site, expression, arrival)
            return combined
        if arrival is not None and word in OPERATORS and OPERATORS[word].callable_by_name:
            operator: Flow = yield operator_at_work(site, expression, word, arrival, tag)
            return operator
    value: Value = yield evaluate(site.place(arrival), expression)
    if arrival is None:
        return flow_of(site.builder, value, expression.span)
    if not isinstance(value, Network):
        raise not_a_network(site, value, expression.span)
    name = segment_name(site, expression, called_part(expression) or "part")
    flow: Flow = yield apply_value(site, value, arrival, name, expression.span, tag)
    return flow


def operator_at_work(
    site: Site, expression: tree.Expression, word: str, arrival: Arrival, tag: str | None
) -> Steps[Flow]:
    builder, span = site.builder, expression.span
    tensor = builder.tensor(arrival, span, word)
    rest, reference = without_tie(expression)
    attributes: Attributes = yield bind_attributes(site.place(tensor), word, rest)
    weight = None
    if reference is not None:
        weight = tied_weight(builder, attributes, tensor, reference)
    name = segment_name(site, expression, word)
    return Flow.of(builder.apply(attributes, [tensor], name, span, tag, weight=weight))


def indexed(site: Site, expression: tree.Index, arrival: Arrival | None) -> Steps[Flow]:
    """An item of a list: a wire, or a network at work."""
    value: Value = yield evaluate(site.place(arrival), expression)
    if arrival is None:
        return flow_of(site.builder, value, expression.span)
    if not isinstance(value, Network):
        raise not_a_network(site, value, expression.span)
    name = segment_name(site, expression.base, called_name(expression.base) or "part")
    flow: Flow = yield apply_value(site, value, arrival, name, expression.span)
    return flow


def segment_name(site: Site, expression: tree.Expression, word: str) -> str:
    return site.builder.names.get(id(expression), word)


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
        raise DiagnosticError(
            Diagnostic(
                "F0415",
                f"the uses of shared `{value.name}` need weights of different shapes",
                span,
                "here it would have others",
                labels=(Label(place, "first used here"),),
                helps=(Help("share it among values of one width, or write it twice"),),
            )
        )
    flow = builder.call(made, arrival, builder.segment(value.name), span, shared=value)
    return Flow.of(builder.close(flow))


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
        flow: Flow = yield apply(around, root, start)
        if end is not None:
            flow = Flow.of(inner.apply(end, [inner.tensor(inner.close(flow), span)], "end", span))
    world.building.pop()
    world.instances[key] = made = finish(inner, flow, value, name)
    return made


def places_of(strands: Sequence[Strand]) -> tuple[OutputPlace, ...]:
    return tuple((strand.span, strand.written) for strand in strands)


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


def labelled(graph: Graph, value: Fresh) -> Graph:
    """`graph` with the names, text and place of the network that it is of."""
    recursion = value.scope.recursion
    if isinstance(value, Closure):
        text = " ".join(value.expression.span.text.split())
        return replace(
            graph, recursion=recursion, is_closure=True, equation=text, span=value.expression.span
        )
    equation = value.equation
    return replace(
        graph, label=value.label, rule=equation.name, recursion=recursion,
        equation=equation_text(value), doc=equation.doc, span=equation.span,
    )  # fmt: skip


def tagged(site: Site, expression: tree.Tag, arrival: Arrival | None) -> Steps[Flow]:
    """`@name` on a name or call replaces its segment; on anything else it adds one around."""
    operand = expression.operand
    word = called_part(operand)
    if word is not None and word not in COMBINATORS:
        flow: Flow = yield named_as(site, operand, arrival, expression.name)
        return flow
    if arrival is None:
        raise joined_with_network(expression.span, show_text(expression))
    value = site.builder.world.closure(operand, site.scope)
    name = segment_name(site, expression, expression.name)
    around: Flow = yield apply_value(site, value, arrival, name, expression.span, expression.name)
    return around


# Repeats -----------------------------------------------------------------------------


def power(site: Site, expression: tree.Power, arrival: Arrival | None) -> Steps[Flow]:
    """`e ** n`: copies of one graph from the turn on at which the shape stays."""
    if arrival is None:
        raise joined_with_network(expression.span, show_text(expression))
    count: int = yield repeat_count(site, expression, arrival)
    flow = Flow.of(arrival)
    done = 0
    while done < count:
        if done > MAX_TURNS and isinstance(arrival, Strand):
            raise site.builder.world.endless(
                expression.span, f"the shape still changes after {MAX_TURNS} turns"
            )
        arrival = site.builder.close(flow)
        turn: Turn = yield one_turn(site, expression.base, arrival)
        graph = site.builder.world.graphs[turn.made.graph]
        if is_identity(graph) and isinstance(arrival, Strand):
            return Flow.of(arrival)
        left = count - done
        stays = (
            isinstance(arrival, Strand)
            and not turn.made.borrows
            and graph.output_shapes == (arrival.shape,)
        )
        if graph.is_open and left > 1:
            stays = graph.output_shapes[0] == arrival.shape
            turn = yield closed_turn(site, expression.base, turn, arrival)
            left = left - 1 if stays else 1
        elif not stays:
            site.builder.check_turns(left, expression.span)
            left = 1
        flow = copies(site, turn, arrival, done, left)
        done += left
    return flow


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
        value: Value = yield evaluate(site.place(arrival), base)
        if not isinstance(value, Network):
            raise not_a_network(site, value, base.span)
        if isinstance(value, SharedNetwork):
            again: Turn = yield shared_turn(site, value, arrival, base.span)
            return again
        name = segment_name(site, base, called_part(base) or word)
        made: Made = yield instantiate(site, value, arrival, name, base.span)
        return Turn(made, name, base.span)
    body = site.builder.world.closure(base, site.scope)
    inner = GraphBuilder(site.builder.world, site.builder.names, dropping=site.builder.dropping)
    start = inner.entering(arrival, base.span)
    flow: Flow = yield apply(replace(site, builder=inner), base, start)
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
        flow = yield apply(replace(site, builder=inner), base, start)
    closed = Flow.of(inner.close(flow))
    body = builder.world.closure(base, site.scope)
    return Turn(finish(inner, closed, body, "turn"), None, turn.span)


# Wires -------------------------------------------------------------------------------


def wiring(site: Site, expression: tree.Wiring, arrival: Arrival | None) -> Steps[Flow]:
    """`wiring(x) { ... }`: a block with its input named."""
    if arrival is None:
        raise joined_with_network(expression.span, "wiring(...)")
    names = input_names(site, expression, arrival)
    inside = replace(site, scope=site.scope.bind(names), around=arrival.shape)
    value: Value = yield evaluate(inside.place(None), expression.block)
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
    value: Value = yield evaluate(site.place(None), expression)
    if arrival is None or holds_wires(value):
        return flow_of(site.builder, value, expression.result.span)
    if isinstance(value, Closure):
        inside = replace(site, scope=value.scope)
        flow: Flow = yield apply(inside, value.expression, arrival)
        return flow
    if not isinstance(value, RuleCall):
        raise not_a_network(site, value, expression.result.span)
    name = called_part(expression.result) or "part"
    flow = yield apply_value(site, value, arrival, name, expression.result.span)
    return flow


def listed(site: Site, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
    """A list of wires; a list of networks is no network by itself."""
    value: Value = yield evaluate(site.place(arrival), expression)
    if arrival is not None:
        raise fail(
            "F0405", f"{describe(value)} stands where a network is needed", expression.span, "",
            "to compute each item of one value: `wiring(x) { return [x >> a, x >> b] }`",
        )  # fmt: skip
    return flow_of(site.builder, value, expression.span)


def shared(site: Site, expression: tree.Shared, arrival: Arrival | None) -> Steps[Flow]:
    value: Value = yield evaluate(site.place(arrival), expression)
    assert isinstance(value, SharedNetwork)
    if arrival is None:
        raise joined_with_network(expression.span, show_text(expression))
    flow: Flow = yield apply_shared(site, value, arrival, expression.span)
    return flow


def show_text(expression: tree.Expression) -> str:
    text = " ".join(expression.span.text.split())
    return text if len(text) <= 36 else text[:33] + "..."


# Arithmetic --------------------------------------------------------------------------


def unary(site: Site, expression: tree.Unary, arrival: Arrival | None) -> Steps[Flow]:
    """`-e` is `-1 * e`."""
    if expression.operator != "-":
        raise fail("F0405", f"`{expression.operator}` does not take a network", expression.span)
    flow: Flow = yield apply(site, expression.operand, arrival)
    value = site.builder.tensor(site.builder.close(flow), expression.span, "-")
    return Flow.of(site.builder.apply(Scalar("*", -1.0, True), [value], "scalar", expression.span))


WORDS = COMBINED | {"stochastic_depth": stochastic_depth}

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
