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
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError

__all__ = ["AgreedError", "backends", "by_each", "by_first", "connect", "gathered", "is_first",
           "leave"]  # fmt: skip

T = TypeVar("T")

# The others wait while the first scores a table's row, or one of them fetches images.
PATIENCE = timedelta(days=7)


class AgreedError(DiagnosticError):
    """Raised on all processes alike: one of them says it for all."""


class Joined:
    """The group that processes speak in; None where this one is alone, or others made a group."""

    group: dist.ProcessGroup | None = None


def connect() -> None:
    """Joins the processes that torchrun or `fabric run` started; alone there is nothing to join.

    What they tell one another here goes by gloo, whatever tensors go by.
    """
    if Joined.group is not None or not dist.is_available() or not dist.is_torchelastic_launched():
        return
    if not dist.is_initialized():
        dist.init_process_group(backends())
        atexit.register(part)
    Joined.group = dist.new_group(backend="gloo", timeout=PATIENCE)


def backends() -> str:
    """For tensors on CPUs, and on GPUs where there are any; nccl begins with the first of those."""
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def part() -> None:
    """Ends what `connect` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def leave(status: int) -> None:
    """Ends this process at once, if it is one of several.

    Threads of gloo let go of tensors some time after a message has come, and abort where Python
    is on its own way out by then.
    """
    if Joined.group is None:
        return
    part()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def is_first() -> bool:
    return Joined.group is None or dist.get_rank() == 0


# What was found, here and elsewhere ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process computed: a value; or diagnostics, and where they were found."""

    value: Any = None
    wrong: tuple[Diagnostic, ...] = ()
    where: str = ""

    @property
    def placed(self) -> tuple[Diagnostic, ...]:
        """The diagnostics, saying where."""
        return tuple(replace(one, notes=(*one.notes, self.where)) for one in self.wrong)


def by_first(compute: Callable[[], T]) -> T:
    """What `compute` gives on the first process, on all of them; its error, too.

    Raises AgreedError with the first's diagnostics, or with F0807 for another error of its own.
    """
    if Joined.group is None:
        return compute()
    own, error = tried(compute) if is_first() else (Outcome(), None)
    held = [own]
    dist.broadcast_object_list(held, group=Joined.group, group_src=0)
    if error is not None:
        raise error
    (found,) = held
    if found.wrong:
        raise AgreedError(*(found.placed if is_on_several_machines() else found.wrong))
    return found.value  # type: ignore[no-any-return]


def by_each(compute: Callable[[], T]) -> T:
    """What `compute` gives here, once it has succeeded on all processes.

    Raises AgreedError with the diagnostics of the first process that has some, and says which;
    or, on the first process that has another error, that error, and AgreedError (F0807) elsewhere.
    """
    if Joined.group is None:
        return compute()
    own, error = tried(compute)
    every = gathered(replace(own, value=None))
    failed = next((found for found in every if found.wrong), None)
    if failed is None:
        return own.value  # type: ignore[no-any-return]
    if error is not None and failed == replace(own, value=None):
        raise error
    alike = all(found.wrong == failed.wrong for found in every)
    raise AgreedError(*(failed.wrong if alike else failed.placed))


def tried(compute: Callable[[], Any]) -> tuple[Outcome, BaseException | None]:
    """What came of it; with an error that is no diagnostic, for the others as one."""
    error: BaseException | None = None
    try:
        return Outcome(compute()), None
    except DiagnosticError as found:
        wrong: Sequence[Diagnostic] = found.diagnostics
    except BaseException as found:  # noqa: BLE001 - raised again once the others know
        told = f"another process of the run failed: {type(found).__name__}: {found}"
        wrong, error = (Diagnostic("F0807", told, None),), found
    where = f"found by process {dist.get_rank()}, on the machine {socket.gethostname()}"
    return Outcome(None, tuple(wrong), where), error


def is_on_several_machines() -> bool:
    return int(os.environ["LOCAL_WORLD_SIZE"]) < dist.get_world_size()


def gathered(mine: T) -> list[T]:
    """Of every process, in their order."""
    if Joined.group is None:
        return [mine]
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, mine, group=Joined.group)
    return every
