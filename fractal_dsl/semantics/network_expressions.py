"""Series, joins, blocks, `shared`: wires where they begin with one, else networks for later."""

from __future__ import annotations

from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import called_part
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.strands import Flow
from fractal_dsl.semantics.values import Scope, SharedNetwork, Value
from fractal_dsl.semantics.wires import computes, wire_of
from fractal_dsl.syntax import tree

__all__ = ["block", "computed", "flowing", "shared"]


def flowing(place: Place, expression: tree.Expression) -> Steps[Value]:
    """Series, joins, tags: a wire where they begin with one, else a network to be built later."""
    if not computes(place, expression):
        return place.world.closure(expression, place.scope)
    value: Value = yield computed(place, expression)
    return value


def computed(place: Place, expression: tree.Expression) -> Steps[Value]:
    """The wire that an expression computes in the graph under construction."""
    site = place.here()
    flow: Flow = yield site.apply(expression, None)
    return wire_of(site.builder, flow)


def block(place: Place, expression: tree.Block) -> Steps[Value]:
    """The result of a block of wires; with none in sight, a network to be built later."""
    if place.site is None:
        return place.world.closure(expression, place.scope)
    value: Value = yield place.site.builders.block(place, expression)
    return value


def shared(place: Place, expression: tree.Shared) -> Steps[Value]:
    """One instance: of the net where it stands at the top of the file, else of this graph."""
    world, scope = place.world, place.scope
    name = called_part(expression.operand) or "shared"
    if not scope.locals or place.builder is None:
        key = world.intern(("shared", id(expression)))
        network = world.closure(expression.operand, Scope(scope.names, {}, {}))
        return SharedNetwork(network, key, world.net, name, expression.span)
    name = place.builder.names.get(id(expression), name)
    network = world.closure(expression.operand, scope)
    key = world.intern(("shared", world.next_builder()))
    return SharedNetwork(network, key, place.builder.number, name, expression.span)
    yield
