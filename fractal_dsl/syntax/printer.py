"""Canonical text of a syntax tree, with one way of spacing and no needless brackets.

Brackets that the author wrote between operators stay, as a paper keeps them in
`(f(C) . f(C)) (+) conv`; doubled ones go, and those around one atom or a whole argument.
Where a tree made by hand lacks brackets that precedence asks for, they are added. Text that
was printed, parsed and printed again is the same text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from fractal_dsl.syntax import tree

__all__ = ["print_expression", "print_program", "print_statement"]

# Steps of precedence, as the rules of grammars/fdl.lark, the loosest first.
_WHOLE, _RANGE, _OR, _AND, _NOT, _COMPARE, _JOIN, _SUM, _PRODUCT, _SERIES = range(10)
_TAG, _COMPOSE, _SIGNED, _POWER, _POSTFIX, _ATOM = range(10, 16)

_SIGNS = {"+": _SUM, "-": _SUM, "++": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT,
          "%": _PRODUCT}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place for a node: it gets brackets if it binds looser than `step`.

    In a tight place, such as an index or a bound of a range, signs stand without spaces.
    """

    node: tree.Node
    step: int = _WHOLE
    tight: bool = False
    indent: int = 0


_Part: TypeAlias = str | _Slot


def print_expression(expression: tree.Expression) -> str:
    """The text of an expression; on one line unless it holds a block."""
    return _text(_Slot(expression))


def print_statement(statement: tree.Statement) -> str:
    """The text of a statement without its documentation."""
    return _text(_Slot(statement))


def print_program(program: tree.Program) -> str:
    """The text of a file. Plain comments are no part of a tree, so they are lost."""
    lines: list[str] = []
    first = getattr(program.statements[0], "doc", "") if program.statements else ""
    if program.doc and program.doc != first:
        lines.extend([*_doc_lines(program.doc), ""])
    for statement in program.statements:
        lines.extend(_doc_lines(getattr(statement, "doc", "")))
        lines.append(print_statement(statement))
    return "".join(f"{line}\n" for line in lines)


def _doc_lines(doc: str) -> list[str]:
    return [f"## {line}".rstrip() for line in doc.split("\n")] if doc else []


def _text(start: _Slot) -> str:
    done: list[str] = []
    waiting: list[_Part] = [start]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            done.append(part)
            continue
        parts = _parts_of(part)
        waiting.extend(reversed(parts))
    return "".join(done)


def _parts_of(slot: _Slot) -> list[_Part]:
    node = _bare(slot.node, slot.step)
    if isinstance(node, _STATEMENTS):
        return _statement(node)
    if isinstance(node, _PIECES):
        return _piece(node, slot.indent)
    assert isinstance(node, _EXPRESSIONS)
    if _step(node) < slot.step:
        return ["(", _Slot(node, indent=slot.indent), ")"]
    return _expression(node, slot)


def _bare(node: tree.Node, step: int) -> tree.Node:
    """The node without brackets that say nothing: doubled, or around an atom, or a whole place."""
    while isinstance(node, tree.Parenthesised):
        inner = node.inner
        says_nothing = isinstance(inner, tree.Parenthesised) or _step(inner) >= _POSTFIX
        if not (says_nothing or step == _WHOLE):
            break
        node = inner
    return node


def _step(node: tree.Expression) -> int:
    match node:
        case tree.Conditional():
            return _WHOLE
        case tree.Comprehension():
            return _WHOLE
        case tree.Range():
            return _RANGE
        case tree.Logic(operator=operator):
            return _OR if operator == "or" else _AND
        case tree.Unary(operator=operator):
            return _NOT if operator == "not" else _SIGNED
        case tree.Compare():
            return _COMPARE
        case tree.Join():
            return _JOIN
        case tree.Binary(operator=operator):
            return _SIGNS[operator]
        case tree.Series():
            return _SERIES
        case tree.Tag():
            return _TAG
        case tree.Compose():
            return _COMPOSE
        case tree.Power():
            return _POWER
        case tree.Number(value=value):
            return _SIGNED if value < 0 else _ATOM
        case tree.Call() | tree.Index():
            return _POSTFIX
        case _:
            return _ATOM


