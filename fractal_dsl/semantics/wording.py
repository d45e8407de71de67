"""How a lint is said, and where it points."""

from __future__ import annotations

import re

from fractal_dsl.diagnostics import Diagnostic, Help, Label, Severity
from fractal_dsl.source import Span

__all__ = ["name_in", "warning"]


def warning(
    code: str, message: str, span: Span, label: str, way: str, *labels: Label
) -> Diagnostic:
    return Diagnostic(
        code, message, span, label, labels, helps=(Help(way),), severity=Severity.WARNING
    )


def name_in(span: Span, name: str) -> Span:
    """Where a name stands first in a text; a tree's node keeps no places of its names."""
    found = re.search(rf"\b{re.escape(name)}\b", span.text)
    start = span.start + (found.start() if found else 0)
    return Span(span.source, start, start + len(name))
