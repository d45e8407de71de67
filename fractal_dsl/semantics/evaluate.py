"""What an expression is worth: a plain value, or a network that is built later.

A network expression is never entered here; it becomes a closure, and `apply` builds it when
a value arrives. `incoming` is the shape that arrives at the innermost network expression
around, for `in_channels` and its kin; None where nothing arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.ir.graph import Recursion
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics import arithmetic
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.call_errors import circular, no_case
from fractal_dsl.semantics.calls import Case, bind, check_kinds, split_keywords
from fractal_dsl.semantics.definitions import FUNCTIONS, INCOMING, Definition, Names, Param
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, called_part, written_name
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.strands import Flow
from fractal_dsl.semantics.values import (
    Closure,
    Elements,
    Given,
    Items,
    Network,
    RuleCall,
    RuleValue,
    Scope,
    SharedNetwork,
    Value,
    Wire,
    describe,
    holds_wires,
    is_number,
    is_whole,
    show,
)
from fractal_dsl.semantics.wires import computes, wire_into_network, wire_of
from fractal_dsl.semantics.world import MAX_DEPTH, World, value_key
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["Place", "elements", "evaluate", "is_plain", "no_index", "plain", "turns"]

# Combinators that also work on numbers: `max(3, w)`, `sum(widths)`.
FOLDS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "max": max,
    "min": min,
    "sum": sum,
}


def is_plain(value: Value) -> bool:
    """True of what no network and no wire is part of, but for items of lists."""
    return not isinstance(value, Network | RuleValue | Wire | Elements)


def is_written(value: Value) -> bool:
    """True of a network that is built anew wherever its text is used."""
    return isinstance(value, Closure | RuleCall | RuleValue)


def evaluate(place: Place, expression: tree.Expression) -> Steps[Value]:
    """The value of any expression."""
    handler = HANDLERS.get(type(expression))
    if handler is None:
        return place.world.closure(expression, place.scope)
        yield  # a generator, like every handler
    value: Value = yield handler(place, expression)
    return value


def plain(
    place: Place, expression: tree.Expression, what: str, wanted: str = "a plain value"
) -> Steps[Value]:
    """The value of an expression that must not be a network; `what` names its role."""
    value: Value = yield evaluate(place, expression)
    if not is_plain(value):
        message = f"{what} must be {wanted}, not {describe(value)}"
        raise fail("F0405", message, expression.span, f"this is {show(value, 24)}")
    return value


def constant(place: Place, expression: Any) -> Steps[Value]:
    value: Value = expression.value
    return value
    yield


def inner(place: Place, expression: tree.Parenthesised) -> Steps[Value]:
    value: Value = yield evaluate(place, expression.inner)
    return place.world.closure(expression, place.scope) if is_written(value) else value


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


# Names and calls ---------------------------------------------------------------------


def name(place: Place, expression: tree.Name | tree.Qualified) -> Steps[Value]:
    world, scope, word = place.world, place.scope, written_name(expression)
    if word in scope.locals:
        return scope.locals[word]
    if word in scope.names:
        definition = scope.names[word]
        if not definition.is_nullary:
            return RuleValue(definition)
        value: Value = yield call_rule(place, definition, (), expression)
        return value
    if word in scope.names.params:
        given: Value = yield param_value(world, scope.names.params[word], expression.span)
        return given
    if word in scope.names.externs:
        return world.closure(expression, scope)
    if word in INCOMING:
        return incoming_fact(place, word, expression.span)
    if word in scope.implicits:
        return scope.implicits[word]
    if word in world.resolved.defaults:
        declared = Place(world, Scope(world.resolved.names, {}, scope.implicits), place.incoming)
        default: Value = yield evaluate(declared, world.resolved.defaults[word].value)
        return default
    if word == "id" or word in OPERATORS or word in COMBINATORS:
        return world.closure(expression, scope)
    if word in FUNCTIONS:
        raise fail("F0405", f"`{word}` is a function of numbers", expression.span)
    raise DiagnosticError(
        Diagnostic(
            "F0208",
            f"`{word}` has no value here",
            expression.span,
            "no call outside binds it",
            notes=("an unbound name takes the nearest rule parameter up the chain of calls",),
            helps=(Help(f"give it as a parameter, or declare `implicit {word} = ...`"),),
        )
    )


def param_value(world: World, param: Param, span: Span | None = None) -> Steps[Value]:
    """The value of a param, found once: as set from outside, as imported with, or its own."""
    if param in world.params:
        known = world.params[param]
        if known is None:
            raise circular(param.name, span or param.declaration.name_span)
        return known
    world.params[param] = None
    names, written = param.home, param.declaration.value
    if param.given is not None and param.giver is not None:
        names, written = param.giver, param.given
    here = Place(world, Scope(names, {}, {}), None)
    value: Value = yield plain(here, written, f"param `{param.name}`")
    world.params[param] = value
    return value


def incoming_fact(place: Place, word: str, span: Span) -> Value:
    """`in_channels`, `in_height`, `in_width`, `in_length`, `in_shape`."""
    shape = place.incoming
    if shape is None:
        raise fail("F0408", f"`{word}` stands where no value arrives", span)
    if isinstance(shape, tuple):
        raise fail(
            "F0408", f"`{word}` reads one tensor, and a list of {len(shape)} arrives", span, "",
            f"say which: in `x[0] >> g({word})` it reads `x[0]`",
        )  # fmt: skip
    if word == "in_channels":
        return shape.channels
    if word == "in_shape":
        return shape.sizes
    if word == "in_length" and shape.kind in ("sequence", "tokens"):
        return shape.sizes[0]
    if word != "in_length" and shape.kind == "image":
        return shape.sizes[1 if word == "in_height" else 2]
    raise fail("F0408", f"{shape} has no `{word}`", span)


def call(place: Place, expression: tree.Call) -> Steps[Value]:
    function = expression.function
    if isinstance(function, tree.Extern):
        return place.world.closure(expression, place.scope)
    if not isinstance(function, tree.Name | tree.Qualified):
        raise fail("F0405", "only a name can be called", function.span)
    word, scope = written_name(function), place.scope
    local = scope.locals.get(word)
    if local is not None and not isinstance(local, RuleValue):
        message = f"`{word}` is {describe(local)} here and takes no arguments"
        raise fail("F0405", message, expression.span)
    rule = scope.names.get(word) if local is None else local.definition
    if rule is not None:
        given: list[Given] = yield arguments(place, expression)
        value: Value = yield call_rule(place, rule, given, expression)
        return value
    if word in scope.names.externs:
        return place.world.closure(expression, scope)
    if (word in COMBINATORS or word == LEARNED) and computes(place, expression):
        wire: Value = yield computed(place, expression)
        return wire
    if word in FOLDS:
        folded: Value = yield fold(place, expression, word)
        return folded
    if word in FUNCTIONS:
        result: Value = yield function_call(place, expression, word)
        return result
    if (
        word in COMBINATORS
        or word == LEARNED
        or (word in OPERATORS and OPERATORS[word].callable_by_name)
    ):
        return place.world.closure(expression, scope)
    raise fail("F0405", f"`{word}` cannot be called", function.span)


def function_call(place: Place, expression: tree.Call, word: str) -> Steps[Value]:
    if len(expression.arguments) != 1 or expression.arguments[0].keyword is not None:
        raise fail("F0206", f"`{word}` takes one argument", expression.span)
    value: Value = yield plain(place, expression.arguments[0].value, "its argument", "a number")
    return arithmetic.call_function(word, value, expression.span)


def fold(place: Place, expression: tree.Call, word: str) -> Steps[Value]:
    """`max`, `min`, `sum`: of numbers a number, of networks a network."""
    values: list[Value] = []
    for argument in expression.arguments:
        items: Sequence[Value] = yield elements(place, argument.value)
        values.extend(items)
    if not values or not all(is_plain(value) for value in values):
        return place.world.closure(expression, place.scope)
    for value in values:
        if not is_number(value):
            raise fail("F0405", f"`{word}` does not take {describe(value)}", expression.span)
    return FOLDS[word](values)  # type: ignore[no-any-return]


def arguments(place: Place, expression: tree.Call) -> Steps[list[Given]]:
    """Arguments of a rule call; networks are closed over what their names mean here."""
    given: list[Given] = []
    for argument in expression.arguments:
        if isinstance(argument.value, tree.Comprehension):
            raise fail("F0206", "a rule takes no `for` here; write `[... for ...]`", argument.span)
        value: Value = yield evaluate(place, argument.value)
        if isinstance(value, RuleCall):
            value = place.world.closure(argument.value, place.scope)
        given.append(Given(argument.keyword, value, argument.span))
    return given


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
                counted: Value = yield evaluate(replace(place, scope=scope), equation.body)
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
            value: Value = yield evaluate(here, declaration.value)
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
            value = yield evaluate(here, pattern.default)
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
        check_levels(label, scope.recursion, span)
        world.count_variant((id(case.definition), scope.recursion), span)
    world.calls[key] = None
    with world.frame(label, span):
        here = Place(world, scope, place.incoming, None, place.builder)
        value: Value = yield evaluate(here, case.equation.body)
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


def check_levels(label: str, recursion: Recursion, span: Span) -> None:
    """Refuses a recursion too deep to be expanded, before it is: with the exact count."""
    if recursion.level > MAX_DEPTH:
        raise DiagnosticError(
            Diagnostic(
                "F0305",
                f"`{label}` needs {recursion.level:,} nested calls; the limit is {MAX_DEPTH:,}",
                span,
                "not expanded",
                helps=(Help("use `**` or `chain` for long series: `conv ** 1000`"),),
            )
        )


# Operators ---------------------------------------------------------------------------


def unary(place: Place, expression: tree.Unary) -> Steps[Value]:
    if expression.operator == "not":
        truth: bool = yield condition(place, expression.operand)
        return not truth
    if computes(place, expression.operand):
        wire: Value = yield computed(place, expression)
        return wire
    value: Value = yield evaluate(place, expression.operand)
    if not is_plain(value):
        return place.world.closure(expression, place.scope)
    if expression.operator == "+":
        return value
    return arithmetic.negate(value, expression.span)  # type: ignore[arg-type]


def binary(place: Place, expression: tree.Binary) -> Steps[Value]:
    if computes(place, expression):
        wire: Value = yield computed(place, expression)
        return wire
    left: Value = yield evaluate(place, expression.left)
    right: Value = yield evaluate(place, expression.right)
    if not (is_plain(left) and is_plain(right)):
        return place.world.closure(expression, place.scope)
    return arithmetic.compute(expression.operator, left, right, expression.span)  # type: ignore[arg-type]


def power(place: Place, expression: tree.Power) -> Steps[Value]:
    base: Value = yield evaluate(place, expression.base)
    if isinstance(base, Wire):
        raise fail("F0405", "`**` repeats a network, not a wire", expression.base.span,
                   "this is a wire", "write `x >> g ** n`")  # fmt: skip
    if not is_plain(base):
        return place.world.closure(expression, place.scope)
    exponent: Value = yield plain(place, expression.exponent, "an exponent", "a number")
    return arithmetic.power(base, exponent, expression.span)  # type: ignore[arg-type]


def compare(place: Place, expression: tree.Compare) -> Steps[Value]:
    left: Value = yield evaluate(place, expression.left)
    right: Value = yield evaluate(place, expression.right)
    return arithmetic.compare(expression.operator, left, right, expression.span)


def logic(place: Place, expression: tree.Logic) -> Steps[Value]:
    wanted = expression.operator == "or"
    for operand in expression.operands:
        truth: bool = yield condition(place, operand)
        if truth is wanted:
            return wanted
    return not wanted


def condition(place: Place, expression: tree.Expression) -> Steps[bool]:
    value: Value = yield evaluate(place, expression)
    if not isinstance(value, bool):
        raise fail(
            "F0405",
            f"a condition must be true or false, not {describe(value)}",
            expression.span,
            "" if isinstance(value, Network) else f"this is {show(value)}",
        )
    return value


def conditional(place: Place, expression: tree.Conditional) -> Steps[Value]:
    current: tree.Expression = expression
    while isinstance(current, tree.Conditional):
        truth: bool = yield condition(place, current.condition)
        current = current.positive if truth else current.negative
    value: Value = yield evaluate(place, current)
    return place.world.closure(expression, place.scope) if is_written(value) else value


# Lists -------------------------------------------------------------------------------


def range_(place: Place, expression: tree.Range) -> Steps[Value]:
    first: Value = yield plain(place, expression.first, "the start of a range", "a whole number")
    last: Value = yield plain(place, expression.last, "the end of a range", "a whole number")
    return arithmetic.number_range(first, last, expression.span)


def tuple_display(place: Place, expression: tree.TupleDisplay) -> Steps[Value]:
    values: list[Value] = []
    for item in expression.items:
        value: Value = yield evaluate(place, item)
        values.append(kept(place, item, value))
    return tuple(values)


def kept(place: Place, expression: tree.Expression, value: Value) -> Value:
    """A value in a list; a wire is closed there, and a rule's network is used as written."""
    if isinstance(value, RuleCall):
        return place.world.closure(expression, place.scope)
    if isinstance(value, Wire) and place.site is not None:
        builder = place.here().builder
        return wire_of(builder, Flow.of(builder.close(value.flow)))
    return value


