"""Compiled regions under drop-path: recompiles, graphs, share of convolutions inside, and time.

    python benchmarks/compiled.py [--columns 3] [--width 16] [--batch 16] [--steps 200]

Both sides are one net with the same weights, plans and batches; one has its regions compiled, by
inductor where a C++ compiler is found (else by aot_eager: counts only). Counts are over `steps`
training steps with plans as the model draws them; times are over stratified plans.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
import sys
from collections.abc import Callable, Hashable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo import lookup_backend

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nets import stratified
from benchmarks.paired import Claim, Timer, claim, compare, write
from benchmarks.training import Step
from fractal_dsl import compile as compile_spec
from fractal_dsl.runtime.compiling import compile_regions, inductor, regions

__all__ = ["Counting", "conv_calls", "region_shapes"]

SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(C) >> max_pool(2)
net Fractal(classes = 10) on image[3, 32, 32] =
    chain(block(w * W) for w in [1, 2, 4, 8, 8]) >> linear(classes)
drop_path(local = 0.15, global = 0.5)
param C = 3
param W = 16
"""


class Counting:
    """A backend that counts the graphs it is given and the convolutions that they run."""

    def __init__(self, inner: str | Callable[..., Any]) -> None:
        self.inner = lookup_backend(inner)
        self.graphs = self.convs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: Sequence[Tensor]) -> Any:
        self.graphs += 1
        inside = sum(node.target is torch.conv2d for node in graph.graph.nodes)
        made: Callable[..., Any] = self.inner(graph, list(inputs))

        def run(*given: Tensor) -> Any:
            self.convs += inside
            return made(*given)

        return run


@contextmanager
def conv_calls(model: nn.Module) -> Any:
    """A list of the convolutions that run eagerly in `model`, one entry for each call."""
    calls: list[nn.Module] = []
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_hook(lambda conv, _, __: calls.append(conv)) for conv in convs]
    yield calls
    for hook in hooks:
        hook.remove()


def region_shapes(model: Any, x: Tensor) -> int:
    """Distinct (class, shapes of parameters, shapes of inputs) of the regions, all live."""
    seen: set[Hashable] = set()

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        own = tuple(parameter.shape for parameter in module.parameters())
        seen.add((type(module), own, tuple(one.shape for one in inputs)))

    hooks = [one.register_forward_pre_hook(note) for one in regions(model).values()]
    with torch.no_grad():
        model(x, plan=model.full_plan())
    for hook in hooks:
        hook.remove()
    return len(seen)


def counts(ours: Step, eager: Step, backend: Counting, steps: int) -> dict[str, float]:
    """What `steps` drawn plans make anew, after one step with everything live."""
    net: Any = ours.model
    ours(plan=net.full_plan())
    graphs = backend.graphs
    backend.convs, total = 0, 0
    with conv_calls(eager.model) as calls:
        for _ in range(steps):
            plan = net.sample_plan()
            ours(plan=plan)
            with torch.no_grad():
                eager.model(eager.x, plan=plan)
        total = len(calls)
    return {
        "graphs": graphs,
        "recompiles": backend.graphs - graphs,
        "share of convolutions inside": backend.convs / total,
    }


def table(found: dict[str, float], shapes: int, columns: int) -> bool:
    limits = {"graphs": max(columns + 1, shapes), "recompiles": 0}
    holds = found["share of convolutions inside"] >= 0.9
    for what, value in found.items():
        limit = f"<= {limits[what]}" if what in limits else ">= 0.9"
        holds = holds and value <= limits.get(what, 1)
        print(f"{what:58} {value:6.3g}  goal {limit}")
    return holds


def time_claim(ours: Step, eager: Step, draws: int, device: torch.device, what: str) -> Claim:
    plans = stratified(ours.model, draws)
    rounds = [
        {"compiled": lambda plan=plan: ours(plan=plan), "eager": lambda plan=plan: eager(plan=plan)}
        for _, plan in plans
    ]
    times = compare(Timer(device), rounds)
    strata = [kind for kind, _ in plans]
    return claim(what, times["compiled"], times["eager"], 1.0, None, strata)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--width", type=int, default=16, help="of the first block; 64: the paper")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--draws", type=int, default=48)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device = torch.device(given.device)
    can = device.type == "cuda" or shutil.which(os.environ.get("CXX", "g++"))
    backend = Counting(inductor if can else "aot_eager")
    torch.manual_seed(0)
    model = compile_spec(SPEC, C=given.columns, W=given.width).module()().to(device).train()
    x = torch.randn(given.batch, 3, 32, 32, device=device)
    target = torch.randint(10, (given.batch,), device=device)
    eager = Step(copy.deepcopy(model), x, target)
    ours = Step(compile_regions(model, backend=backend), x, target)
    shapes = region_shapes(eager.model, x)
    found = counts(ours, eager, backend, given.steps)
    holds = table(found, shapes, given.columns)
    if can:
        what = f"compiled training step, C = {given.columns}, width {given.width}: over eager"
        timed = time_claim(ours, eager, given.draws, device, what)
        write([timed], given.json, device)
        holds = holds and timed.holds
    if given.json is not None:
        facts = json.loads(given.json.read_text("utf-8")) if can else {}
        given.json.write_text(json.dumps({**facts, **found, "shapes": shapes}, indent=2) + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
