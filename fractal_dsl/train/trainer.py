"""The training loop, and the seven pieces of state with which a stopped run goes on as it was."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from fractal_dsl.runtime import parameter_groups
from fractal_dsl.runtime.sharding import optimiser_parts, parts_of, whole
from fractal_dsl.train import faults
from fractal_dsl.train.batches import Batch, Batches, centre_of
from fractal_dsl.train.checkpoint import Checkpoints
from fractal_dsl.train.data.images import Data
from fractal_dsl.train.evaluate import Score, columns_of, evaluated
from fractal_dsl.train.log import Log
from fractal_dsl.train.passes import passes_of
from fractal_dsl.train.progress import Progress
from fractal_dsl.train.ranks import derived, spread, summed
from fractal_dsl.train.recipe import Recipe
from fractal_dsl.train.schedule import Schedule
from fractal_dsl.train.tally import Tally
from fractal_dsl.train.together import by_first, gathered
from fractal_dsl.train.work import LiveWork

__all__ = ["PIECES", "Trainer", "idle_rates", "plans_of"]

PIECES = ("model", "optimiser", "schedule", "random", "plans", "sampler", "step")

Stop = Callable[[], bool]


@dataclass(slots=True)
class Clock:
    """Seconds of training since the last look, evaluation left out."""

    seconds: float = 0.0
    since: float = 0.0
    images: int = 0

    def start(self) -> None:
        self.since = perf_counter()

    def stop(self) -> None:
        self.seconds += perf_counter() - self.since

    def rate(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0

    def reset(self) -> None:
        self.seconds, self.images = 0.0, 0


class Trainer:
    """Trains one network by one recipe; everything it needs to go on is in `state()`."""

    def __init__(self, net: Any, data: Data, recipe: Recipe, fabric: Fabric) -> None:
        self.recipe, self.data, self.fabric = recipe, data, fabric
        rank, ranks = fabric.global_rank, fabric.world_size
        torch.manual_seed(derived(recipe.seed, "dropout", rank))
        self.net = with_rates(net, recipe)
        self.work = LiveWork(net, data.train.shape)
        # A sharded network is looked at, and searched for a fault, as a copy of whole weights.
        self.whole_net = deepcopy(net).to(fabric.device) if is_sharded(recipe, fabric) else None
        self.wrapped: Any = spread(net, recipe, fabric)
        if recipe.compile:
            compiled(self.net)
        self.parameters = list(net.parameters())  # walking through the modules takes its time
        groups = parameter_groups(net, recipe.weight_decay)
        self.optimiser = sgd(groups, recipe, fused=self.whole_net is None)
        self.batches = Batches(
            data.train.to(fabric.device), centre_of(data.train, recipe.centre).to(fabric.device),
            recipe.batch, recipe.augment, derived(recipe.seed, "order"), rank, ranks,
        )  # fmt: skip
        self.epoch_steps = self.batches.steps
        self.steps = recipe.epochs * self.epoch_steps
        self.schedule = Schedule(self.optimiser, recipe, self.steps)
        self.passes = passes_of(net, self.wrapped, fabric)
        self.test = data.test.to(fabric.device)
        self.columns = columns_of(net) if recipe.columns else ()
        self.tally = Tally(getattr(net, "columns", 0), fabric.device)
        self.clock = Clock()
        self.step_number, self.rate = 0, recipe.learning_rate

    # The loop ------------------------------------------------------------------------

    def run(self, log: Log | None, saved: Checkpoints, progress: Progress, stop: Stop) -> bool:
        """Trains to the end, or until `stop` says so; whether it came to the end.

        `log` is the first process's. Raises DiagnosticError (F0805) where a number is not finite.
        """
        ranks = self.fabric.world_size
        self.net.train()
        while self.step_number < self.steps:
            self.clock.start()
            loss, norm = self.step()
            self.clock.stop()
            if self.step_number % self.recipe.log_every == 0:
                self.log_step(log, progress, summed(self.fabric, loss) / ranks, norm)
            epoch, within = divmod(self.step_number, self.epoch_steps)
            if within == 0:
                self.end_epoch(epoch, log, progress)
            stopping = self.agreed(stop)
            if stopping or self.is_due():
                self.save(saved)
            if stopping:
                return False
        return True

    def step(self) -> tuple[Tensor, Tensor | None]:
        """One step of the optimiser: its loss, and the norm of all gradients where looked at."""
        batch = self.batches.next()
        self.optimiser.zero_grad(set_to_none=True)
        self.rate = self.schedule.advance()
        x = batch.x
        if self.recipe.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        loss, outputs = self.passes.backward(x, batch.y)
        if hasattr(self.wrapped, "average"):
            self.wrapped.average()
        self.tally.add_work(self.work.share())
        norm = None
        if (self.step_number + 1) % self.recipe.check_every == 0 or self.is_due(1):
            norm = self.checked(loss, batch)
        if hasattr(self.net, "advance_dead"):
            self.net.advance_dead()
        self.optimiser.step()
        with torch.no_grad():
            for column, output in outputs:
                self.tally.add(column, output, batch.y, loss if len(outputs) == 1 else None)
        self.step_number += 1
        self.clock.images += self.recipe.batch
        return loss, norm

    def checked(self, loss: Tensor, batch: Batch) -> Tensor:
        """The norm of all gradients. Raises DiagnosticError (F0805) where it is not finite."""
        gradients = [one.grad for one in self.parameters if one.grad is not None]
        norm: Tensor = whole(torch.nn.utils.get_total_norm(gradients))
        if not torch.isfinite(loss + norm):
            self.stop_at_fault(batch)
        return norm

    def stop_at_fault(self, batch: Batch) -> None:
        """All processes say the same: what is surest of what any of them found."""
        found = gathered(faults.before(self.looked_at(), batch))
        where = next((one for one in found if one), None)
        if where is None:
            own = faults.within(self.net, batch.x, lambda x: self.passes.again(x, batch.y))
            _, where = min(gathered(own))
        raise faults.not_finite(self.step_number + 1, where, self.rate)

    def is_due(self, ahead: int = 0) -> bool:
        """Whether a checkpoint belongs after so many steps more."""
        done = self.step_number + ahead
        every = self.recipe.checkpoint_every or self.epoch_steps
        return done % every == 0 or done == self.steps

    def agreed(self, stop: Stop) -> bool:
        """Several processes look at one another's wish to stop now and then, and stop together."""
        if self.fabric.world_size == 1:
            return stop()
        if self.step_number % self.recipe.log_every:
            return False
        wish = torch.tensor(float(stop()), device=self.fabric.device)
        return bool(summed(self.fabric, wish) > 0)

    # What is told --------------------------------------------------------------------

    def log_step(
        self, log: Log | None, progress: Progress, loss: Tensor, norm: Tensor | None
    ) -> None:
        values: dict[str, Any] = {
            "epoch": self.step_number / self.epoch_steps,
            "loss": float(loss),
            "accuracy": self.tally.accuracy(self.fabric),
            "gradient_norm": None if norm is None else float(norm),
            "learning_rate": self.rate,
        }
        self.write(log, "step", values)
        progress.stepped(self.step_number, {**values, "images_per_second": self.clock.rate()})

    def end_epoch(self, epoch: int, log: Log | None, progress: Progress) -> None:
        values: dict[str, Any] = {"epoch": epoch, **self.tally.summary(
            self.fabric, live=self.work.known)}  # fmt: skip
        values["learning_rate"] = self.rate
        if epoch % self.recipe.evaluate_every == 0 or epoch == self.recipe.epochs:
            values |= self.scores("test", self.look(self.test))
        if epoch == self.recipe.epochs:
            values |= self.scores("train_at_end", self.look(self.batches.images))
        values["seconds"] = self.clock.seconds
        values["images_per_second"] = self.clock.rate()
        self.tally.clear()
        self.clock.reset()
        self.write(log, "epoch", values)
        progress.looked(epoch, values)

    def write(self, log: Log | None, kind: str, values: dict[str, Any]) -> None:
        """That the disk does not take it, all processes hear."""
        by_first(lambda: None if log is None else log.write(kind, self.step_number, values))

    def look(self, images: Any) -> dict[int | None, Score]:
        with self.fabric.autocast():
            return evaluated(
                self.looked_at(), images, self.batches.centre, batch=max(self.recipe.batch, 100),
                columns=self.columns, fabric=self.fabric,
            )  # fmt: skip

    def looked_at(self) -> Any:
        """The network with whole weights; where they are in parts, all processes must ask."""
        if self.whole_net is None:
            return self.net
        self.whole_net.load_state_dict(whole(self.net.state_dict()))
        if hasattr(self.net, "plan_state"):
            self.whole_net.load_plan_state(self.net.plan_state())
        return self.whole_net

    @staticmethod
    def scores(name: str, found: dict[int | None, Score]) -> dict[str, Any]:
        values: dict[str, Any] = {name: found[None].as_data()}
        columns = {str(k): one.as_data() for k, one in found.items() if k is not None}
        return values | ({f"{name}_columns": columns} if columns else {})

    # State ---------------------------------------------------------------------------

    def save(self, saved: Checkpoints) -> None:
        """Writes a checkpoint; that the disk does not take it, all processes hear."""
        state = self.state()
        by_first(lambda: saved.write(self.step_number, state))

    def state(self) -> dict[str, Any]:
        """The seven pieces; of random numbers, every process's."""
        own = (random_state(), self.plan_state(), self.tally.state())
        random, plans, tallies = zip(*gathered(own), strict=True)
        return {
            "model": {"weights": whole(self.net.state_dict())},
            "optimiser": whole(self.optimiser.state_dict()),
            "schedule": self.schedule.state(),
            "random": list(random),
            "plans": list(plans),
            "sampler": self.batches.state(),
            "step": {"number": self.step_number, "tallies": list(tallies)},
        }

    def load_state(self, state: dict[str, Any]) -> bool:
        """Goes on from `state`; whether random numbers go on, too, as the same number of processes
        makes sure."""
        self.net.load_state_dict(parts_of(state["model"]["weights"], self.net))
        own = [one for group in self.optimiser.param_groups for one in group["params"]]
        self.optimiser.load_state_dict(optimiser_parts(state["optimiser"], own))
        self.schedule.load_state(state["schedule"])
        self.batches.load_state(state["sampler"])
        self.step_number = state["step"]["number"]
        same = len(state["random"]) == self.fabric.world_size
        rank = self.fabric.global_rank if same else 0
        self.tally.load_states(state["step"]["tallies"], rank if same else None)
        if same:
            load_random_state(state["random"][rank])
        plans = plans_of(state, rank)
        if plans is not None and (same or self.recipe.plans == "same"):
            self.net.load_plan_state(plans)
        return same

    def plan_state(self) -> Any:
        """Where the plans stand; in mode "simultaneous" with the columns' statistics."""
        net: Any = self.net
        return net.plan_state() if hasattr(net, "plan_state") else None


