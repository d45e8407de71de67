"""Every count of one block and of the paper's nets, from the text of the rule itself.

Expected numbers are written out or come from a closed form; each count is taken twice, by the
compiler's fold over distinct graphs and by networkx on the flat DAG.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import networkx as nx
import pytest

from fractal_dsl import compile as compile_spec
from fractal_dsl.ir.operators.layers import Conv2d

RULE = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
"""
BLOCK = RULE + "param C = 4\nnet = f(C)\n"
NET = (
    RULE
    + """
param C = 3
param widths = [64, 128, 256, 512, 512]
block(channels) = f(C) >> max_pool(2)
net Net(classes = 10) on image[3, 32, 32] = chain(block(w) for w in widths) >> linear(classes)
"""
)
PATHS = {1: 1, 2: 2, 3: 5, 4: 26, 5: 677, 6: 458330}
ARITIES = {
    1: [],
    2: [2],
    3: [2, 3],
    4: [2, 3, 2, 4],
    5: [2, 3, 2, 4, 2, 3, 2, 5],
}


def arities(columns: int) -> list[int]:
    """In order: one half's, and again, where the last join takes the outer column too."""
    if columns == 1:
        return []
    half = arities(columns - 1)
    return [*half, *half[:-1], columns] if half else [2]


def path_count(columns: int) -> int:
    """P(1) = 1, P(C+1) = P(C)^2 + 1"""
    number = 1
    for _ in range(columns - 1):
        number = number**2 + 1
    return number


@pytest.mark.parametrize("c", ARITIES)
def test_the_closed_forms_are_the_table(c: int) -> None:
    assert arities(c) == ARITIES[c]
    assert {c: path_count(c) for c in PATHS} == PATHS


@pytest.mark.parametrize("c", range(1, 15))
def test_the_reports_of_a_block(c: int) -> None:
    report = compile_spec(BLOCK, C=c).report
    assert (report.depth, report.convs) == (2 ** (c - 1), 2**c - 1)
    assert sum(report.joins.values()) == (2 ** (c - 2) if c > 1 else 0)
    assert report.joins == Counter(arities(c))
    assert str(report.paths) == str(path_count(c))
    assert report.column_count == c
    assert [column.depth for column in report.columns] == [2**k for k in range(c)]
    assert [column.convs for column in report.columns] == [2**k for k in range(c)]


@pytest.mark.parametrize("c", range(1, 15))
def test_the_flat_graph_of_a_block(c: int) -> None:
    graph: Any = compile_spec(BLOCK, C=c).networkx()
    order = list(nx.topological_sort(graph))
    nodes = {at: graph.nodes[at]["node"] for at in order}
    convs = {at for at in order if isinstance(nodes[at].attributes, Conv2d)}
    assert len(convs) == 2**c - 1
    joined = sorted((nodes[at].join, len(nodes[at].operands)) for at in order if nodes[at].operands)
    assert [arity for _, arity in joined] == arities(c)
    assert nx.is_directed_acyclic_graph(graph)
    (source,) = (at for at in order if graph.in_degree(at) == 0)
    (sink,) = (at for at in order if graph.out_degree(at) == 0)
    readers = set(graph.successors(source))
    assert readers <= convs
    assert len(readers) == c
    longest, paths = {source: 0}, {source: 1}
    for at in order[1:]:
        before = [origin for origin, _, _ in graph.in_edges(at, keys=True)]
        longest[at] = max(longest[one] for one in before) + (at in convs)
        paths[at] = sum(paths[one] for one in before)
    assert longest[sink] == 2 ** (c - 1)
    assert paths[sink] == path_count(c)


@pytest.mark.parametrize(
    ("c", "parameters"),
    list(enumerate([258292, 847716, 2125204, 4778820, 10184692, 21095076], start=1)),
)
def test_parameters_of_the_papers_table_3(c: int, parameters: int) -> None:
    report = compile_spec(NET, C=c, classes=100, widths=[16, 32, 64, 128, 128]).report
    assert report.parameters == parameters
    assert (report.depth, report.weighted_depth) == (5 * 2 ** (c - 1), 5 * 2 ** (c - 1) + 1)


@pytest.mark.parametrize(
    ("c", "classes", "parameters"), [(3, 10, 33724618), (3, 100, 33770788), (4, 10, 76106634)]
)
def test_parameters_of_the_wide_nets(c: int, classes: int, parameters: int) -> None:
    assert compile_spec(NET, C=c, classes=classes).report.parameters == parameters


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_parameters_are_those_of_the_module(c: int) -> None:
    """torch counts them, for widths that a test can afford."""
    compiled = compile_spec(NET, C=c, classes=100, widths=[16, 32, 64, 128, 128])
    module = compiled.module()()
    assert sum(one.numel() for one in module.parameters()) == compiled.report.parameters


def test_multiply_adds_of_the_cifar_net() -> None:
    report = compile_spec(NET).report
    assert report.macs == 845_222_912  # 845.2 M
    shares = [column.macs / report.macs for column in report.columns]
    assert [round(share, 4) for share in shares] == [0.0803, 0.2701, 0.6497]
