"""Names close to a name that means nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fractal_dsl.diagnostics import Edit, Help
from fractal_dsl.source import Span

__all__ = ["did_you_mean"]


def did_you_mean(
    name: str, known: Iterable[str], kind: str, span: Span | None = None
) -> tuple[Help, ...]:
    """A help that offers the closest of the `known` names, or lists a few of them."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        edit = None if span is None else Edit(span, close[0])
        return (Help(f"did you mean `{close[0]}`?", edit),)
    if not names:
        return ()
    listed = ", ".join(f"`{one}`" for one in names[:12])
    return (Help(f"{kind}: {listed}" + (", ..." if len(names) > 12 else "")),)
