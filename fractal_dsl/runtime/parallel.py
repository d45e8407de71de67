"""Data-parallel training of networks that draw plans: what is dead is neither computed nor sent.

torch's DistributedDataParallel must be told `find_unused_parameters=True` for such a network; it
then walks the graph in every step and still sends zeros for what is dead. Here only gradients
that live on some rank are averaged, in few flat messages after backward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors as flattened
from torch._utils import _unflatten_dense_tensors as unflattened
from torch.nn.modules.batchnorm import _BatchNorm

from fractal_dsl.runtime.networks import thins
from fractal_dsl.runtime.sharding import shard

__all__ = ["DropPathParallel", "Plans"]

Plans = Literal["same", "own"]

# As DDP's: large enough for full speed, small enough not to double the memory of gradients.
BUCKET_BYTES = 25 * 2**20
CHECK_EVERY = 100  # steps


class DropPathParallel(nn.Module):
    """A generated network with drop-path, trained by the ranks of a process group.

        model = DropPathParallel(network)          # on every rank
        criterion(model(x), target).backward()     # once, or for each of several micro-batches
        model.average()                            # before optimizer.step()

    At the start all ranks take rank 0's parameters, buffers and plan generator. With
    `plans="same"` they then draw the same plans and take the same time; with "own" each draws
    plans of its own, and a step waits for the largest. What a rank saves of `plan_state()` is its
    own in that case. In mode "simultaneous" call `network.backward(x, loss)` in place of the
    middle line.

    After `average()`
    - gradients are those of the mean of the ranks' losses: summed, divided by their number. Where
      a parameter is dead on a rank, that rank counts as zero; dead on all ranks, it stays None;
    - running statistics of batch normalisation are means over the ranks on which the layer ran
      in train mode since the last `average()`, weighted by samples: all ranks hold the same.
      So are those that columns have of their own.

    With `sharded` each rank keeps a part of every weight, and so of its gradient and of what the
    optimiser holds for it (torch's FSDP); a layer's weights are gathered while it computes, and
    those of dead layers never. Make the optimiser after it. `runtime.sharding.whole` of a state
    dict is what a checkpoint holds. After rank 0 has read one, each rank loads it by itself.

    Raises RuntimeError without a process group, TypeError where `module` draws no plans,
    ValueError where a layer would wait for ranks that may never call it.
    """

    def __init__(
        self,
        module: nn.Module,
        plans: Plans = "same",
        *,
        sharded: bool = False,
        group: dist.ProcessGroup | None = None,
        bucket_bytes: int = BUCKET_BYTES,
    ) -> None:
        super().__init__()
        _check(module, plans, sharded)
        self.module, self.plans, self.group = module, plans, group
        self.bucket_bytes = bucket_bytes
        self.ranks = dist.get_world_size(group)
        self.norms = _Norms(module)
        self.alike = _alike(module, plans)
        self.sharded = False  # until all ranks hold the same weights
        self.synchronise()
        if sharded:
            shard(module, group)
            self.sharded = True

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        return self.module(*inputs, **settings)

    def synchronise(self) -> None:
        """Take everything from rank 0: at the start, and after rank 0 has read a checkpoint."""
        self.named = dict(self.module.named_parameters())
        held = self.module.buffers() if self.sharded else self.module.state_dict().values()
        self._broadcast([one.detach() for one in held])
        self._synchronise_plans()
        self.norms.forget()
        self.steps = 0

    def _synchronise_plans(self) -> None:
        net: Any = self.module
        generator: torch.Generator = net.generator
        # nccl moves nothing that is on the CPU.
        sent = generator.get_state().to(next(net.parameters()).device)
        dist.broadcast(sent, group=self.group, group_src=0)
        state = sent.cpu()
        generator.set_state(
            _own_state(state, dist.get_rank(self.group)) if self.plans == "own" else state
        )
        if hasattr(net, "column_statistics"):
            self._synchronise_columns(net)

    def _synchronise_columns(self, net: Any) -> None:
        known = [list(net.column_statistics)]
        dist.broadcast_object_list(known, group=self.group, group_src=0)
        kept, held = net.state_dict(), net.column_statistics
        fresh = {name: one for name, one in net.named_buffers() if name in kept}
        for k in known[0]:
            own = held.get(k, fresh)
            held[k] = {name: own[name].to(one.device, copy=True) for name, one in fresh.items()}
        net.column_statistics = {k: held[k] for k in known[0]}
        self._broadcast([one for own in net.column_statistics.values() for one in own.values()])

    def _broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Rank 0's values into the tensors of all."""
        for bucket in _buckets(tensors, self.bucket_bytes):
            flat = flattened(bucket)
            dist.broadcast(flat, group=self.group, group_src=0)
            _spread(flat, bucket)

    @torch.no_grad()
    def average(self) -> None:
        """Average live gradients and running statistics over the ranks; call before each step.

        Raises RuntimeError on all ranks where plans were to be the same and are not. That is
        looked at in each step on the CPU; on other devices, which it would make wait, in the
        first after `synchronise()` and in every hundredth from there. Weights in parts are
        gathered by all ranks together: there plans that differ end in the backend's own error.
        """
        device = next(self.module.parameters()).device
        due = not self.alike or device.type == "cpu" or self.steps % CHECK_EVERY == 0
        if due and not (self.alike and self._agree(device)):
            self._compare(device)
        self.steps += 1
        # Gradients of parameters in parts are averaged by the backward pass itself.
        held = () if self.sharded else self.named.values()
        gradients = [(one, one.grad) for one in held if one.grad is not None]
        statistics = self.norms.statistics()
        weighted = self.norms.weighted(statistics, device)
        summed = self._sums([*(gradient for _, gradient in gradients), weighted])
        means = [summed[id(gradient)] for _, gradient in gradients]
        if means:
            torch._foreach_mul_(means, 1 / self.ranks)
        for (parameter, gradient), mean in zip(gradients, means, strict=True):
            if gradient.is_contiguous():  # what was sent is the gradient from here on
                parameter.grad = mean
            else:
                gradient.copy_(mean)
        self.norms.take(statistics, summed[id(weighted)])

    def _sums(self, tensors: Sequence[Tensor]) -> dict[int, Tensor]:
        """Of each tensor, by its `id`, the sum over the ranks; in few messages."""
        found: dict[int, Tensor] = {}
        for bucket in _buckets(tensors, self.bucket_bytes):
            flat = flattened(bucket)
            dist.all_reduce(flat, group=self.group)
            found |= zip(map(id, bucket), unflattened(flat, bucket), strict=True)
        return found

    def _agree(self, device: torch.device) -> bool:
        """Whether all ranks have the same gradients and batches tracked, told by one number."""
        named = {} if self.sharded else self.named
        live = bytes(one.grad is not None for one in named.values())
        mark = crc32(live + repr(self.norms.tracked().tolist()).encode())
        said = torch.tensor([mark, -mark], device=device)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.group)
        return bool(said.sum() == 0)

    def _compare(self, device: torch.device) -> None:
        """Which gradients live on how many ranks; each rank must send the same ones."""
        named = {} if self.sharded else self.named
        alive = [one.grad is not None for one in named.values()]
        live, counts = torch.tensor(alive, device=device).long(), self.norms.counts(device)
        said = torch.cat([live, counts.flatten()])
        dist.all_reduce(said, group=self.group)
        self.norms.follow(*said[len(live) :].view_as(counts))
        for (name, one), ranks in zip(named.items(), said[: len(live)].tolist(), strict=True):
            if self.alike and 0 < ranks < self.ranks:
                raise RuntimeError(
                    f"the ranks' plans were to be the same, but {name} has a gradient on"
                    f" {ranks} of {self.ranks} ranks only; give plan= the same on all ranks, call"
                    ' synchronise() after loading a checkpoint, or construct with plans="own"'
                )
            if ranks and one.grad is None:
                one.grad = torch.zeros_like(one)


