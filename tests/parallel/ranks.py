"""What two gloo ranks do; each function's results go to a file, and tests look at them.

One start of two processes serves all tests: importing torch twice costs more than the steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from fractal_dsl.driver.compilation import Style
from fractal_dsl.runtime.compiling import compile_regions
from fractal_dsl.runtime.parallel import DropPathParallel
from fractal_dsl.runtime.sharding import parts_of, shard, whole
from tests.parallel.nets import SPEC, batch, made

__all__ = ["LR", "RANKS", "STEPS", "SyncNorm", "frozen", "loss", "run", "trained"]

RANKS, STEPS, LR = 2, 50, 0.05
STYLES: tuple[Style, ...] = ("modules", "flat")
PLAIN = SPEC.replace("drop_path", "## ")
SIMULTANEOUS = SPEC.replace("global = 0.5", 'mode = "simultaneous"')
LISTED = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
net Listed(classes = 3) on image[2, 4, 4] =
    chain(conv(w) for w in [4, 6]) >> f(2, channels = 4) >> max_pool(4) >> linear(classes)
drop_path(local = 0.3, global = 0.5)
"""
EQUAL = """
f(1)   = conv(4)
f(C+1) = f(C) (+) conv(4)
net Equal(classes = 3) on image[2, 4, 4] = f(2) >> max_pool(4) >> linear(classes)
drop_path(local = 0.3, global = 0.5)
"""
THINNED = "net Thinned on image[2, 4, 4] = conv(2) >> (stochastic_depth(conv(2), 0.5) + id)"


class SyncNorm(nn.BatchNorm2d):
    """What SyncBatchNorm computes on GPUs: the statistics are those of the global batch."""

    def forward(self, x: Tensor) -> Tensor:
        own = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        mean, square = all_reduce(own) / RANKS
        variance = square - mean**2
        with torch.no_grad():
            count = RANKS * x.numel() / x.shape[1]
            tracked, means, variances = buffers(self)
            momentum = self.momentum
            assert momentum is not None
            tracked += 1
            means.lerp_(mean, momentum)
            variances.lerp_(variance * count / (count - 1), momentum)
        scale, shift, mean, variance = (
            one[:, None, None] for one in (self.weight, self.bias, mean, variance)
        )
        return (x - mean) * torch.rsqrt(variance + self.eps) * scale + shift


