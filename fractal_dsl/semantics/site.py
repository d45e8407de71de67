"""Where text is given a meaning: what names mean there, and the graph that is being built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fractal_dsl.semantics.build import GraphBuilder
from fractal_dsl.semantics.calls import Case
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.strands import Arrival, Flow, Form
from fractal_dsl.semantics.values import Scope, Value
from fractal_dsl.semantics.world import World
from fractal_dsl.syntax import tree

__all__ = ["Builders", "Place", "Site"]


@dataclass(frozen=True, slots=True, eq=False)
class Builders:
    """What builds graphs, gathered in `semantics.wired`, for the modules beneath it.

    `apply(site, expression, arrival)`: an expression on what comes into it, None where it must
    compute a value of wires alone. `use(site, network, arrival, name, span)`: a copy of a
    network; `end` is an operator that its value goes through last. `call(place, case, scope,
    outer, at)`: a rule on wires. `block(place, block)`: the value of `{ ... }`.
    """

    apply: Callable[[Site, tree.Expression, Arrival | None], Steps[Flow]]
    use: Callable[..., Steps[Flow]]
    call: Callable[[Place, Case, Scope, Mapping[str, Value], tree.Expression], Steps[Value]]
    block: Callable[[Place, tree.Block], Steps[Value]]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where a network is built: the graph under construction and what names mean.

    `around` is the form of what came into the block that the text stands in.
    """

    builder: GraphBuilder
    scope: Scope
    builders: Builders
    around: Form | None = None

    def apply(self, expression: tree.Expression, arrival: Arrival | None) -> Steps[Flow]:
        return self.builders.apply(self, expression, arrival)

    def place(self, arrival: Arrival | None) -> Place:
        """Where text beside `arrival` is evaluated; wires are computed where nothing arrives."""
        if arrival is None:
            return Place(self.builder.world, self.scope, self.around, self, self.builder)
        return Place(self.builder.world, self.scope, arrival.shape, None, self.builder)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where an expression is evaluated: what names mean, and the form of what arrives.

    `incoming` is None where nothing arrives; `site` is where wires are computed, None where
    there can be none. `builder` is that of the graph for which the text is evaluated.
    """

    world: World
    scope: Scope
    incoming: Form | None
    site: Site | None = None
    builder: GraphBuilder | None = None

    def evaluate(self, expression: tree.Expression) -> Steps[Value]:
        """The value of any expression."""
        return self.world.evaluator(self, expression)

    def inside(self, names: dict[str, Value]) -> Place:
        return replace(self, scope=self.scope.bind(names))

    def here(self) -> Site:
        """The site of this place, seeing the names that the place sees."""
        assert self.site is not None
        return replace(self.site, scope=self.scope)
