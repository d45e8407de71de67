"""Plans and columns on the flat DAG, and what they keep."""

from __future__ import annotations

import random
from collections import Counter
from itertools import product
from math import sqrt

import networkx as nx
import pytest

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flat_networkx, flatten
from fractal_dsl.ir.graph import Sampling
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.reference.plans import (
    call_columns,
    column_count,
    column_plan,
    full_plan,
    live_nodes,
    local_plan,
    node_macs,
    resolve,
)
from tests.handmade import block_only, fractalnet
from tests.ir import samples


def convs(flat: FlatProgram, live: frozenset[int]) -> int:
    return sum(isinstance(flat.nodes[at].attributes, Conv2d) for at in live)


def block(columns: int) -> FlatProgram:
    return flatten(block_only(columns, channels=4, size=4))


@pytest.mark.parametrize("columns", range(1, 6))
def test_a_fractal_block_has_its_columns(columns: int) -> None:
    flat = block(columns)
    assert column_count(flat) == columns
    for column in range(1, columns + 1):
        plan = column_plan(flat, column)
        live = live_nodes(flat, plan)
        assert convs(flat, live) == 2 ** (column - 1)
        assert all(sum(mask) <= 1 for mask in plan)
        dead = [at for at in flat.joins if at not in live]
        assert [plan[flat.nodes[at].join or 0] for at in dead] == [
            (False,) * len(flat.nodes[at].operands) for at in dead
        ]
    assert column_plan(flat, columns + 5) == column_plan(flat, columns)


def test_a_column_of_a_net_is_that_column_of_every_block() -> None:
    flat = flatten(fractalnet(3, (4, 8), size=8))
    assert column_count(flat) == 3
    for column in (1, 2, 3):
        live = live_nodes(flat, column_plan(flat, column))
        assert convs(flat, live) == 2 * 2 ** (column - 1)


def test_columns_are_sorted_by_depth_then_work_then_assignment() -> None:
    flat = block(4)
    found = call_columns(flat, 0)
    assert [column.depth for column in found] == [1, 2, 4, 8]
    assert [column.branches for column in found] == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]
    for column in found:
        assert column.macs == sum(node_macs(flat, at) for at in column.nodes)
    assert node_macs(flat, 1) == 9 * 3 * 4 * 16


def test_assignments_are_one_for_all_instances_of_a_level() -> None:
    """By brute force over masks: the columns are all one-input plans that agree on levels."""
    flat = block(3)
    free = []
    for picks in product(range(2), range(3)):
        chosen = [flat.nodes[at].operands[pick] for at, pick in zip(flat.joins, picks, strict=True)]
        levels: dict[int, set[int]] = {}
        live = live_nodes(flat, tuple(
            tuple(one is kept for one in flat.nodes[at].operands)
            for at, kept in zip(flat.joins, chosen, strict=True)
        ))  # fmt: skip
        for at, operand in zip(flat.joins, chosen, strict=True):
            if at in live:
                for choice in operand.path:
                    levels.setdefault(choice.level or 0, set()).add(choice.branch)
        if all(len(branches) == 1 for branches in levels.values()):
            free.append(live)
    assert set(free) == {live_nodes(flat, column_plan(flat, k)) for k in (1, 2, 3)}


def test_branches_of_a_plain_join_are_its_columns_in_order() -> None:
    flat = flatten(samples.plain_join())
    assert column_count(flat) == 3
    assert [column_plan(flat, k) for k in (1, 2, 3)] == [
        tuple(tuple(at == k for at in range(3)) for _ in range(2)) for k in range(3)
    ]


def test_operands_that_passed_each_are_chosen_like_others() -> None:
    flat = flatten(samples.each())
    live = live_nodes(flat, column_plan(flat, 2))
    assert sorted(live) == [0, 2, 5, 7]


def test_a_closure_takes_the_branch_of_its_own_level() -> None:
    flat = flatten(samples.closures())
    found = call_columns(flat, 0)
    # level 2 alone decides between going down and a conv; both g of a level agree
    assert [column.branches for column in found] == [(0, 0), (1, 0), (0, 1)]
    assert [convs(flat, column.nodes) for column in found] == [0, 2, 4]


def test_a_join_with_fewer_branches_takes_its_last() -> None:
    flat = flatten(samples.two_joins())
    assert column_count(flat) == 3
    assert [(column.branches, column.depth) for column in call_columns(flat, 0)] == [
        ((2,), 2), ((0,), 2), ((1,), 3),
    ]  # fmt: skip
    live = live_nodes(flat, column_plan(flat, 1))
    assert [flat.nodes[at].key for at in sorted(live)] == ["", "f.b", "f.c", "", ""]


def test_depth_counts_before_work() -> None:
    flat = flatten(samples.two_joins())
    assert [(column.depth, column.macs) for column in call_columns(flat, 0)] == [
        (2, 128), (2, 1152), (3, 704),
    ]  # fmt: skip


