"""The zoo computes what references written from the papers compute; pytorchcv lacks these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.ir.shapes import Shape
from tests.zoo import fractals, pyramids, sequences
from tests.zoo.entries import compiled
from tests.zoo.test_pytorchcv import TOLERANCE
from tests.zoo.transfer import compared

DEEP = [16, 32, 64, 128, 128]


@dataclass(frozen=True, slots=True)
class Case:
    """The net of `spec` beside `reference()`, on images of each of `sizes`; None: the spec's."""

    name: str
    spec: str
    reference: Callable[[], nn.Module]
    sizes: tuple[int | None, ...] = (None,)
    params: Mapping[str, object] = field(default_factory=dict)
    edit: tuple[str, str] | None = None
    slow: bool = False


CASES = [
    Case("fractalnet", "fractalnet",
         partial(fractals.fractalnet, 3, [64, 128, 256, 512, 512], 10)),
    *(Case(f"fractalnet_deep C={c}", "fractalnet_deep",
           partial(fractals.fractalnet, c, DEEP, 100), params={"C": c}) for c in range(1, 7)),
    *(Case(f"plain {n}", "plain", partial(fractals.plain, n), params={"layers": n})
      for n in (5, 10, 20, 40)),
    Case("fractalnet34", "fractalnet34", fractals.fractalnet34, (64, 96)),
    Case("fractalnet40", "fractalnet40", fractals.fractalnet40),
    Case("crescendonet", "crescendonet", fractals.crescendonet),
    Case("alternating_fractals", "alternating_fractals", fractals.alternating_fractals, (16, 24)),
    Case("fractal_of_fractals", "fractal_of_fractals", fractals.fractal_of_fractals, (16, 24)),
    Case("unetpp", "unetpp", pyramids.UNetPlusPlus, (16, 32)),
    Case("hourglass", "hourglass", pyramids.StackedHourglass, (64, 128)),
    Case("fpn", "fpn", pyramids.Fpn, (64, 96)),
    Case("bifpn", "bifpn", pyramids.BiFpn),
    Case("vit_s16", "vit_s16", sequences.VisionTransformer),
    Case("gpt2, 16 tokens", "gpt2", partial(sequences.Gpt2, 16), edit=("1024", "16")),
    Case("gpt2", "gpt2", partial(sequences.Gpt2, 1024), slow=True),
    Case("mlp_mixer", "mlp_mixer", sequences.Mixer),
    Case("universal_transformer", "universal_transformer", sequences.UniversalTransformer),
    Case("highway", "highway", sequences.Highway),
    Case("butterfly of 32", "butterfly", partial(sequences.Butterfly, 32), edit=("1024", "32")),
]  # fmt: skip


def drawn(shapes: Sequence[Shape]) -> list[Tensor]:
    """Two samples of each input."""
    generator = torch.Generator().manual_seed(5)
    return [
        torch.randint(1000, (2, *shape.sizes), generator=generator)
        if shape.kind == "tokens"
        else torch.randn(2, *shape.sizes, generator=generator)
        for shape in shapes
    ]


@contextmanager
def plain_attention() -> Iterator[None]:
    """torch's encoder layers by their parts, not by one fused kernel that hides them."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if case.slow else []) for case in CASES],
    ids=[case.name for case in CASES],
)
def test_computes_what_its_paper_says(case: Case) -> None:
    """Float32, eval mode; as many parameters."""
    with torch.device("meta"):
        theirs = case.reference()
    pairs = []
    for size in case.sizes:
        made = compiled(case.spec, size, case.params, case.edit)
        pairs.append((made.module()(), theirs, drawn(made.program.net.inputs)))
    with plain_attention():
        found = compared(pairs)
    assert found.parameters[0] == found.parameters[1]
    assert found.spread > TOLERANCE
    assert found.worst <= TOLERANCE * min(1, found.spread)
