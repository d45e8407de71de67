"""Mini-batches in an order of their own: shuffled, centred and augmented, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fractal_dsl.train.data.images import Images

__all__ = ["Batch", "Batches", "Centre", "augmented", "centre_of"]

SHIFT = 4  # pixels, each way (section 4.1)


@dataclass(frozen=True, slots=True)
class Centre:
    """What is taken off every image, and what it is divided by."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        return (pixels.to(self.mean.dtype) - self.mean).div_(self.deviation)

    def to(self, device: torch.device) -> Centre:
        return Centre(self.mean.to(device), self.deviation.to(device))


def centre_of(images: Images, kind: str) -> Centre:
    """Of training images: `pixel` takes off each pixel's mean, as the paper; `channel` takes off
    each channel's and divides by its deviation; `none` only brings white to 1."""
    white = torch.tensor(images.white, dtype=torch.float32)
    if kind == "none":
        return Centre(torch.zeros(()), white)
    total = torch.zeros(images.shape, dtype=torch.float64)
    squares = torch.zeros(images.shape, dtype=torch.float64)
    for part in images.pixels.split(4096):
        total += part.double().sum(0)
        squares += part.double().square().sum(0)
    mean = total / len(images)
    if kind == "pixel":
        return Centre(mean.float(), white)
    mean = mean.mean((1, 2), keepdim=True)
    variance = (squares / len(images)).mean((1, 2), keepdim=True) - mean**2
    return Centre(mean.float(), variance.clamp(min=1e-12).sqrt().float())


def augmented(x: Tensor, draws: Tensor, kind: str) -> Tensor:
    """Each image of `x` [N, C, H, W] mirrored and moved as its row of `draws` [N, 3] says.

    A row is down, right (0 to 2 SHIFT, SHIFT stays) and mirror (0 or 1). What comes in from
    outside is zero, after centring, for `+`, and the reflected image for `++` (section 4.1).
    """
    height, width = x.shape[2:]
    down, right, mirror = draws.T
    rows = down[:, None] - SHIFT + torch.arange(height, device=x.device)
    columns = right[:, None] - SHIFT + torch.arange(width, device=x.device)
    (rows, above), (columns, beside) = inside(rows, height, kind), inside(columns, width, kind)
    columns = torch.where(mirror[:, None].bool(), width - 1 - columns, columns)
    images = torch.arange(len(x), device=x.device)[:, None, None]
    moved = x.movedim(1, 3)[images, rows[:, :, None], columns[:, None, :]].movedim(3, 1)
    if kind == "++":
        return moved.contiguous()
    return (moved * (above[:, None, :, None] & beside[:, None, None, :])).contiguous()


def inside(places: Tensor, size: int, kind: str) -> tuple[Tensor, Tensor]:
    """Places of an axis brought into the image, and whether they were there."""
    if kind == "++":
        places = places.abs()
        places = size - 1 - (size - 1 - places).abs()
    return places.clamp(0, size - 1), (places >= 0) & (places < size)


@dataclass(frozen=True, slots=True)
class Batch:
    """A process's part of a mini-batch; `rows` are its places among the training images."""

    x: Tensor
    y: Tensor
    rows: Tensor


class Batches:
    """Mini-batches without end: each pass over the images in a new order.

    All processes draw the same order and the same augmentation, and take every `ranks`-th image
    of a batch: together they see what one process would. What does not fill a batch at the
    end of a pass is left out of it. Order and augmentation come from a generator of their own.
    """

    def __init__(
        self, images: Images, centre: Centre, batch: int, augment: str, seed: int,
        rank: int = 0, ranks: int = 1,
    ) -> None:  # fmt: skip
        self.images, self.centre, self.augment = images, centre, augment
        self.batch, self.rank, self.ranks = batch, rank, ranks
        self.generator = torch.Generator().manual_seed(seed)
        self.steps = len(images) // batch
        self.begin()

    def begin(self) -> None:
        """A new pass: its order and its augmentation, drawn at once and moved once."""
        self.drawn_from = self.generator.get_state()
        self.at = 0
        device = self.images.labels.device
        self.order = torch.randperm(len(self.images), generator=self.generator).to(device)
        down_right = torch.randint(2 * SHIFT + 1, (len(self.images), 2), generator=self.generator)
        mirror = torch.randint(2, (len(self.images), 1), generator=self.generator)
        self.draws = torch.cat([down_right, mirror], 1).to(device)

    def next(self) -> Batch:
        if self.at == self.steps:
            self.begin()
        start = self.at * self.batch
        mine = slice(start + self.rank, start + self.batch, self.ranks)
        self.at += 1
        rows = self.order[mine]
        x = self.centre(self.images.pixels[rows])
        if self.augment != "none":
            x = augmented(x, self.draws[mine], self.augment)
        return Batch(x, self.images.labels[rows], rows)

    def state(self) -> dict[str, Any]:
        """Where it stands: enough to draw this pass again and go on in it."""
        return {"generator": self.drawn_from, "at": self.at}

    def load_state(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])
        self.begin()
        self.at = state["at"]
