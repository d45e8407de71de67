"""What an expression can be worth while compiling: plain values, and networks as closures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

from fractal_dsl.ir.graph import Recursion
from fractal_dsl.semantics.definitions import Definition, Names
from fractal_dsl.semantics.machine import Steps
from fractal_dsl.semantics.strands import Flow
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = [
    "Closure",
    "Elements",
    "Given",
    "Items",
    "Network",
    "Plain",
    "RuleCall",
    "RuleValue",
    "Scope",
    "SharedNetwork",
    "Value",
    "Wire",
    "describe",
    "holds_wires",
    "is_number",
    "is_plain",
    "is_whole",
    "is_written",
    "show",
]


@dataclass(frozen=True, slots=True)
class Items:
    """A list; a Python tuple stands for FDL's tuple."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What names mean at one place.

    `names` are the definitions that the text sees, `locals` its parameters, pattern and
    comprehension variables; `implicits` the values that reach unbound names, here and in
    callees; `recursion` the level of the recursion whose equation the text stands in.
    """

    names: Names
    locals: Mapping[str, Value]
    implicits: Mapping[str, Value]
    recursion: Recursion | None = None

    def bind(self, names: Mapping[str, Value]) -> Scope:
        """This scope with comprehension variables `names`."""
        local = {**self.locals, **names}
        return Scope(self.names, local, self.implicits, self.recursion)


@dataclass(frozen=True, slots=True)
class Closure:
    """A network as written at one place, with what its names meant there."""

    expression: tree.Expression = field(compare=False)
    scope: Scope = field(compare=False)
    key: int


@dataclass(frozen=True, slots=True)
class RuleCall:
    """A network that a rule gives for certain arguments: one graph for each incoming shape."""

    equation: tree.Equation = field(compare=False)
    scope: Scope = field(compare=False)
    label: str = field(compare=False)
    key: int
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RuleValue:
    """A rule passed without its arguments."""

    definition: Definition

    @property
    def name(self) -> str:
        return self.definition.name


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """A computed tensor of the graph under construction, or a join of it that is still open.

    `home` numbers that graph's builder: a wire means nothing in another graph.
    """

    flow: Flow
    home: int


@dataclass(slots=True, eq=False)
class Elements:
    """A family of a block, `x[i] = ...`: elements by index, each computed when first asked for."""

    name: str
    key: int
    force: Callable[[tuple[int, ...], Span], Steps[Value]]


@dataclass(frozen=True, slots=True, eq=False)
class SharedNetwork:
    """One instance of a network, `shared(e)`: every use of this value shares its weights.

    `home` numbers the builder of the graph that it is made in, under `name`.
    """

    network: Closure | RuleCall
    key: int
    home: int
    name: str
    span: Span


Network: TypeAlias = Closure | RuleCall | SharedNetwork
Plain: TypeAlias = int | float | bool | str | tuple["Value", ...] | Items
Value: TypeAlias = Plain | Network | RuleValue | Wire | Elements


@dataclass(frozen=True, slots=True)
class Given:
    """One argument of a call, evaluated."""

    keyword: str | None
    value: Value
    span: Span


def is_whole(value: object) -> TypeGuard[int]:
    """True of whole numbers; Python's booleans are ints, FDL's are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_plain(value: Value) -> bool:
    """True of what no network and no wire is part of, but for items of lists."""
    return not isinstance(value, Network | RuleValue | Wire | Elements)


def is_written(value: Value) -> bool:
    """True of a network that is built anew wherever its text is used."""
    return isinstance(value, Closure | RuleCall | RuleValue)


def holds_wires(value: Value) -> bool:
    """Whether a value is a wire, or a list that holds one."""
    waiting: list[Value] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Wire):
            return True
        if isinstance(one, Items | tuple):
            waiting.extend(one.values if isinstance(one, Items) else one)
    return False


def describe(value: Value) -> str:
    """The kind of a value, with its article, for messages."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case tuple():
            return "a tuple"
        case Items():
            return "a list"
        case RuleValue():
            return f"the rule `{value.name}` without its arguments"
        case Closure() | RuleCall() | SharedNetwork():
            return "a network"
        case Wire():
            return "a wire"
        case Elements():
            return f"the family `{value.name}` without an index"


def show(value: Value, limit: int = 60) -> str:
    """A plain value as FDL writes it, shortened to about `limit` characters."""
    text = _show(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _show(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() < 14_000 else "a very large number"
        case float():
            return repr(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple():
            return "(" + ", ".join(_show(item) for item in value[:40]) + ")"
        case Items():
            return "[" + ", ".join(_show(item) for item in value.values[:40]) + "]"
        case RuleValue():
            return value.name
        case RuleCall():
            return value.label
        case Closure():
            return " ".join(value.expression.span.text.split())
        case SharedNetwork():
            return value.name
        case Wire():
            return "a wire"
        case Elements():
            return value.name
