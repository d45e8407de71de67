"""Docstrings of classes: the equation they come from, where it stands, the spec's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fractal_dsl.emit.torch.text import Safe, docstring
from fractal_dsl.ir.graph import Graph

__all__ = ["class_doc"]

CALL = re.compile(r"\s*\w+\s*\((.*?)\)\s*(=|if\b)", re.DOTALL)


def class_doc(graphs: Sequence[Graph], doc: str) -> Safe:
    """The docstring of a class that `graphs` share."""
    first = graphs[0]
    text = first.equation or first.label
    labels = {graph.label for graph in graphs}
    if len(labels) > 1 and text.startswith(f"{first.label} = "):
        text = common_label(sorted(labels), first) + text[len(first.label) :]
    if first.span is not None:
        name = first.span.source.name.replace("\\", "/").rsplit("/", 1)[-1]
        text += f"    {name}:{first.span.line}"
    return docstring(f"{text}\n\n{doc}" if doc.strip() else text, 4)


def common_label(labels: Sequence[str], graph: Graph) -> str:
    """`f(3, m)` for `f(3, 16)` and `f(3, 32)`: arguments that differ by their own names."""
    rows = [arguments(label) for label in labels]
    if len({len(row) for row in rows}) != 1:
        return graph.rule
    names = parameters(graph)
    shown = []
    for at, values in enumerate(zip(*rows, strict=True)):
        named = names[at] if len(names) == len(rows[0]) else "..."
        shown.append(values[0] if len(set(values)) == 1 else named)
    return f"{graph.rule}({', '.join(shown)})"


def arguments(label: str) -> list[str]:
    """The arguments of a call such as `block(64, [1, 2])`, as texts."""
    inside = label[label.find("(") + 1 : label.rfind(")")] if "(" in label else ""
    parts, level = [""], 0
    for char in inside:
        level += (char in "([") - (char in ")]")
        if char == "," and level == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def parameters(graph: Graph) -> list[str]:
    """What the equation calls its parameters."""
    found = CALL.match(graph.span.text) if graph.span else None
    names = [part.split("=")[0].strip() for part in found[1].split(",")] if found else []
    return [name if name.isidentifier() else "..." for name in names]
