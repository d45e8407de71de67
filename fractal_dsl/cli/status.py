"""Exit statuses: part of the interface, listed in `--help`."""

from __future__ import annotations

from collections.abc import Sequence

from fractal_dsl.diagnostics import Diagnostic, Severity

__all__ = ["INTERNAL", "INTERRUPTED", "LIMIT", "OK", "SPEC", "USAGE", "status_of"]

OK = 0
SPEC = 1
USAGE = 2
LIMIT = 3
INTERNAL = 70
INTERRUPTED = 130


def status_of(diagnostics: Sequence[Diagnostic]) -> int:
    """What a run ends with: the worst of its errors, a mistake before a limit."""
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    if not errors:
        return OK
    return LIMIT if all(one.is_limit for one in errors) else SPEC
