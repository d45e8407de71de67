"""The zoo computes what pytorchcv's networks compute, with the same weights in both."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from tests.zoo.entries import PEERS, Peer, compiled
from tests.zoo.transfer import compared

TOLERANCE = 1e-4


def theirs(peer: Peer) -> nn.Module:
    """pytorchcv's, on the meta device; its last pool, a window of 7 or 8, at any size of image."""
    models = import_module(f"pytorchcv.models.{peer.module}")
    with torch.device("meta"):
        made = getattr(models, peer.function)(**peer.options)
    assert isinstance(made, nn.Module)
    for parent in made.modules():
        if isinstance(getattr(parent, "final_pool", None), nn.AvgPool2d):
            parent.final_pool = nn.AdaptiveAvgPool2d(1)
    return EveryExit(made) if peer.function == "msdnet22" else made


class EveryExit(nn.Module):
    """MSDNet with all its classifiers' answers."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> list[Tensor]:
        answers: list[Tensor] = self.net(x, only_last=False)
        return answers


def ours(peer: Peer, size: int) -> nn.Module:
    with torch.device("meta"):
        made = compiled(peer.spec, size, peer.params, peer.edit).module()()
    assert isinstance(made, nn.Module)
    return made


def images(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(size))


@pytest.mark.parametrize(
    "peer",
    [pytest.param(one, marks=[pytest.mark.slow] if one.slow else []) for one in PEERS],
    ids=[one.name for one in PEERS],
)
def test_computes_what_pytorchcv_s_does(peer: Peer) -> None:
    """Float32, eval mode, on each size of image; as many parameters."""
    other = theirs(peer)
    found = compared([(ours(peer, size), other, [images(size)]) for size in peer.sizes])
    assert found.parameters[0] == found.parameters[1]
    assert found.spread > TOLERANCE
    assert found.worst <= TOLERANCE * min(1, found.spread)
