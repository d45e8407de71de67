"""What goes to the terminal: results, and what is said about them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import IO, TextIO

from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.diagnostics.render import render
from fractal_dsl.diagnostics.terminal import safe

__all__ = ["Console"]


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
        text = render(diagnostics, colour=self.has_colour(sys.stderr), width=self.width(sys.stderr))
        write(sys.stderr, text)

    def note(self, text: str) -> None:
        write(sys.stderr, f"note: {safe(text)}\n")

    def error(self, text: str, usage: str = "") -> None:
        lines = [f"fractalc: {safe(text)}", *map(safe, usage.splitlines())]
        write(sys.stderr, "".join(f"{line}\n" for line in lines))

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