def _check(module: nn.Module, plans: Plans, sharded: bool) -> None:
    if not dist.is_initialized():
        raise RuntimeError(
            "no process group: start with `torchrun --nproc-per-node N script.py` and call"
            ' torch.distributed.init_process_group("gloo" or "nccl") first'
        )
    if plans not in ("same", "own"):
        raise ValueError(f'plans is "same" or "own", not {plans!r}')
    if not hasattr(module, "plan_state"):
        unused = ", find_unused_parameters=True" if _is_thinned(module) else ""
        raise TypeError(
            f"{type(module).__name__} draws no plans; torch serves it well:"
            f" torch.nn.parallel.DistributedDataParallel(network{unused})"
        )
    alike = _alike(module, plans)
    if sharded and not alike:
        raise ValueError(
            "sharded weights are gathered by all ranks together, where a layer computes;"
            ' plans="same" is needed, and no stochastic depth'
        )
    if hasattr(module, "column_statistics") and not alike:
        raise ValueError(
            'mode "simultaneous" keeps statistics for each column; where ranks compute different'
            ' layers they do not combine: plans="same" is needed, and no stochastic depth'
        )
    if not any(isinstance(one, nn.SyncBatchNorm) for one in module.modules()):
        return
    if plans == "own":
        raise ValueError(
            "SyncBatchNorm waits for all ranks in every layer, also for those whose own plan"
            ' drops it; keep plain batch_norm (its statistics are combined), or plans="same"'
        )
    if _is_thinned(module):
        raise ValueError(
            "SyncBatchNorm waits for all ranks in every layer, also for those whose samples do"
            " without it by stochastic depth; keep plain batch_norm (its statistics are combined)"
        )


def _is_thinned(module: nn.Module) -> bool:
    """Whether stochastic depth is in it."""
    return any(map(thins, module.modules()))


def _alike(module: nn.Module, plans: Plans) -> bool:
    """Whether all ranks compute the same layers.

    Stochastic depth draws for each rank by itself; a branch may be dead on one.
    """
    return plans == "same" and not _is_thinned(module)


def _own_state(state: Tensor, rank: int) -> Tensor:
    """A generator state for `rank`, by a seed that rank 0's state draws."""
    generator = torch.Generator()
    generator.set_state(state)
    seeds = torch.randint(2**62, (rank + 1,), generator=generator)
    return generator.manual_seed(int(seeds[rank])).get_state()


