"""The networkx view of one graph, and the text that `dump` prints."""

from __future__ import annotations

import networkx as nx
import pytest

from fractal_dsl.ir.graph import Graph, HeadParameter, Input, Join, Operand, Ref, Sampling
from fractal_dsl.ir.text import print_program
from fractal_dsl.ir.view import networkx_view
from tests.handmade import block_only, fractalnet
from tests.ir import samples

TEXT = """\
program Sample: image[2, 4, 4] -> image[2, 4, 4]

graph 0 unit
  %0 = input : image[2, 4, 4]
  %1 = conv2d(channels=2) (%0) as conv2d : image[2, 4, 4]
  return %1

graph 1 (unit ** 2) >> b
  %0 = input : image[2, 4, 4]
  %1 = call 0 unit (%0) x 2 as a : image[2, 4, 4]
  %2 = conv2d(channels=2) (%1) as b.5 : image[2, 4, 4]
  return %2

graph 2 twice
  %0 = input : image[2, 4, 4]
  %1 = call 1 (unit ** 2) >> b (%0) x 2 inline as x.7 : image[2, 4, 4]
  %2 = relu (%1) as relu : image[2, 4, 4]
  return %2

graph 3 net (entry)
  %0 = input : image[2, 4, 4]
  %1 = call 0 unit (%0) x 2 from 1 as unit : image[2, 4, 4]
  %2 = call 2 twice (%1) from 3 inline as y : image[2, 4, 4]
  %3 = call 0 unit (%2) as unit_2 @head : image[2, 4, 4]
  return %3
"""

LEVEL = """\
graph 4 f(2) (open, recursion f level 2)    f(C+1) = (f(C) . f(C)) (+) conv
  %0 = input : image[3, 4, 4]
  %1 = call 1 f(1) (%0) as f_1 : image[4, 4, 4]
  %2 = call 3 f(1) (%1) as f_2 : image[4, 4, 4]
  %3 = call 0 conv (%0) as conv : image[4, 4, 4]
  return %2 branch 0 of 2, %3 branch 1 of 2
"""


@pytest.mark.parametrize("graph", [block_only(4).graphs[-2], samples.each().net])
def test_the_view_has_an_edge_for_every_input(graph: Graph) -> None:
    view = networkx_view(graph)
    assert list(view) == list(range(len(graph.nodes)))
    assert nx.is_directed_acyclic_graph(view)
    found = {(s, t, key): data["port"] for s, t, key, data in view.edges(keys=True, data=True)}
    assert found == {
        (ref.node, at, position): ref.port
        for at, node in enumerate(graph.nodes)
        for position, ref in enumerate(node.inputs)
    }
    assert all(view.nodes[at]["node"] is node for at, node in enumerate(graph.nodes))


def test_one_value_used_twice_makes_two_edges() -> None:
    shape = samples.SHAPE
    both = Join((Operand(Ref(0), 0), Operand(Ref(0), 1)), shape, 2)
    graph = samples.closed("twice", both)
    assert networkx_view(graph).number_of_edges(0, 1) == 2


def test_the_text_of_repeats() -> None:
    assert print_program(samples.repeats()) == TEXT


def test_the_text_of_an_open_join() -> None:
    assert LEVEL in print_program(block_only(2, channels=4, size=4))


def test_the_text_says_what_the_program_says_beside_its_graphs() -> None:
    program = fractalnet(2, (4,), size=8, sampling=Sampling(0.15, 0.5))
    heads = (HeadParameter("classes", 10, (2,), "features"),)
    program = type(program)(
        program.name, program.graphs, program.entry, program.sampling, "", heads
    )  # fmt: skip
    lines = print_program(program).splitlines()
    assert lines[1] == "  argument classes = 10, node %2"
    assert lines[2] == "  drop_path local=0.15, mixture=0.5"


def test_every_node_has_a_line() -> None:
    program = samples.closures()
    lines = print_program(program).splitlines()
    nodes = [node for graph in program.graphs for node in graph.nodes]
    assert sum(" = " in line and line.startswith("  %") for line in lines) == len(nodes)
    assert sum(line.endswith("= input : image[2, 4, 4]") for line in lines) == sum(
        isinstance(node, Input) for node in nodes
    )
    assert any("closure" in line for line in lines)
