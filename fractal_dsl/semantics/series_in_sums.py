"""`a + b >> c`, which is `a + (b >> c)` and is often written for `(a + b) >> c`."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic, Label
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.semantics.wire_errors import show_text
from fractal_dsl.semantics.wording import warning
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.precedence import step_of
from fractal_dsl.syntax.walk import walk

__all__ = ["series_in_sums"]


def series_in_sums(resolved: Resolved) -> Iterator[Diagnostic]:
    """Last operands that are a series without brackets, where no operand before them is one.

    `a >> f + b >> g` says by itself what it means.
    """
    signs = [node for node in walk(resolved.syntax) if isinstance(node, tree.Binary)]
    inner = {node.left for node in signs if step_of(node.left) is step_of(node)}
    for node in signs:
        is_last = node not in inner and isinstance(node.right, tree.Series)
        if is_last and not any(isinstance(one, tree.Series) for one in operands(node.left)):
            yield misread(node)


def operands(expression: tree.Expression) -> Iterator[tree.Expression]:
    """What stands between the signs of an expression, brackets not looked through."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tree.Binary):
            waiting += [part.left, part.right]
        else:
            yield part


def misread(node: tree.Binary) -> Diagnostic:
    assert isinstance(node.right, tree.Series)
    first, *rest = map(show_text, node.right.items)
    sign, left, tail = node.operator, show_text(node.left), " >> ".join(rest)
    return warning(
        "W0109",
        f"`>>` binds tighter than `{sign}`",
        node.right.span,
        f"all of this is one operand of `{sign}`",
        f"write `{left} {sign} ({first} >> {tail})`, which it is, "
        f"or `({left} {sign} {first}) >> {tail}`",
        Label(node.operator_span, "comes last"),
    )
