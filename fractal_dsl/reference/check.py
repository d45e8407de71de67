"""A generated module against the interpreter: same weights, same input, same plan."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fractal_dsl.ir.flat import FlatProgram
from fractal_dsl.reference.interpreter import interpret
from fractal_dsl.reference.plans import Plan, full_plan
from fractal_dsl.reference.tensors import parameter_tensors, random_input, random_tensors
from fractal_dsl.reference.ties import TieCounter

__all__ = ["CheckReport", "Difference", "check"]

TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Difference:
    """One tensor on both sides: the largest difference, and how large it may be."""

    name: str
    largest: float
    allowed: float

    @property
    def ratio(self) -> float:
        """Above 1 where the two disagree."""
        return self.largest / self.allowed if self.largest == self.largest else inf


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every tensor compared: `output`, `buffer NAME`, `gradient of input`, `gradient of NAME`;
    where there are several, `output 1`, `gradient of input 1` and so on.

    `ties` counts values within rounding of a corner (of ReLU, of a max-pool): where there are
    any, gradients may rightly differ, and the program should be drawn anew. `unknown` lists
    state-dict keys that only one side has; with any, nothing else was compared.
    """

    differences: tuple[Difference, ...]
    ties: int
    unknown: tuple[str, ...] = ()

    @property
    def worst(self) -> Difference | None:
        return max(self.differences, key=lambda one: one.ratio, default=None)

    @property
    def agrees(self) -> bool:
        return not self.unknown and all(one.ratio <= 1 for one in self.differences)

    def __str__(self) -> str:
        if self.unknown:
            return f"state-dict keys on one side only: {', '.join(self.unknown)}"
        worst = self.worst
        assert worst is not None
        verdict = "agree" if self.agrees else "DISAGREE"
        return (
            f"{verdict} on {len(self.differences)} tensors; worst: {worst.name}, "
            f"{worst.largest:.3g} of {worst.allowed:.3g} allowed; {self.ties} ties"
        )


@dataclass(frozen=True, slots=True)
class _Side:
    """What one implementation gave; a gradient is None where nothing was computed."""

    outputs: tuple[Tensor, ...]
    buffers: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor | None]


