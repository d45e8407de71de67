"""What a step of `fractalc train` costs over the same step in a bare loop.

    python benchmarks/train_overhead.py [--rounds 200] [--batch 50]

Both sides have the same network, weights, plans and batches and take turns. The bare loop draws
its plan by the forward, has its images centred beforehand and does nothing but zero_grad, forward,
loss, backward and SGD as torch has it by default. The tool, whose SGD is fused, also centres,
tallies losses by column, adds up live work and looks for NaN in every step.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.paired import Claim, Timer, claim, compare, write
from fractal_dsl.source import Source
from fractal_dsl.train.data.images import Data, Found, Images, prepared
from fractal_dsl.train.network import Specification, compiled_for
from fractal_dsl.train.ranks import launched
from fractal_dsl.train.recipe import Recipe
from fractal_dsl.train.run import network_of
from fractal_dsl.train.trainer import Trainer

SPECS = Path(__file__).resolve().parent.parent / "specs"


class Bare:
    """The loop that somebody writes in ten lines."""

    def __init__(self, other: Trainer) -> None:
        self.net = copy.deepcopy(other.net)
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=other.recipe.learning_rate, momentum=other.recipe.momentum,
            weight_decay=other.recipe.weight_decay,
        )  # fmt: skip
        self.x = other.batches.centre(other.batches.images.pixels)
        self.y = other.batches.images.labels
        self.rows = iter(other.batches.order.split(other.recipe.batch))

    def __call__(self) -> None:
        rows = next(self.rows)
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(self.net(self.x[rows]), self.y[rows])
        loss.backward()
        self.optimizer.step()


def images(shape: tuple[int, ...], number: int, classes: int) -> Data:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (number, *shape), generator=generator).byte()
    held = Images(pixels, torch.arange(number) % classes)
    return prepared("noise", Found(held, held, classes), held_out=0, train_images=0, test_images=0)


def measured(
    name: str, spec: str, settings: dict[str, Any], rounds: int, batch: int, device: str
) -> Claim:
    recipe = Recipe(batch=batch, device=device)
    text = (SPECS / spec).read_text("utf-8")
    source = Specification(Source(spec, text), settings)
    taken = source.compiled().report
    data = images(taken.input.sizes, (rounds + 2) * batch, taken.output.sizes[0])
    made = compiled_for(source, data.train.shape, data.classes)
    tool = Trainer(network_of(recipe, made), data, recipe, launched(recipe))
    tool.net.train()
    bare = Bare(tool)
    times = compare(Timer(tool.fabric.device), [{"tool": tool.step, "bare": bare}] * rounds)
    return claim(f"a step of the tool over a bare one, {name}", times["tool"], times["bare"], 1.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    torch.manual_seed(0)
    found = [
        measured(name, spec, {}, told.rounds, told.batch, told.device)
        for name, spec in (("digits", "digits.fdl"), ("table 3, C = 4", "paper/table3.fdl"))
    ]
    write(found, told.json, torch.device(told.device))
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
