"""Words that combine networks: `chain`, `mean`, `sum`, `concat`, `joined` and their kin."""

from __future__ import annotations

from collections.abc import Callable

from fractal_dsl.ir.operators import Attributes
from fractal_dsl.ir.operators.elementwise import Concat, Maximum, Minimum, Product, Sum
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.combinator_arguments import keyword_values, only_network, positional
from fractal_dsl.semantics.depths import stochastic_depth
from fractal_dsl.semantics.drop_rates import drop
from fractal_dsl.semantics.joins import fractal_join
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_name
from fractal_dsl.semantics.network_arithmetic import merge
from fractal_dsl.semantics.operands import Operation, operands_of, operate
from fractal_dsl.semantics.pieces import split
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.values import Value, describe, is_whole
from fractal_dsl.semantics.wire_errors import joined_with_network
from fractal_dsl.syntax import tree

__all__ = ["COMBINED"]

WORDS: dict[str, type[Attributes]] = {
    "max": Maximum,
    "min": Minimum,
    "product": Product,
    "sum": Sum,
}


def chain(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """Series over operands or a comprehension; an empty chain is `id`."""
    if arrival is None:
        raise joined_with_network(expression.span, "chain(...)")
    operations: list[Operation] = yield operands_of(site, positional(expression), arrival)
    flow = Flow.of(arrival)
    for operation in operations:
        flow = yield operate(site, operation, site.builder.close(flow))
    return flow


def mean(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """`mean(a, b)` is `a (+) b` in every respect."""
    arguments = positional(expression)
    name = expression.function.span
    flow: Flow = yield fractal_join(site, arguments, arrival, expression.span, name)
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
    "stochastic_depth": stochastic_depth,
    "sum": word_merge,
}
