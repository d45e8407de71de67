"""A resolved file: its definitions, who recurs with whom, and which names are implicit."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import children

__all__ = [
    "FUNCTIONS",
    "INCOMING",
    "Definition",
    "Names",
    "Resolved",
    "free_names",
    "implicit_names",
    "implicits_read",
    "is_builtin",
    "names_read",
    "recursion_groups",
]

# Names that read the value that arrives.
INCOMING = frozenset({"in_channels", "in_height", "in_length", "in_shape", "in_width"})
# Functions of plain values.
FUNCTIONS = frozenset({"abs", "ceil", "floor", "len", "log2", "round", "sqrt"})


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """All equations of one name. `pattern_positions` hold recursion indices, not parameters.

    `group` names the rules that recur together with this one, None where it does not recur;
    `level_position` is the parameter that holds the recursion's level.
    """

    name: str
    equations: tuple[tree.Equation, ...]
    pattern_positions: frozenset[int]
    group: str | None = None
    level_position: int | None = None
    from_prelude: bool = False

    @property
    def is_nullary(self) -> bool:
        """True if the bare name is a call: some equation asks for no argument."""
        return any(
            all(isinstance(p, tree.Parameter) and p.default is not None for p in e.patterns or ())
            for e in self.equations
        )

    @property
    def parameter_names(self) -> frozenset[str]:
        """Names that a call may give by keyword."""
        return frozenset(
            pattern.name
            for equation in self.equations
            for pattern in equation.patterns or ()
            if isinstance(pattern, tree.Parameter)
        )

    def smallest_literal(self, position: int) -> int:
        """The least integer that has a case of its own at a place, 0 where none has."""
        patterns = ((e.patterns or ())[position : position + 1] for e in self.equations)
        literals = [p[0].value for p in patterns if p and isinstance(p[0], tree.LiteralPattern)]
        return min(literals, default=0)

    def explicit_names(self, equation: tree.Equation) -> frozenset[str]:
        """Parameters that callees may read implicitly: no recursion index is one."""
        return frozenset(
            pattern.name
            for at, pattern in enumerate(equation.patterns or ())
            if isinstance(pattern, tree.Parameter) and at not in self.pattern_positions
        )


Names: TypeAlias = Mapping[str, Definition]


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A file whose names are known.

    `names` are what the file sees, the prelude's definitions included, and `prelude` what
    the prelude sees; `implicits` are, for each rule, the names that it or its callees may
    take from the calls outside.
    """

    syntax: tree.Program
    names: Names
    prelude: Names
    params: Mapping[str, tree.ParamDeclaration]
    defaults: Mapping[str, tree.ImplicitDeclaration]
    nets: tuple[tree.NetDeclaration, ...]
    directives: tuple[tree.Directive, ...]
    assertions: tuple[tree.Assertion, ...]
    implicits: Mapping[Definition, frozenset[str]]
    warnings: tuple[Diagnostic, ...] = ()

    def names_of(self, definition: Definition) -> Names:
        """The definitions that the text of `definition` sees."""
        return self.prelude if definition.from_prelude else self.names


def is_builtin(name: str) -> bool:
    """True of names that the language itself gives a meaning."""
    return (
        name in ("id", LEARNED)
        or name in INCOMING
        or name in FUNCTIONS
        or name in COMBINATORS
        or (name in OPERATORS and OPERATORS[name].callable_by_name)
    )


def free_names(expressions: Iterable[tree.Node]) -> dict[str, tree.Name]:
    """Names read in `expressions` that nothing around them there binds, each with a place.

    Names of a block are bound in all of it, those of a wiring in its block, variables of a
    comprehension in what stands before `for` and in what follows their own `in`.
    """
    free: dict[str, tree.Name] = {}
    waiting = [(root, frozenset[str]()) for root in reversed([*expressions])]
    while waiting:
        node, bound = waiting.pop()
        if isinstance(node, tree.Name):
            if node.name not in bound:
                free.setdefault(node.name, node)
            continue
        waiting.extend(reversed(_scopes(node, bound)))
    return free


def _scopes(node: tree.Node, bound: frozenset[str]) -> list[tuple[tree.Node, frozenset[str]]]:
    """What is directly below a node, each with the names that are bound there."""
    match node:
        case tree.Comprehension():
            inner, loops = _generators(node.generators, bound)
            return [(node.element, inner), *loops, *_conditions(node.condition, inner)]
        case tree.Binding():
            inner, loops = _generators(node.generators, bound)
            indices = [(index, inner) for index in node.target.indices]
            rest = [(node.value, inner), *loops, *_conditions(node.condition, inner)]
            return [*indices, *rest]
        case tree.Block():
            inner = bound.union(*(binding.target.names for binding in node.bindings))
        case tree.Wiring():
            inner = bound.union(node.names)
        case _:
            inner = bound
    return [(child, inner) for child in children(node)]


