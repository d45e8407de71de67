"""A run that has been trained, opened again: its network, its images, what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.driver import Compilation
from fractal_dsl.runtime import extract_column, recalibrate_batch_norm
from fractal_dsl.runtime.columns import conv_depth, latencies
from fractal_dsl.train.batches import Centre, centre_of
from fractal_dsl.train.checkpoint import DamagedError, newest, read_checkpoint
from fractal_dsl.train.data import Data, load_data
from fractal_dsl.train.data.images import Images
from fractal_dsl.train.evaluate import Score, columns_of, evaluated, in_statistics_of
from fractal_dsl.train.network import compiled_for, fresh
from fractal_dsl.train.run import Job, Run, check_specification
from fractal_dsl.train.trainer import plans_of
from fractal_dsl.train.work import layer_macs

__all__ = ["Line", "Trained", "open_run", "scored"]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network as a run left it after `step`, in eval mode on the CPU."""

    run: Run
    job: Job
    made: Compilation
    net: Any
    data: Data
    centre: Centre
    step: int

    @property
    def columns(self) -> tuple[int, ...]:
        return columns_of(self.net)

    def training_batches(self, number: int) -> Iterator[Tensor]:
        """Centred batches of training images, in an order drawn once and for all."""
        batch, images = self.job.recipe.batch, self.data.train
        rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        whole = rows[: len(rows) // batch * batch] if len(rows) >= batch else rows
        for part in whole.split(batch)[:number]:
            yield self.centre(images.pixels[part])

    def network(self, column: int | None, batches: int = 0) -> Any:
        """A column, or everything, as a network of its own, a chain of layers.

        Batch norm has the statistics of the training or, with `batches`, those of this very
        network on so many batches of training images.
        """
        if batches:
            net = recalibrate_batch_norm(self.net, self.training_batches(batches), column)
            return extract_column(net, column).eval()
        with in_statistics_of(self.net, column):
            return extract_column(self.net, column).eval()


def open_run(folder: Path | str, step: int | None = None, data: str | None = None) -> Trained:
    """The network of a run after `step`, or as far as it has come; `data` are other images.

    Raises DiagnosticError: F0804 where there is no such run or checkpoint, F0802 for a damaged one.
    """
    run = Run(Path(folder))
    about, job = run.read()
    state = checkpoint(run.folder, step)
    own = load_data(job.data, job.recipe)
    made = compiled_for(job.spec, own.train.shape, own.classes)
    check_specification(about, made)
    net = fresh(made, 0, 0)
    net.load_state_dict(state["model"]["weights"])
    if hasattr(net, "column_statistics"):
        net.load_plan_state(plans_of(state, 0))
    centre = centre_of(own.train, job.recipe.centre)
    images = own if data is None else load_data(data, job.recipe)
    check_images(images, own)
    return Trained(run, job, made, net.eval(), images, centre, state["step"]["number"])


def check_images(images: Data, own: Data) -> None:
    """Raises DiagnosticError (F0811) for images that the network cannot tell apart."""
    size, trained = (", ".join(map(str, one.train.shape)) for one in (images, own))
    said = ""
    if size != trained:
        said = f"the run's images are [{trained}], those of `{images.name}` [{size}]"
    elif images.classes > own.classes:
        said = f"the run has {own.classes} classes, `{images.name}` has {images.classes}"
    if said:
        help_ = Help("without --data, the images of the run are taken")
        raise DiagnosticError(Diagnostic("F0811", said, None, helps=(help_,)))


def checkpoint(folder: Path, step: int | None) -> dict[str, Any]:
    paths = list(newest(folder / "checkpoints"))
    if step is not None:
        paths = [one for one in paths if one.name == f"step-{step:08d}.pt"]
    if not paths:
        there = [int(one.stem.removeprefix("step-")) for one in newest(folder / "checkpoints")]
        said = f"there is no checkpoint in `{folder}`" + (f" after step {step}" if step else "")
        way = f"there are those after {', '.join(map(str, there))}"
        helps = (Help(way if there else f"fractalc train --out {folder} --resume"),)
        raise DiagnosticError(Diagnostic("F0804", said, None, helps=helps))
    try:
        return read_checkpoint(paths[0])
    except DamagedError as error:
        said = f"checkpoint `{paths[0]}` is damaged: {error}"
        older = "--step takes an older one" if len(paths) > 1 else "train again"
        raise DiagnosticError(Diagnostic("F0802", said, None, helps=(Help(older),))) from None


@dataclass(frozen=True, slots=True)
class Line:
    """What a column (None: the whole) is and does; `latency` is milliseconds for a batch."""

    column: int | None
    depth: int
    parameters: int
    macs: int
    latency: float
    trained: Score
    recalibrated: Score | None

    def as_data(self) -> dict[str, Any]:
        again = None if self.recalibrated is None else self.recalibrated.as_data()
        return {
            "column": self.column, "depth": self.depth, "parameters": self.parameters,
            "multiply_adds": self.macs, "milliseconds": self.latency,
            "trained": self.trained.as_data(), "recalibrated": again,
        }  # fmt: skip


def scored(
    one: Trained, images: Images, columns: Sequence[int | None], *, batches: int, runs: int = 11
) -> list[Line]:
    """A line for each of `columns`, as trained and recalibrated on `batches` of training images.

    With 0 batches nothing is recalibrated. Timed are the columns as networks of their own, on one
    batch of the run's size, by turns: the median of `runs`.
    """
    nets = [one.network(k) for k in columns]
    x = one.centre(images.pixels[: one.job.recipe.batch])
    times = latencies(nets, x, runs)
    return [
        line(one, k, net, images, batches, ms)
        for k, net, ms in zip(columns, nets, times, strict=True)
    ]


def line(
    one: Trained, column: int | None, net: Any, images: Images, batches: int, latency: float
) -> Line:
    batch = max(one.job.recipe.batch, 100)
    score = evaluated(net, images, one.centre, batch=batch)[None]
    again = None
    if batches:
        again = evaluated(one.network(column, batches), images, one.centre, batch=batch)[None]
    parameters = sum(tensor.numel() for tensor in net.parameters())
    macs = sum(layer_macs(net, images.shape).values())
    return Line(column, conv_depth(net), parameters, macs, latency, score, again)
