"""What goes to the terminal besides results: messages, notes, the report of a bug."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, TextIO

from fractal_dsl.diagnostics import Diagnostic, InternalError
from fractal_dsl.diagnostics.render import render
from fractal_dsl.diagnostics.terminal import safe
from fractal_dsl.version import VERSION

__all__ = ["Console", "report_bug"]


class Console:
    """Standard output for results, standard error for what is said about them."""

    def __init__(self, colour: str = "auto") -> None:
        self.colour = colour

    def has_colour(self, stream: IO[str]) -> bool:
        if self.colour != "auto":
            return self.colour == "always"
        plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        return stream.isatty() and not plain

    def width(self, stream: IO[str]) -> int:
        """Cells in a line: the terminal's, or 100 where there is none."""
        if not stream.isatty():
            return 100
        return max(shutil.get_terminal_size((100, 24)).columns, 40)

    def diagnostics(self, diagnostics: Sequence[Diagnostic]) -> None:
        text = render(
            diagnostics, colour=self.has_colour(sys.stderr), width=self.width(sys.stderr)
        )
        write(sys.stderr, text)

    def note(self, text: str) -> None:
        write(sys.stderr, f"note: {safe(text)}\n")

    def error(self, text: str) -> None:
        write(sys.stderr, f"fractalc: {safe(text)}\n")

    def result(self, text: str) -> None:
        write(sys.stdout, text if text.endswith("\n") else text + "\n")

    def data(self, data: bytes) -> None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def write(stream: TextIO, text: str) -> None:
    """Writes and flushes; what the stream's encoding lacks is written as escapes."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def report_bug(error: BaseException, specs: Sequence[str]) -> str:
    """The banner for a failure that is ours; saves what a report needs in the temp folder."""
    stage = f" {error}" if isinstance(error, InternalError) else f": {type(error).__name__}"
    trace = "".join(traceback.format_exception(error))
    try:
        saved = save_report(trace, specs)
        note = f"saved: {saved} (version, sha256 of the specification, traceback)"
    except OSError:
        note = f"the report could not be saved; it follows\n{trace}"
    return (
        f"error[F9999]: internal error{stage}\n"
        f"  = note: this is a bug in fractalc {VERSION}, not in your file; no output was written\n"
        f"  = note: {note}\n"
        f"  = help: please report it, with that file\n"
    )


def save_report(trace: str, specs: Sequence[str]) -> str:
    lines = [f"fractalc {VERSION}", f"Python {sys.version}", f"platform {sys.platform}"]
    lines += [f"sha256 {digest_of(spec)}  {spec}" for spec in specs]
    handle, name = tempfile.mkstemp(prefix="fractalc-ice-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n".join(lines) + "\n\n" + trace)
    return name


def digest_of(spec: str) -> str:
    try:
        return sha256(Path(spec).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return "unknown"
