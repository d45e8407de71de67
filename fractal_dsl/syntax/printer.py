"""Canonical text of a syntax tree, with one way of spacing and no needless brackets.

Brackets that the author wrote between operators stay, as a paper keeps them in
`(f(C) . f(C)) (+) conv`; doubled ones go, and those around one atom or a whole argument.
Where a tree made by hand lacks brackets that precedence asks for, they are added. Text that
was printed, parsed and printed again is the same text.
"""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.syntax import tree
from fractal_dsl.syntax.phrases import Part, Slot, parts_of
from fractal_dsl.syntax.precedence import Step, step_of

__all__ = ["print_expression", "print_program", "print_statement"]


def print_expression(expression: tree.Expression) -> str:
    """The text of an expression; on one line unless it holds a block."""
    return _text(expression)


def print_statement(statement: tree.Statement) -> str:
    """The text of a statement without its documentation, such as `f(1) = conv`."""
    return _text(statement)


def print_program(program: tree.Program) -> str:
    """The text of a file. Plain comments are no part of a tree, so they are not in it."""
    lines: list[str] = []
    if program.doc and program.doc != _doc_of(program.statements[:1]):
        lines.extend([*_doc_lines(program.doc), ""])
    for statement in program.statements:
        lines.extend(_doc_lines(_doc_of([statement])))
        lines.append(print_statement(statement))
    return "".join(f"{line}\n" for line in lines)


def _doc_of(statements: Sequence[tree.Statement]) -> str:
    """The documentation of the first of these, if there is one and its kind has any."""
    return next((str(getattr(statement, "doc", "")) for statement in statements), "")


def _doc_lines(doc: str) -> list[str]:
    return [f"## {line}".rstrip() for line in doc.split("\n")] if doc else []


def _text(start: tree.Expression | tree.Statement) -> str:
    done: list[str] = []
    waiting: list[Part] = [Slot(start)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            done.append(part)
        else:
            waiting.extend(reversed(_written(part)))
    return "".join(done)


def _written(slot: Slot) -> list[Part]:
    """The parts of what stands in a slot, in brackets if it binds too loosely for it."""
    node = _bare(slot)
    if isinstance(node, tree.Expression) and step_of(node) < slot.step:
        return ["(", Slot(node, indent=slot.indent), ")"]
    return parts_of(node, slot)


def _bare(slot: Slot) -> tree.Node:
    """What stands in a slot without the brackets that say nothing there."""
    node = slot.node
    while isinstance(node, tree.Parenthesised):
        if slot.step > Step.WHOLE and step_of(node.inner) < Step.POSTFIX:
            break
        node = node.inner
    return node
