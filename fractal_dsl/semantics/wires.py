"""Wires: computed values with names. Which expressions compute one, and what they hold."""

from __future__ import annotations

from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.definitions import FUNCTIONS, Names
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, called_name
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.strands import Arrival, Flow, Strand, Strands
from fractal_dsl.semantics.values import (
    Elements,
    Items,
    Network,
    RuleValue,
    Value,
    Wire,
    describe,
    holds_wires,
    show,
)
from fractal_dsl.semantics.wire_errors import far_wire, joined_with_network
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = [
    "computes",
    "flow_of",
    "value_of",
    "wire_of",
]


def computes(place: Place, expression: tree.Expression) -> bool:
    """Whether an expression computes a wire here: one stands where its value comes from."""
    if place.site is None:
        return False
    waiting: list[tree.Node] = [expression]
    wired: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, tree.Name):
            value = place.scope.locals.get(part.name)
            if part.name in wired or (value is not None and is_wired(value)):
                return True
        elif isinstance(part, tree.Call) and called_name(part) == LEARNED:
            return True
        elif isinstance(part, tree.Comprehension):
            for generator in part.generators:
                if computes(place, generator.values):
                    wired.update(generator.names)
            waiting.append(part.element)
        else:
            waiting.extend(heads(part, place.scope.names))
    return False


def is_wired(value: Value) -> bool:
    return isinstance(value, Elements) or holds_wires(value)


def heads(part: tree.Node, names: Names) -> tuple[tree.Node, ...]:
    """The parts that decide whether an expression computes a wire."""
    match part:
        case tree.Series():
            return part.items[:1]
        case tree.Compose():
            return part.items[-1:]
        case tree.Join():
            return part.operands
        case tree.Binary():
            return part.left, part.right
        case tree.Conditional():
            return part.positive, part.negative
        case tree.Parenthesised():
            return (part.inner,)
        case tree.Tag() | tree.Unary():
            return (part.operand,)
        case tree.Index() | tree.Power():
            return (part.base,)
        case tree.ListDisplay() | tree.TupleDisplay():
            return part.items
        case tree.ListComprehension():
            return (part.comprehension,)
        case tree.Block():
            return (*(binding.value for binding in part.bindings), part.result)
        case tree.Call():
            word = called_name(part)
            takes = word in COMBINATORS or word in names or word not in FUNCTIONS
            return tuple(argument.value for argument in part.arguments) if takes else ()
        case _:
            return ()


def flow_of(builder: GraphBuilder, value: Value, span: Span) -> Flow:
    """What a computed value holds, as it flows on. Raises for what is no wire of this graph."""
    if isinstance(value, Wire):
        if value.home != builder.number:
            raise far_wire(span)
        return value.flow
    if isinstance(value, Items | tuple):
        return Flow.of(listed(builder, value, span))
    if isinstance(value, Network | RuleValue):
        raise joined_with_network(span, show(value, 36))
    raise fail("F0405", f"{describe(value)} stands where a wire is needed", span,
               f"this is {show(value, 24)}")  # fmt: skip


def listed(builder: GraphBuilder, value: Items | tuple[Value, ...], span: Span) -> Strands:
    """A list of wires as a value of the graph; its items are closed."""
    made: list[Arrival] = []
    waiting: list[tuple[Value, bool]] = [(value, False)]
    while waiting:
        one, is_ready = waiting.pop()
        items = one.values if isinstance(one, Items) else one
        if not isinstance(items, tuple):
            made.append(builder.close(flow_of(builder, one, span)))
        elif is_ready:
            first = len(made) - len(items)
            made[first:] = [Strands(tuple(made[first:]), span)]
        else:
            waiting.append((one, True))
            waiting.extend((item, False) for item in reversed(items))
    found = made[0]
    assert isinstance(found, Strands)
    return found


def wire_of(builder: GraphBuilder, flow: Flow) -> Value:
    """A flow as the value of an expression: a wire, or a list of them."""
    return Wire(flow, builder.number) if flow.items is None else value_of(builder, flow.items)


def value_of(builder: GraphBuilder, arrival: Arrival) -> Value:
    """What came in, or a closed value, as text sees it: a wire, or a list of them."""
    made: list[Value] = []
    waiting: list[tuple[Arrival, bool]] = [(arrival, False)]
    while waiting:
        one, is_ready = waiting.pop()
        if isinstance(one, Strand):
            made.append(Wire(Flow.of(one), builder.number))
        elif is_ready:
            first = len(made) - len(one.items)
            made[first:] = [Items(tuple(made[first:]))]
        else:
            waiting.append((one, True))
            waiting.extend((item, False) for item in reversed(one.items))
    return made[0]
