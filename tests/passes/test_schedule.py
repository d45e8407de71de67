"""Orders of computation: what they leave alive, against a simulation that knows no contexts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Program
from fractal_dsl.passes.schedule import PASS_ON, peak_elements, schedule
from fractal_dsl.source import Source
from tests.programs import fdl_programs

BLOCK = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
param C = 4
net on image[16, 8, 8] = conv(16) >> f(C, channels = 16)
"""
MAP = 16 * 8 * 8


def program(text: str, **params: int) -> Program:
    return compile_source(Source("net.fdl", text), params=params).program


def simulated(flat: FlatProgram, order: list[int]) -> int:
    """Most elements alive, of blocks whose joins alone read what they take: running sums."""
    nodes = flat.nodes
    readers: dict[int, list[int]] = {}
    for at, node in enumerate(nodes):
        for source in node.inputs:
            readers.setdefault(source, []).append(at)
    left = {at: len(found) + (at in flat.outputs) for at, found in readers.items()}
    left = {**dict.fromkeys(flat.outputs, 1), **left}
    alive = {at: nodes[at].shape.elements for at in flat.inputs}
    peak = sum(alive.values())
    for at in order:
        node = nodes[at]
        passed = sum(alive[one] for one in dict.fromkeys(node.inputs) if left[one] == 1)
        if node.join is not None:
            alive[at] = sum(alive.pop(one) for one in node.inputs)
        else:
            free = isinstance(node.attributes, PASS_ON)
            new = 0 if free else node.shape.elements
            peak = max(peak, sum(alive.values()) + new)
            for source in node.inputs:
                left[source] -= 1
                if not left[source]:
                    del alive[source]
            alive[at] = passed if free else new
        joins = [one for one in readers.get(at, []) if nodes[one].join is not None]
        if len(joins) == 1 and left[at] == 1:
            sums = [one for one in nodes[joins[0]].inputs if one in alive and one != at]
            if sums:
                alive[at] = 0  # added to what came before
    return peak


@pytest.mark.parametrize("columns", range(1, 13))
def test_a_block_needs_half_its_columns_and_two(columns: int) -> None:
    """floor(C / 2) + 2, which an exhaustive search over all orders finds for C = 1 .. 6."""
    assert peak_elements(program(BLOCK, C=columns)) == (columns // 2 + 2) * MAP


@pytest.mark.parametrize("columns", range(1, 9))
def test_the_order_keeps_what_it_promises(columns: int) -> None:
    net = program(BLOCK, C=columns)
    flat = flatten(net)
    assert simulated(flat, schedule(net)) == (columns // 2 + 2) * MAP
    as_written = [at for at, node in enumerate(flat.nodes) if not node.is_input]
    assert columns < 4 or simulated(flat, as_written) > simulated(flat, schedule(net))


@seed(0)
@settings(
    max_examples=60,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(fdl_programs())
def test_every_node_once_and_after_its_inputs(text: str) -> None:
    net = program(text)
    flat, order = flatten(net), schedule(net)
    done = set(flat.inputs)
    for at in order:
        assert at not in done
        assert done.issuperset(flat.nodes[at].inputs)
        done.add(at)
    assert len(done) == len(flat.nodes)


def test_ties_leave_the_order_as_written() -> None:
    net = program("net on image[4, 8, 8] = conv(4) >> max_pool(2) >> conv(4)")
    assert schedule(net) == list(range(1, len(flatten(net).nodes)))
