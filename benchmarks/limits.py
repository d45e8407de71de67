"""What it takes to refuse a text that is too large, and to read one that just is not.

    python benchmarks/limits.py

Each text is compiled in a child process of its own, forked from one that has everything loaded:
seconds are the child's processor time, MiB what its largest memory is above that at its start.
The promises: an expansion bomb is refused within 0.2 s and 64 MiB; a deep or long text is read
within 3 s where the limits take it and refused within 0.5 s where they do not.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.source import Source
from fractal_dsl.syntax import parse
from fractal_dsl.syntax.limits import MOST_NESTING
from tests.limits.bombs import bombs
from tests.syntax.test_limits import DEEP, WIDE, deep, wide

LEVELS = {"mixed": 4, "signed towers": 2}


class Cost(NamedTuple):
    """What became of one text: the code it was refused with, or nothing."""

    text: str
    code: str
    seconds: float
    mebibytes: float


def compiled(text: str) -> None:
    _ = compile_source(Source("bomb.fdl", text)).source


def parsed(text: str) -> None:
    parse(Source("text.fdl", text))


def cost(text: str, action: Callable[[str], None]) -> Cost:
    """`action` on `text`, in a process of its own."""
    reading, writing = os.pipe()
    if not os.fork():
        os.close(reading)
        before = resource.getrusage(resource.RUSAGE_SELF)
        code = ""
        try:
            action(text)
        except DiagnosticError as error:
            code = error.diagnostics[0].code
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = Cost(text, code, seconds, (after.ru_maxrss - before.ru_maxrss) / 1024)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(found, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer: Cost = pickle.load(pipe)  # noqa: S301 (from our own child)
    os.wait()
    return answer


def show(title: str, texts: Sequence[str], action: Callable[[str], None]) -> None:
    found = [cost(text, action) for text in texts]
    codes = sorted({one.code or "read" for one in found})
    slowest = max(found, key=lambda one: one.seconds)
    print(
        f"{title:26}{len(found):5}  {slowest.seconds:9.3f}"
        f"{max(one.mebibytes for one in found):9.1f}  {', '.join(codes)}"
    )
    print(f"    slowest: {slowest.text[-60:]!r}")


def main() -> None:
    parsed("it = a")  # loads the tables
    compiled("net = conv")
    gc.collect()
    gc.freeze()
    print(f"{'':26}texts  slowest, s      MiB  codes")
    show("expansion bombs", bombs(), compiled)
    within = [deep(kind, MOST_NESTING // LEVELS.get(kind, 1) - 1) for kind in DEEP]
    show("deep, within the limits", within, parsed)
    show("long, within the limits", [wide(kind) for kind in WIDE], parsed)
    above = [deep(kind, levels) for kind in DEEP for levels in (250, 2_000, 100_000)]
    show("above the limits", above, parsed)


if __name__ == "__main__":
    main()
