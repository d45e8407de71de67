"""How long the ways through a network are, in convolutions.

The path-length polynomial of a network has as coefficient of z^n its number of paths with n
convolutions: L(1) = z and L(C+1) = L(C)^2 + z for FractalNet's rule. Polynomials are exact up
to 4,096 terms (C = 13), and while the number of paths is. Beyond, five numbers are carried:
the count, the least and greatest length, mean and variance over all paths. In series means
and variances add; side by side, with shares w of the paths,
    m = sum w m_i,    v = sum w (v_i + (m_i - m)^2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.fold import Algebra, PathFold
from fractal_dsl.passes.paths import PathCount
from fractal_dsl.passes.polynomials import Polynomial, add, multiply, power

__all__ = ["PathLengths", "path_lengths"]


@dataclass(frozen=True, slots=True)
class PathLengths:
    """Lengths of all paths, in convolutions that count as layers.

    `histogram` has the exact number of paths of each length, by length; it is None where
    there are more than 4,096 lengths or more paths than have an exact count. `mean` and
    `variance` are over paths, each counting the same.
    """

    shortest: int
    longest: int
    mean: float
    variance: float
    histogram: tuple[tuple[int, int], ...] | None


def path_lengths(program: Program) -> PathLengths | None:
    """Lengths of the paths through a network; None where no path reaches the output."""
    found = PathFold(program, _Lengths().algebra).through()
    if found is None:
        return None
    if found.terms is None:
        return PathLengths(found.shortest, found.longest, found.mean, found.variance, None)
    mean, variance = _moments(found.terms)
    histogram = tuple(sorted(found.terms.items()))
    return PathLengths(found.shortest, found.longest, mean, variance, histogram)


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """A set of paths. Equal sets are one object, so that products are computed once."""

    count: PathCount
    shortest: int
    longest: int
    mean: float
    variance: float
    terms: Polynomial | None


class _Lengths:
    """Sets of paths and their products, each made once."""

    def __init__(self) -> None:
        self.known: dict[object, _Ways] = {}
        self.products: dict[tuple[int, int], _Ways] = {}
        nothing = self.one(0)
        self.algebra: Algebra[_Ways] = Algebra(
            nothing, self.add, self.chain, self.power, self.operator
        )

    def one(self, length: int) -> _Ways:
        """The one path that has `length` convolutions."""
        alone = {length: 1}
        return self.make(_Ways(PathCount.of(1), length, length, float(length), 0.0, alone))

    def make(self, ways: _Ways) -> _Ways:
        terms = None if ways.terms is None else frozenset(ways.terms.items())
        key = (ways.count, ways.shortest, ways.longest, ways.mean, ways.variance, terms)
        return self.known.setdefault(key, ways)

    def add(self, a: _Ways, b: _Ways) -> _Ways:
        count = a.count + b.count
        parts = [(a.count.share_of(count), a), (b.count.share_of(count), b)]
        mean = sum(share * ways.mean for share, ways in parts if share)
        variance = inf
        if isfinite(mean):
            variance = sum(w * (s.variance + _square(s.mean - mean)) for w, s in parts if w)
        shortest, longest = min(a.shortest, b.shortest), max(a.longest, b.longest)
        terms = None
        if a.terms is not None and b.terms is not None and count.exact is not None:
            terms = add(a.terms, b.terms)
        return self.make(_Ways(count, shortest, longest, mean, variance, terms))

    def chain(self, a: _Ways, b: _Ways) -> _Ways:
        pair = (id(a), id(b)) if id(a) < id(b) else (id(b), id(a))
        if pair not in self.products:
            self.products[pair] = self.make(self.product(a, b))
        return self.products[pair]

    def product(self, a: _Ways, b: _Ways) -> _Ways:
        count = a.count * b.count
        terms = None
        if a.terms is not None and b.terms is not None and count.exact is not None:
            terms = multiply(a.terms, b.terms)
        return _Ways(
            count, a.shortest + b.shortest, a.longest + b.longest, a.mean + b.mean,
            a.variance + b.variance, terms,
        )  # fmt: skip

    def power(self, ways: _Ways, times: int) -> _Ways:
        if times == 1:
            return ways
        count = ways.count**times
        terms = None
        if ways.terms is not None and count.exact is not None:
            terms = power(ways.terms, times)
        return self.make(
            _Ways(
                count, ways.shortest * times, ways.longest * times,
                _times(ways.mean, times), _times(ways.variance, times), terms,
            )  # fmt: skip
        )

    def operator(self, graph: Graph, node: Apply) -> _Ways | None:
        layers = spec_of(node.attributes).depth(node.attributes)
        return self.one(layers) if layers else None


def _square(difference: float) -> float:
    """Its square, infinite where floats end."""
    return difference * difference


def _times(value: float, factor: int) -> float:
    try:
        return value * factor
    except OverflowError:
        return inf if value else 0.0


def _moments(terms: Mapping[int, int]) -> tuple[float, float]:
    """Mean and variance of an exact histogram."""
    count = sum(terms.values())
    first = sum(length * number for length, number in terms.items())
    second = sum(length * length * number for length, number in terms.items())
    mean = Fraction(first, count)
    return float(mean), float(Fraction(second, count) - mean * mean)
