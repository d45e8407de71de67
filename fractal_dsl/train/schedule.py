"""The learning rate over a run: it drops whenever the steps that remain halve."""

from __future__ import annotations

from bisect import bisect_right

from torch.optim import Optimizer

from fractal_dsl.train.recipe import Recipe

__all__ = ["Schedule"]

WARM_SHARE = 0.1


class Schedule:
    """Sets the learning rate of an optimiser, step by step.

    A drop at a share s of the run takes effect with step ceil(s * steps), steps counted from 0:
    of 400 epochs, with the first step of epochs 200, 300, 350, 375 (section 4.1).
    """

    def __init__(self, optimiser: Optimizer, recipe: Recipe, steps: int) -> None:
        self.optimiser, self.recipe = optimiser, recipe
        self.bounds = [round(share * steps, 6) for share in recipe.drops]
        self.taken = 0

    def rate(self, step: int) -> float:
        """Of a step, counted from 0."""
        drops = bisect_right(self.bounds, step)
        rate = self.recipe.learning_rate / self.recipe.drop_factor**drops
        return rate * WARM_SHARE if step < self.recipe.warmup else rate

    def advance(self) -> float:
        """Sets the rate of the next step, and gives it."""
        rate = self.rate(self.taken)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.taken += 1
        return rate

    def state(self) -> dict[str, int]:
        return {"taken": self.taken}

    def load_state(self, state: dict[str, int]) -> None:
        self.taken = state["taken"]