def _generators(
    generators: Sequence[tree.Generator], bound: frozenset[str]
) -> tuple[frozenset[str], list[tuple[tree.Node, frozenset[str]]]]:
    """What is bound behind all of `for ... for ...`, and what each goes through."""
    found: list[tuple[tree.Node, frozenset[str]]] = []
    for generator in generators:
        found.append((generator.values, bound))
        bound = bound.union(generator.names)
    return bound, found


def _conditions(
    condition: tree.Node | None, bound: frozenset[str]
) -> list[tuple[tree.Node, frozenset[str]]]:
    return [] if condition is None else [(condition, bound)]


def names_read(equation: tree.Equation) -> dict[str, tree.Name]:
    """Names that an equation reads and does not bind itself, each with its first place.

    A default sees the parameters before it, not its own: in `conv(channels = channels)` the
    second `channels` is a name of the caller's.
    """
    bound: set[str] = set()
    read: dict[str, tree.Name] = {}
    for pattern in equation.patterns or ():
        if isinstance(pattern, tree.Parameter) and pattern.default is not None:
            outer = free_names([pattern.default])
            read.update((n, at) for n, at in outer.items() if n not in bound)
        if not isinstance(pattern, tree.LiteralPattern):
            bound.add(pattern.name)
    rest = [equation.body] if equation.guard is None else [equation.body, equation.guard]
    read.update((n, at) for n, at in free_names(rest).items() if n not in bound)
    return read


def callees(definition: Definition, names: Names) -> set[Definition]:
    """Definitions that this one mentions."""
    return {
        names[name]
        for equation in definition.equations
        for name in names_read(equation)
        if name in names
    }


def recursion_groups(names: Names, prelude: Names) -> dict[str, str]:
    """For every rule that recurs, the name of its group: its first rule in file order."""
    calls: dict[str, set[str]] = {}
    for definition in names.values():
        home = prelude if definition.from_prelude else names
        calls[definition.name] = {callee.name for callee in callees(definition, home)}
    order = {name: at for at, name in enumerate(names)}
    groups: dict[str, str] = {}
    for component in strongly_connected(calls):
        lone = next(iter(component))
        if len(component) > 1 or lone in calls.get(lone, ()):
            first = min(component, key=lambda name: order.get(name, -1))
            groups.update(dict.fromkeys(component, first))
    return groups


def strongly_connected(calls: Mapping[str, set[str]]) -> Iterable[set[str]]:
    """Sets of names that call each other, directly or not; a name alone is one too."""
    others = {name: called - {name} for name, called in calls.items()}
    try:
        return [{name} for name in TopologicalSorter(others).static_order()]
    except CycleError:
        # Only rules that call each other pay for this import, half as long as all the rest.
        import networkx as nx

        graph = nx.DiGraph((name, callee) for name in others for callee in others[name])
        return nx.strongly_connected_components(graph)


def implicit_names(
    definitions: Iterable[Definition], names: Names, prelude: Names, params: Iterable[str]
) -> dict[Definition, frozenset[str]]:
    """For each rule, the names that it or its callees may take from the calls outside."""
    everyone = tuple(definitions)
    known = set(params)
    found: dict[Definition, frozenset[str]] = dict.fromkeys(everyone, frozenset())
    changed = True
    while changed:
        changed = False
        for definition in everyone:
            home = prelude if definition.from_prelude else names
            mine = frozenset().union(
                *(
                    implicits_read(names_read(e), home, known, found) - definition.explicit_names(e)
                    | own_defaults(e, home, known)
                    for e in definition.equations
                )
            )
            if mine != found[definition]:
                found[definition], changed = mine, True
    return found


def own_defaults(equation: tree.Equation, names: Names, params: Container[str]) -> frozenset[str]:
    """Parameters whose own default reads the name from outside: `channels = channels`."""
    return frozenset(
        pattern.name
        for pattern in equation.patterns or ()
        if isinstance(pattern, tree.Parameter)
        and pattern.default is not None
        and pattern.name in free_names([pattern.default])
        and pattern.name not in names
        and pattern.name not in params
    )


def implicits_read(
    read: Iterable[str],
    names: Names,
    params: Container[str],
    found: Mapping[Definition, frozenset[str]],
) -> frozenset[str]:
    """Of the names `read` somewhere, those that no text binds, and what its callees need."""
    needed: set[str] = set()
    for name in read:
        if name in names:
            needed |= found[names[name]]
        elif name not in params and not is_builtin(name):
            needed.add(name)
    return frozenset(needed)
