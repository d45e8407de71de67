"""Transformers and nets of dense layers, of torch's own parts; no code of ours is in them."""

from __future__ import annotations

from math import cos, sin
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Butterfly", "Gpt2", "Highway", "Mixer", "UniversalTransformer", "VisionTransformer"]


def encoder_layer(d: int, heads: int, *, norm_first: bool, gelu: str | None) -> nn.Module:
    def activation(x: Tensor) -> Tensor:
        return F.relu(x) if gelu is None else F.gelu(x, approximate=gelu)

    eps = 1e-6 if gelu == "none" else 1e-5
    return nn.TransformerEncoderLayer(
        d, heads, 4 * d, 0.0, activation, eps, batch_first=True, norm_first=norm_first
    )


class VisionTransformer(nn.Module):
    """Dosovitskiy et al., equations 1 to 4."""

    def __init__(self, d: int = 384, heads: int = 6, depth: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, d, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, d))
        self.place = nn.Parameter(torch.zeros(1, 197, d))
        self.layers = nn.ModuleList(
            encoder_layer(d, heads, norm_first=True, gelu="none") for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d, 1e-6)
        self.head = nn.Linear(d, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat((self.first.expand(len(x), -1, -1), x), 1) + self.place
        for layer in self.layers:
            x = layer(x)
        return cast(Tensor, self.head(self.norm(x)[:, 0]))


class Gpt2(nn.Module):
    def __init__(self, length: int, d: int = 768, depth: int = 12, vocabulary: int = 50257) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, d)
        self.places = nn.Parameter(torch.zeros(length, d))
        self.layers = nn.ModuleList(
            encoder_layer(d, 12, norm_first=True, gelu="tanh") for _ in range(depth)
        )
        self.norm = nn.LayerNorm(d)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.places
        n = tokens.shape[1]
        hidden = torch.full((n, n), float("-inf"), device=x.device).triu(1)
        for layer in self.layers:
            x = layer(x, hidden, is_causal=True)
        return F.linear(self.norm(x), self.words.weight)


class UniversalTransformer(nn.Module):
    """Dehghani et al., section 2.1; places and steps as in equations 5 and 6."""

    def __init__(self, d: int = 512, steps: int = 6) -> None:
        super().__init__()
        self.layer = encoder_layer(d, 8, norm_first=False, gelu=None)
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        n, d = x.shape[1:]
        for step in range(1, self.steps + 1):
            x = self.layer(x + self.signal(n, d, step, x.device))
        return x

    @staticmethod
    def signal(n: int, d: int, step: int, device: torch.device) -> Tensor:
        rows = []
        for place in range(n):
            row = []
            for j in range(d // 2):
                a, b = (number / 10000 ** (2 * j / d) for number in (place, step))
                row += [sin(a) + sin(b), cos(a) + cos(b)]
            rows.append(row)
        return torch.tensor(rows, device=device)


class Mixer(nn.Module):
    """Tolstikhin et al., equation 1."""

    def __init__(self, d: int = 512, depth: int = 8) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, d, 16, 16)
        self.norms = nn.ModuleList(nn.LayerNorm(d, 1e-6) for _ in range(2 * depth + 1))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(c, h), nn.GELU(), nn.Linear(h, c))
            for _ in range(depth)
            for c, h in ((196, 256), (d, 2048))
        )
        self.head = nn.Linear(d, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        for at, mlp in enumerate(self.mlps):
            y = self.norms[at](x)
            x = x + (mlp(y.transpose(1, 2)).transpose(1, 2) if at % 2 == 0 else mlp(y))
        return cast(Tensor, self.head(self.norms[-1](x).mean(1)))


class Highway(nn.Module):
    """Srivastava et al., equation 3: y = H(x) T(x) + x (1 - T(x))."""

    def __init__(self, width: int = 50, depth: int = 10) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(784, width), nn.Linear(width, 10)
        self.changes = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image.flatten(1))
        for change, gate in zip(self.changes, self.gates, strict=True):
            t = torch.sigmoid(gate(x))
            x = torch.relu(change(x)) * t + x * (1 - t)
        return cast(Tensor, self.last(x))


class Butterfly(nn.Module):
    """Four diagonals mix the halves, then each half again."""

    def __init__(self, n: int = 1024) -> None:
        super().__init__()
        self.n = n
        if n > 1:
            self.diagonals = nn.ParameterList(torch.ones(n // 2) for _ in range(4))
            self.upper, self.lower = Butterfly(n // 2), Butterfly(n // 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.n == 1:
            return x
        low, high = x.chunk(2, 1)
        a, b, c, d = self.diagonals
        return torch.cat((self.upper(low * a + high * b), self.lower(low * c + high * d)), 1)
