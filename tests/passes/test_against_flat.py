"""Folds over distinct graphs against the flat DAG, on random programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import isclose

from hypothesis import HealthCheck, assume, given, settings

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.ir.flatten import flatten, node_count
from fractal_dsl.ir.graph import Call, Join, Program
from fractal_dsl.passes import counts
from fractal_dsl.passes.column_plans import column_plan as fold_plan
from fractal_dsl.passes.columns import ColumnMap, Context
from fractal_dsl.passes.depth import depth, port_depths, weighted_depth
from fractal_dsl.passes.droppath import drop_points, join_counts, join_offsets
from fractal_dsl.passes.live import CONVS, MACS, Cost, LiveWork
from fractal_dsl.passes.path_lengths import path_lengths
from fractal_dsl.passes.paths import paths
from fractal_dsl.passes.receptive_field import receptive_field
from fractal_dsl.reference.plans import (
    Plan,
    call_columns,
    column_count,
    column_plan,
    live_nodes,
    node_depth,
    node_macs,
)
from tests.passes import slow
from tests.passes.programs import any_programs

many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@many
@given(any_programs())
def test_counts(program: Program) -> None:
    flat = flatten(program)
    applied = [node.attributes for node in flat.nodes if node.attributes is not None]
    assert counts.convs(program) == sum(slow.layers(node) for node in flat.nodes)
    assert counts.macs(program) == sum(node_macs(flat, at) for at in range(len(flat.nodes)))
    for which, found in (
        ("parameters", counts.parameters(program)),
        ("buffers", counts.buffers(program)),
    ):
        assert found == slow.held(flat, flat.nodes, which)
    kinds = Counter(attributes.operator for attributes in applied)
    assert counts.operators(program) == kinds
    by_kind = {kind: counts.parameters(program, kind) for kind in kinds}
    assert sum(by_kind.values()) == counts.parameters(program)
    assert counts.joins(program) == Counter(len(flat.nodes[at].operands) for at in flat.joins)
    assert counts.nodes(program) == len(flat.nodes) == node_count(program)
    assert counts.nodes(program, 3) == min(3, len(flat.nodes))
    assert counts.activation_bytes(program) == slow.activation_bytes(program)


@many
@given(any_programs())
def test_depth_and_paths(program: Program) -> None:
    flat = flatten(program)
    assert depth(program) == slow.longest(flat, slow.layers)
    assert weighted_depth(program) == slow.longest(flat, slow.weighted_layers)
    ports = port_depths(program, program.entry)
    assert len(ports) == len(flat.outputs)
    assert max(one for one in ports if one is not None) == depth(program)
    expected = slow.lengths(flat)
    assert paths(program).exact == expected.total()
    assert str(paths(program)) == str(expected.total())
    found = path_lengths(program)
    assert found is not None and found.histogram is not None
    assert dict(found.histogram) == expected
    if expected.total() < 200:
        assert slow.listed_lengths(flat) == expected
    assert (found.shortest, found.longest) == (min(expected), max(expected))
    mean = sum(n * number for n, number in expected.items()) / expected.total()
    spread = sum((n - mean) ** 2 * number for n, number in expected.items()) / expected.total()
    assert isclose(found.mean, mean) and isclose(found.variance, spread, abs_tol=1e-9)


@many
@given(any_programs())
def test_receptive_field(program: Program) -> None:
    flat = flatten(program)
    found = receptive_field(program)
    assert (found is not None) == (program.input.kind == "image")
    if found is None:
        return
    (height, down, whole), (width, right, _) = slow.field(flat, 0), slow.field(flat, 1)
    least = program.input.spatial if whole else (1, 1)
    assert (found.height, found.width) == (max(least[0], height), max(least[1], width))
    assert found.jump == (down, right)
    assert found.is_whole == whole


@many
@given(any_programs())
def test_drop_points(program: Program) -> None:
    flat = flatten(program)
    points = drop_points(program)
    labels = Counter(slow.join_labels(flat, program.net.label))
    found: Counter[tuple[str, int]] = Counter()
    rates: Counter[tuple[float | None, ...]] = Counter()
    ways: Counter[tuple[object, ...]] = Counter()
    for point in points:
        found[point.label, point.arity] += point.instances
        rates[tuple(one.rate for one in point.inputs)] += point.instances
        written = tuple(
            tuple((w.level, w.branch, w.branches) for w in i.path) for i in point.inputs
        )
        ways[written if point.sampled else ((),) * point.arity] += point.instances
    assert found == labels
    joins = [flat.nodes[at] for at in flat.joins]
    assert program.sampling is not None
    local = program.sampling.local
    assert rates == Counter(
        tuple(local if o.rate is None else o.rate for o in node.operands) for node in joins
    )
    assert ways == Counter(
        tuple(tuple((c.level, c.branch, c.branches) for c in o.path) for o in node.operands)
        for node in joins
    )


def walk(
    program: Program, column: int
) -> tuple[list[tuple[str, int]], dict[int, tuple[bool, ...]]]:
    """Down the tree of calls: each flat join by its number, and what column `column` keeps."""
    columns = ColumnMap(program)
    counted = join_counts(program)
    labels: dict[int, tuple[str, int]] = {}
    masks: dict[int, tuple[bool, ...]] = {}
    todo: list[tuple[int, Context, int]] = [(program.entry, columns.root(column), 0)]
    while todo:
        at, context, base = todo.pop()
        graph = program.graphs[at]
        for offset, node in zip(join_offsets(program, at), graph.nodes, strict=True):
            if isinstance(node, Join):
                number = base + offset
                labels[number] = graph.label, len(node.operands)
                masks[number] = columns.kept(
                    graph, context, node.operands, node.branches, node.sampled
                )
            elif isinstance(node, Call):
                inside = columns.enter(context, node.callee)
                for copy in range(node.count):
                    first = base + offset + copy * counted[node.callee]
                    todo.append((node.callee, inside, first))
    return [labels[number] for number in sorted(labels)], masks


@many
@given(any_programs(most_nodes=80))
def test_columns(program: Program) -> None:
    flat = flatten(program)
    calls = range(len(flat.calls))
    assume(all(len(flat.calls[at].outputs) < 12 for at in calls))
    columns = ColumnMap(program)
    assert columns.count == column_count(flat)
    for column in {1, 2, columns.count, columns.count + 1}:
        plan = column_plan(flat, column)
        labels, masks = walk(program, column)
        assert labels == slow.join_labels(flat, program.net.label)
        for number, mask in slow.reached(plan).items():
            assert masks[number] == mask
        live = live_nodes(flat, plan)
        report = columns.report(column)
        assert report.convs == sum(slow.layers(flat.nodes[at]) for at in live)
        assert report.macs == sum(node_macs(flat, at) for at in live)
        nodes = [flat.nodes[at] for at in live]
        assert report.parameters == slow.held(flat, nodes, "parameters")
        assert report.depth == live_depth(flat, plan, live)


@many
@given(any_programs(most_nodes=80))
def test_plans_of_columns(program: Program) -> None:
    """Alike in every join that the column reaches; what it does not reach is not computed."""
    flat = flatten(program)
    assume(all(len(flat.calls[at].outputs) < 12 for at in range(len(flat.calls))))
    columns = ColumnMap(program)
    for column in {1, 2, columns.count}:
        expected, found = column_plan(flat, column), fold_plan(columns, column)
        assert len(found) == len(expected)
        for number, mask in slow.reached(expected).items():
            assert found[number] == mask
        assert live_nodes(flat, found) == live_nodes(flat, expected)


def live_depth(flat: FlatProgram, plan: Plan, live: frozenset[int]) -> int:
    """Longest path through live nodes by edges that the plan keeps."""
    depths: dict[int, int] = {}
    for at in sorted(live):
        node = flat.nodes[at]
        inputs = node.inputs
        if node.join is not None:
            inputs = tuple(s for s, k in zip(inputs, plan[node.join], strict=True) if k)
        depths[at] = max((depths[one] for one in inputs), default=0) + node_depth(node)
    return max(depths[at] for at in flat.outputs)


@many
@given(any_programs(most_nodes=80))
def test_columns_of_each_call(program: Program) -> None:
    flat = flatten(program)
    found = {call.count for call in ColumnMap(program).columns.calls}
    listed = [
        len(call_columns(flat, at)) for at, call in enumerate(flat.calls) if call.branches is None
    ]
    assert found | {1} == set(listed) | {1}


@many
@given(any_programs(most_nodes=60))
def test_expected_live(program: Program) -> None:
    flat = flatten(program)
    assume(slow.plan_count(flat) <= 1 << 11)
    assert program.sampling is not None
    live = LiveWork(program)

    def macs(at: int) -> int:
        return node_macs(flat, at)

    def layers(at: int) -> int:
        return slow.layers(flat.nodes[at])

    measures: tuple[tuple[Cost, Callable[[int], int]], ...] = ((MACS, macs), (CONVS, layers))
    for measure, cost in measures:
        total = sum(cost(at) for at in range(len(flat.nodes)))
        if total == 0:
            assert live.expected(measure) is None
            continue
        local = slow.local_work(flat, program.sampling.local, cost) / total
        found = live.local(measure)
        assert found is not None and isclose(found, local, abs_tol=1e-12)
        columns = column_count(flat)
        kept = [live_nodes(flat, column_plan(flat, k)) for k in range(1, columns + 1)]
        share = sum(sum(map(cost, nodes)) for nodes in kept) / columns / total
        mixture = program.sampling.mixture
        expected = live.expected(measure)
        assert expected is not None
        assert isclose(expected, (1 - mixture) * local + mixture * share, abs_tol=1e-12)
