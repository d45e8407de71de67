"""`drop(e, local = r)`: the rate at which drop-path leaves out inputs of the joins in `e`."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.build import Dropping
from fractal_dsl.semantics.combinator_arguments import keyword_values, only_network
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.values import Value, describe, is_number
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["checked_rate", "drop"]


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
