"""Checkpoints that are whole or noticed: one file, its own sha256, put in place by a rename.

A checkpoint is what `torch.save` writes, so that `torch.load(path, weights_only=True)` reads it
anywhere, with a comment at the end of the archive: the sha256 of everything before it. The digest
is looked at before a byte is unpickled.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import Any

import torch

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.runtime.writing import replacing

__all__ = [
    "Checkpoints", "DamagedError", "newest", "read_checkpoint", "sealed", "write_checkpoint",
]  # fmt: skip

END = b"PK\x05\x06"  # the record that ends a zip archive, 22 bytes with no comment
LABEL = b"sha256:"
COMMENT = len(LABEL) + 64


class DamagedError(Exception):
    """A file is no whole checkpoint; the text says how that shows."""


def sealed(archive: bytes) -> bytes:
    """`archive` with the comment that holds its digest; that it is there is covered, too."""
    assert archive[-22:-18] == END and archive[-2:] == b"\0\0"
    announced = archive[:-2] + pack("<H", COMMENT)
    return announced + LABEL + sha256(announced).hexdigest().encode()


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Puts `state` at `path`: the old file or the new one is there, never a part.

    Raises DiagnosticError (F0801) where the disk does not take it.
    """
    held = io.BytesIO()
    torch.save(dict(state), held)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_bytes(sealed(held.getvalue()))
    except OSError as error:
        raise DiagnosticError(unwritable(path, error)) from None


def unwritable(path: Path, error: OSError) -> Diagnostic:
    reason = (error.strerror or str(error)).lower()
    return Diagnostic("F0801", f"cannot write `{path}`: {reason}", None)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `write_checkpoint` wrote, on the CPU. Raises DamagedError.

    Nothing but tensors and plain values comes out, whatever the file holds.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DamagedError((error.strerror or str(error)).lower()) from None
    body, comment = data[:-COMMENT], data[-COMMENT:]
    if not comment.startswith(LABEL):
        raise DamagedError(f"its {len(data):,} bytes do not end with a sha256; it is cut short")
    if LABEL + sha256(body).hexdigest().encode() != comment:
        raise DamagedError("its bytes are not those that its sha256 was made of")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - pickle's and zip's many ways to refuse
        raise DamagedError(str(error).split("\n")[0].lower()) from None
    if not isinstance(state, dict):
        raise DamagedError(f"it holds a {type(state).__name__}")
    return state


def newest(folder: Path) -> Iterator[Path]:
    """Checkpoints in a folder, the newest first."""
    if folder.is_dir():
        yield from sorted(folder.glob("step-*.pt"), reverse=True)


class Checkpoints:
    """The checkpoints of a run, of which the last `keep` stay; `about` goes into each."""

    def __init__(self, folder: Path, keep: int = 3, about: Mapping[str, Any] | None = None) -> None:
        self.folder, self.keep, self.about = folder, keep, dict(about or {})

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.pt"

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Writes one and then removes what is older than the last `keep`, and what a kill left."""
        path = self.path(step)
        write_checkpoint(path, {**self.about, **state})
        for old in (*list(newest(self.folder))[self.keep :], *self.folder.glob(".step-*.tmp")):
            old.unlink(missing_ok=True)
        return path

    def latest(self) -> tuple[Path, dict[str, Any], list[tuple[Path, str]]] | None:
        """The newest that is whole, and those that are not, with why; None where there is none.

        Raises DiagnosticError (F0802) where there are some and all are damaged.
        """
        damaged: list[tuple[Path, str]] = []
        for path in newest(self.folder):
            try:
                return path, read_checkpoint(path), damaged
            except DamagedError as error:
                damaged.append((path, str(error)))
        if damaged:
            raise DiagnosticError(*(ruined(path, why) for path, why in damaged))
        return None


def ruined(path: Path, why: str) -> Diagnostic:
    return Diagnostic(
        "F0802", f"checkpoint `{path}` is damaged: {why}", None,
        helps=(Help("without --resume, training starts from the beginning in a new folder"),),
    )  # fmt: skip
