"""TensorBoard's log of a run, beside whatever else is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from fractal_dsl.train.progress import Progress

__all__ = ["WithTensorBoard"]


class WithTensorBoard:
    """Hands on everything, and writes numbers to `tensorboard/` in the run's folder."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.writer: Any = None

    def began(self, about: Mapping[str, Any]) -> None:
        folder = Path(about["folder"]) / "tensorboard"
        self.writer = SummaryWriter(folder, purge_step=about["step"] + 1)
        self.progress.began(about)

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in numbers(values):
            self.writer.add_scalar(f"step/{name}", value, step)
        self.progress.stepped(step, values)

    def looked(self, epoch: int, values: Mapping[str, Any]) -> None:
        for name, value in numbers(values):
            self.writer.add_scalar(f"epoch/{name}", value, epoch)
        self.progress.looked(epoch, values)

    def noted(self, text: str) -> None:
        self.progress.noted(text)

    def ended(self, finished: bool, last: Mapping[str, Any]) -> None:
        self.writer.close()
        self.progress.ended(finished, last)


def numbers(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of nested values, by names such as `test_columns/2/loss`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{before}{name}/")
        elif isinstance(value, int | float):
            yield f"{before}{name}", float(value)
