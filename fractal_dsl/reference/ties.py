"""Where a function has a corner, and whether a program's values come within rounding of it.

There two right implementations may have gradients far apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from fractal_dsl.ir.flat import FlatNode
from fractal_dsl.ir.operators.pooling import GlobalMaxPool, MaxPool

__all__ = ["TieCounter"]

CORNERS: dict[str, tuple[float, ...]] = {
    "relu": (0.0,),
    "relu6": (0.0, 6.0),
    "leaky_relu": (0.0,),
    "prelu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "hard_sigmoid": (-3.0, 3.0),
    "hard_swish": (-3.0, 3.0),
}


@dataclass(slots=True)
class TieCounter:
    """Counts values nearer than `within`, relative to the largest, to a corner.

    An observer of `interpret`. A value exactly at a corner, or two exactly equal, are no tie:
    such are made (by a ReLU before, by overlapping windows), and everyone makes them alike.
    """

    within: float = 1e-9
    ties: int = 0

    def __call__(self, node: FlatNode, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if node.attributes is None:
            return
        inputs = tuple(value.detach() for value in inputs)
        operator = node.attributes.operator
        for corner in CORNERS.get(operator, ()):
            self.count(inputs[0] - corner, inputs[0])
        if operator in ("maximum", "minimum"):
            values = torch.stack(inputs)
            top = values.topk(2, dim=0, largest=operator == "maximum").values
            self.count(top[0] - top[1], values)
        if isinstance(node.attributes, MaxPool):
            self.windows(_windows(node.attributes, inputs[0]), inputs[0])
        if isinstance(node.attributes, GlobalMaxPool):
            channels_first = inputs[0] if inputs[0].dim() == 4 else inputs[0].transpose(1, 2)
            self.windows(channels_first.flatten(2), inputs[0])

    def count(self, distance: Tensor, values: Tensor) -> None:
        near = self.within * (1 + values.abs().max())
        self.ties += int(((distance != 0) & (distance.abs() < near)).sum())

    def windows(self, windows: Tensor, values: Tensor) -> None:
        """The two largest of each window; `windows` has the values in its last axis."""
        if windows.shape[-1] > 1:
            top = windows.topk(2).values
            self.count(top[..., 0] - top[..., 1], values)


def _windows(pool: MaxPool, x: Tensor) -> Tensor:
    """[batch, channels, rows, columns, values of the window]; outside is minus infinity."""
    kernel, stride = pool.window.kernel, pool.strides
    padding = pool.padding if isinstance(pool.padding, tuple) else (pool.padding, pool.padding)
    room = [stride[axis] if pool.ceil else 0 for axis in (0, 1)]
    edges = (padding[1], padding[1] + room[1], padding[0], padding[0] + room[0])
    padded = F.pad(x, edges, value=-inf)
    windows = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
    return windows.flatten(4)
