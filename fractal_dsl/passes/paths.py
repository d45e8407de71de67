"""How many ways lead through a network.

A path is a way from an input to an output along edges; two edges between the same nodes
(`x (+) x`) are two ways. Paths fold in the semiring (+, *): P of a series is the product, P
of parallel ways the sum, so P(1) = 1 and P(C+1) = P(C)^2 + 1 for FractalNet's rule. Counts
are exact while they have at most 4,300 digits (what Python prints), and powers of ten beyond:
log10(a + b) = log10 a + log10(1 + b/a), log10(a b) = log10 a + log10 b.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf, isinf, log10

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.passes.fold import Algebra, PathFold

__all__ = ["MOST_DIGITS", "PathCount", "exact_or_power", "paths"]

MOST_DIGITS = 4_300
BEYOND = 10**MOST_DIGITS
# Above this exponent a float's rounding leaves no digit of the mantissa.
BLURRED = 1e9


@dataclass(frozen=True, slots=True)
class PathCount:
    """A number of paths: exact, or where `exact` is None its decimal logarithm.

    `str()` gives the decimal number, `1.234e5798`, or `10^(9.259e+17)`.
    """

    exact: int | None
    log10: float

    @staticmethod
    def of(number: int) -> PathCount:
        """Exact if `number` has at most 4,300 digits."""
        logarithm = log10(number) if number else -inf
        return PathCount(number if number < BEYOND else None, logarithm)

    def __add__(self, other: PathCount) -> PathCount:
        if self.exact is not None and other.exact is not None:
            return PathCount.of(self.exact + other.exact)
        small, large = sorted((self.log10, other.log10))
        if isinf(large) or large - small > 20:
            return PathCount(None, large)
        return PathCount(None, large + log10(1 + 10 ** (small - large)))

    def __mul__(self, other: PathCount) -> PathCount:
        if self.exact is not None and other.exact is not None:
            return PathCount.of(self.exact * other.exact)
        if 0 in (self.exact, other.exact):
            return NONE
        return PathCount(None, self.log10 + other.log10)

    def __pow__(self, exponent: int) -> PathCount:
        logarithm = _times(self.log10, exponent)
        if self.exact is not None and (self.exact < 2 or logarithm <= MOST_DIGITS + 1):
            return PathCount.of(self.exact**exponent)
        return PathCount(None, logarithm)

    def share_of(self, whole: PathCount) -> float:
        """This count as a part of `whole`."""
        if self.exact is not None and whole.exact is not None:
            return self.exact / whole.exact
        return 1.0 if isinf(whole.log10) else min(1.0, 10 ** (self.log10 - whole.log10))

    def __str__(self) -> str:
        if self.exact is not None:
            return str(self.exact)
        return _power(self.log10)


NONE = PathCount(0, -inf)
ONE = PathCount(1, 0.0)


def paths(program: Program) -> PathCount:
    """Paths from the network's inputs to its outputs."""
    return PathFold(program, COUNTING).through() or NONE


def exact_or_power(number: int) -> str:
    """An integer in decimals, or as a power of ten where it has more than 4,300 digits."""
    sign = "-" if number < 0 else ""
    return sign + str(PathCount.of(abs(number)))


def _power(logarithm: float) -> str:
    if isinf(logarithm):
        return "more than 10^(10^308)"
    if logarithm >= BLURRED:
        return f"10^({logarithm:.4g})"
    exponent = floor(logarithm)
    mantissa = f"{10 ** (logarithm - exponent):.3f}"
    return f"1.000e{exponent + 1}" if mantissa == "10.000" else f"{mantissa}e{exponent}"


def _times(logarithm: float, factor: int) -> float:
    try:
        return logarithm * factor
    except OverflowError:
        return inf if logarithm > 0 else 0.0


def _no_steps(graph: Graph, node: Apply) -> PathCount | None:
    return None


COUNTING = Algebra(
    ONE, PathCount.__add__, PathCount.__mul__, PathCount.__pow__, _no_steps
)  # fmt: skip
