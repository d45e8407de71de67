"""What the steps of an epoch add up to, kept on the device until the epoch ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.functional import cross_entropy

from fractal_dsl.train.ranks import summed
from fractal_dsl.train.together import is_first

__all__ = ["Tally"]

LOSS, RIGHT, IMAGES = range(3)


class Tally:
    """Sums of loss, images told right and images, for each column and (row 0) for other plans."""

    def __init__(self, columns: int, device: torch.device) -> None:
        self.sums = torch.zeros(columns + 1, 3, dtype=torch.float64, device=device)
        self.live, self.steps = 0.0, 0
        self.size: tuple[int, Tensor] | None = None

    def add(self, column: int, output: Tensor, y: Tensor, loss: Tensor | None = None) -> None:
        """The outputs of a pass, taken in train mode before its step; `loss` is their mean loss,
        where it is known."""
        mean = cross_entropy(output.float(), y) if loss is None else loss
        right = (output.argmax(1) == y).sum()
        self.sums[column] += torch.stack([mean * len(y), right, self.images(len(y))])

    def images(self, number: int) -> Tensor:
        """The number on the device; the same one as long as batches are of one size."""
        if self.size is None or self.size[0] != number:
            self.size = number, torch.tensor(float(number), device=self.sums.device)
        return self.size[1]

    def accuracy(self, fabric: Fabric) -> float:
        """Of all processes' images, since the epoch began."""
        _, right, images = summed(fabric, self.sums).sum(0).tolist()
        return float(right / max(images, 1))

    def add_work(self, share: float | None) -> None:
        self.live += 1.0 if share is None else share
        self.steps += 1

    def clear(self) -> None:
        self.sums.zero_()
        self.live, self.steps = 0.0, 0

    def summary(self, fabric: Fabric, *, live: bool) -> dict[str, Any]:
        """Means over the epoch, of all processes: of all passes, and of each column's own."""
        rows = summed(fabric, self.sums).tolist()
        total = [sum(column) for column in zip(*rows, strict=True)]
        values: dict[str, Any] = {"train": means(total)}
        if len(rows) > 1:
            drawn = {str(k): means(row) for k, row in enumerate(rows) if k and row[IMAGES]}
            values["train_columns"] = drawn
        if live and self.steps:
            values["live"] = self.live / self.steps
        return values

    def state(self) -> dict[str, Any]:
        return {"sums": self.sums.cpu().clone(), "live": self.live, "steps": self.steps}

    def load_states(self, states: Sequence[dict[str, Any]], rank: int | None) -> None:
        """Of every process; where their number is another now (`rank` None), the first has all."""
        self.clear()
        first = states if is_first() else ()
        for one in first if rank is None else (states[rank],):
            self.sums += one["sums"].to(self.sums.device)
        self.live, self.steps = states[0]["live"], states[0]["steps"]


def means(row: list[float]) -> dict[str, float]:
    images = max(row[IMAGES], 1.0)
    return {"loss": row[LOSS] / images, "accuracy": row[RIGHT] / images}
