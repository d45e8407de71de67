"""Names and calls at work on what comes in: operators, rules, arguments, modules of others."""

from __future__ import annotations

from fractal_dsl.ir.operators import OPERATORS, Attributes
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.attributes import bind_attributes
from fractal_dsl.semantics.combinators import COMBINED
from fractal_dsl.semantics.externs import extern_attributes, extern_of
from fractal_dsl.semantics.instantiation import apply_value
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, called_name, called_part
from fractal_dsl.semantics.pieces import parameter
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.ties import tied_weight, without_tie
from fractal_dsl.semantics.values import Network, Value
from fractal_dsl.semantics.wire_errors import joined_with_network, not_a_network, show_text
from fractal_dsl.semantics.wires import flow_of
from fractal_dsl.syntax import tree

__all__ = ["indexed", "named", "segment_name", "tagged"]


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
            combined: Flow = yield COMBINED[word](site, expression, arrival)
            return combined
        if arrival is not None and word in OPERATORS and OPERATORS[word].callable_by_name:
            operator: Flow = yield operator_at_work(site, expression, word, arrival, tag)
            return operator
    value: Value = yield site.place(arrival).evaluate(expression)
    if arrival is None:
        return flow_of(site.builder, value, expression.span)
    if not isinstance(value, Network):
        raise not_a_network(value, expression.span)
    name = segment_name(site, expression, called_part(expression) or "part")
    flow: Flow = yield apply_value(site, value, arrival, name, expression.span, tag)
    return flow


def operator_at_work(
    site: Site, expression: tree.Expression, word: str, arrival: Arrival, tag: str | None
) -> Steps[Flow]:
    builder, span = site.builder, expression.span
    tensors = builder.tensors(arrival, span, word, OPERATORS[word].arity)
    tensor = tensors[0]
    rest, reference = without_tie(expression)
    attributes: Attributes = yield bind_attributes(site.place(tensor), word, rest)
    weight = None
    if reference is not None:
        weight = tied_weight(builder, attributes, tensor, reference)
    name = segment_name(site, expression, word)
    return Flow.of(builder.apply(attributes, tensors, name, span, tag, weight=weight))


def indexed(site: Site, expression: tree.Index, arrival: Arrival | None) -> Steps[Flow]:
    """An item of a list: a wire, or a network at work."""
    value: Value = yield site.place(arrival).evaluate(expression)
    if arrival is None:
        return flow_of(site.builder, value, expression.span)
    if not isinstance(value, Network):
        raise not_a_network(value, expression.span)
    name = segment_name(site, expression.base, called_name(expression.base) or "part")
    flow: Flow = yield apply_value(site, value, arrival, name, expression.span)
    return flow


def segment_name(site: Site, expression: tree.Expression, word: str) -> str:
    return site.builder.names.get(id(expression), word)


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
