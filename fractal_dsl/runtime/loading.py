"""Weights into a network: wholly or not at all, with a report of what came from where."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["LoadError", "LoadReport", "grow", "load_weights", "state_of"]

State: TypeAlias = Mapping[str, Tensor]
Shape: TypeAlias = tuple[int, ...]

WRAPPERS = ("module.", "_orig_mod.")
SHOWN = 8


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Which tensors of a network took values, and why others did not, by state-dict key.

    `missing` are the network's and were not given, `extra` were given and are not the
    network's; of `other_shapes` the given shape comes first, then the network's. What is
    not `loaded` has the values that it had.
    """

    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    other_shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)

    def __str__(self) -> str:
        misfits = [
            f"{key} {list(theirs)}, here {list(ours)}"
            for key, (theirs, ours) in self.other_shapes.items()
        ]
        lines = [f"loaded {len(self.loaded)} tensors"]
        lines += _listed("missing, fresh", self.missing)
        lines += _listed("extra, left out", self.extra)
        lines += _listed("of another shape, fresh", misfits)
        return "\n".join(lines)


def _listed(what: str, keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    more = [f"  and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else []
    return [f"{what}: {len(keys)}", *(f"  {key}" for key in keys[:SHOWN]), *more]


class LoadError(ValueError):
    """Weights do not fit; `report` says where, and nothing was loaded."""

    def __init__(self, reason: str, report: LoadReport) -> None:
        would = str(report).replace("loaded", "would load", 1)
        super().__init__(f"{reason}; nothing was loaded\n{would}")
        self.report = report


def load_weights(
    model: nn.Module,
    source: nn.Module | State | str | os.PathLike[str],
    *,
    classes_may_differ: bool = False,
    partial: bool = False,
) -> LoadReport:
    """Loads a state dict, a module's or a file's (`.safetensors`, else torch's), into `model`.

    With `classes_may_differ`, tensors of the last layer may have another first size: they
    stay fresh. With `partial`, keys may be missing or extra, as between a column and its
    net. Prefixes of wrappers (DistributedDataParallel, torch.compile, AveragedModel) are
    taken off. Raises LoadError, with `model` as it was.
    """
    state = unwrapped(state_of(source), model)
    report = compared(model, state)
    head = classes_may_differ and is_head(model, report.other_shapes)
    if report.other_shapes and not head:
        raise LoadError(refusal(model, report, asked=classes_may_differ), report)
    if not partial and (report.missing or report.extra):
        raise LoadError(
            "keys are missing or extra; partial=True loads those that are there", report
        )
    if not report.loaded:
        raise LoadError("no key of the state dict is one of the network's", report)
    fill(model, {key: state[key] for key in report.loaded})
    return report


def state_of(source: nn.Module | State | str | os.PathLike[str]) -> State:
    """The tensors of a state dict, a module or a file.

    Raises TypeError where it holds other things, ValueError for a file of another kind.
    """
    if isinstance(source, nn.Module):
        return source.state_dict()
    if isinstance(source, Mapping):
        held: object = source
    elif Path(source).suffix == ".safetensors":
        from fractal_dsl.runtime.deploy import read_safetensors

        held = read_safetensors(source).state
    else:
        held = _unpickled(source)
    if isinstance(held, Mapping):
        other = [key for key, one in held.items() if not isinstance(one, Tensor)]
        if not other:
            return held
        hint = f"; it has {', '.join(map(repr, other[:3]))}: give the entry with the weights"
    else:
        hint = f", not a {type(held).__name__}"
    raise TypeError(f"a state dict, names with tensors, was expected{hint}")


def _unpickled(path: str | os.PathLike[str]) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)} is no file of weights: a .safetensors, or what"
            " torch.save(model.state_dict(), path) writes, was expected"
        ) from error


def unwrapped(state: State, model: nn.Module) -> State:
    """`state` without the prefixes that wrappers put before all keys, where it has them."""
    ours = model.state_dict().keys()
    inner = {bare(key): one for key, one in state.items()}
    if ours & state.keys() or not ours & inner.keys():
        return state
    inner.pop("n_averaged", None)  # AveragedModel's own
    return inner


def bare(key: str) -> str:
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key


def compared(model: nn.Module, state: State) -> LoadReport:
    ours = model.state_dict()
    shapes = {
        key: (tuple(state[key].shape), tuple(one.shape))
        for key, one in ours.items()
        if key in state and state[key].shape != one.shape
    }
    return LoadReport(
        tuple(key for key in ours if key in state and key not in shapes),
        tuple(key for key in ours if key not in state),
        tuple(key for key in state if key not in ours),
        shapes,
    )


def is_head(model: nn.Module, shapes: Mapping[str, tuple[Shape, Shape]]) -> bool:
    """Whether tensors of other shapes are one last layer for another number of classes.

    All differ by the same two numbers, in their first size alone, and all parameters of the
    last layer are among them (a layer before it would take other inputs as well).
    """
    names = [name for name, _ in model.named_parameters()]
    last = {name for name in names if name.rpartition(".")[0] == names[-1].rpartition(".")[0]}
    alike = all(theirs[1:] == ours[1:] for theirs, ours in shapes.values())
    counts = {(theirs[:1], ours[:1]) for theirs, ours in shapes.values()}
    return alike and len(counts) == 1 and last <= shapes.keys()


def refusal(model: nn.Module, report: LoadReport, *, asked: bool) -> str:
    if not asked and is_head(model, report.other_shapes):
        return "the last layer has another number of classes; classes_may_differ=True leaves it"
    only = "only the last layer may differ" if asked else "the same shapes were expected"
    return f"tensors have other shapes; {only}"


def fill(model: nn.Module, values: State) -> None:
    """Copies values whose shapes are known to fit into the tensors of `model`."""
    ours = model.state_dict()
    with torch.no_grad():
        for key, value in values.items():
            ours[key].copy_(value)


def grow(small: nn.Module | State, large: nn.Module, keymap: Mapping[str, str]) -> LoadReport:
    """Seeds `large` with weights of a smaller net: each key of `keymap` takes its value's.

    `keymap` is what `fractalc keymap SMALL LARGE --json` writes under `keys`. What it does
    not name stays fresh and is `missing` in the report; the small net's tensors that go
    nowhere are `extra`. Raises LoadError, with `large` as it was.
    """
    state = small.state_dict() if isinstance(small, nn.Module) else small
    if not keymap:
        raise LoadError("the map has no keys", compared(large, {}))
    unknown = tuple(sorted({theirs for theirs in keymap.values() if theirs not in state}))
    seeded = {ours: state[theirs] for ours, theirs in keymap.items() if theirs in state}
    report = compared(large, seeded)
    if unknown:
        raise LoadError(
            "the map takes keys that the small net has not", LoadReport(missing=unknown)
        )
    if report.extra or report.other_shapes:
        raise LoadError("the map is not one between these two nets", report)
    fill(large, seeded)
    used = set(keymap.values())
    return LoadReport(report.loaded, report.missing, tuple(key for key in state if key not in used))
