"""The syntax tree of FDL: closed, frozen, and built bottom-up by the parser.

Series, composition, joins, `and` and `or` are n-ary, so a chain of a thousand terms is
one wide node. Comparison is by identity: two equal texts at two places are two nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fractal_dsl.source import Source, Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    span: Span


# Expressions ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(Node):
    value: int | float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Qualified(Node):
    """`b::conv_bn`"""

    module: str
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Argument(Node):
    """One argument of a call; `keyword` is None for a positional one."""

    keyword: str | None
    value: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Node):
    """`f(3, channels = 32)`; a lone comprehension argument is a positional Comprehension."""

    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Index(Node):
    """`xs[i]`, `x[i, j]`"""

    base: Expression
    indices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Power(Node):
    """`base ** exponent`"""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Unary(Node):
    """`operator` is "-", "+" or "not"."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Series(Node):
    """`a >> b >> c`, in the order written: `a` first."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compose(Node):
    """`a . b . c`, in the order written: `c` first."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tag(Node):
    """`e @name`; `name_span` is the place of the name."""

    operand: Expression
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Binary(Node):
    """`operator` is one of `* / // % + - ++`; `operator_span` is its place."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Join(Node):
    """`a (+) b (+) c`: n-ary as written, brackets not looked through.

    `operator_spans` holds the place of each sign, one fewer than operands.
    """

    operands: tuple[Expression, ...]
    operator_spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compare(Node):
    """`operator` is one of `== != <= >= < >`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Logic(Node):
    """`operator` is "and" or "or"."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Range(Node):
    """`first..last`, both included."""

    first: Expression
    last: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Conditional(Node):
    """`if condition then positive else negative`"""

    condition: Expression
    positive: Expression
    negative: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parenthesised(Node):
    """`(e)`: kept, because brackets license mixing `(+)` with `+`."""

    inner: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TupleDisplay(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListDisplay(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Generator(Node):
    """`for a, b in xs`"""

    names: tuple[str, ...]
    values: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comprehension(Node):
    """`e for a in xs for b in ys if c`, as an argument or inside a list."""

    element: Expression
    generators: tuple[Generator, ...]
    condition: Expression | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListComprehension(Node):
    """`[e for ...]`"""

    comprehension: Comprehension


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Shared(Node):
    """`shared(e)`"""

    operand: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Extern(Node):
    """`extern "torch.nn.GELU"`"""

    path: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reference(Node):
    """`@name` as a value: `weight = @wte`"""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Target(Node):
    """What a binding in a block defines: `x`, `x[i, 0]` (indices) or `[a, b]` (names)."""

    names: tuple[str, ...]
    indices: tuple[Expression, ...] = ()
    unpacks: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Binding(Node):
    """`target = value for i in 1..n if c` inside a block."""

    target: Target
    value: Expression
    generators: tuple[Generator, ...]
    condition: Expression | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block(Node):
    """`{ bindings return result }`"""

    bindings: tuple[Binding, ...]
    result: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wiring(Node):
    """`wiring(x) { ... }`, or `wiring([a, b]) { ... }` (unpacks)."""

    names: tuple[str, ...]
    unpacks: bool
    block: Block


Expression: TypeAlias = (
    Number | String | Boolean | Name | Qualified | Call | Index | Power | Unary | Series
    | Compose | Tag | Binary | Join | Compare | Logic | Range | Conditional | Parenthesised
    | TupleDisplay | ListDisplay | Comprehension | ListComprehension | Shared | Extern
    | Reference | Block | Wiring
)  # fmt: skip


# Parameters and patterns ------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LiteralPattern(Node):
    """`f(1)`: matches that integer (negative ones too)."""

    value: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SuccessorPattern(Node):
    """`f(C+1)`: matches integers of at least `offset + 1` if a smaller case exists, binds name."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameter(Node):
    """`w`, `s = 1`"""

    name: str
    default: Expression | None


Pattern: TypeAlias = LiteralPattern | SuccessorPattern | Parameter


# Statements -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Equation(Node):
    """`name(patterns) if guard = body`.

    `patterns` is None where the head has no brackets. `head` is the span of the head,
    `doc` the text of the `##` lines above, without the signs.
    """

    name: str
    patterns: tuple[Pattern, ...] | None
    guard: Expression | None
    body: Expression
    head: Span
    doc: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParamDeclaration(Node):
    """`param C = 4`"""

    name: str
    name_span: Span
    value: Expression
    doc: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImplicitDeclaration(Node):
    """`implicit channels = 64`"""

    name: str
    name_span: Span
    value: Expression
    doc: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NetDeclaration(Node):
    """`net Name(p = 1) on image[3, 32, 32] = body`.

    `name` and `domain` are None where left out; `net = e` and `net(p = 1) = e` are nets
    too. `keyword` is the span of the word `net`.
    """

    name: str | None
    name_span: Span | None
    parameters: tuple[Parameter, ...]
    domain: Expression | None
    body: Expression
    keyword: Span
    doc: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Assertion(Node):
    """`assert condition`"""

    condition: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Import(Node):
    """`import "blocks.fdl" as b`"""

    path: str
    alias: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FromImport(Node):
    """`from "blocks.fdl" import conv_bn, relu_bn`"""

    path: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExternDeclaration(Node):
    """`extern "pkg.Class" name(parameters) = shape rule`"""

    path: str
    name: str
    parameters: tuple[Parameter, ...]
    shape: Expression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Directive(Node):
    """A bare head such as `drop_path(local = 0.15, global = 0.5)`."""

    name: str
    arguments: tuple[Argument, ...]


Statement: TypeAlias = (
    Equation | ParamDeclaration | ImplicitDeclaration | NetDeclaration | Assertion | Import
    | FromImport | ExternDeclaration | Directive
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Program:
    """A parsed file: its statements in the order written; `doc` is its leading `##` text."""

    source: Source
    statements: tuple[Statement, ...]
    doc: str
