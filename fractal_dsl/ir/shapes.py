"""Shapes of values, without the batch axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

__all__ = ["Shape", "image", "vector"]


@dataclass(frozen=True, slots=True)
class Shape:
    """`image[C, H, W]`, `sequence[N, D]`, `vector[D]` or `tokens[N]` (integers)."""

    kind: str
    sizes: tuple[int, ...]

    @property
    def elements(self) -> int:
        return prod(self.sizes)

    @property
    def channels(self) -> int:
        """Size of the channel axis: the first of an image, the last of anything else."""
        return self.sizes[0] if self.kind == "image" else self.sizes[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        """Height and width of an image; nothing for a vector."""
        return self.sizes[1:] if self.kind == "image" else ()

    def __str__(self) -> str:
        return f"{self.kind}[{', '.join(map(str, self.sizes))}]"


def image(channels: int, height: int, width: int) -> Shape:
    return Shape("image", (channels, height, width))


def vector(size: int) -> Shape:
    return Shape("vector", (size,))
