"""What a plan leaves dead is drawn dead, and nothing else is."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from pygraphviz import AGraph  # type: ignore[import-untyped]

from fractal_dsl.emit.diagram import DrawOptions, dot
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program, Sampling
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.reference.plans import Plan, column_plan, live_nodes, local_plan
from tests.emit_diagram.pictures import bridges, parsed
from tests.handmade import block_only, fractalnet


def live_convs(program: Program, plan: Plan) -> int:
    flat = flatten(program)
    return sum(isinstance(flat.nodes[at].attributes, Conv2d) for at in live_nodes(flat, plan))


@pytest.mark.parametrize("column", [1, 2, 3, 4])
def test_one_column_is_live(column: int) -> None:
    program = block_only(4)
    options = DrawOptions(plan=column_plan(flatten(program), column), highlight=f"column={column}")
    source = dot(program, options)
    convs = parsed(source).convs
    assert len(convs) == 2 ** (column - 1)
    assert len({conv.x for conv in convs}) == 1
    assert f"column {column}" in source


@pytest.mark.parametrize("seed", range(12))
def test_a_sample_lives_where_the_reference_says(seed: int) -> None:
    program = fractalnet(4, (16, 32))
    plan = local_plan(flatten(program), Sampling(local=0.4), random.Random(seed))
    picture = parsed(dot(program, DrawOptions(plan=plan, highlight=f"sample={seed}")))
    assert len(picture.convs) == live_convs(program, plan)
    dead = [part for part in picture.boxes if "dashed" in part.attributes["style"]]
    assert len(dead) == 2 * 15 - len(picture.convs)


@pytest.mark.parametrize("column", [1, 2, 3, 4])
def test_no_dead_line_lies_on_a_live_one(column: int) -> None:
    """They share the line across the columns, where dashes would cut the live one up."""
    program = block_only(4)
    options = DrawOptions(plan=column_plan(flatten(program), column), highlight=f"column={column}")
    graph: Any = AGraph(string=dot(program, options))
    dead = [line for edge in graph.edges() if edge.attr["style"] for line in across(edge)]
    live = [line for edge in graph.edges() if not edge.attr["style"] for line in across(edge)]
    assert dead and live
    for y, left, right in dead:
        assert not [1 for other, a, b in live if other == y and min(b, right) - max(a, left) > 0.1]


def across(edge: Any) -> list[tuple[float, float, float]]:
    """The level parts of an edge: height, left and right end."""
    places = [one for one in edge.attr["pos"].split() if not one.startswith("e,")]
    corners = [tuple(map(float, one.split(","))) for one in places[::3]]
    level = [(one, other) for one, other in pairwise(corners) if one[1] == other[1]]
    return [(one[1], min(one[0], other[0]), max(one[0], other[0])) for one, other in level]


def test_dead_links_are_dashed() -> None:
    program = bridges(1)
    source = dot(program, DrawOptions(plan=((True, False),), highlight="sample=1"))
    assert source.count("style=dashed") == 4
    assert "dropped" in source


def test_a_highlight_needs_its_plan() -> None:
    with pytest.raises(ValueError, match="plan"):
        dot(block_only(2), DrawOptions(highlight="column=1"))
