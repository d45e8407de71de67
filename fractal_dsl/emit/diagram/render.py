"""Graphviz at arm's length: one child process for each run, with limits on time and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any
from xml.sax.saxutils import escape

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.emit.diagram.svg import tidied
from fractal_dsl.emit.diagram.worker import MISSING

__all__ = ["Graphviz", "GraphvizError"]

WORKER = Path(__file__).with_name("worker.py")
PDF_DATE = re.compile(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}")
PACKAGES = "install `pygraphviz` 2.0.4 or later and `font-source-sans-pro`: both come with fractalc"


class GraphvizError(DiagnosticError):
    """Graphviz took longer than it may (F0901), or failed (F0902)."""


@dataclass(frozen=True, slots=True)
class Graphviz:
    """Runs Graphviz until `deadline` (monotonic, `seconds` from the start) within `memory` bytes.

    `worker` is the script that the child runs.
    """

    deadline: float
    seconds: float
    memory: int
    worker: Path = WORKER

    def layout(self, dot: str) -> dict[str, Any]:
        """Positions for a graph without (see `worker.layout`).

        Raises `DiagnosticError`: F0901 (time), F0902 (failure), F0903 (library missing).
        """
        try:
            found = json.loads(self.run({"task": "layout", "dot": dot}))
        except ValueError as error:
            raise _failed("its answer cannot be read") from error
        assert isinstance(found, dict)
        return found

    def paint(self, dot: str, form: str, dpi: float = 72.0) -> bytes:
        """A graph with positions as an SVG, PNG or PDF file. Raises as `layout` does."""
        request = {"dot": dot, "form": form, "dpi": dpi}
        data = self.run({"task": "paint", "paint": request})
        if not data:
            raise _failed("it wrote nothing")
        if form == "svg":
            return tidied(data)
        if form == "pdf":
            return PDF_DATE.sub(rb"\g<1>20000101000000", data)
        return data

    def run(self, request: Mapping[str, object]) -> bytes:
        with tempfile.TemporaryDirectory(prefix="fractalc-") as folder:
            environment = _environment(Path(folder))
            try:
                done = subprocess.run(  # noqa: S603  (our own script, no shell)
                    [sys.executable, "-P", str(self.worker)],
                    input=json.dumps({**request, "memory": self.memory}).encode(),
                    capture_output=True,
                    timeout=max(self.deadline - monotonic(), 0.1),
                    cwd=folder,
                    env=environment,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise _too_slow(self.seconds) from None
            except OSError as error:
                raise _failed(f"it could not be started ({error.strerror})") from error
        if done.returncode == MISSING:
            raise _missing("pygraphviz")
        if done.returncode:
            raise _failed(_ending(done.returncode, done.stderr))
        return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """The child's environment: the package's font and no other, no locale, no time zone."""
    fonts = folder / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?>\n<fontconfig>'
        f"<dir>{escape(str(_font_folder()))}</dir><cachedir>{escape(str(folder))}</cachedir>"
        "</fontconfig>\n",
        encoding="utf-8",
    )
    pinned = {"FONTCONFIG_FILE": str(fonts), "LC_ALL": "C", "TZ": "UTC"}
    return {**os.environ, **pinned}


def _font_folder() -> Path:
    found = find_spec("font_source_sans_pro")
    if found is None or found.origin is None:
        raise _missing("font-source-sans-pro")
    return Path(found.origin).parent / "files"


def _ending(status: int, stderr: bytes) -> str:
    if status < 0:
        return f"it was ended by signal {-status}"
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    last = "".join(char if char.isprintable() else "?" for char in lines[-1]) if lines else ""
    return f"it ended with status {status}" + (f": {last[:200]}" if last else "")


def _too_slow(seconds: float) -> GraphvizError:
    return GraphvizError(
        Diagnostic(
            "F0901",
            f"drawing took longer than {seconds:g} s and was stopped",
            None,
            helps=(
                Help("draw with repeats drawn once (without `--expand` and `--highlight`)"),
                Help("write `.dot`, or a net with fewer distinct parts"),
            ),
        )
    )


def _failed(why: str) -> GraphvizError:
    return GraphvizError(
        Diagnostic(
            "F0902",
            f"Graphviz could not draw this net: {why}",
            None,
            helps=(Help("draw with repeats drawn once, or export `.json` or `.graphml`"),),
        )
    )


def _missing(package: str) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "F0903",
            f"drawing needs the package `{package}`, which is not installed",
            None,
            helps=(Help(PACKAGES),),
        )
    )
