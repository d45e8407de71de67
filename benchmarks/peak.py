"""The most bytes alive at once: of tensors, counted exactly; of all that was allocated."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["PeakBytes", "allocated_bytes", "peak_bytes"]


class PeakBytes(TorchDispatchMode):
    """While it is entered: bytes of storages made in it and not yet freed."""

    now: int
    peak: int

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self,
        operator: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        for one in tree_leaves((args, kwargs)):
            if isinstance(one, Tensor):
                self.known.add(one.untyped_storage()._cdata)  # from outside, or counted
        output = operator(*args, **(kwargs or {}))
        for one in tree_leaves(output):
            if isinstance(one, Tensor):
                self.count(one.untyped_storage())
        return output

    def count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.known:
            self.known.add(key)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.free, key, storage.nbytes())

    def free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def peak_bytes(action: Callable[[], object]) -> int:
    """The peak while `action` runs."""
    counter = PeakBytes()
    with counter:
        action()
    return counter.peak


def allocated_bytes(action: Callable[[], object], device: torch.device) -> int:
    """The peak while `action` runs by the allocator's own account, inside operators, too."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        action()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        action()
    assert seen.profiler is not None and seen.profiler.kineto_results is not None
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    now = peak = 0
    for one in sorted(events, key=lambda event: event.start_ns()):
        now += one.nbytes()
        peak = max(peak, now)
    return peak