def test_a_fractal_in_a_fractal_has_columns_of_its_own() -> None:
    flat = flatten(samples.nested())
    assert [call.label for call in flat.calls] == ["f(1)", "g(3)"]
    outer, inner = call_columns(flat, 0), call_columns(flat, 1)
    # the inner call is all live while the outer one is sorted, and the other way round
    assert [column.branches for column in outer] == [(1,), (0,)]
    assert [len(column.nodes) for column in outer] == [1, 3]
    assert [len(column.nodes) for column in inner] == [1, 1]
    assert [column_plan(flat, k) for k in (1, 2)] == [
        ((False, False), (False, True)),
        ((False, True), (True, False)),
    ]


def test_a_skip_of_identities_keeps_no_convolution() -> None:
    flat = flatten(samples.identities())
    found = call_columns(flat, 0)
    assert [(column.branches, column.depth) for column in found] == [
        ((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 2),
    ]  # fmt: skip
    assert live_nodes(flat, column_plan(flat, 1)) == {0, flat.output}


def test_what_a_plan_leaves_live_by_networkx() -> None:
    flat = block(4)
    generator = random.Random(0)
    for _ in range(50):
        plan = local_plan(flat, Sampling(0.4), generator)
        view = flat_networkx(flat)
        for at in flat.joins:
            mask = plan[flat.nodes[at].join or 0]
            for position, source in enumerate(flat.nodes[at].inputs):
                if not mask[position]:
                    view.remove_edge(source, at, position)
        assert live_nodes(flat, plan) == nx.ancestors(view, flat.output) | {flat.output}
        for at in flat.joins:
            assert any(plan[flat.nodes[at].join or 0]) == (at in live_nodes(flat, plan))


def test_everything_live() -> None:
    flat = block(4)
    assert full_plan(flat) == ((True,) * 2, (True,) * 3, (True,) * 2, (True,) * 4)
    assert (
        live_nodes(flat, None) == live_nodes(flat, full_plan(flat)) == set(range(len(flat.nodes)))
    )


def test_local_sampling_keeps_its_rate_and_never_loses_a_join() -> None:
    flat = block(2)
    generator, rate, draws = random.Random(1), 0.3, 20_000
    seen = Counter(local_plan(flat, Sampling(rate), generator)[0] for _ in range(draws))
    expected = {
        (True, True): (1 - rate) ** 2,
        (True, False): rate * (1 - rate) + rate**2 / 2,
        (False, True): rate * (1 - rate) + rate**2 / 2,
    }
    assert set(seen) == set(expected)
    for mask, share in expected.items():
        assert abs(seen[mask] / draws - share) < 5 * sqrt(share * (1 - share) / draws)


@pytest.mark.parametrize(("columns", "share"), [(2, 0.8612), (3, 0.8480), (4, 0.8463)])
def test_expected_live_work_of_local_sampling(columns: int, share: float) -> None:
    flat = block(columns)
    generator, draws = random.Random(columns), 3000
    total = sum(
        convs(flat, live_nodes(flat, local_plan(flat, Sampling(0.15), generator)))
        for _ in range(draws)
    )
    assert abs(total / draws / (2**columns - 1) - share) < 0.015


def test_an_operand_s_own_rate_comes_before_the_net_s() -> None:
    program = block_only(2, channels=4, size=4)
    flat = flatten(program)
    (at,) = flat.joins
    nodes = list(flat.nodes)
    node = nodes[at]
    operands = (node.operands[0]._replace(rate=0.0), node.operands[1]._replace(rate=0.999))
    nodes[at] = type(node)(
        None, node.inputs, node.shape, join=node.join, operands=operands
    )  # fmt: skip
    flat = FlatProgram(flat.name, tuple(nodes), flat.outputs, flat.calls)
    plans = Counter(local_plan(flat, Sampling(0.5), random.Random(seed)) for seed in range(200))
    assert plans[((True, False),)] > 190


def test_a_choice_must_fit_its_join_and_keep_something() -> None:
    flat = block(2)
    for mask in ((True,), (False, False), (True, True, True)):
        with pytest.raises(ValueError, match="join 0 of 2 inputs"):
            resolve(flat, dict.fromkeys([0], mask).__getitem__)


def test_too_many_assignments_are_refused() -> None:
    flat = block(4)
    call = flat.calls[0]
    outputs = tuple(
        one._replace(path=(one.path[0]._replace(level=100 + at, branches=100),))
        for at, one in enumerate(call.outputs)
    )
    wide = FlatProgram(flat.name, flat.nodes, flat.outputs, (call._replace(outputs=outputs),))
    with pytest.raises(ValueError, match="more than 65536 assignments"):
        call_columns(wide, 0)