def list_display(place: Place, expression: tree.ListDisplay) -> Steps[Value]:
    values: tuple[Value, ...] = yield tuple_display(place, tree.TupleDisplay(
        expression.span, expression.items
    ))  # fmt: skip
    return Items(values)


def list_comprehension(place: Place, expression: tree.ListComprehension) -> Steps[Value]:
    values: Sequence[Value] = yield elements(place, expression.comprehension)
    return Items(tuple(values))


def index(place: Place, expression: tree.Index) -> Steps[Value]:
    base: Value = yield evaluate(place, expression.base)
    indices: list[Value] = []
    for part in expression.indices:
        number: Value = yield plain(place, part, "an index", "a whole number")
        indices.append(number)
    if isinstance(base, Elements):
        element: Value = yield element_of(base, expression, indices)
        return element
    for part, at in zip(expression.indices, indices, strict=True):
        if not isinstance(base, Items | tuple):
            raise fail("F0405", f"{describe(base)} has no items", expression.base.span)
        items = base.values if isinstance(base, Items) else base
        if not is_whole(at):
            raise no_index(at, part.span)
        if not 0 <= at < len(items):
            message = f"there is no item {show(at)}: the list has {len(items)}, counted from 0"
            raise fail("F0409", message, part.span)
        base = items[at]
    return base


