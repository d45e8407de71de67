"""Where the text of a specification comes from."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.source import Source

__all__ = ["STDIN", "digest", "read_source"]

STDIN = "-"

# One byte more than any file may have is enough to see that it is too large; a device that
# never ends is not read to its end.
MOST_READ = (1 << 20) + 1


def read_source(path: str | os.PathLike[str]) -> Source:
    """The file at `path`; `-` is standard input.

    Bytes that are no UTF-8 become lone surrogates, which the parser refuses with their place.
    Raises DiagnosticError (F0801) where the file cannot be read.
    """
    name = os.fspath(path)
    try:
        if name == STDIN:
            return decoded("<stdin>", read_some(sys.stdin.buffer))
        with Path(name).open("rb") as file:
            return decoded(name, read_some(file))
    except (OSError, ValueError) as error:
        raise DiagnosticError(unreadable(name, error)) from None


def read_some(file: BinaryIO) -> bytes:
    return file.read(MOST_READ)


def decoded(name: str, data: bytes) -> Source:
    return Source(name, data.decode("utf-8", "surrogateescape"))


def unreadable(name: str, error: Exception) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic("F0801", f"cannot read `{name}`: {reason.lower()}", None)


def digest(source: Source) -> str:
    """The sha256 of the file's bytes, in hexadecimal."""
    return sha256(source.text.encode("utf-8", "surrogateescape")).hexdigest()
