"""Arithmetic on plain values: Python's, within limits, and told in the user's terms."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.semantics.values import Items, Plain, Value, describe, is_number, is_whole, show
from fractal_dsl.source import Span

__all__ = ["call_function", "compare", "compute", "negate", "number_range", "power"]

MAX_BITS = 14_000  # about 4,200 decimal digits, what Python prints
MAX_ITEMS = 20_000

OPERATIONS: dict[str, Callable[[int | float, int | float], int | float]] = {
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "+": operator.add,
    "-": operator.sub,
}
COMPARISONS: dict[str, Callable[[int | float, int | float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FUNCTIONS: dict[str, Callable[[int | float], int | float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "sqrt": math.sqrt,
}


def fail(code: str, message: str, span: Span, label: str = "", *helps: str) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(code, message, span, label, helps=tuple(Help(text) for text in helps))
    )


def checked(value: float, span: Span) -> int | float:
    """`value`, unless it has left the range that a network can need."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise too_large(span)
    if isinstance(value, float) and not math.isfinite(value):
        raise fail("F0409", "this is not a finite number", span, "computed here")
    return value


def too_large(span: Span) -> DiagnosticError:
    return fail(
        "F0306",
        "this number has more than 4,200 digits",
        span,
        "not computed",
        "no network has a size like this; is an exponent too large?",
    )


def compute(sign: str, left: Plain, right: Plain, span: Span) -> Plain:
    """`left sign right` for numbers, tuples with a number, and lists (`+` alone)."""
    if sign == "+" and isinstance(left, Items) and isinstance(right, Items):
        if len(left.values) + len(right.values) > MAX_ITEMS:
            raise too_long(len(left.values) + len(right.values), span)
        return Items(left.values + right.values)
    if isinstance(left, tuple) and is_number(right):
        return tuple(compute(sign, item, right, span) for item in left)  # type: ignore[arg-type]
    if isinstance(right, tuple) and is_number(left):
        return tuple(compute(sign, left, item, span) for item in right)  # type: ignore[arg-type]
    if sign not in OPERATIONS or not (is_number(left) and is_number(right)):
        raise fail(
            "F0405",
            f"`{sign}` does not take {describe(left)} and {describe(right)}",
            span,
            f"{show(left, 24)} {sign} {show(right, 24)}",
        )
    try:
        return checked(OPERATIONS[sign](left, right), span)
    except ZeroDivisionError:
        raise fail("F0409", "division by zero", span, "the right side is 0") from None
    except OverflowError:
        raise too_large(span) from None


def power(base: Plain, exponent: Plain, span: Span) -> Plain:
    """`base ** exponent`, refused before it is computed where it would be enormous."""
    if not (is_number(base) and is_number(exponent)):
        message = f"`**` does not take {describe(base)} and {describe(exponent)}"
        raise fail("F0405", message, span)
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and (int(base).bit_length() - 1) * exponent > MAX_BITS:
        raise too_large(span)
    try:
        result = base**exponent
    except ZeroDivisionError:
        raise fail("F0409", "division by zero: 0 to a negative power", span) from None
    except OverflowError:
        raise too_large(span) from None
    if isinstance(result, complex):
        raise fail("F0409", "a root of a negative number", span)
    return checked(result, span)


def negate(value: Plain, span: Span) -> Plain:
    if not is_number(value):
        raise fail("F0405", f"`-` does not take {describe(value)}", span)
    return -value


def compare(sign: str, left: Value, right: Value, span: Span) -> bool:
    """Comparison; `==` and `!=` take any plain values, the others numbers."""
    for value in (left, right):
        if not isinstance(value, int | float | bool | str | tuple | Items):
            raise fail("F0405", f"`{sign}` compares plain values, not {describe(value)}", span)
    if sign in ("==", "!="):
        return (left == right) is (sign == "==")
    if not (is_number(left) and is_number(right)):
        message = f"`{sign}` does not take {describe(left)} and {describe(right)}"
        raise fail("F0405", message, span)
    return COMPARISONS[sign](left, right)


def number_range(first: Value, last: Value, span: Span) -> Items:
    """`first..last`: whole numbers, both ends included; empty if last < first."""
    if not (is_whole(first) and is_whole(last)):
        wrong = last if is_whole(first) else first
        raise fail("F0405", f"`..` counts whole numbers, not {describe(wrong)}", span)
    if last - first + 1 > MAX_ITEMS:
        raise too_long(last - first + 1, span)
    return Items(tuple(range(first, last + 1)))


def too_long(count: int, span: Span) -> DiagnosticError:
    return fail(
        "F0307",
        f"this list would have {show(count)} items; the limit is {MAX_ITEMS:,}",
        span,
        "not made",
    )


def call_function(name: str, value: Value, span: Span) -> int | float:
    """`len` of a list, tuple or string; `log2`, `sqrt`, `floor`, ... of a number."""
    if name == "len":
        if isinstance(value, Items):
            return len(value.values)
        if isinstance(value, tuple | str):
            return len(value)
        raise fail("F0405", f"`len` does not take {describe(value)}", span)
    if not is_number(value):
        raise fail("F0405", f"`{name}` takes a number, not {describe(value)}", span)
    try:
        if name == "log2":
            exact = value.bit_length() - 1 if isinstance(value, int) and value > 0 else -1
            return exact if exact >= 0 and value == 1 << exact else math.log2(value)
        return checked(FUNCTIONS[name](value), span)
    except (ValueError, OverflowError):
        raise fail("F0409", f"`{name}` of {show(value)} is not a number", span) from None
