"""F0401: what is joined does not have one shape. Which inputs, from where, and how to mend it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Edit, Help, Label
from fractal_dsl.ir.shapes import Shape
from fractal_dsl.source import Span

__all__ = ["OutputPlace", "Side", "Written", "meeting", "unequal"]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A join sign that a value was written in; `inner` is the next one within it.

    `join` tells expansions of one sign apart.
    """

    sign: Span
    join: object
    inner: Written | None


# Signs that take a vector beside something larger: one value for each channel.
VECTORS = ("+", "-", "*", "/", "sum", "product")

OutputPlace: TypeAlias = tuple[Span, Written | None]
"""What was written for an output of a graph, and the joins around it."""


def meeting(first: Written | None, other: Written | None) -> Span | None:
    """The sign of the innermost join that two values were both written in."""
    found = None
    while first is not None and other is not None and first.join is other.join:
        found, first, other = first.sign, first.inner, other.inner
    return found


@dataclass(frozen=True, slots=True)
class Side:
    """One input of a join: its text, its shape, and the place that set its channels (or size)."""

    span: Span
    shape: Shape
    set_at: Callable[[bool], Span | None]

    @property
    def name(self) -> str:
        text = " ".join(self.span.text.split())
        return text if len(text) <= 36 else text[:33] + "..."


def unequal(
    sides: Sequence[Side], first: Side, other: Side, sign: Span, notes: tuple[str, ...] = ()
) -> DiagnosticError:
    """The message for two of the `sides` that do not fit; `sign` is where they meet."""
    by = difference(first.shape, other.shape, sign)
    labels = {side.span: str(side.shape) for side in (first, other)}
    if len(labels) == 1:
        labels = {first.span: f"{first.shape}, then {other.shape}"}
    if by != "shape":
        for side in (first, other):
            place = side.set_at(by == "channels")
            if place is not None:
                labels.setdefault(place, f"sets {amount(side.shape, by)}")
    labels.pop(sign, None)
    return DiagnosticError(
        Diagnostic(
            "F0401",
            f"the inputs of this join differ in {by}: {versus(sides, first, other, by)}",
            sign,
            needs(sign, first.shape.kind),
            labels=tuple(Label(span, text) for span, text in labels.items()),
            notes=notes,
            helps=(*other_reading(sides, sign), *mends(sides, first, other, by, sign)),
        )
    )


def difference(a: Shape, b: Shape, sign: Span) -> str:
    """In what two shapes differ: `channels`, `size` (of images), `length` or `shape`."""
    if a.kind != b.kind:
        beside = sign.text in VECTORS and "vector" in (a.kind, b.kind)
        return "channels" if beside and a.channels != b.channels else "shape"
    if a.spatial == b.spatial:
        return "channels"
    places = "size" if a.kind == "image" else "length"
    return places if a.channels == b.channels or concatenates(sign) else "shape"


def concatenates(sign: Span) -> bool:
    return sign.text in ("++", "concat")


def needs(sign: Span, kind: str) -> str:
    """What a join asks of its inputs."""
    if concatenates(sign):
        places = {"image": "heights and widths", "sequence": "numbers of tokens"}
        return f"`{sign.text}` needs equal {places.get(kind, 'kinds')}"
    gate = (
        ", or one value a channel, a place or for all" if sign.text in ("*", "/", "product") else ""
    )
    return f"`{sign.text}` needs equal shapes{gate}"


def amount(shape: Shape, by: str) -> str:
    if by == "channels":
        return f"{shape.channels} channels"
    if by == "length":
        return f"{shape.spatial[0]} tokens"
    return " x ".join(map(str, shape.spatial)) if by == "size" else str(shape)


def versus(sides: Sequence[Side], first: Side, other: Side, by: str) -> str:
    """Both inputs by name with what they give; by number where the names are the same."""
    names = [f"`{side.name}`" for side in (first, other)]
    if names[0] == names[1]:
        names = [f"input {sides.index(side) + 1}, `{side.name}`," for side in (first, other)]
    amounts = (amount(side.shape, by).removesuffix(f" {by}") for side in (first, other))
    return " and ".join(f"{n} gives {size}" for n, size in zip(names, amounts, strict=True))


# Ways out ------------------------------------------------------------------------------


def other_reading(sides: Sequence[Side], sign: Span) -> tuple[Help, ...]:
    """`(a + b) >> c` for `a + b >> c`, where it is in `c` that the last input became unlike."""
    *others, last = sides
    head, tail = unbracketed_series(last.span)
    causes = [place for place in map(last.set_at, (True, False)) if place is not None]
    if (
        sign.text.isalpha()
        or not others[-1].span.end <= sign.start < last.span.start
        or not any(last.span.start + len(head) < one.start < last.span.end for one in causes)
        or any(unbracketed_series(one.span)[1] for one in others)
    ):
        return ()
    source = sign.source.text
    text = f"({source[others[0].span.start : last.span.start]}{head.rstrip()}) >> {tail.lstrip()}"
    return (Help(f"did you mean `{' '.join(text.split())}`?"),)


