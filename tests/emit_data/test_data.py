"""JSON and GraphML hold the program, and can be read back."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import networkx as nx
import pytest

from fractal_dsl.emit.data import VERSION, to_graphml, to_json
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.graph import Apply, Graph, Input, Join, Operand, Program, Ref, Segment
from fractal_dsl.ir.operators.pooling import MaxPool
from fractal_dsl.ir.shapes import image
from tests.emit_diagram.pictures import SHAPE, net, row
from tests.handmade import block_only, fractalnet, with_sampling

NET = with_sampling(fractalnet(4, (16, 32)))


def read(program: Program) -> nx.MultiDiGraph[str]:
    return nx.MultiDiGraph(nx.read_graphml(BytesIO(to_graphml(program).encode())))


def kinds(program: Program) -> list[str]:
    return [
        node["kind"] for graph in json.loads(to_json(program))["graphs"] for node in graph["nodes"]
    ]


def test_json_says_what_it_is() -> None:
    document = json.loads(to_json(NET))
    assert document["format"] == "fractalc-program"
    assert document["version"] == VERSION == 1
    assert document["input"] == {"kind": "image", "sizes": [3, 32, 32]}
    assert document["sampling"]["local"] == 0.15
    assert document["entry"] == len(document["graphs"]) - 1 == NET.entry


def test_json_lists_several_inputs_and_outputs() -> None:
    one, other = image(3, 8, 8), image(5, 4, 4)
    outputs = (Operand(Ref(1)), Operand(Ref(0)), Operand(Ref(1)))
    graph = Graph("net", "net", (Input(one), Input(other)), outputs)
    document = json.loads(to_json(Program("Net", (graph,), 0)))
    assert [shape["sizes"] for shape in document["input"]] == [[3, 8, 8], [5, 4, 4]]
    assert [shape["sizes"] for shape in document["output"]] == [[5, 4, 4], [3, 8, 8], [5, 4, 4]]


def test_json_has_every_graph_and_node() -> None:
    document = json.loads(to_json(NET))
    for graph, written in zip(NET.graphs, document["graphs"], strict=True):
        assert written["label"] == graph.label
        assert len(written["nodes"]) == len(graph.nodes)
        for node, entry in zip(graph.nodes, written["nodes"], strict=True):
            assert [tuple(ref) for ref in entry["inputs"]] == list(node.inputs)
            assert len(entry["shapes"]) == len(node.shapes)
    assert set(kinds(NET)) == {"input", "operator", "call", "join"}


def instance_parameters(document: Any) -> int:
    """Parameters of the whole net, from nothing but the document."""
    totals: list[int] = []
    for graph in document["graphs"]:
        total = 0
        for node in graph["nodes"]:
            for tensor in node.get("parameters", ()):
                size = 1
                for edge in tensor["shape"]:
                    size *= edge
                total += size
            if node["kind"] == "call":
                total += node["count"] * totals[node["callee"]]
        totals.append(total)
    return totals[int(document["entry"])]


@pytest.mark.parametrize(
    ("columns", "parameters"), [(1, 258_292), (2, 847_716), (3, 2_125_204), (4, 4_778_820)]
)
def test_the_papers_parameter_counts_follow_from_the_json(columns: int, parameters: int) -> None:
    program = fractalnet(columns, (16, 32, 64, 128, 128), classes=100)
    assert instance_parameters(json.loads(to_json(program))) == parameters


def test_operands_keep_branch_and_origin() -> None:
    document = json.loads(to_json(block_only(3)))
    top = next(graph for graph in document["graphs"] if graph["label"] == "f(3)")
    assert [operand["branch"] for operand in top["outputs"]] == [0, 0, 1]
    assert top["outputs"][0]["origin"] is not None
    assert top["outputs"][2]["origin"] is None
    assert top["recursion"] == {"group": "f", "level": 3}


def test_json_holds_what_it_has_no_sign_for() -> None:
    endless = Apply(MaxPool(2, (2, 2)), (Ref(0),), image(8, 8, 8), Segment("max_pool"))
    document = json.loads(to_json(net([Input(SHAPE), endless], "Net")))
    assert document["graphs"][0]["nodes"][1]["attributes"]["stride"] == [2, 2]


def test_graphml_is_the_flat_dag() -> None:
    flat = flatten(NET)
    graph = read(NET)
    assert graph.number_of_nodes() == len(flat.nodes)
    assert graph.number_of_edges() == sum(len(node.inputs) for node in flat.nodes)
    assert nx.is_directed_acyclic_graph(graph)
    assert {f"n{at}" for at in flat.joins} == {
        name for name in graph if graph.nodes[name]["kind"] == "join"
    }
    assert graph.nodes["n1"]["key"] == flat.nodes[1].key
    assert json.loads(graph.nodes["n1"]["attributes"])["channels"] == 16


def test_graphml_keeps_two_equal_inputs_and_their_order() -> None:
    twice = Join((Operand(Ref(0), 0), Operand(Ref(0), 1)), SHAPE, 2)
    graph = read(net([Input(SHAPE), twice], "Twice"))
    assert graph.number_of_edges() == 2
    assert sorted(facts["port"] for _, _, facts in graph.edges(data=True)) == [0, 1]


@pytest.mark.parametrize("text", ['"</data><node id="x"/>', "<!--", "&amp;]]>", "\x00\x1b", "é×"])
def test_no_text_breaks_out(text: str) -> None:
    program = replace(row([text]), doc=text)
    plain = read(row(["part"]))
    graph = read(program)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (
        plain.number_of_nodes(),
        plain.number_of_edges(),
    )
    assert json.loads(to_json(program))["graphs"][0]["label"] == text
