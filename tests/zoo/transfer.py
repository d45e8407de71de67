"""One network's weights in another's places, and both on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from tests.zoo.aten import traced
from tests.zoo.matching import NoMatch, matched

__all__ = ["Comparison", "compared", "differences", "parameters", "tensor_names"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`parameters` of ours and theirs; `worst` is max|ours - theirs| / max|theirs|.

    `spread` says how far theirs tells two inputs apart, by the same measure: where it is
    nothing, the comparison says nothing.
    """

    parameters: tuple[int, int]
    worst: float
    spread: float


def compared(
    pairs: Sequence[tuple[nn.Module, nn.Module, Sequence[Tensor]]], seed: int = 0
) -> Comparison:
    """Ours and theirs in eval mode, with the same random weights, on the inputs beside them.

    All pairs are the same two networks, each of which may be made for its size of input, or be
    one module for all; which layer is which is found for the first. The modules may stand on
    the meta device; they get weights here and share them. Inputs are those of one call, two
    samples or more. Raises NoMatch where the two are not the same graph.
    """
    ours, theirs, inputs = pairs[0]
    numbers = (parameters(ours), parameters(theirs))
    names = tensor_names(ours, theirs, inputs)
    tensors = random_tensors(theirs, torch.Generator().manual_seed(seed))
    found = []
    for mine, other, batch in pairs:
        load(mine, other, names, tensors)
        found.append(differences(mine.eval(), other.eval(), batch))
    return Comparison(numbers, max(worst for worst, _ in found), min(one for _, one in found))


def load(
    ours: nn.Module, theirs: nn.Module, names: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> None:
    """The same `tensors`, by their names, in both."""
    theirs.load_state_dict(tensors, assign=True)
    shapes = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    given = {key: tensors[name].view(shapes[key]) for key, name in names.items()}
    rest = {key: torch.zeros(shapes[key]) for key in shapes.keys() - given.keys()}
    ours.load_state_dict({**given, **rest}, assign=True)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def tensor_names(ours: nn.Module, theirs: nn.Module, inputs: Sequence[Tensor]) -> dict[str, str]:
    """For each tensor of ours, the name of theirs that stands in its place."""
    nets = (traced(module, _beside(module, inputs)) for module in (ours, theirs))
    names: dict[str, str] = {}
    for mine, other in matched(*nets):
        for key, name in zip(mine.tensors, other.tensors, strict=True):
            if names.setdefault(key, name) != name:
                raise NoMatch(f"{key} is both {names[key]} and {name}")
    for module, covered in ((ours, set(names)), (theirs, set(names.values()))):
        missing = {key for key in module.state_dict() if "num_batches" not in key} - covered
        if missing:
            raise NoMatch(f"no layer of the graph holds {', '.join(sorted(missing))}")
    return names


def _beside(module: nn.Module, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The inputs on the device where the module stands."""
    device = next(iter(module.state_dict().values())).device
    return [tensor.to(device) for tensor in inputs]


def random_tensors(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Weights that keep the signal's size; statistics and affine weights that matter."""
    norms = {
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d | nn.LayerNorm | nn.GroupNorm)
    }
    return {
        key: _drawn(tensor.shape, key, key.rpartition(".")[0] in norms, generator)
        for key, tensor in module.state_dict().items()
    }


def _drawn(shape: torch.Size, key: str, of_norm: bool, generator: torch.Generator) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    drawn = torch.empty(shape)
    if key.endswith("running_var") or (of_norm and key.endswith("weight")):
        return drawn.uniform_(0.5, 1.5, generator=generator)
    fan_in = max(drawn[0].numel(), 1) if drawn.dim() > 1 else 16
    bound = sqrt(6 / fan_in)  # He's, as of a layer before a ReLU
    return drawn.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def differences(
    ours: nn.Module, theirs: nn.Module, inputs: Sequence[Tensor]
) -> tuple[float, float]:
    """(worst relative difference, how far theirs tells the first two samples apart)."""
    worst, spread = 0.0, 0.0
    for mine, other in zip(_outputs(ours(*inputs)), _outputs(theirs(*inputs)), strict=True):
        assert mine.shape == other.shape, (mine.shape, other.shape)
        scale = float(other.abs().max())
        worst = max(worst, float((mine - other).abs().max()) / scale)
        spread = max(spread, float((other[0] - other[1]).abs().max()) / scale)
    return worst, spread


def _outputs(result: object) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    assert isinstance(result, tuple | list)
    return list(result)
