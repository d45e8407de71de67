"""How long the ways through a network are, in convolutions.

The path-length polynomial of a network has as coefficient of z^n its number of paths with n
convolutions: L(1) = z and L(C+1) = L(C)^2 + z for FractalNet's rule. Polynomials are exact up
to 4,096 terms (C = 13), and while the number of paths is. Beyond, five numbers are carried:
the count, the least and greatest length, mean and variance over all paths. In series means
and variances add; side by side, with shares w of the paths,
    m = sum w m_i,    v = sum w (v_i + (m_i - m)^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite

from fractal_dsl.ir.graph import Apply, Graph, Program
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.passes.fold import Algebra, PathFold
from fractal_dsl.passes.paths import PathCount
from fractal_dsl.passes.polynomials import MOST_TERMS, Polynomial, add, multiply, power

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
    found = PathFold(program, MOMENTS).through()
    if found is None:
        return None
    terms = None
    if found.lengths <= MOST_TERMS and found.count.exact is not None:
        terms = PathFold(program, _Polynomials().algebra).through()
    if not terms:
        return PathLengths(found.shortest, found.longest, found.mean, found.variance, None)
    mean, variance = _moments(terms)
    return PathLengths(
        found.shortest, found.longest, mean, variance, tuple(sorted(terms.items()))
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ways:
    """A set of paths, in six numbers. It has at least `lengths` different lengths."""

    count: PathCount
    shortest: int
    longest: int
    mean: float
    variance: float
    lengths: int = 1


def _add(a: _Ways, b: _Ways) -> _Ways:
    count = a.count + b.count
    parts = [(a.count.share_of(count), a), (b.count.share_of(count), b)]
    mean = sum(share * ways.mean for share, ways in parts if share)
    variance = inf
    if isfinite(mean):
        variance = sum(w * (s.variance + _square(s.mean - mean)) for w, s in parts if w)
    apart = a.longest < b.shortest or b.longest < a.shortest
    lengths = a.lengths + b.lengths if apart else max(a.lengths, b.lengths)
    shortest, longest = min(a.shortest, b.shortest), max(a.longest, b.longest)
    return _Ways(count, shortest, longest, mean, variance, lengths)


def _chain(a: _Ways, b: _Ways) -> _Ways:
    """Sums of m and n different lengths have at least m + n - 1."""
    return _Ways(
        a.count * b.count, a.shortest + b.shortest, a.longest + b.longest, a.mean + b.mean,
        a.variance + b.variance, a.lengths + b.lengths - 1,
    )  # fmt: skip


def _power(ways: _Ways, times: int) -> _Ways:
    return _Ways(
        ways.count**times, ways.shortest * times, ways.longest * times,
        _times(ways.mean, times), _times(ways.variance, times), (ways.lengths - 1) * times + 1,
    )  # fmt: skip


def _operator(graph: Graph, node: Apply) -> _Ways | None:
    layers = spec_of(node.attributes).depth(node.attributes)
    return _Ways(PathCount.of(1), layers, layers, float(layers), 0.0) if layers else None


MOMENTS = Algebra(_Ways(PathCount.of(1), 0, 0, 0.0, 0.0), _add, _chain, _power, _operator)


class _Polynomials:
    """Path-length polynomials; one that has too many terms is the empty one, and stays so.

    Each product is computed once for operands that are the same objects.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], list[Polynomial]] = {}
        self.products: dict[tuple[int, int], Polynomial] = {}
        self.algebra: Algebra[Polynomial] = Algebra(
            self.same({0: 1}), self.add, self.chain, self.power, self.operator
        )

    def same(self, terms: Polynomial | None) -> Polynomial:
        """The one object that stands for `terms`."""
        if terms is None:
            return TOO_MANY
        alike = self.known.setdefault((len(terms), sum(terms.values())), [])
        for one in alike:
            if one == terms:
                return one
        alike.append(terms)
        return terms

    def add(self, a: Polynomial, b: Polynomial) -> Polynomial:
        return self.same(add(a, b)) if a and b else TOO_MANY

    def chain(self, a: Polynomial, b: Polynomial) -> Polynomial:
        pair = (id(a), id(b)) if id(a) < id(b) else (id(b), id(a))
        if pair not in self.products:
            self.products[pair] = self.same(multiply(a, b)) if a and b else TOO_MANY
        return self.products[pair]

    def power(self, a: Polynomial, times: int) -> Polynomial:
        return self.same(power(a, times)) if a else TOO_MANY

    def operator(self, graph: Graph, node: Apply) -> Polynomial | None:
        layers = spec_of(node.attributes).depth(node.attributes)
        return self.same({layers: 1}) if layers else None


TOO_MANY: Polynomial = {}


def _square(difference: float) -> float:
    """Its square, infinite where floats end."""
    return difference * difference


def _times(value: float, factor: int) -> float:
    try:
        return value * factor
    except OverflowError:
        return inf if value else 0.0


def _moments(terms: Polynomial) -> tuple[float, float]:
    """Mean and variance of an exact histogram."""
    count = sum(terms.values())
    first = sum(length * number for length, number in terms.items())
    second = sum(length * length * number for length, number in terms.items())
    mean = Fraction(first, count)
    return float(mean), float(Fraction(second, count) - mean * mean)
