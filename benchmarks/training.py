"""What a training step under drop-path costs, over the same net all live and over pytorchcv's.

    python benchmarks/training.py [--columns 3] [--batch 16] [--draws 24] [--per sample]

The network of the paper's table 1 at full widths. Both sides take the same batches, ours the same
plans: half local, half global, the columns in turn; per sample, so in each mini-batch. The
peer draws masks of its own, which cost it the same whatever they are. A step is zero_grad,
forward, loss, backward and SGD with momentum. The floor is the share of multiply-adds that the
plans leave. `--device cuda` measures with CUDA events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import fractalnet, live_share, peer, stratified, stratified_samples
from benchmarks.paired import Claim, Timer, claim, compare, write


class Step:
    """One optimiser step of a model on one batch."""

    def __init__(self, model: nn.Module, x: Tensor, target: Tensor) -> None:
        self.model = model
        self.x, self.target = x, target
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def __call__(self, **settings: object) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        output = self.model(self.x, **settings)
        loss = nn.functional.cross_entropy(output, self.target)
        loss.backward()
        self.optimizer.step()


def claims(columns: int, batch: int, draws: int, device: torch.device) -> list[Claim]:
    torch.manual_seed(0)
    ours = fractalnet(columns).to(device).train()
    straight = fractalnet(columns, per="none", style="flat").to(device).train()
    x = torch.randn(batch, 3, 32, 32, device=device)
    target = torch.randint(10, (batch,), device=device)
    step, plain = Step(ours, x, target), Step(straight, x, target)
    theirs = Step(peer().to(device).train(), x, target) if columns == 3 else None
    plans = stratified(ours, draws)
    full = ours.full_plan()
    rounds = []
    for _, plan in plans:
        actions: dict[str, Callable[[], object]] = {
            "live": partial(step, plan=plan),
            "full": partial(step, plan=full),
            "straight": plain,
        }
        if theirs is not None:
            actions["peer"] = theirs
        rounds.append(actions)
    times = compare(Timer(device), rounds)
    strata = [kind for kind, _ in plans]
    share = sum(live_share(ours, plan) for _, plan in plans) / len(plans)
    name = f"training step, per batch, C = {columns}, batch {batch}"
    slack = 0.04 if columns == 3 else 0.05
    live = times["live"]
    found = [
        claim(f"{name}: over own, all live", live, times["full"], share + slack, share, strata),
        claim("own, all live, over straight-line code", times["full"], times["straight"], 1.03),
    ]
    if theirs is not None:
        found.append(claim("the same, over pytorchcv's", live, times["peer"], 0.58, None, strata))
    return found


def claims_per_sample(columns: int, batch: int, draws: int, device: torch.device) -> list[Claim]:
    torch.manual_seed(0)
    ours = fractalnet(columns, per="sample").to(device).train()
    x = torch.randn(batch, 3, 32, 32, device=device)
    target = torch.randint(10, (batch,), device=device)
    step = Step(ours, x, target)
    theirs = Step(peer().to(device).train(), x, target) if columns == 3 else None
    full = ours.full_plan()
    rounds = []
    mini_batches = stratified_samples(ours, draws, batch)
    for plans in mini_batches:
        actions: dict[str, Callable[[], object]] = {
            "live": partial(step, plan=plans),
            "full": partial(step, plan=full),
        }
        if theirs is not None:
            actions["peer"] = theirs
        rounds.append(actions)
    times = compare(Timer(device), rounds)
    shares = [live_share(ours, plan) for plans in mini_batches for plan in plans]
    share = sum(shares) / len(shares)
    name = f"training step, per sample, C = {columns}, batch {batch}"
    live, all_live = times["live"], times["full"]
    found = [claim(f"{name}: over own, all live", live, all_live, share + 0.05, share)]
    if theirs is not None:
        found.append(claim("the same, over pytorchcv's", live, times["peer"], 0.67))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--per", choices=("batch", "sample"), default="batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    measured = claims if arguments.per == "batch" else claims_per_sample
    found = measured(arguments.columns, arguments.batch, arguments.draws, device)
    write(found, arguments.json, device)
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
