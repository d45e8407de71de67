"""One operator of a flat DAG about to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fractal_dsl.ir.shapes import Shape

__all__ = ["Instance"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One node about to run: `shapes` are its inputs' without batch.

    `weight` is the key of the node whose weight it uses, if not its own.
    """

    key: str
    shapes: tuple[Shape, ...]
    tensors: Mapping[str, Tensor]
    training: bool
    buffers: dict[str, Tensor]
    weight: str = ""

    def tensor(self, name: str) -> Tensor | None:
        key = self.weight if self.weight and name == "weight" else self.key
        name = f"{key}.{name}"
        return self.buffers.get(name, self.tensors.get(name))  # moved by an earlier use

    @property
    def channel_axis(self) -> int:
        """The channels of the first input, the batch counted."""
        return self.shapes[0].channel_axis + 1
