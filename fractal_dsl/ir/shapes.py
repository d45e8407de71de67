"""Shapes of values, without the batch axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

__all__ = ["KINDS", "NETWORK", "Shape", "image", "sequence", "tokens", "vector"]

# How each kind of value is written, by the names of its sizes.
KINDS = {
    "image": ("channels", "height", "width"),
    "sequence": ("length", "width"),
    "vector": ("size",),
    "tokens": ("length",),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """`image[C, H, W]`, `sequence[N, D]`, `vector[D]` or `tokens[N]` (integers)."""

    kind: str
    sizes: tuple[int, ...]

    @property
    def elements(self) -> int:
        return prod(self.sizes)

    @property
    def channel_axis(self) -> int:
        """The first axis of an image, the last of anything else; the batch does not count."""
        return 0 if self.kind == "image" else len(self.sizes) - 1

    @property
    def channels(self) -> int:
        """Size of the channel axis."""
        return self.sizes[self.channel_axis]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The places: height and width of an image, length of a sequence or of tokens."""
        if self.kind == "image":
            return self.sizes[1:]
        return () if self.kind == "vector" else self.sizes[:1]

    def __str__(self) -> str:
        return f"{self.kind}[{', '.join(map(str, self.sizes))}]"


NETWORK = Shape("network", ())
"""What hands on a shared network in place of a value: it has no size and comes from no input."""


def image(channels: int, height: int, width: int) -> Shape:
    return Shape("image", (channels, height, width))


def sequence(length: int, width: int) -> Shape:
    return Shape("sequence", (length, width))


def vector(size: int) -> Shape:
    return Shape("vector", (size,))


def tokens(length: int) -> Shape:
    return Shape("tokens", (length,))
