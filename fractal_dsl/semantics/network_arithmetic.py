"""Arithmetic on networks and wires: sums, products and concatenations of what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Label
from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Concat, Difference, Product, Quotient, Scalar, Sum
from fractal_dsl.semantics.ambiguous_signs import refuse_mixed_signs
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.operands import Operation, operate
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand
from fractal_dsl.semantics.values import (
    Items,
    Network,
    Value,
    Wire,
    describe,
    holds_wires,
    is_number,
)
from fractal_dsl.semantics.wires import flow_of
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["binary", "merge", "unary"]

SIGNS: dict[str, type[Attributes]] = {
    "+": Sum,
    "-": Difference,
    "*": Product,
    "/": Quotient,
    "++": Concat,
}


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


def unary(site: Site, expression: tree.Unary, arrival: Arrival | None) -> Steps[Flow]:
    """`-e` is `-1 * e`."""
    if expression.operator != "-":
        raise fail("F0405", f"`{expression.operator}` does not take a network", expression.span)
    flow: Flow = yield site.apply(expression.operand, arrival)
    value = site.builder.tensor(site.builder.close(flow), expression.span, "-")
    return Flow.of(site.builder.apply(Scalar("*", -1.0, True), [value], "scalar", expression.span))
