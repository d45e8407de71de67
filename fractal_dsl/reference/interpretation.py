"""What running a flat DAG gives, and who may watch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from fractal_dsl.ir.flat import FlatNode

__all__ = ["Interpretation", "Observer"]

Observer: TypeAlias = Callable[[FlatNode, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What one forward pass gave.

    `outputs` are [batch, *shape] each; `buffers` the new values of batch-norm buffers by name,
    in training only; `live` the positions of the nodes that were executed.
    """

    outputs: tuple[Tensor, ...]
    buffers: dict[str, Tensor]
    live: frozenset[int]

    @property
    def output(self) -> Tensor:
        """The last of the outputs; of most networks the only one."""
        return self.outputs[-1]
