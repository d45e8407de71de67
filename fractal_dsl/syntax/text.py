"""What the text of a number or a string stands for, and what is wrong with one that is wrong."""

from __future__ import annotations

import math
import re

__all__ = ["MOST_DIGITS", "number_fault", "number_value", "string_fault", "string_value"]

MOST_DIGITS = 4_000

_ESCAPE = re.compile(r"\\(.)")


def number_value(text: str) -> int | float:
    """The value of a NUMBER that has no fault."""
    return int(text) if text.isdigit() else float(text)


def number_fault(text: str) -> str:
    """Why a NUMBER has no value here; empty for a good one."""
    if text.isdigit():
        return f"has more than {MOST_DIGITS:,} digits" if len(text) > MOST_DIGITS else ""
    return "" if math.isfinite(float(text)) else "is larger than any float"


def string_value(text: str) -> str:
    """What stands between the quotes of a STRING, its escapes undone."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def string_fault(text: str) -> re.Match[str] | None:
    """The first escape in a STRING that is neither of the two the language has."""
    for match in _ESCAPE.finditer(text, 1, len(text) - 1):
        if match[1] not in '"\\':
            return match
    return None
