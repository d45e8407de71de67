"""The flat DAG: order, keys, operand paths, counts; networkx as the second opinion."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import prod

import networkx as nx
import pytest

from fractal_dsl.ir.flat import Choice, FlatProgram
from fractal_dsl.ir.flatten import flat_networkx, flatten, node_count
from fractal_dsl.ir.graph import Graph, Join, Operand, Program, Ref
from fractal_dsl.ir.operators import spec_of
from fractal_dsl.ir.operators.layers import Conv2d
from tests.handmade import block_only, fractalnet
from tests.ir import samples

ARITIES = {1: [], 2: [2], 3: [2, 3], 4: [2, 3, 2, 4], 5: [2, 3, 2, 4, 2, 3, 2, 5]}
PAPER = (16, 32, 64, 128, 128)


def keys(flat: FlatProgram) -> list[str]:
    return [node.key for node in flat.nodes if isinstance(node.attributes, Conv2d)]


def arities(flat: FlatProgram) -> list[int]:
    return [len(flat.nodes[at].operands) for at in flat.joins]


def parameters(flat: FlatProgram) -> int:
    total = 0
    for node in flat.nodes:
        if node.attributes is not None:
            shapes = [flat.nodes[source].shape for source in node.inputs]
            held = spec_of(node.attributes).parameters(node.attributes, shapes)
            total += sum(prod(tensor.shape) for tensor in held)
    return total


def longest(flat: FlatProgram) -> int:
    """Depth by networkx: the longest path, a convolution's edges weighing one."""
    view = flat_networkx(flat)
    for source, target, key in view.edges(keys=True):
        counted = isinstance(flat.nodes[target].attributes, Conv2d)
        view.edges[source, target, key]["layers"] = int(counted)
    return int(nx.dag_longest_path_length(view, weight="layers"))


@pytest.mark.parametrize("columns", range(1, 9))
def test_counts_of_one_block(columns: int) -> None:
    flat = flatten(block_only(columns, channels=4, size=4))
    assert len(keys(flat)) == 2**columns - 1
    assert len(flat.joins) == (2 ** (columns - 2) if columns > 1 else 0)
    assert longest(flat) == 2 ** (columns - 1)
    assert sum(node.inputs == (0,) for node in flat.nodes) == columns
    if columns in ARITIES:
        assert arities(flat) == ARITIES[columns]
    else:
        half = arities(flatten(block_only(columns - 1, channels=4, size=4)))
        assert arities(flat) == half + half[:-1] + [columns]


@pytest.mark.parametrize("columns", range(1, 9))
def test_paths_counted_on_the_flat_dag(columns: int) -> None:
    flat = flatten(block_only(columns, channels=4, size=4))
    paths = [1]
    for node in flat.nodes[1:]:
        paths.append(sum(paths[source] for source in node.inputs))
    expected = 1
    for _ in range(columns - 1):
        expected = expected**2 + 1
    assert paths[flat.output] == expected


@pytest.mark.parametrize(
    ("columns", "widths", "classes", "total"),
    [
        *[
            (columns, PAPER, 100, total)
            for columns, total in enumerate(
                (258_292, 847_716, 2_125_204, 4_778_820, 10_184_692, 21_095_076), start=1
            )
        ],
        (3, (64, 128, 256, 512, 512), 10, 33_724_618),
        (3, (64, 128, 256, 512, 512), 100, 33_770_788),
        (4, (64, 128, 256, 512, 512), 10, 76_106_634),
    ],
)
def test_parameter_totals(columns: int, widths: tuple[int, ...], classes: int, total: int) -> None:
    assert parameters(flatten(fractalnet(columns, widths, classes))) == total


def sample_programs() -> list[Program]:
    return [make() for make in samples.ALL] + [fractalnet(c, (4, 8), size=8) for c in (1, 2, 3, 5)]


