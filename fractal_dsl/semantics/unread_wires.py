"""Names of blocks that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.semantics.definitions import Resolved, free_names
from fractal_dsl.semantics.wording import warning
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["unread_wires"]


def unread_wires(resolved: Resolved) -> Iterator[Diagnostic]:
    """Names that a block binds and that what it returns does not need."""
    for node in walk(resolved.syntax):
        if isinstance(node, tree.Block):
            yield from unread_in(node)


def unread_in(block: tree.Block) -> Iterator[Diagnostic]:
    read = needed(block)
    told: set[str] = set()
    for binding in block.bindings:
        for name in binding.target.names:
            if name not in read and name not in told and not name.startswith("_"):
                told.add(name)
                message, way = f"`{name}` is never used in this block", "delete it, or use it"
                yield warning("W0107", message, binding.target.span, "not built", way)


def needed(block: tree.Block) -> set[str]:
    """Names that the result of a block reads, by way of others, too."""
    found: set[str] = set()
    waiting = list(free_names([block.result]))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        makers = [one for one in block.bindings if name in one.target.names]
        waiting.extend(free_names(makers))
    return found
