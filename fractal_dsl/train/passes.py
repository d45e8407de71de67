"""One step's forward and backward, for each way in which networks draw plans."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

__all__ = ["Passes", "passes_of"]


class Passes(Protocol):
    """How a network is trained on one mini-batch."""

    def backward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        """Adds the gradients of a step; its loss, and the outputs by column."""

    def again(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of the last step once more, under the same plan, for finding a fault."""


def passes_of(net: Any, wrapped: nn.Module, fabric: Fabric) -> Passes:
    """`wrapped` is `net` or what makes several processes train it."""
    if hasattr(net, "column_statistics"):
        return Simultaneous(net, fabric)
    if hasattr(net, "sample_plans"):
        return PerSample(net, wrapped, fabric)
    if hasattr(net, "sample_plan"):
        return PerBatch(net, wrapped, fabric)
    return Straight(wrapped, fabric)


class Straight:
    """A network that draws no plans."""

    def __init__(self, wrapped: nn.Module, fabric: Fabric) -> None:
        self.wrapped, self.fabric = wrapped, fabric

    def backward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        loss, output = self.computed(x, y)
        loss.backward()
        return loss.detach(), [(0, output.detach())]

    def computed(self, x: Tensor, y: Tensor, **settings: Any) -> tuple[Tensor, Tensor]:
        with self.fabric.autocast():
            output = self.wrapped(x, **settings)
            return cross_entropy(output, y), output

    def again(self, x: Tensor, y: Tensor) -> Tensor:
        return self.computed(x, y)[0]


class PerBatch(Straight):
    """A plan for the mini-batch; where it is a column's, the step counts as that column's."""

    def __init__(self, net: Any, wrapped: nn.Module, fabric: Fabric) -> None:
        super().__init__(wrapped, fabric)
        self.net = net
        self.plan: Any = None
        self.columns = {net.column_plan(k): k for k in range(net.columns, 0, -1)}

    def backward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        self.plan = self.net.sample_plan()
        loss, output = self.computed(x, y, plan=self.plan)
        loss.backward()
        return loss.detach(), [(self.columns.get(self.plan, 0), output.detach())]

    def again(self, x: Tensor, y: Tensor) -> Tensor:
        return self.computed(x, y, plan=self.plan)[0]


class PerSample(Straight):
    """A plan for each image."""

    def __init__(self, net: Any, wrapped: nn.Module, fabric: Fabric) -> None:
        super().__init__(wrapped, fabric)
        self.net = net
        self.plans: Any = None

    def backward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        self.plans = self.net.sample_plans(len(x))
        loss, output = self.computed(x, y, plan=self.plans)
        loss.backward()
        return loss.detach(), [(0, output.detach())]

    def again(self, x: Tensor, y: Tensor) -> Tensor:
        return self.computed(x, y, plan=self.plans)[0]


class Simultaneous:
    """A local sample and every column in each step (section 3.1, the alternative)."""

    def __init__(self, net: Any, fabric: Fabric) -> None:
        self.net, self.fabric = net, fabric

    def backward(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[tuple[int, Tensor]]]:
        with self.fabric.autocast():
            loss, outputs = self.net.backward(x, lambda output: cross_entropy(output, y))
        return loss, list(outputs.items())

    def again(self, x: Tensor, y: Tensor) -> Tensor:
        outputs = (self.net(x, plan=plan) for _, plan, _ in self.net.passes())
        return torch.stack([cross_entropy(one, y) for one in outputs]).sum()