@pytest.mark.parametrize("program", sample_programs(), ids=lambda program: program.name)
def test_the_order_is_topological_and_everything_is_used(program: Program) -> None:
    flat = flatten(program)
    view = flat_networkx(flat)
    assert all(source < target for source, target in view.edges())
    assert nx.is_directed_acyclic_graph(view)
    assert nx.ancestors(view, flat.output) | {flat.output} == set(view)
    assert list(nx.lexicographical_topological_sort(view)) == list(view)
    assert [node.join for node in flat.nodes if node.join is not None] == list(
        range(len(flat.joins))
    )
    for at in view:
        edges = sorted((key, source) for source, _, key in view.in_edges(at, keys=True))
        assert tuple(source for _, source in edges) == flat.nodes[at].inputs
        assert view.nodes[at]["node"] is flat.nodes[at]


@pytest.mark.parametrize("program", sample_programs(), ids=lambda program: program.name)
def test_the_count_needs_no_flattening(program: Program) -> None:
    assert node_count(program) == len(flatten(program).nodes)


def test_the_count_of_what_nobody_could_flatten() -> None:
    # a level adds the two below and one conv of three nodes; every second level opens a join
    convs, joins = 2**60 - 1, 2**58
    assert node_count(block_only(60)) == 1 + 3 * convs + joins


def test_keys_are_distinct_and_read_like_the_spec() -> None:
    flat = flatten(fractalnet(3, (4, 8), size=8))
    held = keys(flat)
    assert len(set(held)) == len(held) == 14
    assert held[:4] == [
        "block.0.f.f_1.f_1.conv.conv2d",
        "block.0.f.f_1.f_2.conv.conv2d",
        "block.0.f.f_1.conv.conv2d",
        "block.0.f.f_2.f_1.conv.conv2d",
    ]
    assert flat.nodes[1].calls == ("block(4)", "f(3)", "f(2)", "f(1)", "conv")
    assert flat.nodes[-1].key == "linear"


def test_keys_of_repeats_inline_calls_and_tags() -> None:
    flat = flatten(samples.repeats())
    inside = [f"{name}.3.7.{turn}" for turn in (0, 1) for name in ("a", "b")]
    assert keys(flat) == [
        "unit.1.conv2d",
        "unit.2.conv2d",
        *(f"{inside[0]}.{copy}.conv2d" for copy in (0, 1)),
        f"{inside[1]}.5",
        *(f"{inside[2]}.{copy}.conv2d" for copy in (0, 1)),
        f"{inside[3]}.5",
        "head.conv2d",
    ]
    assert [one.inputs for one in flat.nodes[1:]] == [(at,) for at in range(len(flat.nodes) - 1)]


def test_paths_of_operands_go_outermost_first() -> None:
    flat = flatten(block_only(4, channels=4, size=4))
    last = flat.nodes[flat.joins[-1]]
    assert [operand.path for operand in last.operands] == [
        (Choice(0, 4, 0, 2), Choice(0, 3, 0, 2), Choice(0, 2, 0, 2)),
        (Choice(0, 4, 0, 2), Choice(0, 3, 0, 2), Choice(0, 2, 1, 2)),
        (Choice(0, 4, 0, 2), Choice(0, 3, 1, 2)),
        (Choice(0, 4, 1, 2),),
    ]
    assert [operand.source for operand in last.operands] == list(last.inputs)


def test_every_top_level_call_has_a_number() -> None:
    flat = flatten(fractalnet(3, (4, 8), size=8))
    assert [call.label for call in flat.calls] == ["f(3)", "f(3)"]
    for number, call in enumerate(flat.calls):
        inside = [flat.nodes[at] for at in range(call.start, call.stop)]
        assert {node.calls[1] for node in inside} == {"f(3)"}
        assert sum(isinstance(node.attributes, Conv2d) for node in inside) == 7
        assert len(call.outputs) == 3 and call.branches is None
        closing = flat.nodes[call.stop]
        assert closing.operands == call.outputs
        assert {choice.call for one in closing.operands for choice in one.path} == {number}


