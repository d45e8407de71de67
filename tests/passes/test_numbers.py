"""Numbers that outgrow what Python prints, long repeats, exact polynomials, the report."""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from math import inf, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractal_dsl.ir.graph import Program
from fractal_dsl.ir.operators.elementwise import LeakyRelu, Relu, Silu, Sum
from fractal_dsl.ir.operators.layers import BatchNorm, Conv2d, Linear
from fractal_dsl.ir.operators.pooling import Flatten, GlobalAvgPool
from fractal_dsl.ir.shapes import image, vector
from fractal_dsl.passes import counts, report
from fractal_dsl.passes.fold import Memo, Steps
from fractal_dsl.passes.path_lengths import path_lengths
from fractal_dsl.passes.paths import PathCount, exact_or_power, paths
from fractal_dsl.passes.polynomials import MOST_TERMS, Polynomial, multiply, power
from fractal_dsl.passes.receptive_field import receptive_field
from fractal_dsl.passes.report import Facts, analyse, facts
from tests.handmade import block_only, fractalnet, with_sampling
from tests.passes.sketch import Library, Sketch

SHAPE = image(2, 8, 8)

counts_of_paths = st.one_of(
    st.integers(0, 50),
    st.integers(1, 10**30),
    st.integers(4_200, 4_400).map(lambda digits: 10**digits),
)


def close(found: PathCount, exact: int) -> bool:
    if exact < 10**4300:
        return found.exact == exact
    logarithm = PathCount.of(exact).log10
    return found.exact is None and isclose(found.log10, logarithm, rel_tol=1e-12)


@settings(max_examples=100, deadline=None)
@given(counts_of_paths, counts_of_paths, st.integers(1, 5))
def test_path_counts_are_numbers(a: int, b: int, exponent: int) -> None:
    one, other = PathCount.of(a), PathCount.of(b)
    assert close(one + other, a + b)
    assert close(one * other, a * b)
    assert close(one**exponent, a**exponent)
    if a + b:
        assert isclose(one.share_of(one + other), Fraction(a, a + b), rel_tol=1e-9)


def test_path_counts_print_whatever_their_size() -> None:
    assert sys.get_int_max_str_digits() == 4300
    assert str(PathCount.of(10**4300 - 1)) == "9" * 4300
    assert str(PathCount.of(10**4300)) == "1.000e4300"
    assert str(PathCount.of(2) ** 10**6) == "9.901e301029"
    assert str(PathCount(None, 4999.99999)) == "1.000e5000"
    assert str(PathCount.of(2) ** 10**400) == "more than 10^(10^308)"
    assert str(PathCount.of(1) ** 10**400) == "1"
    assert str(PathCount.of(0)) == "0"
    assert exact_or_power(-(10**5000)) == "-1.000e5000"
    assert exact_or_power(12) == "12"


def repeated(times: int) -> Program:
    """((conv + id) ** times) ** times"""
    library = Library()
    sketch = Sketch(library, SHAPE)
    flow = sketch.apply(Sum(), sketch.apply(Conv2d(2), sketch.start), sketch.start)
    callee = sketch.finish(flow, "unit")
    for label in ("inner", "net"):
        sketch = Sketch(library, SHAPE)
        callee = sketch.finish(sketch.call(callee, sketch.start, count=times), label)
    return library.program(callee)


def test_repeats_cost_nothing() -> None:
    program = repeated(10**6)
    start = time.process_time()
    found = analyse(program)
    assert time.process_time() - start < 0.1
    assert found.depth == found.convs == 10**12
    assert found.nodes == 1 + 2 * 10**12
    assert found.paths.exact is None and isclose(found.paths.log10, 10**12 * 0.30102999566398)
    lengths = found.path_lengths
    assert lengths is not None and lengths.histogram is None
    assert (lengths.mean, lengths.variance) == (5e11, 2.5e11)
    assert found.receptive_field is not None
    assert found.receptive_field.height == 1 + 2 * 10**12
    few = path_lengths(repeated(3))
    binomial = enumerate([1, 9, 36, 84, 126, 126, 84, 36, 9, 1])
    assert few is not None and few.histogram == tuple(binomial)


def test_parallel_edges_are_ways_of_their_own() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    double = sketch.finish(sketch.apply(Sum(), sketch.start, sketch.start), "double")
    sketch = Sketch(library, SHAPE)
    program = library.program(sketch.finish(sketch.call(double, sketch.start, 20_000), "net"))
    assert str(paths(program)) == "3.980e6020"
    lengths = path_lengths(program)
    assert lengths is not None and lengths.histogram is None
    assert (lengths.shortest, lengths.longest, lengths.mean, lengths.variance) == (0, 0, 0, 0)


