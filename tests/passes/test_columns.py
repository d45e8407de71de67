"""Columns of rules other than FractalNet's, and of many."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Call, Join, Program, Recursion
from fractal_dsl.ir.operators.elementwise import Sum
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.ir.shapes import image
from fractal_dsl.passes import columns as columns_module
from fractal_dsl.passes.column_extremes import extreme_candidates
from fractal_dsl.passes.column_space import CallSpace
from fractal_dsl.passes.columns import (
    Assignment,
    ColumnMap,
    Context,
    column_report,
    columns,
)
from fractal_dsl.reference.plans import call_columns
from fractal_dsl.source import Source
from tests.handmade import block_only, fractalnet
from tests.passes.programs import programs
from tests.passes.sketch import Flow, Library, Sketch

SHAPE = image(4, 8, 8)
THIN = Conv2d(4, 1, counted=False)


def net(library: Library, callee: int) -> Program:
    """The net that is one call, its open join closed."""
    sketch = Sketch(library, SHAPE)
    entry = sketch.finish(sketch.close(sketch.call(callee, sketch.start)), "net")
    return library.program(entry)


def looking_back(levels: int) -> Program:
    """f(n+2) = (f(n+1) >> thin) (+) (f(n) >> f(n) >> thin) (+) conv, f(2) = conv >> conv

    `thin` is a projection: without it, the joins would collapse into one of as many inputs as
    there are columns.
    """
    library = Library()
    conv = library.conv(SHAPE)
    sketch = Sketch(library, SHAPE)
    made = [sketch.finish(sketch.call(conv, sketch.start), "f(1)", Recursion("f", 1))]
    sketch = Sketch(library, SHAPE)
    twice = sketch.call(conv, sketch.call(conv, sketch.start))
    made.append(sketch.finish(twice, "f(2)", Recursion("f", 2)))
    for level in range(3, levels + 1):
        sketch = Sketch(library, SHAPE)
        one = sketch.apply(THIN, sketch.call(made[-1], sketch.start))
        two = sketch.call(made[-2], sketch.close(sketch.call(made[-2], sketch.start)))
        two = sketch.apply(THIN, two)
        flow = sketch.join(one, two, sketch.call(conv, sketch.start))
        made.append(sketch.finish(flow, f"f({level})", Recursion("f", level)))
    return net(library, made[-1])


def count_looking_back(levels: int) -> int:
    counts = [1, 1]
    while len(counts) < levels:
        counts.append(counts[-1] + counts[-2] + 1)
    return counts[levels - 1]


def test_a_rule_that_looks_back_two_steps() -> None:
    for levels in range(3, 8):
        program = looking_back(levels)
        flat = flatten(program)
        listed = columns(program).calls[0]
        slow = call_columns(flat, 0)
        assert listed.count == count_looking_back(levels) == len(slow)
        known = range(levels, 2, -1)
        branches = [tuple(dict(one).get(n, 0) for n in known) for one in listed.assignments]
        assert branches == [one.branches for one in slow]
        reports = [column_report(program, k) for k in range(1, listed.count + 1)]
        assert [(one.depth, one.macs) for one in reports] == [(c.depth, c.macs) for c in slow]


def test_a_million_columns_are_counted_and_bounded() -> None:
    program = looking_back(30)
    found = columns(program)
    (call,) = found.calls
    assert found.count == call.count == count_looking_back(30) > 1_000_000
    assert not call.is_listed
    shallow, deep = (column_report(program, k) for k in (1, found.count))
    assert call.extremes[0] == ((30, 2),) and shallow.depth == shallow.convs == 1
    depths = [1, 2]
    while len(depths) < 30:
        depths.append(max(depths[-1], 2 * depths[-2], 1))
    assert deep.depth == depths[-1]
    with pytest.raises(ValueError, match="column 2 of"):
        column_report(program, 2)
    assert column_report(program, found.count + 1).convs == deep.convs


def side_by_side(levels: int, branches: int) -> Program:
    """f(n+1) = a mean of `branches` ways conv ** k >> f(n) >> thin, for k from 0"""
    library = Library()
    conv = library.conv(SHAPE)
    sketch = Sketch(library, SHAPE)
    made = sketch.finish(sketch.call(conv, sketch.start), "f(1)", Recursion("f", 1))
    for level in range(2, levels + 1):
        sketch = Sketch(library, SHAPE)
        flows = []
        for way in range(branches):
            flow = sketch.start
            for _ in range(way):
                flow = sketch.call(conv, flow)
            flows.append(sketch.apply(THIN, sketch.call(made, flow)))
        made = sketch.finish(sketch.join(*flows), f"f({level})", Recursion("f", level))
    return net(library, made)


def test_every_level_chooses_by_itself() -> None:
    program = side_by_side(4, 3)
    assert columns(program).count == 27 == len(call_columns(flatten(program), 0))
    many = columns(side_by_side(400, 3))
    assert many.count == 3**399
    assert many.calls[0].extremes[1][0] == (400, 2)


def mutual(levels: int, branches: tuple[int, int] = (2, 3)) -> Program:
    """a(n+1) = mean of (b(n) . b(n)), conv; b(n+1) = mean of (a(n) . a(n)), wide, wide."""
    library = Library()
    convs = library.conv(SHAPE, 3), library.conv(SHAPE, 5)
    rules = []
    for name, conv in zip("ab", convs, strict=True):
        sketch = Sketch(library, SHAPE)
        flow = sketch.call(conv, sketch.start)
        rules.append(sketch.finish(flow, f"{name}(1)", Recursion("a", 1)))
    for level in range(2, levels + 1):
        made = []
        for at, name in enumerate("ab"):
            sketch = Sketch(library, SHAPE)
            other = rules[1 - at]
            deep = sketch.call(other, sketch.close(sketch.call(other, sketch.start)))
            rest = [sketch.call(convs[at], sketch.start) for _ in range(branches[at] - 1)]
            flow = sketch.join(deep, *rest)
            made.append(sketch.finish(flow, f"{name}({level})", Recursion("a", level)))
        rules = made
    sketch = Sketch(library, SHAPE)
    flow = sketch.close(sketch.call(rules[0], sketch.start))
    flow = sketch.apply(Sum(), flow, sketch.call(rules[1], sketch.start))
    return library.program(sketch.finish(sketch.close(flow), "net"))


def test_rules_that_recur_together_share_levels() -> None:
    program = mutual(4)
    flat = flatten(program)
    found = columns(program)
    slow = {at: call_columns(flat, at) for at in range(len(flat.calls))}
    assert [call.count for call in found.calls] == [len(slow[at]) for at in sorted(slow)]
    for call, at in zip(found.calls, sorted(slow), strict=True):
        levels = (4, 3, 2)
        listed = [tuple(dict(one).get(n, 0) for n in levels) for one in call.assignments]
        assert listed == [one.branches for one in slow[at]]
    assert found.count == max(call.count for call in found.calls)


def fractal_of_fractals() -> Program:
    """f(C+1, base) = (f(C, base) . f(C, base)) (+) base with base = joined(f(2, conv))"""
    library = Library()
    conv = library.conv(SHAPE)

    def level(number: int, base: int, below: int) -> int:
        sketch = Sketch(library, SHAPE)
        if number == 1:
            flow = sketch.call(base, sketch.start)
        else:
            deep = sketch.call(below, sketch.close(sketch.call(below, sketch.start)))
            flow = sketch.join(deep, sketch.call(base, sketch.start))
        return sketch.finish(flow, f"f({number})", Recursion("f", number))

    inner = level(2, conv, level(1, conv, 0))
    sketch = Sketch(library, SHAPE)
    flow = sketch.close(sketch.call(inner, sketch.start))
    base = sketch.finish(flow, "joined(f(2, conv))", None, is_closure=True)
    outer = level(3, base, level(2, base, level(1, base, 0)))
    return net(library, outer)


def test_a_fractal_of_fractals_has_columns_within_columns() -> None:
    program = fractal_of_fractals()
    found = columns(program)
    assert found.count == 3 and sorted(call.count for call in found.calls) == [2, 3]
    # Column k of the net is column k outside and column min(k, 2) inside.
    assert [column_report(program, k).convs for k in (1, 2, 3)] == [1, 2 * 2, 4 * 2]


def closed_over() -> Program:
    """f(n+1) = twice(f(n)) (+) conv, twice(e) = e >> e: the argument belongs to f."""
    library = Library()
    conv = library.conv(SHAPE)
    sketch = Sketch(library, SHAPE)
    made = sketch.finish(sketch.call(conv, sketch.start), "f(1)", Recursion("f", 1))
    for level in (2, 3):
        sketch = Sketch(library, SHAPE)
        argument = sketch.finish(
            sketch.call(made, sketch.start), f"f({level - 1})", Recursion("f", level), True
        )
        sketch = Sketch(library, SHAPE)
        flow = sketch.call(argument, sketch.close(sketch.call(argument, sketch.start)))
        twice = sketch.finish(flow, "twice")
        sketch = Sketch(library, SHAPE)
        flow = sketch.join(sketch.call(twice, sketch.start), sketch.call(conv, sketch.start))
        made = sketch.finish(flow, f"f({level})", Recursion("f", level))
    return net(library, made)


def test_arguments_belong_to_the_recursion_they_were_written_in() -> None:
    program = closed_over()
    assert columns(program).count == 3 == len(call_columns(flatten(program), 0))
    assert [column_report(program, k).convs for k in (1, 2, 3)] == [1, 2, 4]


def plain_join(branches: int, sampled: bool = True) -> Program:
    library = Library()
    conv = library.conv(SHAPE)
    sketch = Sketch(library, SHAPE)
    flows: list[Flow] = []
    for way in range(branches, 0, -1):
        flow = sketch.start
        for _ in range(way):
            flow = sketch.call(conv, flow)
        flows.append(flow)
    flow = sketch.close(sketch.join(*flows), sampled)
    return library.program(sketch.finish(flow, "net"))


def test_a_join_outside_recursion_has_its_operands_in_order() -> None:
    program = plain_join(3)
    found = columns(program)
    assert found.count == 3 and found.calls == ()
    assert [column_report(program, k).depth for k in (1, 2, 3, 4)] == [3, 2, 1, 1]


def test_a_join_out_of_global_sampling_keeps_everything() -> None:
    program = plain_join(3, sampled=False)
    assert columns(program).count == 1
    assert column_report(program, 1).convs == 6
    join = program.net.nodes[-1]
    assert isinstance(join, Join)
    mapped = ColumnMap(program)
    kept = mapped.kept(program.net, mapped.root(1), join.operands, join.branches, join.sampled)
    assert kept == (True, True, True)


def test_the_whole_net_keeps_everything_in_column_0() -> None:
    program = fractalnet(3, (8, 8))
    mapped = ColumnMap(program)
    call = program.net.nodes[1]
    assert isinstance(call, Call)
    block = program.graphs[call.callee]
    inside = mapped.enter(mapped.root(0), call.callee)
    join = block.nodes[2]
    assert isinstance(join, Join)
    kept = mapped.kept(block, inside, join.operands, join.branches)
    assert kept == (True,) * 3
    assert mapped.report(0).convs == 14


def test_contexts_that_decide_the_same_are_equal() -> None:
    program = block_only(4)
    mapped = ColumnMap(program)
    labels = {graph.label: at for at, graph in enumerate(program.graphs)}
    top = labels["f(4)"]
    deep = [mapped.enter(mapped.root(k), top) for k in (1, 2, 3, 4)]
    assert [dict(c.chosen)["f"] for c in deep] == list(mapped.columns.calls[0].assignments)
    assert len(set(deep)) == 4
    inner = mapped.enter(deep[1], labels["f(3)"])
    assert inner == Context(0, "f", (("f", ((3, 1),)),))
    assert mapped.kept_outputs(labels["f(3)"], inner) == (False, False, True)
    assert mapped.enter(inner, labels["conv"]) == Context()


def test_too_many_sets_of_live_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractal_dsl.passes.column_space.MOST_STATES", 3)
    with pytest.raises(DiagnosticError) as refused:
        columns(looking_back(12))
    assert refused.value.diagnostics[0].code == "F0308"
    assert "`f(12)`" in refused.value.diagnostics[0].message


def test_more_than_1024_columns_of_a_few_more_assignments() -> None:
    program = side_by_side(8, 3)
    call = columns(program).calls[0]
    assert call.count == 3**7 > columns_module.MOST_COLUMNS
    assert len(call.assignments) == 2
    convs = [column_report(program, k).convs for k in (1, call.count)]
    assert convs == [1, 1 + 2 * 7]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(programs(most_nodes=200))
def test_extremes_are_those_of_the_list(program: Program) -> None:
    mapped = ColumnMap(program)
    for call in mapped.columns.calls:
        space = CallSpace(mapped._edges, call.graph)
        assert call.is_listed and space.count >= call.count
        for deepest, expected in zip((False, True), call.extremes, strict=True):
            candidates = extreme_candidates(space, mapped._networks, deepest=deepest)
            sizes = [size(mapped, space, one) for one in candidates]
            best = max(sizes) if deepest else min(sizes)
            assert best == size(mapped, space, expected)


def size(mapped: ColumnMap, space: CallSpace, assignment: Assignment) -> tuple[int, int]:
    network = mapped._network(space, assignment)
    return network.depth, network.macs


def test_a_repeat_costs_nothing_to_look_at() -> None:
    library = Library()
    sketch = Sketch(library, SHAPE)
    one = sketch.finish(sketch.apply(Conv2d(4), sketch.start), "one")
    sketch = Sketch(library, SHAPE)
    ways = sketch.join(sketch.call(one, sketch.start, count=10**6), sketch.call(one, sketch.start))
    many = sketch.finish(sketch.close(ways), "many")
    sketch = Sketch(library, SHAPE)
    entry = sketch.finish(sketch.call(many, sketch.start, count=10**6), "net")
    program = library.program(entry)
    assert [column_report(program, k).convs for k in (1, 2)] == [10**12, 10**6]


def test_a_join_of_a_rule_s_own_wires_is_a_level() -> None:
    """Both branches keep the same nodes of the base case; which wire they take tells them apart."""
    program = compile_source(
        Source(
            "tree.fdl",
            "implicit channels = 2\n"
            "tree(1, x, y) = (x (+) y) >> conv\n"
            "tree(n+1, x, y) = tree(n, tree(n, x, y), x)\n"
            "net on image[2, 4, 4] = wiring(x) { return tree(3, x, x) }\n"
            "drop_path(local = 0.3)\n",
        )
    ).program
    assert ColumnMap(program).count == 2 == len(call_columns(flatten(program), 0))
