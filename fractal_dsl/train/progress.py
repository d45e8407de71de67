"""What a run tells while it runs; the command line shows it, tests and programs need not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Told by the first process only."""

    def began(self, about: Mapping[str, Any]) -> None:
        """Once: folder, name, parameters, images, `step` and `steps`, epochs, device."""

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """After some steps: loss, learning rate, images a second."""

    def looked(self, epoch: int, values: Mapping[str, Any]) -> None:
        """After an epoch: the line that went to the log."""

    def noted(self, text: str) -> None:
        """Something that a person should know."""

    def ended(self, finished: bool, last: Mapping[str, Any]) -> None:
        """Once, also where the run stopped before its end; `last` is the log's last epoch."""


class Silent:
    """Tells nobody."""

    def began(self, about: Mapping[str, Any]) -> None: ...
    def stepped(self, step: int, values: Mapping[str, float]) -> None: ...
    def looked(self, epoch: int, values: Mapping[str, Any]) -> None: ...
    def noted(self, text: str) -> None: ...
    def ended(self, finished: bool, last: Mapping[str, Any]) -> None: ...
