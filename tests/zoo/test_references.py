"""The zoo computes what references written from the papers compute; pytorchcv lacks these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import nn

from tests.zoo import references
from tests.zoo.entries import compiled
from tests.zoo.test_pytorchcv import TOLERANCE, images
from tests.zoo.transfer import compared

DEEP = [16, 32, 64, 128, 128]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    spec: str
    reference: Callable[[], nn.Module]
    sizes: tuple[int, ...] = (32,)
    params: Mapping[str, object] = field(default_factory=dict)


CASES = [
    Case("fractalnet", "fractalnet",
         partial(references.fractalnet, 3, [64, 128, 256, 512, 512], 10)),
    *(Case(f"fractalnet_deep C={c}", "fractalnet_deep",
           partial(references.fractalnet, c, DEEP, 100), params={"C": c}) for c in range(1, 7)),
    *(Case(f"plain {n}", "plain", partial(references.plain, n), params={"layers": n})
      for n in (5, 10, 20, 40)),
    Case("fractalnet34", "fractalnet34", references.fractalnet34, (64, 96)),
    Case("fractalnet40", "fractalnet40", references.fractalnet40),
    Case("crescendonet", "crescendonet", references.crescendonet),
    Case("alternating_fractals", "alternating_fractals", references.alternating_fractals, (16, 24)),
    Case("fractal_of_fractals", "fractal_of_fractals", references.fractal_of_fractals, (16, 24)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_computes_what_its_paper_says(case: Case) -> None:
    with torch.device("meta"):
        theirs = case.reference()
        nets = [compiled(case.spec, size, case.params).module()() for size in case.sizes]
    pairs = [(ours, theirs, [images(size)]) for ours, size in zip(nets, case.sizes, strict=True)]
    found = compared(pairs)
    assert found.parameters[0] == found.parameters[1]
    assert found.spread > TOLERANCE
    assert found.worst <= TOLERANCE * min(1, found.spread)
