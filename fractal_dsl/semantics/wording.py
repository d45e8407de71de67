"""How a lint is said."""

from __future__ import annotations

from fractal_dsl.diagnostics import Diagnostic, Help, Label, Severity
from fractal_dsl.source import Span

__all__ = ["warning"]


def warning(
    code: str, message: str, span: Span, label: str, way: str, *labels: Label
) -> Diagnostic:
    return Diagnostic(
        code, message, span, label, labels, helps=(Help(way),), severity=Severity.WARNING
    )
