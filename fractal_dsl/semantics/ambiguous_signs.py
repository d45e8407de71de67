"""Signs that read two ways beside each other, so that brackets must say which is first."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Edit, Help
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree

__all__ = ["refuse_mixed", "refuse_mixed_signs"]


def refuse_mixed(operands: Sequence[tree.Expression], sign: Span) -> None:
    """`(+)` beside a bare `+`, `-` or `++` reads two ways; brackets say which."""
    for operand in operands:
        if isinstance(operand, tree.Binary) and operand.operator in ("+", "-", "++"):
            raise mixed("(+)", operand, sign)


def refuse_mixed_signs(sign: str, operands: Sequence[tree.Expression]) -> None:
    for operand in operands:
        if isinstance(operand, tree.Binary) and "++" in (sign, operand.operator) and (
            {sign, operand.operator} <= {"+", "-", "++"} and sign != operand.operator
        ):  # fmt: skip
            raise mixed(sign, operand, operand.operator_span)


def mixed(outer: str, operand: tree.Binary, sign: Span) -> DiagnosticError:
    text = operand.span.text
    return DiagnosticError(
        Diagnostic(
            "F0406",
            f"`{outer}` beside `{operand.operator}` needs brackets",
            operand.operator_span,
            f"`{operand.operator}` would bind first" if outer == "(+)" else "which one is first?",
            helps=(Help("say so with brackets", Edit(operand.span, f"({text})")),),
        )
    )
