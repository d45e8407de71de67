"""`stochastic_depth(e, p)`: a branch that samples do without, in training."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.operators.elementwise import StochasticDepth
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.combinator_arguments import keyword_values
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import branch_part, called_name
from fractal_dsl.semantics.site import Site
from fractal_dsl.semantics.strands import Arrival, Flow
from fractal_dsl.semantics.values import Network, SharedNetwork, Value, describe, is_number
from fractal_dsl.semantics.wire_errors import joined_with_network
from fractal_dsl.syntax import tree

__all__ = ["stochastic_depth"]

USE = "write `stochastic_depth(body, 0.2)`: a network, and how often a sample does without it"


def stochastic_depth(site: Site, expression: tree.Call, arrival: Arrival | None) -> Steps[Flow]:
    """A copy of a network that ends by `StochasticDepth`: a graph of its own, whatever it was.

    The weights are found under the name of the network, under its `@name`, or, where it has
    neither, under `stochastic_depth`.
    """
    if arrival is None:
        raise joined_with_network(expression.span, "stochastic_depth(...)")
    tensor = site.builder.tensor(arrival, expression.span, "stochastic_depth")
    branch, attributes = yield settings(site, expression, tensor)
    part, name = branch_part(expression)
    if isinstance(part, tree.Tag):
        branch = part.operand
    value: Value = yield network(site, branch, tensor)
    name = site.builder.names.get(id(part.operand if isinstance(part, tree.Tag) else part), name)
    assert isinstance(value, Network)
    flow: Flow = yield site.builders.use(site, value, tensor, name, expression.span, end=attributes)
    return flow


def settings(
    site: Site, expression: tree.Call, arrival: Arrival
) -> Steps[tuple[tree.Expression, StochasticDepth]]:
    keywords: dict[str, Value] = yield keyword_values(site, expression, arrival, ["rate", "per"])
    given = [argument.value for argument in expression.arguments if argument.keyword is None]
    if len(given) + ("rate" in keywords) != 2 or not given:
        raise DiagnosticError(
            Diagnostic(
                "F0206", "`stochastic_depth` takes a network and a rate", expression.span,
                f"{len(expression.arguments)} given", helps=(Help(USE),),
            )
        )  # fmt: skip
    rate = keywords.get("rate")
    if rate is None:
        rate = yield plain(site.place(arrival), given[1], "a rate of stochastic depth", "a number")
    if not is_number(rate):
        raise fail("F0405", f"a rate is a number, not {describe(rate)}", expression.span)
    per = keywords.get("per", "sample")
    if per not in ("sample", "batch"):
        raise fail("F0405", '`per` of `stochastic_depth` is "sample" or "batch"', expression.span)
    return given[0], StochasticDepth(float(rate), str(per))


def network(site: Site, branch: tree.Expression, arrival: Arrival) -> Steps[Value]:
    """The branch as a network: what its name means, or the expression as it stands."""
    while isinstance(branch, tree.Parenthesised):
        branch = branch.inner
    word = called_name(branch)
    if word is not None and (word in site.scope.locals or word in site.scope.names):
        value: Value = yield site.place(arrival).evaluate(branch)
        if not isinstance(value, Network):
            raise fail("F0405", f"{describe(value)} stands where a network is needed", branch.span)
        if not isinstance(value, SharedNetwork):
            return value
    return site.builder.world.closure(branch, site.scope)
