"""Over the nodes of a syntax tree, without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from fractal_dsl.syntax.tree import Node, Program

__all__ = ["children", "walk"]


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order written."""
    found: list[Node] = []
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(item for item in value if isinstance(item, Node))
    return tuple(found)


def walk(root: Node | Program) -> Iterator[Node]:
    """Every node from `root` down, each before what is below it, in the order written."""
    waiting: list[Node] = [root] if isinstance(root, Node) else [*reversed(root.statements)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
