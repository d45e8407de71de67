"""What the training commands are told, and what stops them."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import Field
from types import FrameType
from typing import Any, Self, TypeVar

from fractal_dsl.cli.arguments import UsageError
from fractal_dsl.cli.status import status_of
from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.train.recipe import (
    Recipe,
    changed,
    from_word,
    name_of,
    read_recipe,
    settings,
)

__all__ = ["Interrupt", "given", "needing_packages", "recipe_of", "together", "values_of"]

T = TypeVar("T")

PACKAGES = (
    "torch", "lightning_fabric", "numpy", "sklearn", "PIL", "matplotlib", "datasets", "pyarrow",
    "safetensors", "onnx", "onnxscript", "tensorboard",
)  # fmt: skip


def given(arguments: argparse.Namespace) -> list[Field[Any]]:
    """The settings that the command line names."""
    return [one for one in settings() if hasattr(arguments, f"recipe_{one.name}")]


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe named, with the settings given. Raises UsageError and DiagnosticError."""
    recipe = Recipe() if arguments.recipe is None else read_recipe(arguments.recipe)
    try:
        return changed(recipe, values_of(arguments))
    except DiagnosticError as error:
        said = "; ".join(one.message for one in error.diagnostics)
        raise UsageError(said) from None


def values_of(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings given, by the names that files have for them."""
    return {
        name_of(one): from_word(one, getattr(arguments, f"recipe_{one.name}"))
        for one in given(arguments)
    }


@contextmanager
def needing_packages(command: str) -> Iterator[None]:
    """A package that is missing is said with the way to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        said = f"`fractalc {command}` needs the package `{package}`"
        way = "tensorboard" if package == "tensorboard" else "'fractal-dsl[train]'"
        raise DiagnosticError(
            Diagnostic("F0806", said, None, helps=(Help(f"pip install {way}"),))
        ) from None


@contextmanager
def together() -> Iterator[Callable[[Callable[[], T]], T]]:
    """With the other processes that torchrun started; what all find wrong alike, one says.

    Gives what has the first of them do something, and all know of it, as `train.by_first`.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # as torch knows it; alone, we do without torch
        yield alone
        return
    from fractal_dsl import train as training

    training.connect()
    try:
        yield training.by_first
    except training.AgreedError as error:
        if not training.is_first():
            raise SystemExit(status_of(error.diagnostics)) from None
        raise


def alone(compute: Callable[[], T]) -> T:
    return compute()


class Interrupt:
    """Ctrl-C and the system's TERM as a wish to stop after the step; a second one stops at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Self:
        self.before = [signal.signal(one, self.ask) for one in self.SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in zip(self.SIGNALS, self.before, strict=True):
            signal.signal(one, handler)

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
