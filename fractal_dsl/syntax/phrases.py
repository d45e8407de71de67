"""How each node of a syntax tree is written: its words and signs, with slots for what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from fractal_dsl.syntax import tree
from fractal_dsl.syntax.precedence import Step, step_of

__all__ = ["Part", "Slot", "parts_of"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a node, which gets brackets if it binds looser than `step`.

    In a tight place, such as an index or a bound of a range, signs stand without spaces.
    """

    node: tree.Node
    step: Step = Step.WHOLE
    tight: bool = False
    indent: int = 0

    def of(self, node: tree.Node, step: Step = Step.WHOLE, tight: bool = False) -> Slot:
        """A place for a part of this node."""
        return Slot(node, step, tight, self.indent)

    def all(self, nodes: Iterable[tree.Node], between: str, step: Step = Step.WHOLE) -> list[Part]:
        """Places for several parts, with a sign between them."""
        parts: list[Part] = []
        for node in nodes:
            parts.extend([between, self.of(node, step)])
        return parts[1:]


Part: TypeAlias = str | Slot

_Leaf: TypeAlias = (
    tree.Number | tree.String | tree.Boolean | tree.Name | tree.Qualified | tree.Extern
    | tree.Reference
)  # fmt: skip
_Chain: TypeAlias = tree.Series | tree.Compose | tree.Join | tree.Logic
_Operation: TypeAlias = (
    tree.Power | tree.Unary | tree.Tag | tree.Binary | tree.Compare | tree.Range
    | tree.Conditional
)  # fmt: skip
_Display: TypeAlias = (
    tree.Call | tree.Index | tree.Parenthesised | tree.TupleDisplay | tree.ListDisplay
    | tree.Comprehension | tree.ListComprehension | tree.Shared | tree.Block | tree.Wiring
)  # fmt: skip
_Pattern: TypeAlias = tree.LiteralPattern | tree.SuccessorPattern | tree.Parameter


def parts_of(node: tree.Node, slot: Slot) -> list[Part]:
    """The text of a node in that slot, as strings and slots, in the order written."""
    if isinstance(node, _Leaf):
        return [_leaf(node)]
    if isinstance(node, _Chain):
        return _chain(node, slot)
    if isinstance(node, _Operation):
        return _operation(node, slot)
    if isinstance(node, _Display):
        return _display(node, slot)
    if isinstance(node, _Pattern):
        return _pattern(node, slot)
    if isinstance(node, tree.Statement):
        return _statement(node, slot)
    return _piece(node, slot)


def _leaf(node: _Leaf) -> str:
    match node:
        case tree.Number(value=value):
            return repr(value)
        case tree.String(value=value):
            return _quoted(value)
        case tree.Boolean(value=value):
            return "true" if value else "false"
        case tree.Name(name=name):
            return name
        case tree.Qualified(module=module, name=name):
            return f"{module}::{name}"
        case tree.Extern(path=path):
            return f"extern {_quoted(path)}"
        case tree.Reference(name=name):
            return f"@{name}"
        case _:
            assert_never(node)


def _chain(node: _Chain, slot: Slot) -> list[Part]:
    match node:
        case tree.Series(items=items):
            return slot.all(items, " >> ", Step.TAGGED)
        case tree.Compose(items=(tree.Name(name="net"), *facts)):
            return ["net.", *slot.all(facts, " . ", Step.SIGNED)]
        case tree.Compose(items=items):
            return slot.all(items, " . ", Step.SIGNED)
        case tree.Join(operands=operands):
            return slot.all(operands, " (+) ", Step.SUM)
        case tree.Logic(operator=operator, operands=operands):
            step = Step.BOTH if operator == "or" else Step.NEGATION
            return slot.all(operands, f" {operator} ", step)
        case _:
            assert_never(node)