def plans_of(state: dict[str, Any], rank: int) -> Any:
    """Where the plans of a process stood; columns' statistics were kept elsewhere at first."""
    plans, columns = state["plans"][rank], state["model"].get("columns")
    return {"generator": plans, "columns": columns} if columns else plans


def is_sharded(recipe: Recipe, fabric: Fabric) -> bool:
    return recipe.sharded and fabric.world_size > 1


def with_rates(net: nn.Module, recipe: Recipe) -> Any:
    """The recipe's rates of drop-path in place of the file's, where it has any."""
    for name, rate in rates_of(recipe):
        if hasattr(net, name):
            setattr(net, name, rate)
    return net


def idle_rates(net: nn.Module, recipe: Recipe) -> list[str]:
    """Settings that change nothing, as the network draws nothing by such a rate."""
    return [name.removesuffix("_rate") for name, _ in rates_of(recipe) if not hasattr(net, name)]


def rates_of(recipe: Recipe) -> list[tuple[str, float]]:
    told = (("local_rate", recipe.local), ("global_rate", recipe.global_))
    return [(name, rate) for name, rate in told if rate is not None]


def sgd(groups: list[dict[str, Any]], recipe: Recipe, *, fused: bool) -> torch.optim.SGD:
    """Fused, but for weights in parts, which torch's fused kernel does not take.

    Its momentum is there from the start: nor does that kernel take parameters that begin later
    than others, as under drop-path; from zero, the first step is the same.
    """
    made = torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov,
        fused=fused,
    )  # fmt: skip
    if recipe.momentum:
        for parameter in (one for group in groups for one in group["params"]):
            made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return made


def compiled(net: nn.Module) -> None:
    from fractal_dsl.runtime.compiling import compile_regions

    compile_regions(net)


def random_state() -> dict[str, Tensor | None]:
    """Where torch's own generators of this process stand: dropout's, above all."""
    device = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": device}


def load_random_state(state: dict[str, Tensor | None]) -> None:
    if state["cpu"] is not None:
        torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
