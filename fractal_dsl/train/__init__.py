"""Training as the paper did: runs that can be stopped, seen, compared and reported.

Everything but recipes needs torch and comes when it is asked for: the command line does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractal_dsl.train.checkpoint import read_checkpoint
    from fractal_dsl.train.experiment import (
        Experiment,
        carry_out,
        read_experiment,
        results,
        text_table,
    )
    from fractal_dsl.train.exporting import export
    from fractal_dsl.train.progress import Progress, Silent
    from fractal_dsl.train.report import write_report
    from fractal_dsl.train.run import Job, Result, Run, train
    from fractal_dsl.train.tensorboard import WithTensorBoard
    from fractal_dsl.train.together import AgreedError, by_first, connect, is_first
    from fractal_dsl.train.trained import Line, Trained, open_run, scored

__all__ = [
    "AgreedError", "Experiment", "Job", "Line", "Progress", "Result", "Run", "Silent", "Trained",
    "WithTensorBoard", "by_first", "carry_out", "connect", "export", "is_first",
    "open_run", "read_checkpoint", "read_experiment", "results", "scored", "text_table",
    "train", "write_report",
]  # fmt: skip

HOLDERS = {
    "checkpoint": ("read_checkpoint",),
    "experiment": ("Experiment", "carry_out", "read_experiment", "results", "text_table"),
    "exporting": ("export",),
    "progress": ("Progress", "Silent"),
    "report": ("write_report",),
    "run": ("Job", "Result", "Run", "train"),
    "tensorboard": ("WithTensorBoard",),
    "together": ("AgreedError", "by_first", "connect", "is_first"),
    "trained": ("Line", "Trained", "open_run", "scored"),
}


def __getattr__(name: str) -> Any:
    for holder, names in HOLDERS.items():
        if name in names:
            return getattr(import_module(f"fractal_dsl.train.{holder}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
