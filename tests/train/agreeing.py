"""What two processes make of one another's errors; each prints it, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch.distributed as dist

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.train.together import by_each, by_first, connect, leave


def wrong(*ranks: int) -> str:
    if dist.get_rank() in ranks:
        raise DiagnosticError(Diagnostic("F0804", "no run", None))
    return f"of {dist.get_rank()}"


def broken(*ranks: int) -> str:
    if dist.get_rank() in ranks:
        raise KeyError("lost")
    return f"of {dist.get_rank()}"


CASES: dict[str, Callable[[], Any]] = {
    "first": lambda: by_first(wrong),
    "first is wrong": lambda: by_first(lambda: wrong(0)),
    "first is broken": lambda: by_first(lambda: broken(0, 1)),
    "each": lambda: by_each(wrong),
    "second is wrong": lambda: by_each(lambda: wrong(1)),
    "both are wrong": lambda: by_each(lambda: wrong(0, 1)),
    "second is broken": lambda: by_each(lambda: broken(1)),
    "both are broken": lambda: by_each(lambda: broken(0, 1)),
}


def came_of(case: Callable[[], Any]) -> str:
    try:
        return str(case())
    except DiagnosticError as error:
        notes = " ".join(note for one in error.diagnostics for note in one.notes)
        return f"{type(error).__name__} {error} {notes.partition(',')[0]}".strip()
    except KeyError as error:
        return repr(error)


if __name__ == "__main__":
    connect()
    print(json.dumps([dist.get_rank(), {name: came_of(case) for name, case in CASES.items()}]))
    leave(0)
