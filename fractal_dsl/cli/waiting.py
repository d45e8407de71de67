"""A sign of life for what takes longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

__all__ = ["waiting"]

PATIENCE = 2.0


@contextmanager
def waiting(task: str) -> Iterator[None]:
    """Shows a spinner with `task` on standard error, on a terminal, once two seconds are over."""
    if not sys.stderr.isatty():
        yield
        return
    done = Event()
    watcher = Thread(target=watch, args=(task, done), name="waiting", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def watch(task: str, done: Event) -> None:
    if done.wait(PATIENCE):
        return
    from rich.console import Console

    with Console(stderr=True).status(task):
        done.wait()
