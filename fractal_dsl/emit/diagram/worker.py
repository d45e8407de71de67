"""The child process in which Graphviz runs, so that it may hang, grow or crash.

Standard input: one JSON object. Standard output: the result, bytes. Run by `render`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

__all__ = ["MISSING", "layout", "main", "paint"]

MISSING = 3
"""Exit status where pygraphviz is not installed."""


def main() -> int:
    request = json.load(sys.stdin.buffer)
    _limit_memory(request["memory"])
    try:
        import pygraphviz  # type: ignore[import-untyped]  # noqa: F401
    except ModuleNotFoundError:
        return MISSING
    answer = layout(request["dot"]) if request["task"] == "layout" else paint(**request["paint"])
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    return 0


def _limit_memory(most: int) -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def layout(dot: str) -> bytes:
    """Positions that Graphviz's `dot` gives: nodes by name, edges by key, and the page's size."""
    from pygraphviz import AGraph

    graph: Any = AGraph(string=dot)
    graph.layout(prog="dot")
    found = {
        "page": graph.graph_attr["bb"],
        "nodes": {str(node): node.attr["pos"] for node in graph.nodes()},
        "edges": {
            edge.attr["id"]: [edge.attr["pos"], edge.attr["lp"] or ""] for edge in graph.edges()
        },
    }
    return json.dumps(found).encode()


def paint(dot: str, form: str, dpi: float) -> bytes:
    """A graph whose parts all have positions, in format `form`."""
    from pygraphviz import AGraph

    graph: Any = AGraph(string=dot)
    if form == "png":
        graph.graph_attr["dpi"] = f"{dpi:g}"
    data: bytes = graph.draw(format=form, prog="nop2")
    return data


if __name__ == "__main__":
    sys.exit(main())
