"""Trains on scikit-learn's digits on several ranks.

torchrun --nproc-per-node 2 examples/ranks.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from fractal_dsl.runtime.parallel import DropPathParallel

sys.path.insert(0, str(Path.cwd()))
from digits_model import Digits  # fractalc specs/digits.fdl -o digits_model.py


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--plans", choices=("same", "own"), default="same")
    given = arguments.parse_args()
    on_gpu = torch.cuda.is_available() and dist.is_nccl_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", rank % torch.cuda.device_count()) if on_gpu else "cpu"
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels / 16, dtype=torch.float32).view(-1, 1, 8, 8).to(device)
    y = torch.tensor(labels).to(device)
    model = DropPathParallel(Digits(plan_seed=1).to(device), given.plans)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    order = torch.Generator().manual_seed(rank)
    for step in range(given.steps):
        mine = torch.randperm(len(x) // ranks, generator=order)[:32] * ranks + rank
        optimizer.zero_grad()
        loss = cross_entropy(model(x[mine]), y[mine])
        loss.backward()
        model.average()
        optimizer.step()
        if rank == 0 and step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