def check(
    module: nn.Module,
    flat: FlatProgram,
    *,
    seed: int,
    batch: int = 3,
    training: bool = False,
    plan: Plan | None = None,
    compiled: FlatProgram | None = None,
    device: str = "cpu",
) -> CheckReport:
    """Compare `module`, an instance of what was generated, with `flat`, in float64.

    Weights, buffers, the input [batch, *shape] and the gradient at the output are drawn from
    `seed` (inputs of integers have no gradient); `module` itself is left as it is. Each tensor
    may differ by 1e-10 * (1 + max|reference|). Without a plan everything is live, in training too.
    `compiled` is what the module was made from, where `flat` is a faulty copy of that.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = random_tensors(flat, generator, torch.float64)
    unknown = sorted(tensors.keys() ^ module.state_dict().keys())
    if unknown:
        return CheckReport((), 0, tuple(unknown))
    x = [random_input(flat, at, batch, generator) for at in flat.inputs]
    upstream = [_upstream(flat, at, batch, generator) for at in flat.outputs]
    tensors = {key: tensor.to(device) for key, tensor in tensors.items()}
    x = [one.to(device) for one in x]
    upstream = [one.to(device) for one in upstream]
    counter = TieCounter()
    given = plan
    if "plan" in inspect.signature(module.forward).parameters and plan is None:
        given, plan = full_plan(compiled or flat), full_plan(flat)
    torch.manual_seed(seed)
    expected = _reference(flat, tensors, x, upstream, training, plan, counter)
    torch.manual_seed(seed)
    with _mode(module, training):
        found = _generated(module, tensors, x, upstream, given)
    return CheckReport(tuple(_compare(found, expected)), counter.ties)


def _upstream(flat: FlatProgram, output: int, batch: int, generator: torch.Generator) -> Tensor:
    shape = (batch, *flat.nodes[output].shape.sizes)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _numbered(name: str, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """`input`, or `input 1`, `input 2` where there are several."""
    if len(tensors) == 1:
        return {name: tensors[0]}
    return {f"{name} {at}": one for at, one in enumerate(tensors, 1)}


def _reference(
    flat: FlatProgram,
    tensors: Mapping[str, Tensor],
    x: Sequence[Tensor],
    upstream: Sequence[Tensor],
    training: bool,
    plan: Plan | None,
    counter: TieCounter,
) -> _Side:
    names = list(parameter_tensors(flat))
    leaves = {name: tensors[name].clone().requires_grad_() for name in names}
    x, given = _leaves(x)
    ran = interpret(
        flat, {**tensors, **leaves}, *x, training=training, plan=plan, observe=counter
    )  # fmt: skip
    gradients = _gradients(ran.outputs, upstream, {**given, **leaves})
    buffers = {name: tensor for name, tensor in tensors.items() if name not in leaves}
    return _Side(ran.outputs, buffers | ran.buffers, gradients)


@contextmanager
def _mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation for a while; then every part as it was."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, was_training in before:
            part.training = was_training


def _generated(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    x: Sequence[Tensor],
    upstream: Sequence[Tensor],
    plan: Plan | None,
) -> _Side:
    """What `module` gives with `tensors` in the place of its own."""
    x, given = _leaves(x)
    names = {name for name, _ in module.named_parameters()}
    state = {key: tensor.clone().requires_grad_(key in names) for key, tensor in tensors.items()}
    takes_plan = "plan" in inspect.signature(module.forward).parameters
    found = functional_call(module, state, tuple(x), {"plan": plan} if takes_plan else {})
    outputs = (found,) if isinstance(found, Tensor) else tuple(found)
    leaves = {name: state[name] for name in names}
    buffers = {key: tensor for key, tensor in state.items() if key not in names}
    gradients = _gradients(outputs, upstream, {**given, **leaves})
    return _Side(outputs, buffers, gradients)


def _leaves(x: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Copies of the inputs, and by name those that have gradients: integers have none."""
    copies = [one.clone().requires_grad_(one.is_floating_point()) for one in x]
    named = _numbered("input", copies)
    return copies, {name: one for name, one in named.items() if one.requires_grad}


def _gradients(
    outputs: Sequence[Tensor], upstream: Sequence[Tensor], leaves: Mapping[str, Tensor]
) -> dict[str, Tensor | None]:
    if [one.shape for one in outputs] != [one.shape for one in upstream]:
        return dict.fromkeys(leaves)
    pairs = [pair for pair in zip(outputs, upstream, strict=True) if pair[0].requires_grad]
    if not pairs:
        return dict.fromkeys(leaves)
    tensors, weights = zip(*pairs, strict=True)
    found = torch.autograd.grad(tensors, list(leaves.values()), weights, allow_unused=True)
    return dict(zip(leaves, found, strict=True))


def _compare(found: _Side, expected: _Side) -> Iterator[Difference]:
    given = _numbered("output", found.outputs)
    for name, tensor in _numbered("output", expected.outputs).items():
        yield _difference(name, given.get(name), tensor)
    for name, tensor in expected.buffers.items():
        yield _difference(f"buffer {name}", found.buffers[name], tensor)
    for name, gradient in expected.gradients.items():
        yield _difference(f"gradient of {name}", found.gradients[name], gradient)


def _difference(name: str, found: Tensor | None, expected: Tensor | None) -> Difference:
    """A gradient on one side only, or another shape, is infinitely wrong."""
    if found is None or expected is None:
        return Difference(name, 0.0 if found is expected else inf, TOLERANCE)
    if found.shape != expected.shape:
        return Difference(name, inf, TOLERANCE)
    found, expected = found.detach().double(), expected.detach().double()
    if not expected.numel():
        return Difference(name, 0.0, TOLERANCE)
    allowed = TOLERANCE * (1 + float(expected.abs().max()))
    return Difference(name, float((found - expected).abs().max()), allowed)
