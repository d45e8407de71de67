"""What a training step under drop-path costs, over the same net all live and over pytorchcv's.

    python benchmarks/training.py [--columns 3] [--batch 16] [--draws 24] [--device cuda]

The network of the paper's table 1 at full widths. Both sides take the same plans and batches:
half local, half global, the columns in turn. A step is zero_grad, forward, loss, backward and
SGD with momentum. The floor is the share of multiply-adds that the plans leave.
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

from benchmarks.nets import fractalnet, live_share, peer, stratified
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
    straight = fractalnet(columns, drop_path=False, style="flat").to(device).train()
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    found = claims(arguments.columns, arguments.batch, arguments.draws, device)
    write(found, arguments.json, device)
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
