"""A small network with everything that a run must keep: drop-path, dropout, batch norm."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from fractal_dsl.driver import Compilation
from fractal_dsl.source import Source
from fractal_dsl.train.checkpoint import Checkpoints
from fractal_dsl.train.data.images import Data, Found, Images, prepared
from fractal_dsl.train.network import compiled_for
from fractal_dsl.train.ranks import launched
from fractal_dsl.train.recipe import Recipe
from fractal_dsl.train.run import Job, Run, network_of
from fractal_dsl.train.trainer import Trainer

__all__ = ["SPEC", "job", "noise", "recipe", "same", "saved_in", "trainer"]

SPEC = """
conv(rate = 0.2) = conv2d(channels, 3) >> dropout(rate) >> batch_norm >> relu
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Small(classes = 3) on image[1, 6, 6] =
    f(2, channels = 4) >> each(max_pool(2)) >> flatten >> linear(classes)
drop_path(local = 0.3, global = 0.5)
"""


def recipe(**values: Any) -> Recipe:
    """40 steps in four passes, with drops of the rate, augmentation and decay."""
    settings = {"epochs": 4, "batch": 6, "augment": "++", "log_every": 1, "learning_rate": 0.05}
    return replace(Recipe(), **{**settings, **values})


def noise(images: int = 64, classes: int = 3) -> Data:
    """Images whose class shows: noise around one picture for each class."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(images + 12) % classes
    shown = torch.randint(256, (classes, 1, 6, 6), generator=generator)
    drawn = torch.randint(-40, 41, (len(labels), 1, 6, 6), generator=generator)
    pixels = (shown[labels] + drawn).clamp(0, 255).byte()
    train, test = (
        Images(pixels[part], labels[part]) for part in (slice(images), slice(images, None))
    )
    return prepared("noise", Found(train, test, classes), held_out=0, train_images=0, test_images=0)


def job(told: Recipe, spec: str = SPEC) -> Job:
    return Job(Source("small.fdl", spec), "noise", told)


def trainer(told: Recipe, data: Data | None = None, spec: str = SPEC) -> Trainer:
    """One that has not taken a step."""
    return Trainer(network_of(told, compilation(spec)), data or noise(), told, launched(told))


@cache
def compilation(spec: str) -> Compilation:
    data = noise()
    return compiled_for(job(recipe(), spec).spec, data.train.shape, data.classes)


def saved_in(folder: Path, told: Recipe) -> Checkpoints:
    """Where a run of `told` keeps its checkpoints."""
    return Run(folder).checkpoints(job(told), compilation(SPEC), noise())


def same(ours: Any, theirs: Any) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(ours, torch.Tensor):
        return isinstance(theirs, torch.Tensor) and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)