polynomials = st.dictionaries(st.integers(0, 400), st.integers(1, 10**40), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(polynomials, polynomials, st.sampled_from([1, 3, 100]))
def test_products_of_polynomials(a: dict[int, int], b: dict[int, int], step: int) -> None:
    a, b = ({n * step + 7: x for n, x in one.items()} for one in (a, b))
    product = multiply(a, b)
    assert product is not None
    prime, point = 2**521 - 1, 10**50 + 1

    def value(terms: Polynomial) -> int:
        return sum(x * pow(point, n, prime) for n, x in terms.items()) % prime

    assert value(product) == value(a) * value(b) % prime
    assert len(product) == len({m + n for m in a for n in b})


def test_polynomials_end_at_4096_terms() -> None:
    line = dict.fromkeys(range(64), 1)
    longest = power(line, 65)
    assert longest is not None and len(longest) == 65 * 63 + 1 == MOST_TERMS
    assert power(line, 66) is None
    assert multiply(dict.fromkeys(range(3000), 1), dict.fromkeys(range(1098), 1)) is None
    scattered = {n**3: 1 for n in range(1500)}
    assert multiply(scattered, scattered) is None
    assert power({0: 1, 10**9: 2}, 3) == {0: 1, 10**9: 6, 2 * 10**9: 12, 3 * 10**9: 8}


def test_a_global_view_is_the_whole_input() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    flow = sketch.apply(GlobalAvgPool(), sketch.apply(Conv2d(2), sketch.start))
    program = library.program(sketch.finish(sketch.apply(Linear(3), flow), "net"))
    field = receptive_field(program)
    assert field is not None and (field.height, field.width, field.is_whole) == (8, 8, True)
    assert counts.activation_bytes(program) == 4 * (2 * 64 + 2 + 3)


def test_fields_of_different_strides_side_by_side() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    wide = sketch.apply(Conv2d(2, 5, stride=2, padding=0), sketch.start)
    fast = sketch.apply(Conv2d(2, 1, stride=4), sketch.start)
    joined = sketch.close(sketch.join(wide, fast))
    flow = sketch.apply(Conv2d(2, (5, 1)), joined)
    field = receptive_field(library.program(sketch.finish(flow, "net")))
    assert field is not None
    # Across, the wide one sees 5; upwards 5 + 4 * 2, and the fast one 1 + 4 * 4.
    assert (field.height, field.width, field.jump) == (17, 5, (4, 4))


def test_an_activation_runs_in_place_where_nothing_else_reads_its_input() -> None:
    elements, found = SHAPE.elements, []
    for activation in (Relu(), Silu(), LeakyRelu(0.1), LeakyRelu(-0.1)):
        for is_read_twice in (False, True):
            sketch = Sketch(Library(), SHAPE)
            norm = sketch.apply(BatchNorm(), sketch.start)
            flow = sketch.apply(activation, norm)
            if is_read_twice:
                flow = sketch.apply(Sum(), flow, norm)
            program = sketch.library.program(sketch.finish(flow, "net"))
            found.append(counts.activation_bytes(program) // (4 * elements))
    assert found == [1, 3, 2, 3, 1, 3, 2, 3]


def test_flatten_is_a_view() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    flow = sketch.apply(Flatten(), sketch.apply(Relu(), sketch.start))
    program = library.program(sketch.finish(flow, "net"))
    assert counts.activation_bytes(program) == 4 * 128
    field = receptive_field(program)
    assert field is not None and field.is_whole


def test_no_field_without_an_image() -> None:
    library = Library()
    sketch = Sketch(library, vector(5))
    program = library.program(sketch.finish(sketch.apply(Linear(3), sketch.start), "net"))
    assert receptive_field(program) is None
    assert facts(program)["receptive_field"] == ()
    assert facts(program)["output"] == (3,)


def test_long_chains_need_no_recursion() -> None:
    library = Library()
    callee = library.conv(SHAPE)
    for number in range(3_000):
        sketch = Sketch(library, SHAPE)
        callee = sketch.finish(sketch.call(callee, sketch.start), f"net{number}")
    sketch = Sketch(library, SHAPE)
    flow = sketch.start
    for _ in range(3_000):
        flow = sketch.call(callee, flow)
    found = analyse(with_sampling(library.program(sketch.finish(flow, "net"))))
    assert found.depth == found.convs == 3_000
    assert found.expected_live is not None and isclose(found.expected_live, 1)


def test_memo_computes_each_key_once() -> None:
    asked: list[int] = []

    def fibonacci(n: int) -> Steps[int, int]:
        asked.append(n)
        if n < 2:
            return n
        return (yield n - 1) + (yield n - 2)

    memo = Memo(fibonacci)
    assert memo(5_000) % 1000 == 125 and len(asked) == 5_001
    assert memo(10) == 55 and len(asked) == 5_001


def test_the_report_and_the_facts_agree() -> None:
    program = with_sampling(fractalnet(3, (8, 16)))
    found, known = analyse(program), facts(program)
    for name in ("depth", "weighted_depth", "convs", "parameters", "macs"):
        assert known[name] == getattr(found, name)
    assert known["columns"] == found.column_count == len(found.columns) == 3
    assert known["joins"] == sum(found.joins.values()) == 4
    assert known["paths"] == found.paths.exact == 25
    assert known["output"] == found.output.sizes == (10,)
    assert known["receptive_field"] == (28, 28)
    assert sum(found.parameters_by_kind.values()) == found.parameters
    assert found.distinct_graphs == len(program.graphs)
    assert facts(block_only(20))["paths"] == inf


def test_facts_are_computed_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(program: Program) -> int:
        asked.append(program.name)
        return 1

    for name in facts(block_only(2)):
        monkeypatch.setitem(report.FACTS, name, noted)
    known: Facts = facts(block_only(2))
    assert "depth" in known and "nothing" not in known and len(known) == 10
    assert known["depth"] == known["depth"] == 1 and asked == ["Net"]
