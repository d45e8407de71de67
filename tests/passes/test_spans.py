"""Functions of steps: what composes, is the larger, or has a period, value by value."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from fractal_dsl.passes import spans
from fractal_dsl.passes.spans import SAME, Span, larger, undominated, window


def windows(*times: int) -> st.SearchStrategy[tuple[int, int | Fraction, int]]:
    """Kernel, stride and dilation; images grow by one of `times`, so that no period is long."""
    strides = st.one_of(st.integers(1, 4), st.sampled_from([Fraction(1, n) for n in times]))
    return st.tuples(st.integers(1, 6), strides, st.integers(1, 3))


FAR = range(300)


def looked(ways: list[tuple[int, int | Fraction, int]], steps: int) -> int:
    """From the output back, one window after the other."""
    for kernel, stride, dilation in reversed(ways):
        reach = (kernel - 1) * dilation
        steps = int((steps + reach) * stride) if stride < 1 else int(steps * stride) + reach
    return steps


def composed(ways: list[tuple[int, int | Fraction, int]]) -> Span:
    return reduce(Span.after, (window(*one) for one in ways), SAME)


@settings(max_examples=200, deadline=None)
@given(st.lists(windows(2, 3, 4), max_size=5))
def test_windows_in_series(ways: list[tuple[int, int | Fraction, int]]) -> None:
    span = composed(ways)
    assert [span(steps) for steps in FAR] == [looked(ways, steps) for steps in FAR]
    slope = Fraction(1)
    for _, stride, _ in ways:
        slope *= stride
    assert span.slope == slope


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(windows(2, 4), max_size=4), min_size=1, max_size=4))
def test_ways_side_by_side(ways: list[list[tuple[int, int | Fraction, int]]]) -> None:
    """What is kept has the same maximum everywhere, and nothing more than it needs."""
    every = [composed(one) for one in ways]
    kept = undominated(every)
    for steps in FAR:
        assert max(span(steps) for span in kept) == max(span(steps) for span in every)
    assert len({span.slope for span in kept}) == len(kept)


@settings(max_examples=100, deadline=None)
@given(st.lists(windows(2, 4), max_size=4), st.lists(windows(2, 4), max_size=4))
def test_the_straight_function_above(
    one: list[tuple[int, int | Fraction, int]], other: list[tuple[int, int | Fraction, int]]
) -> None:
    for span in (composed(one), composed(other)):
        assert all(span.straight()(steps) >= span(steps) for steps in FAR)


def test_long_periods_are_bounded_from_above() -> None:
    odd = [window(n, Fraction(1, n), 1) for n in (97, 89, 83)]
    span = reduce(Span.after, odd, SAME)
    assert len(span.values) <= spans.LONGEST
    assert all(span(steps) >= steps // (97 * 89 * 83) for steps in FAR)
    assert window(2, Fraction(1, 10**6), 1).values == (1,)


def test_larger_takes_the_common_period() -> None:
    two, three = Span((0, 1), 2), Span((0, 0, 3), 3)
    found = larger(two, three)
    assert [found(s) for s in range(12)] == [max(two(s), three(s)) for s in range(12)]