def _operation(node: _Operation, slot: Slot) -> list[Part]:
    match node:
        case tree.Power(base=base, exponent=exponent):
            return [slot.of(base, Step.POSTFIX), " ** ", slot.of(exponent, Step.SIGNED)]
        case tree.Unary(operator="not", operand=operand):
            return ["not ", slot.of(operand, Step.NEGATION)]
        case tree.Unary(operator="+", operand=tree.Unary(operator="+") as operand):
            return ["+ ", slot.of(operand, Step.SIGNED)]
        case tree.Unary(operator=operator, operand=operand):
            return [operator, slot.of(operand, Step.SIGNED)]
        case tree.Tag(operand=operand, name=name):
            return [slot.of(operand, Step.COMPOSITION), f" @{name}"]
        case tree.Binary():
            return _binary(node, slot)
        case tree.Compare(operator=operator, left=left, right=right):
            return [slot.of(left, Step.JOIN), f" {operator} ", slot.of(right, Step.JOIN)]
        case tree.Range(first=first, last=last):
            return [slot.of(first, Step.EITHER, True), "..", slot.of(last, Step.EITHER, True)]
        case tree.Conditional(condition=condition, positive=positive, negative=negative):
            # `if if` and `then if` would parse, but no one wants to read them.
            chosen = slot.of(condition, Step.RANGE), slot.of(positive, Step.RANGE)
            return ["if ", chosen[0], " then ", chosen[1], " else ", slot.of(negative)]
        case _:
            assert_never(node)


def _binary(node: tree.Binary, slot: Slot) -> list[Part]:
    in_sum = node.operator in {"+", "-", "++"}
    left, right = (Step.SUM, Step.PRODUCT) if in_sum else (Step.PRODUCT, Step.SERIES)
    tight = slot.tight and node.operator != "++" and step_of(node.right) >= Step.POWER
    sign = node.operator if tight else f" {node.operator} "
    return [slot.of(node.left, left, slot.tight), sign, slot.of(node.right, right, slot.tight)]


def _display(node: _Display, slot: Slot) -> list[Part]:
    match node:
        case tree.Call(function=function, arguments=arguments):
            return [slot.of(function, Step.POSTFIX), "(", *slot.all(arguments, ", "), ")"]
        case tree.Index(base=base, indices=indices):
            return [slot.of(base, Step.POSTFIX), "[", *_indices(indices, slot), "]"]
        case tree.Parenthesised(inner=inner):
            return ["(", slot.of(inner), ")"]
        case tree.TupleDisplay(items=items):
            return ["(", *slot.all(items, ", "), ",)" if len(items) == 1 else ")"]
        case tree.ListDisplay(items=items):
            return ["[", *slot.all(items, ", "), "]"]
        case tree.ListComprehension(comprehension=comprehension):
            return ["[", slot.of(comprehension), "]"]
        case tree.Comprehension(element=element, generators=generators, condition=condition):
            return [slot.of(element), *_clauses(generators, condition, slot)]
        case tree.Shared(operand=operand):
            return ["shared(", slot.of(operand), ")"]
        case tree.Block(bindings=bindings, result=result):
            return _block(bindings, result, slot)
        case tree.Wiring(names=names, unpacks=unpacks, block=block):
            return [f"wiring({_wires(names, unpacks)}) ", slot.of(block)]
        case _:
            assert_never(node)


def _block(bindings: tuple[tree.Binding, ...], result: tree.Expression, slot: Slot) -> list[Part]:
    if not bindings:
        return ["{ return ", slot.of(result), " }"]
    margin = "\n" + "    " * (slot.indent + 1)
    parts: list[Part] = ["{"]
    for binding in bindings:
        parts.extend([margin, Slot(binding, indent=slot.indent + 1)])
    parts.extend([f"{margin}return ", Slot(result, indent=slot.indent + 1)])
    return [*parts, "\n" + "    " * slot.indent + "}"]


def _indices(indices: tuple[tree.Expression, ...], slot: Slot) -> list[Part]:
    parts: list[Part] = []
    for index in indices:
        parts.extend([", ", slot.of(index, tight=True)])
    return parts[1:]


