"""The syntax tree of FDL: closed, frozen, and built bottom-up by the parser.

Series, composition, joins, `and` and `or` are n-ary, so a chain of a thousand terms is
one wide node. Comparison is by identity: two equal texts at two places are two nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeVar, dataclass_transform

from fractal_dsl.source import Source, Span

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def node(made: type[T]) -> type[T]:
    """A frozen dataclass, to the type checker; at run time a third of the time to make.

    The command makes these classes at every start, and assigning to one is already an error
    of types.
    """
    return dataclass(slots=True, eq=False, repr=False)(made)


@node
class Node:
    span: Span


# Expressions ------------------------------------------------------------------------


@node
class Number(Node):
    value: int | float


@node
class String(Node):
    value: str


@node
class Boolean(Node):
    value: bool


@node
class Name(Node):
    name: str


@node
class Qualified(Node):
    """`b::conv_bn`"""

    module: str
    name: str


@node
class Argument(Node):
    """One argument of a call; `keyword` is None for a positional one."""

    keyword: str | None
    value: Expression


@node
class Call(Node):
    """`f(3, channels = 32)`; a lone comprehension argument is a positional Comprehension."""

    function: Expression
    arguments: tuple[Argument, ...]


@node
class Index(Node):
    """`xs[i]`, `x[i, j]`"""

    base: Expression
    indices: tuple[Expression, ...]


@node
class Power(Node):
    """`base ** exponent`"""

    base: Expression
    exponent: Expression


@node
class Unary(Node):
    """`operator` is "-", "+" or "not"."""

    operator: str
    operand: Expression


@node
class Series(Node):
    """`a >> b >> c`, in the order written: `a` first."""

    items: tuple[Expression, ...]


@node
class Compose(Node):
    """`a . b . c`, in the order written: `c` first."""

    items: tuple[Expression, ...]


@node
class Tag(Node):
    """`e @name`; `name_span` is the place of the name."""

    operand: Expression
    name: str
    name_span: Span


@node
class Binary(Node):
    """`operator` is one of `* / // % + - ++`; `operator_span` is its place."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span


@node
class Join(Node):
    """`a (+) b (+) c`: n-ary as written, brackets not looked through.

    `operator_spans` holds the place of each sign, one fewer than operands.
    """

    operands: tuple[Expression, ...]
    operator_spans: tuple[Span, ...]


@node
class Compare(Node):
    """`operator` is one of `== != <= >= < >`."""

    operator: str
    left: Expression
    right: Expression


@node
class Logic(Node):
    """`operator` is "and" or "or"."""

    operator: str
    operands: tuple[Expression, ...]


@node
class Range(Node):
    """`first..last`, both included."""

    first: Expression
    last: Expression


@node
class Conditional(Node):
    """`if condition then positive else negative`"""

    condition: Expression
    positive: Expression
    negative: Expression


@node
class Parenthesised(Node):
    """`(e)`: kept, because brackets license mixing `(+)` with `+`."""

    inner: Expression


@node
class TupleDisplay(Node):
    items: tuple[Expression, ...]


@node
class ListDisplay(Node):
    items: tuple[Expression, ...]


@node
class Generator(Node):
    """`for a, b in xs`"""

    names: tuple[str, ...]
    values: Expression


@node
class Comprehension(Node):
    """`e for a in xs for b in ys if c`, as an argument or inside a list."""

    element: Expression
    generators: tuple[Generator, ...]
    condition: Expression | None


@node
class ListComprehension(Node):
    """`[e for ...]`"""

    comprehension: Comprehension


@node
class Shared(Node):
    """`shared(e)`"""

    operand: Expression


@node
class Extern(Node):
    """`extern "torch.nn.GELU"`"""

    path: str


@node
class Reference(Node):
    """`@name` as a value: `weight = @wte`"""

    name: str


@node
class Target(Node):
    """What a binding in a block defines: `x`, `x[i, 0]` (indices) or `[a, b]` (names)."""

    names: tuple[str, ...]
    indices: tuple[Expression, ...] = ()
    unpacks: bool = False


@node
class Binding(Node):
    """`target = value for i in 1..n if c` inside a block."""

    target: Target
    value: Expression
    generators: tuple[Generator, ...]
    condition: Expression | None


@node
class Block(Node):
    """`{ bindings return result }`"""

    bindings: tuple[Binding, ...]
    result: Expression


@node
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


@node
class LiteralPattern(Node):
    """`f(1)`: matches that integer (negative ones too)."""

    value: int


@node
class SuccessorPattern(Node):
    """`f(C+1)`: matches integers of at least `offset + 1` if a smaller case exists, binds name."""

    name: str
    offset: int


@node
class Parameter(Node):
    """`w`, `s = 1`"""

    name: str
    default: Expression | None


Pattern: TypeAlias = LiteralPattern | SuccessorPattern | Parameter


# Statements -------------------------------------------------------------------------


@node
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


@node
class ParamDeclaration(Node):
    """`param C = 4`"""

    name: str
    name_span: Span
    value: Expression
    doc: str


@node
class ImplicitDeclaration(Node):
    """`implicit channels = 64`"""

    name: str
    name_span: Span
    value: Expression
    doc: str


@node
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


@node
class Assertion(Node):
    """`assert condition`"""

    condition: Expression


@node
class Origin(Node):
    """`"blocks.fdl"(width = 32)` of an import: the file, and values for its params."""

    path: str
    settings: tuple[Argument, ...]


@node
class Import(Node):
    """`import "blocks.fdl" as b`"""

    origin: Origin
    alias: str
    alias_span: Span


@node
class FromImport(Node):
    """`from "blocks.fdl" import conv_bn, relu_bn`"""

    origin: Origin
    names: tuple[str, ...]
    name_spans: tuple[Span, ...]


@node
class ExternDeclaration(Node):
    """`extern "pkg.Class" name(parameters) = shape rule`"""

    module: Extern
    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    shape: Expression
    doc: str


@node
class Directive(Node):
    """A bare head such as `drop_path(local = 0.15, global = 0.5)`."""

    name: str
    arguments: tuple[Argument, ...]


Statement: TypeAlias = (
    Equation | ParamDeclaration | ImplicitDeclaration | NetDeclaration | Assertion | Import
    | FromImport | ExternDeclaration | Directive
)  # fmt: skip


@node
class Program:
    """A parsed file: its statements in the order written; `doc` is its leading `##` text."""

    source: Source
    statements: tuple[Statement, ...]
    doc: str
