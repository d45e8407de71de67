"""The fractal join, `a (+) b`: operands side by side, left open for whoever takes them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fractal_dsl.semantics.ambiguous_signs import refuse_mixed
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.mismatch import Written
from fractal_dsl.semantics.operands import Operation, operands_of, operate
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow, Strand
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["fractal_join", "join"]

# Inputs of one join; f(60) has 60.
MAX_OPERANDS = 2_000


def join(site: Site, expression: tree.Join, arrival: Arrival | None) -> Steps[Flow]:
    refuse_mixed(expression.operands, expression.operator_spans[0])
    flow: Flow = yield fractal_join(
        site, expression.operands, arrival, expression.span, expression.operator_spans[0]
    )
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
