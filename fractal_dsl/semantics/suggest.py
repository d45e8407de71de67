"""Names close to a name that means nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fractal_dsl.diagnostics import Edit, Help
from fractal_dsl.source import Span

__all__ = ["closest", "did_you_mean"]

LEAST_STEM = 3  # letters that two names must begin with alike to be close


def did_you_mean(
    name: str, known: Iterable[str], kind: str, span: Span | None = None
) -> tuple[Help, ...]:
    """A help that offers the closest of the `known` names, or lists a few of them."""
    names = sorted(set(known))
    close = closest(name, names)
    if close is not None:
        edit = None if span is None else Edit(span, close)
        return (Help(f"did you mean `{close}`?", edit),)
    if not names:
        return ()
    listed = ", ".join(f"`{one}`" for one in names[:12])
    return (Help(f"{kind}: {listed}" + (", ..." if len(names) > 12 else "")),)


def closest(name: str, names: Iterable[str]) -> str | None:
    """The name that differs least; `BatchNorm2d` is `batch_norm`, `convolution` is `conv`."""
    bare = {folded(one): one for one in names}
    wanted = folded(name)
    close = get_close_matches(wanted, bare, n=1, cutoff=0.65)
    if close:
        return bare[close[0]]
    stems = [one for one in bare if wanted.startswith(one) or one.startswith(wanted)]
    stems = [one for one in stems if min(len(one), len(wanted)) >= LEAST_STEM]
    return bare[max(stems, key=len)] if stems else None


def folded(name: str) -> str:
    """Without what names share that are unlike: the ending of files."""
    return name.replace("_", "").lower().removesuffix(".fdl")
