"""A run on the terminal: a bar while it runs, a line for each epoch, a table at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console as Rich
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fractal_dsl.cli.console import Console

__all__ = ["Shown", "table"]


class Shown:
    """`train`'s Progress for a person; without a terminal, lines alone."""

    def __init__(self, console: Console, live: bool, *, table: bool = True) -> None:
        self.console, self.live, self.table = console, live, table
        self.bar: Progress | None = None
        self.about: Mapping[str, Any] = {}

    def began(self, about: Mapping[str, Any]) -> None:
        self.about = about
        processes = "" if about["processes"] == 1 else f", {about['processes']} processes"
        self.say(
            f"{about['name']}: {about['parameters']:,} parameters, {about['training_images']:,}"
            f" images to train on, {about['held_out_images']:,} held out, {about['device']}"
            f"{processes}; in {about['folder']}"
        )
        if self.live:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:3.0f}%"),
                TimeRemainingColumn(),
                console=Rich(stderr=True),
                transient=True,
            )
            self.bar.add_task("", total=about["steps"], completed=about["step"])
            self.bar.start()

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        if self.bar is not None:
            said = (
                f"epoch {values['epoch']:.1f}  loss {values['loss']:.3f}"
                f"  accuracy {values['accuracy']:.1%}"
                f"  {values['images_per_second']:,.0f} images/s"
            )
            self.bar.update(self.bar.task_ids[0], completed=step, description=said)

    def looked(self, epoch: int, values: Mapping[str, Any]) -> None:
        said = f"epoch {epoch:3}  loss {values['train']['loss']:.4f}"
        if "test" in values:
            said += f"  test {values['test']['loss']:.4f}, right {values['test']['accuracy']:6.2%}"
            columns = values.get("test_columns", {})
            said += "".join(f"  [{k}] {one['accuracy']:6.2%}" for k, one in columns.items())
        self.say(f"{said}  {values['images_per_second']:,.0f} images/s")

    def noted(self, text: str) -> None:
        self.say(text)

    def ended(self, finished: bool, last: Mapping[str, Any]) -> None:
        if self.bar is not None and finished:
            self.bar.update(self.bar.task_ids[0], completed=self.about["steps"])
        self.close()
        if finished and self.table:
            self.console.result("\n".join(table(last)))
        elif not finished:
            self.say(f"stopped; `fractalc train --out {self.about['folder']} --resume` goes on")

    def say(self, text: str) -> None:
        if self.bar is not None:
            self.bar.console.print(text, highlight=False, markup=False)
        else:
            self.console.note(text)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def table(last: Mapping[str, Any]) -> list[str]:
    """What the last epoch came to, for each column and for everything."""
    lines = ["column  train loss  test loss   error, as trained"]
    columns = {**last.get("test_columns", {}), "all": last["test"]} if "test" in last else {}
    trained = {**last.get("train_at_end_columns", {}), "all": last.get("train_at_end")}
    for name, score in columns.items():
        loss = trained[name]["loss"] if trained.get(name) else float("nan")
        error = 1 - score["accuracy"]
        lines.append(f"{name:>6}  {loss:10.4f}  {score['loss']:9.4f}  {error:6.2%}")
    return lines
