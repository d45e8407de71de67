"""Names of blocks and inputs of wirings that nothing reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.semantics.definitions import Resolved, free_names
from fractal_dsl.semantics.wording import name_in, warning
from fractal_dsl.source import Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["unread_wires"]


def unread_wires(resolved: Resolved) -> Iterator[Diagnostic]:
    """Names that a block binds, or a wiring gives it, and that what it returns does not need."""
    for node in walk(resolved.syntax):
        match node:
            case tree.Block(bindings=bindings):
                targets = (one.target for one in bindings)
                bound = ((name, target.span) for target in targets for name in target.names)
                yield from unread(bound, node, "block", "not built", "delete it, or use it")
            case tree.Wiring(names=names, block=block):
                inputs = ((name, name_in(node.span, name)) for name in names)
                way = "use it, or let its name begin with `_`"
                yield from unread(inputs, block, "wiring", "comes in for nothing", way)


def unread(
    names: Iterable[tuple[str, Span]], block: tree.Block, where: str, label: str, way: str
) -> Iterator[Diagnostic]:
    read, told = needed(block), set[str]()
    for name, span in names:
        if name not in read and name not in told and not name.startswith("_"):
            told.add(name)
            message = f"`{name}` is never used in this {where}"
            yield warning("W0107", message, span, label, way)


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
