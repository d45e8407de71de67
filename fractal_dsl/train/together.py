"""What processes settle together: they may be on machines that share neither disk nor files.

The first process reads and writes the run's folder and tells the others what it found; what each
must find by itself, such as the images, all are told of before any of them waits for another.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import torch.distributed as dist

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError

__all__ = ["AgreedError", "by_each", "by_first", "connect", "gathered", "is_first", "leave"]

T = TypeVar("T")


class AgreedError(DiagnosticError):
    """Raised on all processes alike: one of them says it for all."""


def connect() -> None:
    """Joins the processes that torchrun or `fabric run` started; alone there is nothing to join.

    Tensors go by nccl where they are on GPUs and by gloo where they are not, as does what the
    processes tell one another here.
    """
    if dist.is_initialized() or not dist.is_torchelastic_launched():
        return
    dist.init_process_group()
    atexit.register(part)


def part() -> None:
    """Ends what `connect` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def leave(status: int) -> NoReturn:
    """Ends this process, which is one of several, at once.

    Threads of gloo let go of tensors some time after a message has come, and abort where Python
    is on its own way out by then.
    """
    part()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def is_first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def by_first(compute: Callable[[], T]) -> T:
    """What `compute` gives on the first process, on all of them; its DiagnosticError, too."""
    if not dist.is_initialized():
        return compute()
    held: list[Any] = [None, (), True]
    try:
        if is_first():
            value, wrong = tried(compute)
            held = [value, found_by(0, wrong) if is_on_several_machines() else wrong, False]
    finally:  # also with an error that is no diagnostic: the others must not wait
        dist.broadcast_object_list(held, group_src=0)
    value, wrong, failed = held
    if failed:
        raise SystemExit(1)  # the first process says why
    if wrong:
        raise AgreedError(*wrong)
    return value  # type: ignore[no-any-return]


def by_each(compute: Callable[[], T]) -> T:
    """What `compute` gives here, once it has succeeded on all processes.

    Raises AgreedError with the DiagnosticError of the first process that has one, and says which.
    """
    if not dist.is_initialized():
        return compute()
    value, wrong = tried(compute)
    every = gathered((wrong, found_by(dist.get_rank(), wrong)))
    first = next((found for found in every if found[0]), None)
    if first is not None:
        plain, placed = first
        raise AgreedError(*(plain if all(one == plain for one, _ in every) else placed))
    return value  # type: ignore[no-any-return]


def tried(compute: Callable[[], Any]) -> list[Any]:
    """A value and no diagnostics, or none and some."""
    try:
        return [compute(), ()]
    except DiagnosticError as error:
        return [None, error.diagnostics]


def found_by(rank: int, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The same, with where that was: here."""
    where = f"found by process {rank}, on the machine {socket.gethostname()}"
    return tuple(replace(one, notes=(*one.notes, where)) for one in diagnostics)


def is_on_several_machines() -> bool:
    return int(os.environ["LOCAL_WORLD_SIZE"]) < dist.get_world_size()


def gathered(mine: T) -> list[T]:
    """Of every process, in their order."""
    if not dist.is_initialized():
        return [mine]
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, mine)
    return every
