"""The log of a run: a JSON object a line, each written whole, cut back to a step on resuming."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.runtime.writing import replacing
from fractal_dsl.train.checkpoint import unwritable

__all__ = ["Log", "read_log"]


class Log:
    """Appends lines; what stands in it after step `step` is cut off first, as it comes again."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        try:
            kept = [text for text, line in lines_of(path) if line["step"] <= step and step]
            with replacing(path) as beside:
                beside.write_text("".join(kept), "utf-8")
            self.file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise DiagnosticError(unwritable(path, error)) from None

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """A line of `kind`; numbers that are not finite become null, which JSON has."""
        line = {"kind": kind, "step": step, **values}
        try:
            self.file.write(json.dumps(plain(line), allow_nan=False) + "\n")
            self.file.flush()
        except OSError as error:
            raise DiagnosticError(unwritable(self.path, error)) from None
        return line

    def close(self) -> None:
        self.file.close()


def plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def lines_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whole lines, as text and as what they say; a last line cut short by a kill is left out."""
    if not path.is_file():
        return
    for text in path.read_text("utf-8", "replace").splitlines(keepends=True):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if text.endswith("\n") and isinstance(line, dict) and isinstance(line.get("step"), int):
            yield text, line


def read_log(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a log."""
    return [line for _, line in lines_of(path)]
