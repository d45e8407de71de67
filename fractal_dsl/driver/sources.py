"""Where the text of a specification comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.source import Source, Span

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


def unreadable(
    name: str, error: Exception, span: Span | None = None, helps: tuple[Help, ...] = ()
) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic("F0801", f"cannot read `{name}`: {reason.lower()}", span, helps=helps)


def digest(sources: Sequence[Source]) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    Of several files, the sha256 of the list of theirs, one a line: what
    `sha256sum FILE ... | cut -c-64 | sha256sum` prints. Their names and places are no part of it.
    """
    digests = [
        sha256(source.text.encode("utf-8", "surrogateescape")).hexdigest() for source in sources
    ]
    if len(digests) == 1:
        return digests[0]
    return sha256("".join(f"{one}\n" for one in digests).encode()).hexdigest()
