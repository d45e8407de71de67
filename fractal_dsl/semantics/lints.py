"""Things that are right and yet worth a word."""

from __future__ import annotations

from collections.abc import Iterator

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.semantics.definitions import AnyName, Resolved
from fractal_dsl.semantics.series_in_sums import series_in_sums
from fractal_dsl.semantics.shadowing import shadowed_names
from fractal_dsl.semantics.tags_of_wires import tags_of_wires
from fractal_dsl.semantics.unread import unread_parameters, unread_params, unused_definitions
from fractal_dsl.semantics.unread_wires import unread_wires
from fractal_dsl.semantics.wording import warning
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.walk import walk

__all__ = ["lints"]


def lints(resolved: Resolved) -> Iterator[Diagnostic]:
    """Of the file that is compiled; those of imported files are for whoever checks them."""
    yield from compositions(resolved)
    yield from series_in_sums(resolved)
    yield from unused_definitions(resolved)
    yield from shadowed_names(resolved.names)
    yield from unread_params(resolved)
    yield from unread_parameters(resolved)
    yield from unread_wires(resolved)
    yield from tags_of_wires(resolved)
    yield from unused_imports(resolved)


def compositions(resolved: Resolved) -> Iterator[Diagnostic]:
    """`a . b` applies b first; where the sides differ, `>>` says so more plainly."""
    for statement in resolved.syntax.statements:
        if isinstance(statement, tree.Assertion):
            continue
        for node in walk(statement):
            if not isinstance(node, tree.Compose):
                continue
            texts = ["".join(item.span.text.split()) for item in node.items]
            if any(text != texts[0] for text in texts):
                first, last = texts[-1], texts[0]
                yield warning(
                    "W0101",
                    "the right side of `.` comes first",
                    node.span,
                    f"`{first}` comes first, `{last}` last",
                    f"write `{' >> '.join(reversed(texts))}` to read it left to right",
                )


def unused_imports(resolved: Resolved) -> Iterator[Diagnostic]:
    """Names that are imported for nothing; `b` of `import ... as b` if no `b::` is written."""
    names = [node for node in walk(resolved.syntax) if isinstance(node, AnyName)]
    used = {f"{n.module}::" if isinstance(n, tree.Qualified) else n.name for n in names}
    for one in resolved.names.imported:
        if one.name not in used:
            message = f"`{one.name.removesuffix('::')}` is imported and never used"
            yield warning("W0105", message, one.span, "nothing here reads it", "delete it")
