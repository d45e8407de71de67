"""Blocks: `{ name = e ... return e }`, and the families of wires in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help, Label
from fractal_dsl.semantics.arithmetic import fail
from fractal_dsl.semantics.comprehensions import turns
from fractal_dsl.semantics.constant_expressions import plain
from fractal_dsl.semantics.list_expressions import no_index
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.site import Place
from fractal_dsl.semantics.strands import Flow
from fractal_dsl.semantics.values import Elements, Items, Value, Wire, describe, is_whole
from fractal_dsl.semantics.wires import wire_of
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["block"]


def block(place: Place, expression: tree.Block) -> Steps[Value]:
    """What a block returns. Its names see each other, whatever their order."""
    refuse_doubles(expression)
    families = families_of(place, expression)
    place = place.inside({name: one.value for name, one in families.items()})
    for one in families.values():
        one.place = place
    for binding in in_order(place, expression):
        value: Value = yield place.evaluate(binding.value)
        names = bound(binding.target, closed(place, value), binding.value.span)
        place = place.inside(names)
        for one in families.values():
            one.place = place
    result: Value = yield place.evaluate(expression.result)
    return closed(place, result)


def closed(place: Place, value: Value) -> Value:
    """A value with a name is no open join."""
    if not isinstance(value, Wire):
        return value
    builder = place.here().builder
    return wire_of(builder, Flow.of(builder.close(value.flow)))


def bound(target: tree.Target, value: Value, span: Span) -> dict[str, Value]:
    if not target.unpacks:
        return {target.names[0]: value}
    parts = value.values if isinstance(value, Items) else value
    if not isinstance(parts, tuple) or len(parts) != len(target.names):
        size = f" of {len(parts)}" if isinstance(parts, tuple) else ""
        message = f"{len(target.names)} names cannot take {describe(value)}{size}"
        raise fail("F0405", message, target.span, "", "`x >> split(n)` gives a list of n wires")
    return dict(zip(target.names, parts, strict=True))


def refuse_doubles(expression: tree.Block) -> None:
    """A name is bound once; only a family has several equations."""
    first: dict[str, tree.Target] = {}
    for binding in expression.bindings:
        target = binding.target
        for name in target.names:
            known = first.setdefault(name, target)
            if known is not target and not (known.indices and target.indices):
                raise twice(f"`{name}` is defined twice in this block", target.span, known.span)
        if binding.generators and not target.indices:
            raise fail(
                "F0405", f"`for` makes a family, and `{target.names[0]}` has no index",
                target.span, "", f"write `{target.names[0]}[i] = ... for i in ...`",
            )  # fmt: skip


def twice(message: str, span: Span, first: Span) -> DiagnosticError:
    labels = (Label(first, "first here"),)
    return DiagnosticError(Diagnostic("F0209", message, span, "again here", labels=labels))


# Order -------------------------------------------------------------------------------


def in_order(place: Place, expression: tree.Block) -> list[tree.Binding]:
    """Bindings of plain names, each after those that it reads, by way of families too."""
    reads = dependencies(place, expression)
    home = {name: binding for binding in expression.bindings for name in binding.target.names}
    try:
        order = list(TopologicalSorter(without_loops(expression, reads)).static_order())
    except CycleError as cycle:
        ring = cycle.args[1]
        raise needs_itself(" -> ".join(f"`{name}`" for name in reversed(ring)),
                           home[ring[0]].target.span) from None  # fmt: skip
    found = (home[name] for name in order if not home[name].target.indices)
    return list(dict.fromkeys(found))


def dependencies(place: Place, expression: tree.Block) -> dict[str, set[str]]:
    """For each name of a block, the names of the block that its equations read."""
    own = {name for binding in expression.bindings for name in binding.target.names}
    reads: dict[str, set[str]] = {}
    for binding in expression.bindings:
        _, free = place.world.names_in(binding)
        for name in binding.target.names:
            reads.setdefault(name, set()).update(free & own)
    return reads


def without_loops(expression: tree.Block, reads: dict[str, set[str]]) -> dict[str, set[str]]:
    """What each plain name needs; families, whose elements may need each other, looked through."""
    families = {b.target.names[0] for b in expression.bindings if b.target.indices}
    found: dict[str, set[str]] = {}
    for name in reads:
        if name in families:
            continue
        needed: set[str] = set()
        waiting, seen = list(reads[name]), set()
        while waiting:
            one = waiting.pop()
            if one not in families:
                needed.add(one)
            elif one not in seen:
                seen.add(one)
                waiting.extend(reads[one])
        found[name] = needed
    return found


def needs_itself(what: str, span: Span) -> DiagnosticError:
    return fail("F0412", f"{what} needs itself", span, "a wire is computed from others",
                "break the ring: one of these must not read the next")  # fmt: skip


# Families ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """One element before it is computed: its equation, where it stands, its turn of the `for`."""

    binding: tree.Binding
    place: Place
    turn: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Family:
    """`x[0] = e`, `x[i] = ... for i in 1..n`: elements are computed when first asked for."""

    name: str
    bindings: tuple[tree.Binding, ...]
    place: Place
    indices: tuple[int, ...]
    key: int
    elements: dict[tuple[int, ...], Element] | None = None
    known: dict[tuple[int, ...], Value | None] = field(default_factory=dict)

    @property
    def value(self) -> Elements:
        return Elements(self.name, self.key, self.force)

    def force(self, index: tuple[int, ...], span: Span) -> Steps[Value]:
        if self.elements is None:
            self.elements = yield self.listed()
        if index in self.known:
            value = self.known[index]
            if value is None:
                raise needs_itself(f"`{self.spelled(index)}`", span)
            return value
        element = self.elements.get(index)
        if element is None:
            raise self.missing(index, span)
        self.known[index] = None
        with element.place.here().builder.at((*self.indices, *element.turn)):
            made: Value = yield element.place.evaluate(element.binding.value)
            value = self.known[index] = closed(element.place, made)
        return value

    def listed(self) -> Steps[dict[tuple[int, ...], Element]]:
        """Every element of the family, by index."""
        found: dict[tuple[int, ...], Element] = {}
        for binding in self.bindings:
            places: list[Place] = [self.place]
            if binding.generators:
                loop = tree.Comprehension(
                    binding.span, binding.value, binding.generators, binding.condition
                )
                places = yield turns(self.place, loop)
                self.place.here().builder.check_turns(len(places), binding.span)
            for at, place in enumerate(places):
                index: tuple[int, ...] = yield self.index_of(place, binding.target)
                turn = (at,) if binding.generators else ()
                if index in found:
                    first = found[index].binding.target.span
                    message = f"`{self.spelled(index)}` is defined twice"
                    raise twice(message, binding.target.span, first)
                found[index] = Element(binding, place, turn)
        return found

    def index_of(self, place: Place, target: tree.Target) -> Steps[tuple[int, ...]]:
        index: list[int] = []
        for part in target.indices:
            value: Value = yield plain(place, part, "an index", "a whole number")
            if not is_whole(value):
                raise no_index(value, part.span)
            index.append(value)
        return tuple(index)

    def spelled(self, index: tuple[int, ...]) -> str:
        return f"{self.name}[{', '.join(map(str, index))}]"

    def missing(self, index: tuple[int, ...], span: Span) -> DiagnosticError:
        assert self.elements is not None
        some = ", ".join(self.spelled(one) for one in list(self.elements)[:6])
        more = f" and {len(self.elements) - 6} more" if len(self.elements) > 6 else ""
        return DiagnosticError(
            Diagnostic(
                "F0409",
                f"there is no element `{self.spelled(index)}`",
                span,
                "no equation defines it",
                notes=(f"defined are {some}{more}",) if some else (),
                helps=(Help("give it an equation, or mend the range of the `for`"),),
            )
        )


def families_of(place: Place, expression: tree.Block) -> dict[str, Family]:
    equations: dict[str, list[tree.Binding]] = {}
    for binding in expression.bindings:
        if binding.target.indices:
            equations.setdefault(binding.target.names[0], []).append(binding)
    indices = place.here().builder.indices
    return {
        name: Family(name, tuple(found), place, indices, place.world.next_builder())
        for name, found in equations.items()
    }
