"""A resolved file: its definitions, who recurs with whom, and which names are implicit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.ir.operators import OPERATORS
from fractal_dsl.semantics.naming import COMBINATORS, LEARNED, written_name
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import children

__all__ = [
    "FUNCTIONS",
    "INCOMING",
    "AnyName",
    "Definition",
    "ExternRule",
    "Imported",
    "Names",
    "Param",
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
AnyName: TypeAlias = tree.Name | tree.Qualified
# Functions of plain values.
FUNCTIONS = frozenset({"abs", "ceil", "floor", "len", "log2", "round", "sqrt"})


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """All equations of one name. `pattern_positions` hold recursion indices, not parameters.

    `home` is what the text of its file sees. `group` names the rules that recur together with
    this one, None where it does not recur; `level_position` is the parameter that holds the
    recursion's level.
    """

    name: str
    equations: tuple[tree.Equation, ...]
    pattern_positions: frozenset[int]
    home: Names
    group: str | None = None
    level_position: int | None = None

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


class Names(dict[str, Definition]):
    """What the text of one file sees: rules by the names that it writes, `b::f` too.

    A file that is imported with other settings is seen anew: it has `Names`, rules and params
    of its own. `params` and `externs` are seen likewise; `defaults` are the file's own
    `implicit` lines, `files` those that it imports. `label` is empty for the file that is
    compiled, and tells all others apart.
    """

    def __init__(self, syntax: tree.Program, label: str = "") -> None:
        super().__init__()
        self.syntax = syntax
        self.label = label
        self.params: dict[str, Param] = {}
        self.externs: dict[str, ExternRule] = {}
        self.defaults: dict[str, tree.ImplicitDeclaration] = {}
        self.imported: list[Imported] = []
        self.files: list[Names] = []

    @property
    def source(self) -> Source:
        return self.syntax.source

    @property
    def own(self) -> tuple[Definition, ...]:
        """The rules that the file itself defines."""
        return tuple(one for one in self.values() if one.home is self)


@dataclass(frozen=True, slots=True, eq=False)
class Param:
    """`param C = 4` of file `home`; `given` is what file `giver` imports that one with."""

    declaration: tree.ParamDeclaration
    home: Names
    given: tree.Expression | None = None
    giver: Names | None = None

    @property
    def name(self) -> str:
        return self.declaration.name


@dataclass(frozen=True, slots=True, eq=False)
class ExternRule:
    """`extern "pkg.Class" name(parameters) = shape` of file `home`."""

    declaration: tree.ExternDeclaration
    home: Names

    @property
    def name(self) -> str:
        return self.declaration.name


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """What an import adds: the name `conv_bn`, or all names that begin with `b::`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A file whose names are known, with all that it imports.

    `names` are what the file sees, what it imports and the prelude's definitions included;
    `homes` all files, each after those that it imports, this one last. `defaults` are the
    `implicit` lines that hold everywhere: the file's own, and the prelude's. `implicits` are,
    for each rule, the names that it or its callees may take from the calls outside.
    """

    names: Names
    homes: tuple[Names, ...]
    defaults: Mapping[str, tree.ImplicitDeclaration]
    nets: tuple[tree.NetDeclaration, ...]
    directives: tuple[tree.Directive, ...]
    assertions: tuple[tree.Assertion, ...]
    implicits: Mapping[Definition, frozenset[str]]
    warnings: tuple[Diagnostic, ...] = field(default=())

    @property
    def syntax(self) -> tree.Program:
        return self.names.syntax

    @property
    def params(self) -> Mapping[str, Param]:
        """The params that may be set from outside, by the names that the file sees."""
        return self.names.params

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that were read, this one first, each where the text meets it first.

        Those that travel with the compiler are not among them.
        """
        found: dict[Source, None] = {}
        waiting = [self.names]
        while waiting:
            home = waiting.pop()
            if not home.source.is_shipped:
                found.setdefault(home.source)
            waiting.extend(reversed(home.files))
        return tuple(found)


def is_builtin(name: str) -> bool:
    """True of names that the language itself gives a meaning."""
    return (
        name in ("id", LEARNED)
        or name in INCOMING
        or name in FUNCTIONS
        or name in COMBINATORS
        or (name in OPERATORS and OPERATORS[name].callable_by_name)
    )


