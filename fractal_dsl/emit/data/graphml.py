"""The flat network as GraphML, through networkx: every instance a node.

Nodes have `kind` ("input", "operator" or "join"), `operator`, `attributes` (JSON), `shape`,
`key` (the state-dict prefix of its weights), `calls` (labels on the way from the net, joined
by " / ") and `tag`; joins have `join`, their number in data-flow order. An edge has `port`,
its position among the inputs of its head. What a node has not, it has as an empty string;
only `join` is left out.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import networkx as nx

from fractal_dsl.ir.flat import FlatNode
from fractal_dsl.ir.flatten import flat_networkx, flatten
from fractal_dsl.ir.graph import Program

__all__ = ["to_graphml"]


def to_graphml(program: Program) -> str:
    """The flat DAG of `program`, as `networkx.read_graphml` reads it; size is that of the DAG."""
    flat = flatten(program)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=_text(program.name))
    for at, node in enumerate(flat.nodes):
        graph.add_node(f"n{at}", **_facts(node))
    for source, target, port in flat_networkx(flat).edges(keys=True):
        graph.add_edge(f"n{source}", f"n{target}", port=port)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(nx.generate_graphml(graph)) + "\n"


def _facts(node: FlatNode) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "kind": _kind(node),
        "operator": node.attributes.operator if node.attributes else "",
        "attributes": json.dumps(asdict(node.attributes)) if node.attributes else "",
        "shape": str(node.shape),
        "key": _text(node.key),
        "calls": _text(" / ".join(node.calls)),
        "tag": _text(node.tag or ""),
    }
    return facts if node.join is None else {**facts, "join": node.join}


def _kind(node: FlatNode) -> str:
    if node.join is not None:
        return "join"
    return "operator" if node.attributes else "input"


def _text(text: str) -> str:
    """`text` without characters that XML cannot hold."""
    return "".join(char if char.isprintable() or char == " " else "?" for char in text)