def element_of(family: Elements, expression: tree.Index, indices: Sequence[Value]) -> Steps[Value]:
    """One element of a family of a block."""
    whole: list[int] = []
    for part, at in zip(expression.indices, indices, strict=True):
        if not is_whole(at):
            raise no_index(at, part.span)
        whole.append(at)
    value: Value = yield family.force(tuple(whole), expression.span)
    return value


def no_index(value: Value, span: Span) -> DiagnosticError:
    message = f"an index must be a whole number, not {show(value)}"
    return fail("F0405", message, span, f"this is {describe(value)}")


def elements(place: Place, expression: tree.Expression) -> Steps[Sequence[Value]]:
    """Values of a comprehension, or the one value of anything else (a list gives its items)."""
    if isinstance(expression, tree.Comprehension):
        found: list[Value] = []
        places: list[Place] = yield turns(place, expression)
        builder = place.here().builder if place.site is not None else None
        for at, turn in enumerate(places):
            with nullcontext() if builder is None else builder.turn(at, len(places)):
                item: Value = yield evaluate(turn, expression.element)
                found.append(kept(turn, expression.element, item))
        return found
    value: Value = yield evaluate(place, expression)
    return value.values if isinstance(value, Items) else (value,)


def turns(place: Place, comprehension: tree.Comprehension) -> Steps[list[Place]]:
    """One place for each turn of `for ... for ... if ...`, in order."""
    places = [place]
    for generator in comprehension.generators:
        widened: list[Place] = []
        for outer in places:
            values: Value = yield plain(
                outer, generator.values, "what `for` goes through", "a list"
            )
            if not isinstance(values, Items | tuple):
                message = f"`for` goes through a list, not {describe(values)}"
                raise fail("F0405", message, generator.values.span)
            items = values.values if isinstance(values, Items) else values
            if len(widened) + len(items) > arithmetic.MAX_ITEMS:
                raise arithmetic.too_long(len(widened) + len(items), generator.span)
            widened.extend(outer.inside(unpack(generator, item)) for item in items)
        places = widened
    if comprehension.condition is None:
        return places
    kept: list[Place] = []
    for turn in places:
        truth: bool = yield condition(turn, comprehension.condition)
        if truth:
            kept.append(turn)
    return kept


