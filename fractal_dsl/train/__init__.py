"""Training as the paper did: runs that can be stopped, seen, compared and reported.

Everything but recipes needs torch and comes when it is asked for: the command line does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractal_dsl.train.checkpoint import read_checkpoint
    from fractal_dsl.train.progress import Progress, Silent
    from fractal_dsl.train.run import Job, Result, Run, train

__all__ = ["Job", "Progress", "Result", "Run", "Silent", "read_checkpoint", "train"]

HOLDERS = {
    "checkpoint": ("read_checkpoint",),
    "progress": ("Progress", "Silent"),
    "run": ("Job", "Result", "Run", "train"),
}


def __getattr__(name: str) -> Any:
    for holder, names in HOLDERS.items():
        if name in names:
            return getattr(import_module(f"fractal_dsl.train.{holder}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