class _Norms:
    """Running statistics of a module's batch normalisations, and the samples they come from."""

    def __init__(self, module: nn.Module) -> None:
        self.module: Any = module
        found = [(name, one) for name, one in module.named_modules() if _has_statistics(one)]
        self.names = [name for name, _ in found]
        self.norms: list[Any] = [one for _, one in found]
        sizes = [2 * norm.num_features for norm in self.norms]
        self.sizes, self.numbers = torch.tensor(sizes, dtype=torch.long), sum(sizes)
        for norm in self.norms:
            # A buffer moves with the module; a count on the device needs no waiting for it, and
            # torch.compile traces it as it does batch norm's own.
            norm.register_buffer("samples_seen", None, persistent=False)
            norm.register_forward_pre_hook(_count_samples)
        self.forget()

    def forget(self) -> None:
        for norm in self.norms:
            norm.samples_seen = torch.zeros_like(norm.num_batches_tracked)

    def statistics(self) -> list[list[Tensor]]:
        """Of all norms; and once more for each column that keeps its own (mode "simultaneous")."""
        shared = [one for norm in self.norms for one in (norm.running_mean, norm.running_var)]
        columns: dict[int, dict[str, Tensor]] = getattr(self.module, "column_statistics", {})
        names = [f"{name}.running_{what}" for name in self.names for what in ("mean", "var")]
        return [shared, *([own[name] for name in names] for k, own in columns.items() if k)]

    def samples(self) -> Tensor:
        """[norms]: samples since last time."""
        return torch.stack([norm.samples_seen for norm in self.norms])

    def tracked(self) -> Tensor:
        """[norms]: batches ever tracked."""
        numbers = [norm.num_batches_tracked for norm in self.norms]
        return torch.stack(numbers) if numbers else torch.zeros(0, dtype=torch.long)

    def counts(self, device: torch.device) -> Tensor:
        """[2, norms]: samples since last time; and weighted by them, batches ever tracked."""
        if not self.norms:
            return torch.zeros(2, 0, dtype=torch.long, device=device)
        return torch.stack([samples := self.samples(), samples * self.tracked()])

    def follow(self, samples: Tensor, tracked: Tensor) -> None:
        """All ranks' `counts`: each norm takes the mean of batches tracked, rounded up."""
        if not self.norms:
            return
        numbers = [norm.num_batches_tracked for norm in self.norms]
        mean = -(-tracked // samples.clamp(min=1))
        _spread(torch.where(samples > 0, mean, torch.stack(numbers)), numbers)

    def weighted(self, statistics: list[list[Tensor]], device: torch.device) -> Tensor:
        """What the ranks add up: running statistics times samples, then the samples.

        In float32 at least: half precision counts no further than to 256 or 2,048.
        """
        if not self.norms:
            return torch.zeros(0, device=device)
        kind = torch.promote_types(self.norms[0].running_mean.dtype, torch.float32)
        samples = self.samples().to(kind)
        weights = self.spread(samples)
        # Where no sample was, nothing is said, were it NaN.
        parts = [torch.where(weights > 0, flattened(one) * weights, 0) for one in statistics]
        return torch.cat([*parts, samples])

    def take(self, statistics: list[list[Tensor]], summed: Tensor) -> None:
        """What all ranks hold together; a layer that ran on none, or here alone, keeps its own."""
        if not self.norms:
            return
        total = self.spread(summed[-len(self.norms) :])
        kept = total == self.spread(self.samples().to(total.dtype))
        means = (summed[: -len(self.norms)].view(len(statistics), -1) / total).unbind()
        for own, mean in zip(statistics, means, strict=True):
            flat = flattened(own)
            _spread(torch.where(kept, flat, mean.to(flat.dtype)), own)
        self.forget()

    def spread(self, values: Tensor) -> Tensor:
        """A value for each norm, as one for each of its running statistics."""
        if self.sizes.device != values.device:
            self.sizes = self.sizes.to(values.device)
        return values.repeat_interleave(self.sizes, output_size=self.numbers)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _count_samples(norm: Any, inputs: tuple[Tensor, ...]) -> None:
    if norm.training:
        norm.samples_seen.add_(len(inputs[0]))


def _buckets(tensors: Iterable[Tensor], limit: int) -> Iterator[list[Tensor]]:
    """Tensors that go in one message: of one kind, up to `limit` bytes or a single larger one."""
    open_: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    filled: Counter[tuple[torch.dtype, torch.device]] = Counter()
    for tensor in tensors:
        kind = (tensor.dtype, tensor.device)
        bucket = open_.setdefault(kind, [])
        if bucket and filled[kind] + tensor.nbytes > limit:
            yield bucket.copy()
            bucket.clear()
            filled[kind] = 0
        bucket.append(tensor)
        filled[kind] += tensor.nbytes
    yield from open_.values()


def _spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """The pieces of `flat` back into `tensors`, whatever their strides."""
    torch._foreach_copy_(list(tensors), list(unflattened(flat, tensors)))
