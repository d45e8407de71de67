"""Joins of networks: `(+)`, sums, concatenations, and the words that combine networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Edit, Help, Label
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import (
    Concat,
    Difference,
    Maximum,
    Minimum,
    Product,
    Quotient,
    Scalar,
    Sum,
)
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import Dropping
from fractal_dsl.semantics.comprehensions import turns
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import Written
from fractal_dsl.semantics.naming import called_name, called_part
from fractal_dsl.semantics.pieces import split
from fractal_dsl.semantics.site import Place, Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand
from fractal_dsl.semantics.values import (
    Items,
    Network,
    Scope,
    Value,
    Wire,
    describe,
    holds_wires,
    is_number,
    is_whole,
)
from fractal_dsl.semantics.wires import flow_of, joined_with_network
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["COMBINED", "Operation", "binary", "join"]

# What may give a list of networks.
MAY_LIST = (tree.Name, tree.Index, tree.Binary, tree.Call, tree.Conditional, tree.Parenthesised)

# Inputs of one join; f(60) has 60.
MAX_OPERANDS = 2_000

SIGNS: dict[str, type[Attributes]] = {
    "+": Sum,
    "-": Difference,
    "*": Product,
    "/": Quotient,
    "++": Concat,
}
WORDS: dict[str, type[Attributes]] = {
    "max": Maximum,
    "min": Minimum,
    "product": Product,
    "sum": Sum,
}


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


# The fractal join --------------------------------------------------------------------


def join(site: Site, expression: tree.Join, arrival: Arrival | None) -> Steps[Flow]:
    refuse_mixed(expression.operands, expression.operator_spans[0])
    flow: Flow = yield fractal_join(
        site, expression.operands, arrival, expression.span, expression.operator_spans[0]
    )
    return flow


def mean(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """`mean(a, b)` is `a (+) b` in every respect."""
    arguments = positional(expression)
    name = expression.function.span
    flow: Flow = yield fractal_join(site, arguments, arrival, expression.span, name)
    return flow


def fractal_join(
    site: Site,
    arguments: Sequence[tree.Expression],
    arrival: Arrival | None,
    span: Span,
    sign: Span,
) -> Steps[Flow]:
    """An open join of all operands; an operand that is an open join gives its own operands.

    Joins that stand in each other within one equation are one join as written: each of
    their operands is a branch. What a call leaves open belongs to one branch here, and its
    provenance goes on in the callee.
    """
    operations: list[Operation] = yield operands_of(site, arguments, arrival)
    if not operations:
        raise fail("F0407", "this join has no operands", span, "an empty join has no meaning")
    strands: list[Strand] = []
    branches = 0
    rate, join = site.builder.dropping.rate, object()
    for operation in operations:
        flow: Flow = yield operate(site, operation, arrival)
        if flow.items is not None:
            site.builder.tensor(flow.items, operation.expression.span, sign.text)
        site.builder.world.count_strands(len(flow.strands), span)
        for one in flow.strands:
            branch = branches + (one.branch or 0)
            kept = rate if one.rate is None else one.rate
            place = one.span if flow.is_open else operation.expression.span
            written = Written(sign, join, one.written if flow.is_open else None)
            strands.append(replace(one, branch=branch, rate=kept, span=place, written=written))
        branches += max(flow.branches, 1)
        if len(strands) > MAX_OPERANDS:
            label = f"a join of more than {MAX_OPERANDS:,} inputs"
            way_out = "close parts of it with `joined(...)`: a mean of means"
            raise site.builder.world.endless(span, label, way_out)
    return Flow(tuple(strands), is_open=True, branches=branches, sign=sign)


def refuse_mixed(operands: Sequence[tree.Expression], sign: Span) -> None:
    """`(+)` beside a bare `+`, `-` or `++` reads two ways; brackets say which."""
    for operand in operands:
        if isinstance(operand, tree.Binary) and operand.operator in ("+", "-", "++"):
            raise mixed("(+)", operand, sign)


def mixed(outer: str, operand: tree.Binary, sign: Span) -> DiagnosticError:
    text = operand.span.text
    return DiagnosticError(
        Diagnostic(
            "F0406",
            f"`{outer}` beside `{operand.operator}` needs brackets",
            operand.operator_span,
            f"`{operand.operator}` would bind first" if outer == "(+)" else "which one is first?",
            helps=(Help("say so with brackets", Edit(operand.span, f"({text})")),),
        )
    )


# Sums, products, concatenations --------------------------------------------------------


def binary(site: Site, expression: tree.Binary, arrival: Arrival | None) -> Steps[Flow]:
    """`a + b + c` of networks is one sum; a number beside a network is a constant."""
    sign = expression.operator
    operands = spine(expression)
    values: list[Value] = []
    for operand in operands:
        value: Value = yield site.place(arrival).evaluate(operand)
        values.append(value)
    if arrival is None and all(isinstance(value, Items) for value in values):
        return one_list(site, expression, values)
    refuse_mixed_kinds(expression, operands, values)
    if not any(is_number(value) for value in values):
        refuse_mixed_signs(sign, operands)
        known = values if arrival is None else [None] * len(values)
        flow: Flow = yield merge(
            site, sign_attributes(expression),
            [Operation(o, site.scope, value=v) for o, v in zip(operands, known, strict=True)],
            arrival, expression.span, expression.operator_span,
        )  # fmt: skip
        return flow
    scaled: Flow = yield constant_beside(site, expression, operands, values, arrival)
    return scaled


def refuse_mixed_kinds(
    expression: tree.Binary, operands: Sequence[tree.Expression], values: Sequence[Value]
) -> None:
    """A network beside a list, a string or a truth value: both kinds are said."""
    pairs = list(zip(operands, values, strict=True))
    networks = [operand for operand, value in pairs if isinstance(value, Network)]
    for operand, value in pairs:
        is_odd = isinstance(value, Items | tuple | str | bool) and not holds_wires(value)
        if networks and is_odd:
            message = f"`{expression.operator}` does not take a network and {describe(value)}"
            labels = (Label(networks[0].span, "a network"), Label(operand.span, describe(value)))
            raise DiagnosticError(
                Diagnostic("F0405", message, expression.operator_span, labels=labels)
            )


def one_list(site: Site, expression: tree.Binary, values: Sequence[Value]) -> Flow:
    """`+` of lists: their items one after the other."""
    if expression.operator != "+":
        message = f"`{expression.operator}` does not take a list"
        raise fail("F0405", message, expression.operator_span, "", "`+` puts lists together")
    items = tuple(item for one in values if isinstance(one, Items) for item in one.values)
    return flow_of(site.builder, Items(items), expression.span)


def sign_attributes(expression: tree.Binary) -> Attributes:
    sign = expression.operator
    if sign not in SIGNS:
        raise fail("F0405", f"`{sign}` does not take networks", expression.operator_span)
    return SIGNS[sign]()


def spine(expression: tree.Binary) -> list[tree.Expression]:
    """Operands of a chain of one sign; `-`, `/` and the like take two."""
    if expression.operator not in ("+", "*", "++"):
        return [expression.left, expression.right]
    operands: list[tree.Expression] = [expression.right]
    left = expression.left
    while isinstance(left, tree.Binary) and left.operator == expression.operator:
        operands.append(left.right)
        left = left.left
    operands.append(left)
    operands.reverse()
    return operands


def refuse_mixed_signs(sign: str, operands: Sequence[tree.Expression]) -> None:
    for operand in operands:
        if isinstance(operand, tree.Binary) and "++" in (sign, operand.operator) and (
            {sign, operand.operator} <= {"+", "-", "++"} and sign != operand.operator
        ):  # fmt: skip
            raise mixed(sign, operand, operand.operator_span)


def merge(
    site: Site,
    attributes: Attributes,
    operations: Sequence[Operation],
    arrival: Arrival | None,
    span: Span,
    sign: Span,
) -> Steps[Flow]:
    strands: list[Strand] = []
    for operation in operations:
        flow: Flow = yield operate(site, operation, arrival)
        strands.append(one_tensor(site, flow, operation.expression.span, sign))
    if len(strands) == 1:
        return Flow.of(strands[0])
    made = site.builder.apply(attributes, strands, attributes.operator, span, sign=sign)
    return Flow.of(made)


def one_tensor(site: Site, flow: Flow, span: Span, sign: Span) -> Strand:
    """The closed value of an operand, which must be no list."""
    value = site.builder.tensor(site.builder.close(flow), span, sign.text)
    return replace(value, span=span)


def constant_beside(
    site: Site,
    expression: tree.Binary,
    operands: Sequence[tree.Expression],
    values: Sequence[Value],
    arrival: Arrival | None,
) -> Steps[Flow]:
    """`0.17 * e`, `1 - t`: operands in order, numbers as constants."""
    sign = expression.operator
    total: Strand | float | None = None
    for operand, value in zip(operands, values, strict=True):
        item: Strand | float
        if is_number(value):
            item = float(value)
        elif isinstance(value, Network | Wire):
            known = value if arrival is None else None
            flow: Flow = yield operate(site, Operation(operand, site.scope, value=known), arrival)
            item = one_tensor(site, flow, operand.span, expression.operator_span)
        else:
            message = f"`{sign}` does not take {describe(value)} beside a network"
            raise fail("F0405", message, operand.span)
        total = item if total is None else with_constant(site, expression, total, item)
    assert isinstance(total, Strand)
    return Flow.of(total)


def with_constant(
    site: Site, expression: tree.Binary, left: Strand | float, right: Strand | float
) -> Strand | float:
    sign, span, builder = expression.operator, expression.span, site.builder
    if sign not in ("+", "-", "*", "/"):
        message = f"`{sign}` does not take a number beside a network"
        raise fail("F0405", message, expression.operator_span)
    if isinstance(left, Strand) and isinstance(right, Strand):
        attributes = SIGNS[sign]()
        pair, place = [left, right], expression.operator_span
        return builder.apply(attributes, pair, attributes.operator, span, sign=place)
    if isinstance(left, Strand):
        assert isinstance(right, float)
        if sign == "/" and right == 0:
            raise fail("F0409", "division by zero", span, "the right side is 0")
        return builder.apply(Scalar(sign, right), [left], "scalar", span)
    if isinstance(right, Strand):
        return builder.apply(Scalar(sign, left, True), [right], "scalar", span)
    return left + right if sign == "+" else left * right


# Words ---------------------------------------------------------------------------------


def positional(expression: tree.Call) -> tuple[tree.Expression, ...]:
    for argument in expression.arguments:
        if argument.keyword is not None:
            word = called_name(expression)
            raise fail("F0206", f"`{word}` has no parameter `{argument.keyword}`", argument.span)
    return tuple(argument.value for argument in expression.arguments)


def keyword_values(
    site: Site, expression: tree.Call, arrival: Arrival | None, allowed: Sequence[str]
) -> Steps[dict[str, Value]]:
    """Plain values of a combinator's keyword arguments."""
    found: dict[str, Value] = {}
    for argument in expression.arguments:
        if argument.keyword is None:
            continue
        if argument.keyword not in allowed:
            word = called_name(expression)
            raise fail("F0206", f"`{word}` has no parameter `{argument.keyword}`", argument.span)
        value: Value = yield plain(site.place(arrival), argument.value, f"`{argument.keyword}`")
        found[argument.keyword] = value
    return found


