"""What a rule is worth for certain arguments: the case that takes them, and its body."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.graph import Recursion
from fractal_dsl.semantics.call_errors import circular, no_case
from fractal_dsl.semantics.calls import Case, bind, check_kinds, split_keywords
from fractal_dsl.semantics.constant_expressions import condition
from fractal_dsl.semantics.definitions import Definition, Names
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.values import (
    Given,
    RuleCall,
    Scope,
    SharedNetwork,
    Value,
    holds_wires,
    is_plain,
)
from fractal_dsl.semantics.wire_errors import wire_into_network
from fractal_dsl.semantics.world import MAX_DEPTH, value_key
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["call_rule"]


def call_rule(
    place: Place, definition: Definition, given: Sequence[Given], at: tree.Expression
) -> Steps[Value]:
    """The value of a rule for certain arguments: a plain value, or a network not yet built.

    With wires among the arguments, their place is the graph under construction, and the value
    is what the rule computes of them.
    """
    world, span = place.world, at.span
    needed = world.resolved.implicits[definition]
    positional, named, extra = split_keywords(definition, needed, given, span)
    outer = {n: v for n, v in place.scope.implicits.items() if n in needed} | extra
    declared: dict[str, Value] = yield declared_in(place, definition.home, needed - outer.keys())
    outer |= declared
    for equation in definition.equations:
        bound = bind(definition, equation, positional, named)
        if bound is None:
            continue
        case = Case(definition, equation, bound, span)
        check_kinds(case)
        passed = True
        with world.frame(case.label, span):
            world.count_call(span, inside=2)
            scope: Scope = yield enter(place, case, outer)
            if equation.guard is not None:
                passed = yield condition(Place(world, scope, place.incoming), equation.guard)
        if passed and any(map(holds_wires, scope.locals.values())):
            if place.site is None:
                counted: Value = yield replace(place, scope=scope).evaluate(equation.body)
                if is_plain(counted) and not holds_wires(counted):
                    return counted
                raise wire_into_network(case.label, span)
            builders = place.here().builders
            wire: Value = yield builders.call(place, case, scope, outer, at)
            return wire
        if passed:
            value: Value = yield body(place, case, scope, outer)
            return value
    raise no_case(definition, given, span)


def declared_in(place: Place, home: Names, unbound: AbstractSet[str]) -> Steps[dict[str, Value]]:
    """What an imported file's own `implicit` lines say of names that no call has bound.

    What is bound so holds further in, too: the outermost file that declares a name decides.
    """
    found: dict[str, Value] = {}
    resolved = place.world.resolved
    for name in sorted(unbound & home.defaults.keys() - resolved.names.defaults.keys()):
        declaration = home.defaults[name]
        if declaration is not resolved.defaults.get(name):
            here = Place(place.world, Scope(home, {}, {}), place.incoming)
            value: Value = yield here.evaluate(declaration.value)
            found[name] = value
    return found


def enter(place: Place, case: Case, outer: dict[str, Value]) -> Steps[Scope]:
    """The scope of an equation's body; defaults are evaluated at the call, left to right."""
    names = case.definition.home
    local: dict[str, Value] = {}
    implicits = dict(outer)
    explicit = case.definition.explicit_names(case.equation)
    for at, pattern in enumerate(case.equation.patterns or ()):
        if isinstance(pattern, tree.LiteralPattern):
            continue
        if at in case.given:
            value = case.given[at].value
        else:
            assert isinstance(pattern, tree.Parameter) and pattern.default is not None
            scope = Scope(names, dict(local), dict(implicits))
            here = Place(place.world, scope, place.incoming, None, place.builder)
            value = yield here.evaluate(pattern.default)
        if isinstance(pattern, tree.SuccessorPattern):
            assert isinstance(value, int)
            value -= pattern.offset
        local[pattern.name] = value
        if pattern.name in explicit:
            implicits[pattern.name] = value
    return Scope(names, local, implicits, case.recursion)


def body(place: Place, case: Case, scope: Scope, outer: dict[str, Value]) -> Steps[Value]:
    """The value of an equation's body, remembered for each distinct call."""
    world, span = place.world, case.span
    every = tuple(value_key(scope.locals[name]) for name in scope.locals)
    patterns = tuple(value_key(case.given[at].value) for at in sorted(case.given))
    rule = (id(case.equation), id(case.definition.home))
    identity = world.intern((rule, patterns, every, world.names_key(outer)))
    key = (identity, place.incoming)
    if key in world.calls:
        return known_value(world.calls[key], case)
    label = case.label
    world.count_call(span)
    if scope.recursion is not None:
        check_levels(place, label, scope.recursion, span)
        world.count_variant((id(case.definition), scope.recursion), span)
    world.calls[key] = None
    with world.frame(label, span):
        here = Place(world, scope, place.incoming, None, place.builder)
        value: Value = yield here.evaluate(case.equation.body)
    if isinstance(value, SharedNetwork):
        if isinstance(case.equation.body, tree.Shared):
            value = replace(value, name=case.definition.name)
            if scope.locals:
                del world.calls[key]  # made anew by every call
                return value
    elif not is_plain(value):
        value = RuleCall(case.equation, scope, label, identity, span)
    world.calls[key] = value
    return value


def known_value(known: Value | None, case: Case) -> Value:
    """What an earlier call like this gave; None is a call that is still being expanded."""
    if known is None:
        raise circular(case.definition.name, case.span)
    if isinstance(known, RuleCall):
        return replace(known, span=case.span)
    return known


def check_levels(place: Place, label: str, recursion: Recursion, span: Span) -> None:
    """Refuses a recursion too deep to be expanded, before it is: with the exact count.

    One that grew from call to call up to here does not end, whatever the limit.
    """
    caller = place.scope.recursion
    if recursion.level > MAX_DEPTH:
        if caller is not None and caller.group == recursion.group and caller.level <= MAX_DEPTH:
            label = f"`{label}`: from call to call the index gets larger"
            raise place.world.endless(span, label)
        raise DiagnosticError(
            Diagnostic(
                "F0305",
                f"`{label}` needs {recursion.level:,} nested calls; the limit is {MAX_DEPTH:,}",
                span,
                "not expanded",
                helps=(Help("use `**` or `chain` for long series: `conv ** 1000`"),),
            )
        )
