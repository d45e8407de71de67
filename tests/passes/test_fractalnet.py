"""The tables that must come out exactly: FractalNet, block by block and net by net."""

from __future__ import annotations

import time
from math import isclose, log10

import pytest

from fractal_dsl.passes import counts
from fractal_dsl.passes.columns import ColumnMap, column_report, columns
from fractal_dsl.passes.depth import depth, port_depths, weighted_depth
from fractal_dsl.passes.droppath import drop_points
from fractal_dsl.passes.live import CONVS, LiveWork, expected_live, expected_live_convs
from fractal_dsl.passes.path_lengths import path_lengths
from fractal_dsl.passes.paths import paths
from fractal_dsl.passes.pipeline import run
from fractal_dsl.passes.receptive_field import receptive_field
from fractal_dsl.passes.report import analyse
from tests.handmade import block_only, fractalnet, with_sampling

SMALL = (16, 32, 64, 128, 128)
PATHS = {1: 1, 2: 2, 3: 5, 4: 26, 5: 677, 6: 458330}
ARITIES = {2: [2], 3: [2, 3], 4: [2, 3, 2, 4], 5: [2, 3, 2, 4, 2, 3, 2, 5]}


def path_polynomial(columns: int) -> dict[int, int]:
    """L(1) = z, L(C+1) = L(C)^2 + z, term by term."""
    terms = {1: 1}
    for _ in range(columns - 1):
        square: dict[int, int] = {}
        for m, x in terms.items():
            for n, y in terms.items():
                square[m + n] = square.get(m + n, 0) + x * y
        square[1] = square.get(1, 0) + 1
        terms = square
    return terms


@pytest.mark.parametrize("c", range(1, 15))
def test_one_block(c: int) -> None:
    program = block_only(c)
    assert depth(program) == 2 ** (c - 1)
    assert counts.convs(program) == 2**c - 1
    joins = counts.joins(program)
    assert joins.total() == (2 ** (c - 2) if c > 1 else 0)
    assert joins == {n: 2 ** max(0, c - n - 1) for n in range(2, c + 1)}
    if c in ARITIES:
        assert sorted(joins.elements()) == sorted(ARITIES[c])
    number = 1
    for _ in range(c - 1):
        number = number * number + 1
    assert paths(program).exact == number == PATHS.get(c, number)
    assert str(paths(program)) == str(number)
    assert column_report(program, c).depth == 2 ** (c - 1)
    found = [ColumnMap(program).report(k).convs for k in range(1, c + 1)]
    assert found == [2 ** (k - 1) for k in range(1, c + 1)]
    assert columns(program).count == c


@pytest.mark.parametrize("c", [1, 2, 3, 4, 5, 6, 9])
def test_lengths_of_the_paths(c: int) -> None:
    found = path_lengths(block_only(c))
    assert found is not None and found.histogram is not None
    assert dict(found.histogram) == path_polynomial(c)


def test_lengths_are_exact_up_to_4096_of_them() -> None:
    for c, exact in ((13, True), (14, False)):
        found = path_lengths(block_only(c))
        assert found is not None
        assert (found.shortest, found.longest) == (1, 2 ** (c - 1))
        if exact:
            assert found.histogram is not None and len(found.histogram) == 4096
            assert sum(number for _, number in found.histogram) == paths(block_only(c)).exact
        else:
            assert found.histogram is None
            before = path_lengths(block_only(c - 1))
            assert before is not None and isclose(found.mean, 2 * before.mean, rel_tol=1e-9)
            assert isclose(found.variance, 2 * before.variance, rel_tol=1e-9)


def test_paths_are_exact_up_to_4300_digits() -> None:
    last = paths(block_only(15))
    assert last.exact is not None and len(str(last)) == 2899
    beyond = paths(block_only(16))
    assert beyond.exact is None and str(beyond) == "1.113e5797"
    assert isclose(beyond.log10, 2 * log10(last.exact), rel_tol=1e-12)
    assert str(paths(block_only(60))) == "10^(1.02e+17)"


@pytest.mark.parametrize(
    ("c", "parameters"),
    list(enumerate([258292, 847716, 2125204, 4778820, 10184692, 21095076], start=1)),
)
def test_parameters_of_the_papers_table_3(c: int, parameters: int) -> None:
    program = fractalnet(c, SMALL, 100)
    assert counts.parameters(program) == parameters
    assert depth(program) == 5 * 2 ** (c - 1)
    assert weighted_depth(program) == 5 * 2 ** (c - 1) + 1