def buffers(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    """Batches tracked, running means and running variances."""
    tracked, means, variances = norm.num_batches_tracked, norm.running_mean, norm.running_var
    assert tracked is not None
    assert means is not None
    assert variances is not None
    return tracked, means, variances


def synced(model: Any) -> Any:
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncNorm
    return model


def frozen(model: nn.Module) -> Any:
    """Batch normalisation by running statistics, as in fine-tuning; not those of a new net."""
    generator = torch.Generator().manual_seed(7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            _, means, variances = buffers(module)
            means.normal_(generator=generator)
            variances.uniform_(0.5, 2, generator=generator)
    return model


def loss(model: Any, seed: int, rank: int | None = None, **settings: Any) -> Tensor:
    """Of the global batch of that seed, or of a rank's share of it."""
    x, target = batch(seed)
    mine = slice(None) if rank is None else slice(rank, None, RANKS)
    return nn.functional.cross_entropy(model(x[mine], **settings), target[mine])


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=1e-3)


def trained(model: Any, rank: int | None = None, steps: int = STEPS) -> dict[str, Tensor]:
    """Parameters and buffers after some steps, by the keys of the network itself."""
    descent = optimizer(model)
    for seed in range(steps):
        descent.zero_grad()
        loss(model, seed, rank).backward()
        if isinstance(model, DropPathParallel):
            model.average()
        descent.step()
    return state(model)


def state(model: nn.Module) -> dict[str, Tensor]:
    wraps = isinstance(model, DropPathParallel | DistributedDataParallel)
    inner = model.module if wraps else model
    assert isinstance(inner, nn.Module)
    return {name: one.clone() for name, one in whole(inner.state_dict()).items()}


def gradients(model: DropPathParallel) -> dict[str, Tensor | None]:
    return {name: one.grad for name, one in model.module.named_parameters()}


# What is tried: functions of the rank ----------------------------------------------


def start(rank: int) -> Any:
    """Ranks that were made differently begin alike."""
    net = made(seed=rank)
    net.sample_plan()
    model = DropPathParallel(net)
    return state(model), net.plan_state(), [str(net.sample_plan()) for _ in range(5)]


def same_plans(rank: int) -> Any:
    return trained(DropPathParallel(made(seed=rank)), rank)


def same_plans_in_small_buckets(rank: int) -> Any:
    return trained(DropPathParallel(made(seed=rank), bucket_bytes=1000), rank)


def flat_style(rank: int) -> Any:
    return trained(DropPathParallel(made(style="flat", seed=rank)), rank)


def with_frozen_norms(rank: int) -> Any:
    return trained(DropPathParallel(frozen(made())), rank)


def sharded(rank: int) -> Any:
    """As `same_plans`, every parameter in parts; and what is this rank's part."""
    net = made(seed=rank)
    model = DropPathParallel(net, sharded=True)
    found = trained(model, rank)
    held = sum(one.to_local().numel() for one in net.parameters())
    again = made()
    again.load_state_dict(found)
    other = DropPathParallel(made(seed=5 + rank), sharded=True)
    other.module.load_state_dict(parts_of(found, other.module))
    return found, held, whole(other.module.state_dict())


def sharded_lists(rank: int) -> Any:
    """A list of layers that no plan enters, the flat style, a net that draws no plans at all."""
    found = []
    for style in STYLES:
        model = DropPathParallel(frozen(made(LISTED, style)), sharded=True)
        found.append((trained(model, rank, 5), trained(frozen(made(LISTED, style)), None, 5)))
    net = frozen(made(LISTED.replace("drop_path", "## ")))
    shard(net)
    loss(net, 0, rank).backward()
    return found, [one.grad is not None for one in net.parameters()]


def half(rank: int) -> Any:
    """Statistics whose sums no float16 holds; 512 samples and 1, which bfloat16 cannot add up."""
    found = []
    tried = ((torch.float16, (1024, 1024), 100.0), (torch.bfloat16, (512, 1), 1))
    for kind, sizes, variance in tried:
        net = made().to(kind)
        model = DropPathParallel(net)
        for norm in model.norms.norms:
            norm.running_var.fill_(variance + rank)
            norm.samples_seen.fill_(sizes[rank])
        for one in net.parameters():
            one.grad = torch.ones_like(one)
        model.average()
        found.append(state(model))
    return found


def assigned(rank: int) -> Any:
    """Other parameters in the same network, said by `synchronise()`."""
    net = made()
    model = DropPathParallel(net)
    net.load_state_dict(made(seed=3 + rank).state_dict(), assign=True)
    model.synchronise()
    return trained(model, rank, 3)


def plans_that_part(rank: int) -> Any:
    """The same plan in the first step, then others, of equal sizes."""
    net = made(EQUAL)
    model = DropPathParallel(net)
    loss(model, 0, rank, plan=net.full_plan()).backward()
    model.average()
    net.zero_grad()
    loss(model, 1, rank, plan=net.column_plan(1 + rank)).backward()
    return refusal(model.average)


def sharded_plans(rank: int) -> Any:
    """Of column 1: parameters without a gradient, and how many numbers were gathered."""
    net = made()
    model = DropPathParallel(net, sharded=True)
    loss(model, 0, rank, plan=net.full_plan()).backward()
    net.zero_grad()
    gathered: list[int] = []
    gather = dist.all_gather_single

    def counting(*given: Any, **named: Any) -> Any:
        gathered.append(
            max(one.numel() for one in (*given, *named.values()) if torch.is_tensor(one))
        )
        return gather(*given, **named)

    with mock.patch.object(dist, "all_gather_single", counting):
        loss(model, 0, rank, plan=net.column_plan(1)).backward()
    dead = [name for name, one in net.named_parameters() if one.grad is None]
    return dead, sum(gathered)


def with_synced_norms(rank: int) -> Any:
    return trained(DropPathParallel(synced(made())), rank)


def ddp(rank: int) -> Any:
    return trained(DistributedDataParallel(frozen(made()), find_unused_parameters=True), rank)


def compiled(rank: int) -> Any:
    net = DropPathParallel(compile_regions(made(), backend="eager"))
    return trained(net, rank, 10), state(net)


def compiled_not(rank: int) -> Any:
    return trained(DropPathParallel(made()), rank, 10)


def own_plans(rank: int) -> Any:
    net = made(seed=rank)
    model = DropPathParallel(net, plans="own")
    plans = [str(net.sample_plan()) for _ in range(20)]
    return plans, trained(model, rank), [one.grad is None for one in model.parameters()]


def two_columns(rank: int) -> Any:
    """Column 1 on the first rank, column 3 on the second: nothing of a block in common."""
    net = made()
    model = DropPathParallel(net, plans="own")
    loss(model, 0, rank, plan=net.column_plan(1 + 2 * rank)).backward()
    own, alone = gradients(model), state(model)
    own = {name: None if one is None else one.clone() for name, one in own.items()}
    model.average()
    return own, alone, gradients(model), state(model)


def unequal_batches(rank: int) -> Any:
    """Statistics weigh by samples: 4 on the first rank, in two micro-batches, 2 on the second."""
    net = made()
    model, full = DropPathParallel(net), net.full_plan()
    x, _ = batch(rank, 4 if rank == 0 else 2)
    for part in x.split(2):
        model(part, plan=full).sum().backward()
    alone = state(model)
    model.average()
    return alone, state(model)


def micro_batches(rank: int) -> Any:
    """Two passes with different plans, one step."""
    net = made()
    model = DropPathParallel(net)
    for seed in range(2):
        (loss(model, seed, rank, plan=net.column_plan(1 + seed)) / 2).backward()
    model.average()
    return gradients(model)


def plans_that_differ(rank: int) -> Any:
    net = made()
    model = DropPathParallel(net)
    loss(model, 0, rank, plan=net.column_plan(1 + rank)).backward()
    return refusal(model.average)


def again_from_a_checkpoint(rank: int) -> Any:
    net = made()
    model = DropPathParallel(net)
    if rank == 0:
        net.load_state_dict(made(seed=5).state_dict())
        net.load_plan_state(torch.Generator().manual_seed(9).get_state())
    model.synchronise()
    return state(model), net.plan_state()


def all_columns_at_once(rank: int) -> Any:
    """Mode "simultaneous"; the second rank knows nothing of the columns that the first loads."""
    net = made(SIMULTANEOUS, seed=rank)
    model = DropPathParallel(net)
    descent = optimizer(net)
    for seed in range(5):
        descent.zero_grad()
        x, target = batch(seed)
        x, target = x[rank::RANKS], target[rank::RANKS]
        net.backward(x, lambda y, target=target: nn.functional.cross_entropy(y, target))
        alone = net.plan_state()["columns"]
        model.average()
        descent.step()
    ended = net.plan_state()
    late = made(SIMULTANEOUS, seed=rank)
    if rank == 0:
        late.load_plan_state(ended)
    DropPathParallel(late)
    return alone, ended, state(model), late.plan_state()


def refusals(rank: int) -> Any:
    sync = nn.SyncBatchNorm.convert_sync_batchnorm(made())
    return [
        refusal(lambda: DropPathParallel(made(PLAIN))),
        refusal(lambda: DropPathParallel(made(), plans="each")),  # type: ignore[arg-type]
        refusal(lambda: DropPathParallel(sync, plans="own")),
        refusal(lambda: DropPathParallel(made(SIMULTANEOUS), plans="own")),
        refusal(lambda: DropPathParallel(made(THINNED))),
        refusal(lambda: DropPathParallel(made(), plans="own", sharded=True)),
    ]


def refusal(action: Callable[[], object]) -> str:
    try:
        action()
    except (RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


TRIED = (
    start, same_plans, same_plans_in_small_buckets, flat_style, with_frozen_norms,
    with_synced_norms, ddp, compiled, compiled_not, own_plans, two_columns, unequal_batches,
    micro_batches, plans_that_differ, again_from_a_checkpoint,
    all_columns_at_once, refusals, sharded, sharded_plans, sharded_lists, half, assigned,
    plans_that_part,
)  # fmt: skip


def run(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=RANKS
    )
    torch.save({one.__name__: one(rank) for one in TRIED}, folder / f"rank{rank}.pt")
    dist.destroy_process_group()
