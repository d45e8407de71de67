"""What kind of output goes where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from fractal_dsl.driver.request import RequestError

__all__ = ["KINDS", "PICTURES", "STDOUT", "Target", "targets"]

STDOUT = "-"

KINDS = {
    "python": ".py",
    "svg": ".svg",
    "png": ".png",
    "pdf": ".pdf",
    "dot": ".dot",
    "json": ".json",
    "graphml": ".graphml",
}
PICTURES = frozenset({"svg", "png", "pdf", "dot"})
BY_EXTENSION = {extension: kind for kind, extension in KINDS.items()} | {".gv": "dot"}


class Target(NamedTuple):
    """One output: `-` is standard output; `kind` is one of KINDS."""

    path: str
    kind: str


def targets(outputs: Sequence[str], to: str | None = None) -> tuple[Target, ...]:
    """The kind of each output, by its extension or by `to`. Raises RequestError."""
    found = tuple(Target(path, to or kind_of(path)) for path in outputs)
    for path in outputs:
        if outputs.count(path) > 1:
            raise RequestError(f"-o {path} is given twice")
    return found


def kind_of(path: str) -> str:
    if path == STDOUT:
        return "python"
    extension = PurePath(path).suffix.lower()
    if extension in BY_EXTENSION:
        return BY_EXTENSION[extension]
    known = " ".join(KINDS.values())
    raise RequestError(
        f"cannot tell from {path!r} what to write: end the name in one of {known}, "
        f"or say it with --to ({', '.join(KINDS)})"
    )