def unbracketed_series(operand: Span) -> tuple[str, str]:
    """The text before and behind the first `>>` that stands in no bracket; all and nothing."""
    depth, text = 0, operand.text
    for at, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and text.startswith(">>", at):
            return text[:at], text[at + 2 :]
    return text, ""


def mends(sides: Sequence[Side], first: Side, other: Side, by: str, sign: Span) -> tuple[Help, ...]:
    if by == "channels":
        return tuple(channel_mends(sides, first, other, sign))
    if by == "length":
        return length_mends(first, other, sign)
    return size_mends(first, other) if by == "size" else shape_mends(first, other)


def channel_mends(sides: Sequence[Side], first: Side, other: Side, sign: Span) -> list[Help]:
    counts = Counter(side.shape.channels for side in sides)
    target, _ = max(counts.items(), key=lambda item: (item[1], item[0]))
    odd, even = (first, other) if other.shape.channels == target else (other, first)
    layer = "project" if odd.shape.kind == "image" else "linear"
    mend = after(odd.span, f"{layer}({target})")
    helps = [Help(f"bring `{odd.name}` to {target} channels", mend)]
    way = rewritten(even, odd) if counts[target] == 1 else rewritten(odd, even)
    if way is not None and first.span != other.span:
        helps.append(way)
    kinds = {side.shape.kind for side in sides}
    if len(kinds) == 1 and all(
        one.shape.spatial == two.shape.spatial for one, two in pairwise(sides)
    ):
        total = sum(side.shape.channels for side in sides)
        instead = "concat" if sign.text.isalpha() else "++"
        helps.append(Help(f"or `{instead}` for `{sign.text}`: it concatenates to {total} channels"))
    return helps


def rewritten(side: Side, like: Side) -> Help | None:
    """The layer that set a side's channels, with the other's; None where no number says them."""
    place = side.set_at(True)
    if place is None:
        return None
    given = rf"([(,=]\s*){side.shape.channels}(?=\s*[,)])"
    text, count = re.subn(given, rf"\g<1>{like.shape.channels}", place.text)
    return Help(f"or write `{text}` for `{place.text}` at {place}") if count == 1 else None


def length_mends(first: Side, other: Side, sign: Span) -> tuple[Help, ...]:
    """For tokens that are not as many: joining them, where that is what `++` was to do."""
    if not concatenates(sign) or first.shape.channels != other.shape.channels:
        return ()
    joined = first.shape.spatial[0] + other.shape.spatial[0]
    return (Help(f"`concat(..., axis = 0)` puts tokens behind each other: {joined} of them"),)


def size_mends(first: Side, other: Side) -> tuple[Help, ...]:
    """Pooling, where windows without overlap do, and a projection that strides."""
    small, large = sorted((first, other), key=lambda side: side.shape.spatial)
    helps = []
    pooled = factor_between(large.shape, small.shape, rounds_up=False)
    if pooled is not None:
        way = (
            f"bring `{large.name}` down by {pooled}; `stride = {pooled}` in a layer of it does too"
        )
        helps.append(Help(way, after(large.span, f"max_pool({pooled})")))
    stride = factor_between(large.shape, small.shape, rounds_up=True)
    if stride is not None and stride != pooled:
        helps.append(strided(large, large.shape.channels, stride))
    return tuple(helps)


def shape_mends(first: Side, other: Side) -> tuple[Help, ...]:
    """A shortcut's projection, for maps that differ in channels and in size."""
    if not first.shape.kind == other.shape.kind == "image":
        return ()
    small, large = sorted((first, other), key=lambda side: side.shape.spatial)
    stride = factor_between(large.shape, small.shape, rounds_up=True)
    return () if stride is None else (strided(large, small.shape.channels, stride),)


def strided(large: Side, channels: int, stride: int) -> Help:
    layer = f"project({channels}, stride = {stride})"
    way = f"bring `{large.name}` to {channels} channels, down by {stride}, as a shortcut does"
    return Help(way, after(large.span, layer))


def factor_between(large: Shape, small: Shape, *, rounds_up: bool) -> int | None:
    """The factor by which height and width shrink, rounded as strides do (up) or pools (down)."""
    if not all(0 < y <= x for x, y in zip(large.spatial, small.spatial, strict=True)):
        return None
    x, y = max(zip(large.spatial, small.spatial, strict=True))
    for factor in range(2, x // y + 2):
        sizes = (-(-one // factor) if rounds_up else one // factor for one in large.spatial)
        if tuple(sizes) == small.spatial:
            return factor
    return None


def after(operand: Span, layer: str) -> Edit:
    """Puts `layer` behind an operand, in brackets where it has none."""
    text, source = operand.text, operand.source.text
    before, behind = source[: operand.start].rstrip()[-1:], source[operand.end :].lstrip()[:1]
    if is_bracketed(text):
        return Edit(operand, f"{text[:-1].rstrip()} >> {layer})")
    if before in ("(", ",") and behind in (")", ","):
        return Edit(operand, f"{text} >> {layer}")
    return Edit(operand, f"({text} >> {layer})")


def is_bracketed(text: str) -> bool:
    """Whether one pair of round brackets stands around all of `text`."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return at == len(text) - 1 and at > 0
    return False