@pytest.mark.parametrize(
    ("c", "classes", "parameters"), [(3, 10, 33724618), (3, 100, 33770788), (4, 10, 76106634)]
)
def test_parameters_of_the_wide_nets(c: int, classes: int, parameters: int) -> None:
    assert counts.parameters(fractalnet(c, classes=classes)) == parameters


def test_work_of_the_cifar_net() -> None:
    program = fractalnet(3)
    macs = counts.macs(program)
    assert macs == 845_222_912
    shares = [column_report(program, k).macs / macs for k in (1, 2, 3)]
    assert [round(share, 4) for share in shares] == [0.0803, 0.2701, 0.6497]
    reports = [column_report(program, k) for k in (1, 2, 3)]
    assert [one.depth for one in reports] == [one.convs for one in reports] == [5, 10, 20]
    assert counts.parameters(program, "linear") == 5130
    weights = (counts.parameters(program, kind) for kind in ("conv2d", "batch_norm", "linear"))
    assert sum(weights) == counts.parameters(program)
    field = receptive_field(program)
    assert field is not None and field.jump == (32, 32)
    # 4 convs of 3 x 3 and a pool of 2 in each block: the field grows by 4 * 2 j + j.
    assert field.height == field.width == 1 + sum(9 * 2**block for block in range(5))


LOCAL = [0.8612, 0.8480, 0.8463, 0.8462, 0.8462]
MIXED = [0.6806, 0.5907, 0.5482, 0.5231, 0.5064]


@pytest.mark.parametrize(("c", "local", "mixed"), list(zip(range(2, 7), LOCAL, MIXED, strict=True)))
def test_expected_live_work(c: int, local: float, mixed: float) -> None:
    program = with_sampling(block_only(c))
    alone = LiveWork(program).local(CONVS)
    assert alone is not None and abs(alone - local) < 5e-5
    found = expected_live_convs(program)
    assert found is not None and abs(found - mixed) < 5e-5
    by_macs = expected_live(with_sampling(fractalnet(c, SMALL)))
    assert by_macs is not None and abs(by_macs - mixed) < 1e-3


def test_no_live_work_without_drop_path() -> None:
    assert expected_live(block_only(3)) is None
    assert expected_live_convs(block_only(3)) is None


def test_ports_of_a_block_are_its_columns() -> None:
    program = block_only(5)
    fractal = len(program.graphs) - 2
    assert program.graphs[fractal].label == "f(5)"
    assert port_depths(program, fractal) == (16, 15, 13, 9, 1)


def test_drop_points_know_where_they_come_from() -> None:
    program = with_sampling(fractalnet(3, (8, 8)))
    points = [point for point in drop_points(program) if point.label == "block(8)"]
    for point in points:
        assert (point.arity, point.level, point.sampled) == (3, None, True)
        assert [one.rate for one in point.inputs] == [0.15] * 3
        written = [[(w.rule, w.level, w.branch, w.branches) for w in i.path] for i in point.inputs]
        assert written == [
            [("f", 3, 0, 2), ("f", 2, 0, 2)],
            [("f", 3, 0, 2), ("f", 2, 1, 2)],
            [("f", 3, 1, 2)],
        ]
        assert {w.equation for i in point.inputs for w in i.path} == {
            "f(C+1) = (f(C) . f(C)) (+) conv"
        }
    assert [point.instances for point in points] == [1, 1]


def test_a_whole_analysis_of_f60() -> None:
    program = run(with_sampling(block_only(60)))
    spent = []
    for _ in range(3):
        start = time.process_time()
        report = analyse(program)
        spent.append(time.process_time() - start)
    assert report.convs == 2**60 - 1 and report.depth == 2**59
    assert report.joins[60] == 1 and report.joins[2] == 2**57
    assert report.column_count == 60 and report.columns[-1].depth == 2**59
    assert report.expected_live is not None and 0.43 < report.expected_live < 0.44
    assert report.paths.exact is None and report.path_lengths is not None
    assert report.nodes == counts.nodes(program) > 2**61
    assert min(spent) < 0.5
