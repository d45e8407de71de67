"""A step of two gloo ranks: live gradients only, over DDP with find_unused_parameters.

    python benchmarks/parallel.py [--columns 3] [--width 16] [--batch 16] [--draws 48]

Both sides train the same net on the same plans and batches and take turns; a barrier stands
before each step. Counted is rank 0's processor time, with gloo's threads: what waits for the other
rank costs none. A step has zero_grad, forward, loss, backward, averaging and SGD with momentum.
The goal is a ratio of .85. The floor is the same step with nothing sent at all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import stratified
from benchmarks.paired import Claim, Timer, claim, compare, write
from fractal_dsl import compile as compile_spec
from fractal_dsl.runtime.parallel import DropPathParallel

RANKS = 2

SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(C) >> max_pool(2)
net Fractal(classes = 10) on image[3, 8, 8] =
    chain(block(w * W) for w in [1, 2, 4]) >> linear(classes)
drop_path(local = 0.15, global = 0.5)
param C = 3
param W = 16
"""


class Together(Timer):
    """Processor time of this rank, all ranks starting together."""

    def __call__(self, action: Any) -> float:
        dist.barrier()
        return super().__call__(action)


class Step:
    def __init__(self, model: nn.Module, x: Tensor, target: Tensor) -> None:
        self.model, self.x, self.target = model, x, target
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def __call__(self, plan: Any) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(self.model(self.x, plan=plan), self.target).backward()
        if isinstance(self.model, DropPathParallel):
            self.model.average()
        self.optimizer.step()


def rank_claims(given: argparse.Namespace) -> list[Claim]:
    torch.manual_seed(0)
    net = compile_spec(SPEC, C=given.columns, W=given.width).module()
    x, target = torch.randn(given.batch, 3, 8, 8), torch.randint(10, (given.batch,))
    ours = Step(DropPathParallel(net()), x, target)
    alone = Step(net(), x, target)
    unused = Step(DistributedDataParallel(net(), find_unused_parameters=True), x, target)
    plans = stratified(ours.model.module, given.draws, 8)
    rounds = [
        {
            "ours": lambda plan=plan: ours(plan),
            "ddp": lambda plan=plan: unused(plan),
            "alone": lambda plan=plan: alone(plan),
        }
        for _, plan in plans
    ]
    times = compare(Together(torch.device("cpu")), rounds)
    name = f"two ranks, C = {given.columns}, width {given.width}, batch {given.batch}"
    strata = [kind for kind, _ in plans]
    print_means = {key: sum(value) / len(value) * 1000 for key, value in times.items()}
    if dist.get_rank() == 0:
        print({key: f"{value:.1f} ms" for key, value in print_means.items()})
    what = f"{name}: over find_unused_parameters"
    floor = sum(times["alone"]) / sum(times["ddp"])
    return [claim(what, times["ours"], times["ddp"], 0.85, floor, strata)]


def run(rank: int, given: argparse.Namespace, folder: str) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=RANKS
    )
    found = rank_claims(given)
    if rank == 0:
        write(found, given.json, torch.device("cpu"))
        Path(folder, "holds").write_text(str(int(all(one.holds for one in found))))
    dist.destroy_process_group()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=48)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spawn(run, (given, folder), nprocs=RANKS)
        return 1 - int(Path(folder, "holds").read_text())


if __name__ == "__main__":
    raise SystemExit(main())
