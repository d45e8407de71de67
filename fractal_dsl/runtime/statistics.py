"""Batch-norm statistics of one network inside another, from data."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fractal_dsl.runtime.networks import input_names, plan_of

__all__ = ["recalibrate_batch_norm"]


def recalibrate_batch_norm(
    model: nn.Module, loader: Iterable[Any], column: int | None = None
) -> nn.Module:
    """A copy of `model` whose batch-norm statistics are those of one network, in eval mode.

    They are the average over the batches of `loader`, each counting the same, computed under
    the plan of `column` (None: the full plan; also for what draws no plans) with dropout off.
    Layers that are dead there keep what they have. A batch is a tensor, or a tuple that
    begins with one, or with one for each of several inputs. Raises ValueError where the loader
    is empty.
    """
    made = copy.deepcopy(model).eval()
    plan, count = plan_of(made, column), len(input_names(made))
    norms = [one for one in made.modules() if _counts(one)]
    device = next((one.device for one in made.parameters()), torch.device("cpu"))
    with _averaging(norms), torch.no_grad():
        batches = 0
        for batch in loader:
            inputs = [one.to(device) for one in _samples(batch, count)]
            batches += 1
            _weigh(norms, 1 / batches, len(inputs[0]))
            made(*inputs) if plan is None else made(*inputs, plan=plan)
    if not batches:
        raise ValueError("the loader gave no batch; training batches were expected")
    return made


def _counts(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.track_running_stats


def _samples(batch: Any, count: int) -> list[Tensor]:
    """The inputs, so many, that a batch begins with."""
    given = batch[:count] if isinstance(batch, list | tuple) else [batch]
    for x in given:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"a batch of type {type(x).__name__}; a tensor, or a tuple that begins with one,"
                " was expected"
            )
    if len(given) < count:
        raise TypeError(f"a batch of {len(given)}; it was expected to begin with {count} tensors")
    return list(given)


def _weigh(norms: list[Any], weight: float, samples: int) -> None:
    """The n-th batch counts 1/n, which makes the running value the mean of all so far."""
    for one in norms:
        one.momentum = weight
        if hasattr(one, "batch"):  # generated for `per = "sample"`: all samples are in
            one.batch = samples


@contextmanager
def _averaging(norms: list[Any]) -> Iterator[None]:
    """Batch norms alone in train mode, from nothing; momentum comes back at the end."""
    before = [(one, one.momentum, copy.deepcopy(one.state_dict())) for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.train()
    yield
    for one, momentum, state in before:
        one.eval()
        one.momentum = momentum
        if not one.num_batches_tracked:
            one.load_state_dict(state)
