"""Paired timings: what is compared takes turns in one process, on the same plans and batches."""

from __future__ import annotations

import ctypes
import json
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from time import process_time

import torch

__all__ = ["Claim", "Timer", "claim", "compare", "keep_memory", "write"]

# Two-sided 95 % of Student's t for 11 .. 60 degrees of freedom lies between these; the larger.
T95 = 2.2


# glibc's settings, by number (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_memory() -> None:
    """Let the process keep freed memory, as a caching allocator does; nothing off glibc.

    Else glibc gives every freed activation back to the system, and up to a third of the time
    goes to page faults, more or less by chance.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        return


class Timer:
    """Seconds of one call: processor time of this process, or CUDA events."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cpu":
            torch.set_num_threads(1)
            keep_memory()

    def __call__(self, action: Callable[[], object]) -> float:
        if self.device.type == "cuda":
            start = torch.cuda.Event(enable_timing=True)
            end = torch.cuda.Event(enable_timing=True)
            torch.cuda.synchronize()
            start.record()
            action()
            end.record()
            torch.cuda.synchronize()
            return float(start.elapsed_time(end)) / 1000
        start_time = process_time()
        action()
        return process_time() - start_time


def compare(
    timer: Timer, rounds: Sequence[Mapping[str, Callable[[], object]]]
) -> dict[str, list[float]]:
    """Times of each action of each round; the order turns from round to round."""
    times: dict[str, list[float]] = {name: [] for name in rounds[0]}
    for name in rounds[0]:
        timer(rounds[0][name])  # once for warmth, uncounted
    for number, actions in enumerate(rounds):
        names = list(actions)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            times[name].append(timer(actions[name]))
    return times


@dataclass(frozen=True)
class Claim:
    """A ratio of means with the half width of its 95 % interval, and what was promised of it."""

    what: str
    ratio: float
    half_width: float
    goal: float
    floor: float | None = None

    @property
    def holds(self) -> bool:
        return self.ratio + self.half_width <= self.goal

    def __str__(self) -> str:
        floor = "" if self.floor is None else f"{self.floor:.3f}"
        verdict = "holds" if self.holds else "FAILS"
        return (
            f"{self.what:58} {self.ratio:6.3f} +- {self.half_width:5.3f} {floor:>7}"
            f" {self.goal:7.3f}  {verdict}"
        )


def claim(
    what: str,
    ours: Sequence[float],
    other: Sequence[float],
    goal: float,
    floor: float | None = None,
    strata: Sequence[object] | None = None,
) -> Claim:
    """mean(ours) / mean(other): by the delta method, within strata where plans are stratified."""
    ratio = fmean(ours) / fmean(other)
    residuals = [one - ratio * two for one, two in zip(ours, other, strict=True)]
    groups: dict[object, list[float]] = {}
    for key, residual in zip(strata or [0] * len(ours), residuals, strict=True):
        groups.setdefault(key, []).append(residual)
    variance = sum(
        len(group) * stdev(group) ** 2 if len(group) > 1 else 0.0 for group in groups.values()
    )
    half = T95 * sqrt(variance) / len(ours) / fmean(other)
    return Claim(what, ratio, half, goal, floor)


RESULTS = Path(__file__).parent / "results"


def place_of_results() -> Path:
    """A file for each script and what it was given: `results/training-per-sample.json`."""
    words = " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
    RESULTS.mkdir(exist_ok=True)
    return RESULTS / (re.sub(r"\W+", "-", words) + ".json")


def write(claims: Sequence[Claim], path: Path | None, device: torch.device) -> None:
    """The table to the terminal, and with the machine's facts as JSON to `path` or `RESULTS`."""
    print(f"{'':58} {'ratio':>6}    {'95 %':>5} {'floor':>7} {'goal':>7}")
    for one in claims:
        print(one)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    facts = {"torch": torch.__version__, "device": str(device), "machine": name}
    rows = [{**asdict(one), "holds": one.holds} for one in claims]
    place = path or place_of_results()
    place.write_text(json.dumps({**facts, "claims": rows}, indent=2) + "\n", "utf-8")