def unpack(generator: tree.Generator, item: Value) -> dict[str, Value]:
    names = generator.names
    if len(names) == 1:
        return {names[0]: item}
    parts = item.values if isinstance(item, Items) else item
    if not isinstance(parts, tuple) or len(parts) != len(names):
        size = f" of {len(parts)}" if isinstance(parts, tuple) else ""
        message = f"{len(names)} names cannot take {describe(item)}{size}: {show(item)}"
        raise fail("F0405", message, generator.span)
    return dict(zip(names, parts, strict=True))


HANDLERS: dict[type[tree.Node], Callable[[Place, Any], Steps[Any]]] = {
    tree.Number: constant,
    tree.String: constant,
    tree.Boolean: constant,
    tree.Parenthesised: inner,
    tree.Name: name,
    tree.Qualified: name,
    tree.Call: call,
    tree.Unary: unary,
    tree.Binary: binary,
    tree.Power: power,
    tree.Compare: compare,
    tree.Logic: logic,
    tree.Conditional: conditional,
    tree.Series: flowing,
    tree.Compose: flowing,
    tree.Join: flowing,
    tree.Tag: flowing,
    tree.Block: block,
    tree.Shared: shared,
    tree.Range: range_,
    tree.TupleDisplay: tuple_display,
    tree.ListDisplay: list_display,
    tree.ListComprehension: list_comprehension,
    tree.Index: index,
}