def test_a_join_outside_recursion_has_a_number_of_its_own() -> None:
    flat = flatten(samples.plain_join())
    first, second = (flat.nodes[at].operands for at in flat.joins)
    assert [one.path for one in first] == [(Choice(0, None, at, 3),) for at in range(3)]
    assert [one.path for one in second] == [(Choice(1, None, at, 3),) for at in range(3)]
    assert [call.branches for call in flat.calls] == [3, 3]


def test_an_operand_that_passed_each_keeps_its_origin() -> None:
    flat = flatten(samples.each())
    (at,) = flat.joins
    assert [one.path for one in flat.nodes[at].operands] == [
        (Choice(0, None, number, 3),) for number in range(3)
    ]
    assert flat.nodes[at].inputs == (4, 5, 6)


def test_a_closure_chooses_with_the_rule_it_was_written_in() -> None:
    flat = flatten(samples.closures())
    chosen = Counter(
        (choice.call, choice.level)
        for at in flat.joins
        for operand in flat.nodes[at].operands
        for choice in operand.path
    )
    assert [call.label for call in flat.calls] == ["f(2)"]
    # at level 2 two closures with two operands; at level 1 as many in each of those two
    assert chosen == {(0, 2): 4, (0, 1): 8}


def test_a_call_of_the_same_rule_from_a_plain_rule_starts_anew() -> None:
    program = samples.identities()
    again = samples.closed("net", samples.call(3, 0, "a"), samples.call(3, 1, "b"))
    graphs = (*program.graphs[:-1], replace(program.graphs[-1], label="plain"), again)
    flat = flatten(replace(program, graphs=graphs, entry=len(graphs) - 1))
    assert [(call.label, call.branches) for call in flat.calls] == [("f(2)", None)] * 2
    assert [flat.nodes[at].operands[0].path[0].call for at in flat.joins] == [0, 1]


def test_rates_come_through_open_calls_unless_set_here() -> None:
    program = samples.plain_join()
    pair, net = program.graphs
    outputs = tuple(replace(one, rate=0.5) for one in pair.outputs)
    nodes = list(net.nodes)
    closing = nodes[2]
    assert isinstance(closing, Join)
    nodes[2] = replace(
        closing, operands=(replace(closing.operands[0], rate=0.25), *closing.operands[1:])
    )
    graphs = (replace(pair, outputs=outputs), replace(net, nodes=tuple(nodes)))
    flat = flatten(replace(program, graphs=graphs))
    assert [one.rate for one in flat.nodes[flat.joins[0]].operands] == [0.25, 0.5, 0.5]


def test_a_join_taken_out_of_global_sampling_offers_no_choice() -> None:
    program = samples.plain_join()
    net = program.graphs[1]
    nodes = tuple(
        replace(node, sampled=False) if isinstance(node, Join) else node for node in net.nodes
    )
    flat = flatten(replace(program, graphs=(program.graphs[0], replace(net, nodes=nodes))))
    assert all(one.path == () for at in flat.joins for one in flat.nodes[at].operands)


def test_thousands_of_nested_calls_need_no_recursion() -> None:
    graphs = [samples.closed("g0", samples.layer(0, "a"))]
    graphs += [samples.closed(f"g{n}", samples.call(n - 1, 0, "a")) for n in range(1, 1500)]
    flat = flatten(samples.program(*graphs))
    assert [len(node.calls) for node in flat.nodes] == [0, 1499]
    identity = Graph("id", "id", graphs[0].nodes[:1], (Operand(Ref(0)),))
    assert flatten(samples.program(identity)).output == 0


def test_four_thousand_convolutions_take_less_than_a_second() -> None:
    program = block_only(12, channels=4, size=4)
    start = time.process_time()
    flat = flatten(program)
    assert time.process_time() - start < 1
    assert len(keys(flat)) == 4095
    assert all(one < other for one, other in pairwise(flat.joins))
