"""Blocks look as in the paper's figure: columns in order, bars across what they join."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings

from fractal_dsl.emit.diagram import DrawOptions, dot
from fractal_dsl.emit.diagram.arrange import arrange
from fractal_dsl.emit.diagram.geometry import Placement, Spot
from fractal_dsl.emit.diagram.panels import collapsed, expanded
from fractal_dsl.emit.diagram.sheet import Sheet
from fractal_dsl.emit.diagram.theme import Sizes
from fractal_dsl.ir.graph import Program
from fractal_dsl.semantics import elaborate, resolve
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse
from tests.emit_diagram.pictures import parsed
from tests.handmade import block_only, fractalnet
from tests.programs import fdl_programs


def compiled(text: str) -> Program:
    return elaborate(resolve(parse(Source("drawn.fdl", text))), None, {}).program


def refused(sheet: Sheet, sizes: Sizes, items: object, links: object) -> Placement:
    pytest.fail("these parts are columns: Graphviz need not lay them out")


@pytest.mark.parametrize("columns", range(1, 8))
def test_column_k_has_2_to_the_k_minus_1_convolutions(columns: int) -> None:
    picture = parsed(dot(block_only(columns)))
    heights = Counter(conv.x for conv in picture.convs)
    in_order = [heights[x] for x in sorted(heights)]
    assert in_order == [2**k for k in range(columns)], "shallowest on the left"
    assert len(picture.joins) == (2 ** (columns - 2) if columns > 1 else 0)


def test_a_column_of_one_stands_in_the_middle() -> None:
    convs = parsed(dot(block_only(4))).convs
    lone = min(convs, key=lambda conv: conv.x)
    column = [conv.y for conv in convs if conv.x == max(conv.x for conv in convs)]
    assert lone.y == pytest.approx((min(column) + max(column)) / 2, abs=8)


def test_bars_span_exactly_the_columns_that_they_join() -> None:
    picture = parsed(dot(block_only(4)))
    xs = sorted({conv.x for conv in picture.convs})
    half = picture.convs[0].width / 2
    joined = [
        [at for at, x in enumerate(xs) if abs(x - bar.x) <= bar.width / 2] for bar in picture.joins
    ]
    assert sorted(joined) == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [2, 3]]
    for bar, columns in zip(picture.joins, joined, strict=True):
        assert bar.x - bar.width / 2 == pytest.approx(xs[columns[0]] - half, abs=0.05)
        assert bar.x + bar.width / 2 == pytest.approx(xs[columns[-1]] + half, abs=0.05)


def test_columns_line_up_where_their_parts_differ_in_width() -> None:
    spec = "f(1) = conv\nf(C+1) = (f(C) . f(C)) (+) conv\nnet = f(3) >> each(max_pool(2))\n"
    picture = parsed(dot(compiled(spec)))
    assert len({conv.x for conv in picture.convs}) == 3


def test_a_net_is_drawn_block_by_block_when_expanded() -> None:
    program = fractalnet(3, (16, 32, 64))
    picture = parsed(dot(program, DrawOptions(expand=True)))
    assert len(picture.convs) == 3 * 7
    assert len(picture.joins) == 3 * 2
    assert picture.clusters == 1 + 3
    assert len(picture.boxes) == 2 + 3 * (7 + 2 + 1) + 1
    assert picture.edges == 3 * 13 + 2


def test_blocks_equal_up_to_sizes_are_drawn_once() -> None:
    source = dot(fractalnet())
    picture = parsed(source)
    assert len(picture.convs) == 15
    assert picture.clusters == 2
    assert 'label="block × 5"' in source
    assert "block(64), block(128), block(256), block(512) × 2" in source
    assert "64×16×16" in source


def overlap(one: Spot, other: Spot) -> bool:
    return (
        one.left < other.right - 0.01
        and other.left < one.right - 0.01
        and one.top < other.bottom - 0.01
        and other.top < one.bottom - 0.01
    )


def check(sheet: Sheet, placement: Placement) -> None:
    assert sorted(placement.spots) == list(range(len(sheet.items)))
    assert sorted(placement.paths) == list(range(len(sheet.links)))
    for one, other in combinations(placement.spots.values(), 2):
        assert not overlap(one, other)
    for at, link in enumerate(sheet.links):
        points = placement.paths[at].points
        target = placement.spots[link.target]
        assert len(points) % 3 == 1
        assert points[-1].y == pytest.approx(target.top)
        assert target.left - 0.01 <= points[-1].x <= target.right + 0.01
    for frame in placement.frames:
        for at in frame.items:
            assert overlap(frame.spot, placement.spots[at])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=fdl_programs(learned=False, wires=False))
def test_random_programs_are_columns_and_nothing_overlaps(text: str) -> None:
    program = compiled(text)
    whole = expanded(program, DrawOptions())
    panels, _ = collapsed(program, DrawOptions())
    for leaf in (whole, *panels):
        if len(leaf.sheet.items) <= 300:
            check(leaf.sheet, arrange(leaf.sheet, refused))