def chain(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """Series over operands or a comprehension; an empty chain is `id`."""
    if arrival is None:
        raise joined_with_network(expression.span, "chain(...)")
    operations: list[Operation] = yield operands_of(site, positional(expression), arrival)
    flow = Flow.of(arrival)
    for operation in operations:
        flow = yield operate(site, operation, site.builder.close(flow))
    return flow


def word_merge(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """`sum(...)`, `product(...)`, `max(...)`, `min(...)` of networks."""
    word = called_name(expression)
    assert word is not None
    operations: list[Operation] = yield operands_of(site, positional(expression), arrival)
    if not operations:
        raise fail("F0407", f"`{word}` has no operands", expression.span, "nothing to combine")
    span, sign = expression.span, expression.function.span
    flow: Flow = yield merge(site, WORDS[word](), operations, arrival, span, sign)
    return flow


def concat(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    keywords: dict[str, Value] = yield keyword_values(site, expression, arrival, ["axis"])
    axis = keywords.get("axis")
    if axis is not None and not is_whole(axis):
        raise fail("F0405", f"`axis` must be a whole number, not {describe(axis)}", expression.span)
    arguments = [a.value for a in expression.arguments if a.keyword is None]
    operations: list[Operation] = yield operands_of(site, arguments, arrival)
    if not operations:
        raise fail("F0407", "`concat` has no operands", expression.span, "nothing to combine")
    span, sign = expression.span, expression.function.span
    flow: Flow = yield merge(site, Concat(axis), operations, arrival, span, sign)
    return flow


def joined(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """Closes an open join."""
    network = only_network(expression)
    flow: Flow = yield site.apply(network, arrival)
    return Flow.of(site.builder.close(flow))


def only_network(expression: tree.Call) -> tree.Expression:
    found = [a.value for a in expression.arguments if a.keyword is None]
    if len(found) != 1:
        raise fail("F0206", f"`{called_name(expression)}` takes one network", expression.span)
    return found[0]


def drop(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """`drop(e, local = r)`: the rate of the join inputs written in `e`."""
    keywords: dict[str, Value] = yield keyword_values(
        site, expression, arrival, ["local", "global"]
    )
    rate, sampled = keywords.get("local"), keywords.get("global", True)
    if rate is not None:
        rate = checked_rate(rate, "drop-path", expression.span)
    if not isinstance(sampled, bool):
        raise fail("F0405", "`global` of `drop` is true or false", expression.span)
    dropping = Dropping(rate, sampled)
    with site.builder.drops(dropping):
        flow: Flow = yield site.apply(only_network(expression), arrival)
    if rate is None:
        return flow
    strands = (s if s.rate is not None else replace(s, rate=rate) for s in flow.strands)
    return replace(flow, strands=tuple(strands))


def checked_rate(value: Value, what: str, span: Span) -> float:
    """A probability in [0, 1); at 1 no path could remain."""
    if not is_number(value):
        raise fail("F0405", f"a {what} rate is a number, not {describe(value)}", span)
    if not 0 <= value < 1:
        raise DiagnosticError(
            Diagnostic(
                "F0501",
                f"{what} rate must be in [0, 1), found {value}",
                span,
                "at 1 or above no path could remain" if value >= 1 else "a rate is no less than 0",
                notes=(
                    "at least one input of each join is always kept; 0.15 is the local rate "
                    "in the FractalNet paper, section 4.1",
                ),
                helps=(Help("write `0.15` for 15 %"),),
            )
        )
    return float(value)


def misplaced_each(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    raise fail("F0405", "`each` stands only after `>>`", expression.span)
    yield


COMBINED: dict[str, Callable[[Site, tree.Call, Arrival | None], Steps[Flow]]] = {
    "chain": chain,
    "concat": concat,
    "drop": drop,
    "each": misplaced_each,
    "joined": joined,
    "max": word_merge,
    "mean": mean,
    "min": word_merge,
    "product": word_merge,
    "split": split,
    "sum": word_merge,
}
