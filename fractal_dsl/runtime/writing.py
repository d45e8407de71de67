"""A file that is there whole or not at all, for writers that take a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; what is there afterwards takes its place.

    It is on the disk before the rename. After an error the old file is as it was, and
    nothing is left beside it.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:40]}.fractalc-{os.getpid()}.tmp")
    try:
        yield beside
        synced(beside, os.O_RDWR)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":
        synced(target.parent, os.O_RDONLY)


def synced(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
