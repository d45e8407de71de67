"""`a @ b` where `b` is a wire: it names a part, and whoever knows Python expects a product."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.semantics.definitions import Resolved
from fractal_dsl.semantics.wording import warning
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import children

__all__ = ["tags_of_wires"]


def tags_of_wires(resolved: Resolved) -> Iterator[Diagnostic]:
    """Tags with the name of a wire in scope. What makes a wire may have its name."""
    waiting: list[tuple[tree.Node, frozenset[str]]] = [
        (statement, frozenset()) for statement in reversed(resolved.syntax.statements)
    ]
    while waiting:
        node, wires = waiting.pop()
        match node:
            case tree.Wiring(names=names):
                wires = wires.union(names)
            case tree.Block(bindings=bindings):
                wires = wires.union(*(one.target.names for one in bindings))
            case tree.Binding(target=target):
                wires = wires.difference(target.names)
            case tree.Tag(name=name) if name in wires:
                yield named_like_a_wire(node)
        waiting.extend((child, wires) for child in reversed(children(node)))


def named_like_a_wire(tag: tree.Tag) -> Diagnostic:
    return warning(
        "W0108",
        f"`@{tag.name}` names a part and does not read `{tag.name}`",
        tag.name_span,
        "a wire has this name, too",
        f"to compute with `{tag.name}` put a join or an operator between the two; "
        "to name a part choose a name that no wire has",
    )