def _clauses(
    generators: tuple[tree.Generator, ...], condition: tree.Expression | None, slot: Slot
) -> list[Part]:
    parts: list[Part] = []
    for generator in generators:
        parts.extend([" ", slot.of(generator)])
    return parts if condition is None else [*parts, " if ", slot.of(condition)]


def _wires(names: tuple[str, ...], unpacks: bool) -> str:
    return f"[{', '.join(names)}]" if unpacks else names[0]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _pattern(node: _Pattern, slot: Slot) -> list[Part]:
    match node:
        case tree.LiteralPattern(value=value):
            return [str(value)]
        case tree.SuccessorPattern(name=name, offset=offset):
            return [f"{name}+{offset}"]
        case tree.Parameter(name=name, default=None):
            return [name]
        case tree.Parameter(name=name, default=default):
            assert default is not None
            return [f"{name} = ", slot.of(default)]
        case _:
            assert_never(node)


def _piece(node: tree.Node, slot: Slot) -> list[Part]:
    """What is neither an expression, a pattern nor a statement."""
    match node:
        case tree.Argument(keyword=keyword, value=value):
            return [slot.of(value)] if keyword is None else [f"{keyword} = ", slot.of(value)]
        case tree.Generator(names=names, values=values):
            return [f"for {', '.join(names)} in ", slot.of(values, Step.RANGE)]
        case tree.Target(names=names, indices=(), unpacks=unpacks):
            return [_wires(names, unpacks)]
        case tree.Target(names=names, indices=indices):
            return [f"{names[0]}[", *_indices(indices, slot), "]"]
        case tree.Binding(target=target, value=value, generators=generators, condition=condition):
            clauses = _clauses(generators, condition, slot)
            return [slot.of(target), " = ", slot.of(value), *clauses]
        case _:
            raise TypeError(f"no node of a syntax tree: {type(node).__name__}")


def _statement(node: tree.Statement, slot: Slot) -> list[Part]:
    match node:
        case tree.Equation(name=name, patterns=patterns, guard=guard, body=body):
            when: list[Part] = [] if guard is None else [" if ", slot.of(guard)]
            return [name, *_bracketed(patterns, slot), *when, " = ", slot.of(body)]
        case tree.ParamDeclaration(name=name, value=value):
            return [f"param {name} = ", slot.of(value)]
        case tree.ImplicitDeclaration(name=name, value=value):
            return [f"implicit {name} = ", slot.of(value)]
        case tree.NetDeclaration(name=name, parameters=parameters, domain=domain, body=body):
            called = "net" if name is None else f"net {name}"
            on: list[Part] = [] if domain is None else [" on ", slot.of(domain)]
            return [called, *_bracketed(parameters or None, slot), *on, " = ", slot.of(body)]
        case tree.Assertion(condition=condition):
            return ["assert ", slot.of(condition)]
        case tree.Import(origin=origin, alias=alias):
            return ["import ", *_origin(origin, slot), f" as {alias}"]
        case tree.FromImport(origin=origin, names=names):
            return ["from ", *_origin(origin, slot), f" import {', '.join(names)}"]
        case tree.ExternDeclaration(module=module, name=name, parameters=parameters, shape=shape):
            head = f"{_leaf(module)} {name}"
            return [head, *_bracketed(parameters, slot), " = ", slot.of(shape)]
        case tree.Directive(name=name, arguments=arguments):
            return [name, "(", *slot.all(arguments, ", "), ")"]
        case _:
            assert_never(node)


def _origin(origin: tree.Origin, slot: Slot) -> list[Part]:
    return [_quoted(origin.path), *_bracketed(origin.settings or None, slot)]


def _bracketed(patterns: tuple[tree.Node, ...] | None, slot: Slot) -> list[Part]:
    return [] if patterns is None else ["(", *slot.all(patterns, ", "), ")"]
