"""Loss and accuracy of a network and of each of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fractal_dsl.train.batches import Centre
from fractal_dsl.train.data.images import Images
from fractal_dsl.train.ranks import summed

__all__ = ["Score", "columns_of", "evaluated", "in_statistics_of"]

MOST_COLUMNS = 16  # more are not looked at one by one


@dataclass(frozen=True, slots=True)
class Score:
    """Mean cross-entropy and share of images told right, of `images` images."""

    loss: float
    accuracy: float
    images: int

    @property
    def error(self) -> float:
        return 1 - self.accuracy

    def as_data(self) -> dict[str, float]:
        return {"loss": self.loss, "accuracy": self.accuracy}


def columns_of(net: nn.Module) -> tuple[int, ...]:
    """The columns worth a look each: none of a net without drop-path, or with very many."""
    number = getattr(net, "columns", 0) if hasattr(net, "column_plan") else 0
    return tuple(range(1, number + 1)) if 1 < number <= MOST_COLUMNS else ()


def evaluated(
    net: nn.Module,
    images: Images,
    centre: Centre,
    *,
    batch: int,
    columns: Iterable[int] = (),
    fabric: Fabric | None = None,
) -> dict[int | None, Score]:
    """Scores of the given columns and of the whole (None), in eval mode; the mode comes back.

    With `fabric`, each of its processes computes a part of the images and knows all scores.
    """
    asked = (*columns, None)
    rank, ranks = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    device = next(net.parameters()).device
    sums = torch.zeros(len(asked), 2, dtype=torch.float64, device=device)
    training = net.training
    net.eval()
    with torch.no_grad():
        rows = torch.arange(rank, len(images), ranks)
        for part in rows.split(batch):
            x = centre(images.pixels[part.to(images.pixels.device)]).to(device)
            y = images.labels[part.to(images.labels.device)].to(device)
            for at, (_, output) in enumerate(answers(net, x, asked)):
                sums[at] += tallied(output, y)
    net.train(training)
    if fabric is not None:
        sums = summed(fabric, sums)
    total = len(images)
    return {
        k: Score(loss / total, right / total, total)
        for k, (loss, right) in zip(asked, sums.tolist(), strict=True)
    }


def tallied(output: Tensor, y: Tensor) -> Tensor:
    loss = cross_entropy(output.float(), y, reduction="sum")
    return torch.stack([loss.double(), (output.argmax(1) == y).sum().double()])


def answers(
    net: Any, x: Tensor, asked: tuple[int | None, ...]
) -> Iterator[tuple[int | None, Tensor]]:
    """Outputs of columns and of the whole; what columns share is computed once."""
    if asked == (None,):
        yield None, net(x)
    elif getattr(net, "column_statistics", None) is None:
        yield from ((k, y) for k, y in net.anytime(x) if k in asked)
    else:
        for k in asked:
            with in_statistics_of(net, k):
                yield k, net(x) if k is None else net(x, net.column_plan(k))


@contextmanager
def in_statistics_of(net: Any, column: int | None) -> Iterator[None]:
    """Mode "simultaneous" keeps batch-norm statistics for each column: those of `column`."""
    known = getattr(net, "column_statistics", None) or {}
    swap: Callable[[int], None] = getattr(net, "swap_statistics", lambda _: None)
    if column is None or column not in known:
        yield
        return
    swap(column)
    try:
        yield
    finally:
        swap(column)