def free_names(expressions: Iterable[tree.Node]) -> dict[str, AnyName]:
    """Names read in `expressions` that nothing around them there binds, each with a place.

    Names of a block are bound in all of it, those of a wiring in its block, variables of a
    comprehension in what stands before `for` and in what follows their own `in`.
    """
    free: dict[str, AnyName] = {}
    waiting = [(root, frozenset[str]()) for root in reversed([*expressions])]
    while waiting:
        node, bound = waiting.pop()
        if isinstance(node, AnyName):
            name = written_name(node)
            if name not in bound:
                free.setdefault(name, node)
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


def names_read(equation: tree.Equation) -> dict[str, AnyName]:
    """Names that an equation reads and does not bind itself, each with its first place.

    A default sees the parameters before it, not its own: in `conv(channels = channels)` the
    second `channels` is a name of the caller's.
    """
    bound: set[str] = set()
    read: dict[str, AnyName] = {}
    for pattern in equation.patterns or ():
        if isinstance(pattern, tree.Parameter) and pattern.default is not None:
            outer = free_names([pattern.default])
            read.update((n, at) for n, at in outer.items() if n not in bound)
        if not isinstance(pattern, tree.LiteralPattern):
            bound.add(pattern.name)
    rest = [equation.body] if equation.guard is None else [equation.body, equation.guard]
    read.update((n, at) for n, at in free_names(rest).items() if n not in bound)
    return read


def callees(definition: Definition) -> set[Definition]:
    """Definitions that this one mentions."""
    names = definition.home
    return {
        names[name]
        for equation in definition.equations
        for name in names_read(equation)
        if name in names
    }


def recursion_groups(names: Names) -> dict[str, str]:
    """For every rule of a file that recurs, its group: the first rule of it in file order.

    No file imports itself, so rules recur within one file.
    """
    order = {one.name: at for at, one in enumerate(names.own)}
    calls = {
        one.name: {callee.name for callee in callees(one) if callee.home is names}
        for one in names.own
    }
    groups: dict[str, str] = {}
    for component in strongly_connected(calls):
        lone = next(iter(component))
        if len(component) > 1 or lone in calls[lone]:
            first = min(component, key=order.__getitem__)
            groups.update(dict.fromkeys(component, names.label + first))
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


Reads: TypeAlias = Callable[
    [tree.Equation, Names, Mapping[Definition, frozenset[str]]], frozenset[str]
]


def may_take(
    equation: tree.Equation, home: Names, found: Mapping[Definition, frozenset[str]]
) -> frozenset[str]:
    return implicits_read(names_read(equation), home, found)


def implicit_names(
    homes: Iterable[Names], reads: Reads = may_take
) -> dict[Definition, frozenset[str]]:
    """For each rule, the names that it or its callees may take from the calls outside.

    `homes` are all files, each after those that it imports; `reads` says what an equation
    takes, given what is known of the rules that it calls.
    """
    found: dict[Definition, frozenset[str]] = {}
    for home in homes:
        found.update(dict.fromkeys(home.own, frozenset()))
        while sum(widened(definition, found, reads) for definition in home.own):
            pass
    return found


def widened(definition: Definition, found: dict[Definition, frozenset[str]], reads: Reads) -> bool:
    """Looks at a rule again with what is known of its callees; whether that was news."""
    home, before = definition.home, found[definition]
    found[definition] = frozenset().union(
        *(
            reads(e, home, found) - definition.explicit_names(e) | own_defaults(e, home)
            for e in definition.equations
        )
    )
    return found[definition] != before


def own_defaults(equation: tree.Equation, names: Names) -> frozenset[str]:
    """Parameters whose own default reads the name from outside: `channels = channels`."""
    return frozenset(
        pattern.name
        for pattern in equation.patterns or ()
        if isinstance(pattern, tree.Parameter)
        and pattern.default is not None
        and pattern.name in free_names([pattern.default])
        and pattern.name not in names
        and pattern.name not in names.params
        and pattern.name not in names.externs
    )


def implicits_read(
    read: Iterable[str], names: Names, found: Mapping[Definition, frozenset[str]]
) -> frozenset[str]:
    """Of the names `read` somewhere, those that no text binds, and what its callees need."""
    needed: set[str] = set()
    for name in read:
        if name in names:
            needed |= found[names[name]]
        elif name not in names.params and name not in names.externs and not is_builtin(name):
            needed.add(name)
    return frozenset(needed)