def _expression(node: tree.Expression, slot: _Slot) -> list[_Part]:
    indent = slot.indent

    def place(inner: tree.Node, step: int = _WHOLE, tight: bool = False) -> _Slot:
        return _Slot(inner, step, tight, indent)

    def chain(items: tuple[tree.Expression, ...], sign: str, step: int) -> list[_Part]:
        return _between([place(item, step) for item in items], f" {sign} ")

    match node:
        case tree.Number(value=value):
            return [repr(value)]
        case tree.String(value=value):
            return [_quoted(value)]
        case tree.Boolean(value=value):
            return ["true" if value else "false"]
        case tree.Name(name=name):
            return [name]
        case tree.Qualified(module=module, name=name):
            return [f"{module}::{name}"]
        case tree.Call(function=function, arguments=arguments):
            return [place(function, _POSTFIX), "(", *_listed(arguments, indent), ")"]
        case tree.Index(base=base, indices=indices):
            inside = _between([place(one, tight=True) for one in indices], ", ")
            return [place(base, _POSTFIX), "[", *inside, "]"]
        case tree.Power(base=base, exponent=exponent):
            return [place(base, _POSTFIX), " ** ", place(exponent, _SIGNED)]
        case tree.Unary(operator="not", operand=operand):
            return ["not ", place(operand, _NOT)]
        case tree.Unary(operator=operator, operand=operand):
            return [operator, place(operand, _SIGNED)]
        case tree.Series(items=items):
            return chain(items, ">>", _TAG)
        case tree.Compose(items=items):
            return _composition(node, items, chain(items, ".", _SIGNED))
        case tree.Tag(operand=operand, name=name):
            return [place(operand, _COMPOSE), f" @{name}"]
        case tree.Binary():
            return _binary(node, slot)
        case tree.Join(operands=operands):
            return chain(operands, "(+)", _SUM)
        case tree.Compare(operator=operator, left=left, right=right):
            return [place(left, _JOIN), f" {operator} ", place(right, _JOIN)]
        case tree.Logic(operator=operator, operands=operands):
            return chain(operands, operator, _AND if operator == "or" else _NOT)
        case tree.Range(first=first, last=last):
            return [place(first, _OR, True), "..", place(last, _OR, True)]
        case tree.Conditional(condition=condition, positive=positive, negative=negative):
            # `if if` and `then if` would parse; no one wants to read them.
            return ["if ", place(condition, _RANGE), " then ", place(positive, _RANGE),
                    " else ", place(negative)]  # fmt: skip
        case tree.Parenthesised(inner=inner):
            return ["(", place(inner), ")"]
        case tree.TupleDisplay(items=items):
            return ["(", *_listed(items, indent), ",)" if len(items) == 1 else ")"]
        case tree.ListDisplay(items=items):
            return ["[", *_listed(items, indent), "]"]
        case tree.ListComprehension(comprehension=comprehension):
            return ["[", place(comprehension), "]"]
        case tree.Comprehension(element=element, generators=generators, condition=condition):
            return [place(element), *_clauses(generators, condition, indent)]
        case tree.Shared(operand=operand):
            return ["shared(", place(operand), ")"]
        case tree.Extern(path=path):
            return ["extern ", _quoted(path)]
        case tree.Reference(name=name):
            return [f"@{name}"]
        case tree.Block():
            return _block(node, indent)
        case tree.Wiring(names=names, unpacks=unpacks, block=block):
            return [f"wiring({_wires(names, unpacks)}) ", place(block)]
        case _:
            assert_never(node)


def _composition(
    node: tree.Compose, items: tuple[tree.Expression, ...], spaced: list[_Part]
) -> list[_Part]:
    first, *rest = items
    if isinstance(first, tree.Name) and first.name == "net":
        return ["net.", *_between([_Slot(one, _SIGNED) for one in rest], " . ")]
    del node
    return spaced


def _binary(node: tree.Binary, slot: _Slot) -> list[_Part]:
    """A sum or product; the left spine of a long one is unrolled by the caller's stack."""
    step = _SIGNS[node.operator]
    tight = slot.tight and node.operator != "++" and not isinstance(node.right, tree.Unary)
    sign = node.operator if tight else f" {node.operator} "
    return [
        _Slot(node.left, step, slot.tight, slot.indent),
        sign,
        _Slot(node.right, step + 1, slot.tight, slot.indent),
    ]
