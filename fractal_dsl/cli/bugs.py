"""What is said and saved when the fault is ours."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from fractal_dsl.diagnostics import InternalError
from fractal_dsl.version import VERSION

__all__ = ["report_bug"]


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
