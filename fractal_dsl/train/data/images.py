"""Labelled images in memory, and how a set is cut in two or made smaller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import torch
from torch import Tensor

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help

__all__ = ["Data", "Found", "Images", "prepared", "unreadable"]

SPLIT_SEED = 0  # which images are held out is part of what a result means: never another


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """`pixels` [N, C, H, W] of any type, from 0 to `white`, and `labels` [N] from 0 on."""

    pixels: Tensor
    labels: Tensor
    white: float = 255.0

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: Tensor) -> Images:
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows])

    def to(self, device: torch.device) -> Images:
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a source holds; `test` is None where it has one set only."""

    train: Images
    test: Images | None = None
    classes: int = 0  # 0: as many as the labels say


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Images to train on and to test on; `digest` says which, to the last bit."""

    name: str
    train: Images
    test: Images
    classes: int
    digest: str


def prepared(
    name: str, found: Found, *, held_out: float, train_images: int, test_images: int
) -> Data:
    """A test set where there is none, and no more images than asked for.

    Held out is the same share of each class, whatever the run's seed; of a smaller set so, too.
    Raises DiagnosticError (F0810).
    """
    check(name, found.train)
    train, test = found.train, found.test
    if test is None:
        train, test = cut(train, held_out)
    else:
        check(name, test)
        if test.shape != train.shape:
            raise DiagnosticError(
                unreadable(name, f"test images are {test.shape}, training images {train.shape}")
            )
    train, test = some(train, train_images), some(test, test_images)
    if not len(train) or not len(test):
        empty = "training" if not len(train) else "test"
        raise DiagnosticError(unreadable(name, f"no {empty} image is left"))
    most = 1 + max(int(train.labels.max()), int(test.labels.max()))
    if found.classes and most > found.classes:
        raise DiagnosticError(unreadable(name, f"a label is {most - 1} of {found.classes} classes"))
    return Data(name, train, test, found.classes or most, digest(train, test))


def check(name: str, images: Images) -> None:
    """Raises DiagnosticError where images and labels do not belong together."""
    if images.pixels.ndim != 4:
        raise DiagnosticError(unreadable(name, f"images are of shape {images.shape}"))
    if len(images.pixels) != len(images.labels):
        told = f"{len(images.pixels):,} images with {len(images.labels):,} labels"
        raise DiagnosticError(unreadable(name, told))
    if len(images) and int(images.labels.min()) < 0:
        at = int((images.labels < 0).nonzero()[0])
        raise DiagnosticError(unreadable(name, f"the label of image {at} is below 0"))
    if images.pixels.is_floating_point() and not images.pixels.isfinite().all():
        at = int((~images.pixels.isfinite()).flatten(1).any(1).nonzero()[0])
        raise DiagnosticError(unreadable(name, f"image {at} has values that are not finite"))


def unreadable(path: object, reason: str, help_: str = "") -> Diagnostic:
    helps = (Help(help_),) if help_ else ()
    return Diagnostic("F0810", f"cannot read images from `{path}`: {reason}", None, helps=helps)


def shuffled(images: Images) -> Tensor:
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    return torch.randperm(len(images), generator=generator)


def stratified(images: Images, share: float) -> tuple[Tensor, Tensor]:
    """Rows in two parts, the second with `share` of each class, both in order."""
    order = shuffled(images)
    labels = images.labels[order]
    second = torch.zeros(len(order), dtype=torch.bool)
    for label in labels.unique():
        (rows,) = (labels == label).nonzero(as_tuple=True)
        second[rows[: round(share * len(rows))]] = True
    return order[~second].sort().values, order[second].sort().values


def cut(images: Images, share: float) -> tuple[Images, Images]:
    first, second = stratified(images, share)
    return images.at(first), images.at(second)


def some(images: Images, number: int) -> Images:
    """`number` images, of each class its share; 0: all."""
    if not 0 < number < len(images):
        return images
    _, rows = stratified(images, number / len(images))
    short = number - len(rows)  # by rounding, class by class
    if short > 0:
        others = shuffled(images)
        others = others[~torch.isin(others, rows)]
        rows = torch.cat([rows, others[:short]]).sort().values
    return images.at(rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))]
                     [:number].sort().values)  # fmt: skip


def digest(*sets: Images) -> str:
    """sha256 of all pixels and labels."""
    made = sha256()
    for images in sets:
        made.update(repr((images.shape, images.pixels.dtype, images.white)).encode())
        made.update(images.pixels.contiguous().numpy().data)
        made.update(images.labels.contiguous().numpy().data)
    return made.hexdigest()
