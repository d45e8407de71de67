"""How far along one axis a stretch of network looks, as a function of how far is looked from.

Between s + 1 neighbouring places of what an operator gives, `s` steps, lie at most f(s) steps of
what it takes: s * stride + (k - 1) d for a window of k places, d apart; floor((s + (k - 1) d) / n)
for an operator that makes an image n times as large, each value spread over k places, d apart.
Operators in series compose. What results is linear up to a period: f(s + m) = f(s) + b.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, gcd, lcm

__all__ = ["SAME", "Span", "larger", "undominated", "window"]

# Longer periods, of images made larger by odd factors again and again, are bounded from above.
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Span:
    """f(s) = values[s % m] + (s // m) * step, with m values; never falling."""

    values: tuple[int, ...]
    step: int

    @property
    def slope(self) -> Fraction:
        return Fraction(self.step, len(self.values))

    def __call__(self, steps: int) -> int:
        turns, rest = divmod(steps, len(self.values))
        return self.values[rest] + turns * self.step

    def after(self, then: Span) -> Span:
        """This one before `then` in the order of data: f(then(s))."""
        if len(self.values) == len(then.values) == 1:
            return Span((self(then.values[0]),), self.step * then.step)
        period = len(then.values)
        period *= len(self.values) // gcd(then.step, len(self.values))
        if period > LONGEST:
            return self.straight().after(then.straight())
        values = tuple(self(then(steps)) for steps in range(period))
        return Span(values, self(then(period)) - values[0]).reduced()

    def straight(self) -> Span:
        """The least function without a period that is nowhere below this one."""
        slope = ceil(self.slope)
        most = max(value - slope * steps for steps, value in enumerate(self.values))
        return Span((most,), slope)

    def reduced(self) -> Span:
        """The same function with the shortest period."""
        length = len(self.values)
        for period in range(1, length):
            whole, rest = divmod(self.step * period, length)
            if length % period == 0 and rest == 0:
                short = Span(self.values[:period], whole)
                if all(short(steps) == value for steps, value in enumerate(self.values)):
                    return short
        return self


SAME = Span((0,), 1)


def window(kernel: int, stride: int | Fraction, dilation: int) -> Span:
    """What one operator looks at; a stride of 1/n makes an image n times as large."""
    reach, stride = (kernel - 1) * dilation, Fraction(stride)
    if stride.denominator == 1:
        return Span((reach,), stride.numerator)
    times = stride.denominator
    if times > LONGEST:
        return Span((reach // times + 1,), 1)
    return Span(tuple((steps + reach) // times for steps in range(times)), 1)


def larger(one: Span, other: Span) -> Span:
    """The larger of two of the same slope, for each s."""
    period = lcm(len(one.values), len(other.values))
    if period > LONGEST:
        one, other, period = one.straight(), other.straight(), 1
    values = tuple(max(one(steps), other(steps)) for steps in range(period))
    return Span(values, max(one(period) - one(0), other(period) - other(0))).reduced()


def undominated(spans: Iterable[Span]) -> tuple[Span, ...]:
    """One for each slope, without those that a steeper one nowhere falls below; steepest first."""
    by_slope: dict[Fraction, Span] = {}
    for span in spans:
        known = by_slope.get(span.slope)
        by_slope[span.slope] = span if known is None else larger(known, span)
    kept: list[Span] = []
    for slope in sorted(by_slope, reverse=True):
        if not any(covers(steeper, by_slope[slope]) for steeper in kept):
            kept.append(by_slope[slope])
    return tuple(kept)


def covers(steeper: Span, span: Span) -> bool:
    """Whether a span of a larger slope is nowhere smaller: then in its first periods."""
    period = min(lcm(len(steeper.values), len(span.values)), LONGEST)
    return all(steeper(steps) >= span(steps) for steps in range(period))
