"""FractalNets and their kin, written small from the papers; no code of ours is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = [
    "alternating_fractals",
    "crescendonet",
    "fractal_of_fractals",
    "fractalnet",
    "fractalnet34",
    "fractalnet40",
    "plain",
]


def layer(c_in: int, c_out: int, kernel_size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(values)).mean(0)


# FractalNet, as its authors' code has it: columns, and a join after every step that several reach.


class Columns(nn.Module):
    """A block: column k (0 = the deepest) has a layer at every step that 2^k divides.

    `widths` are those of the columns. Where columns of several widths join, all are widened to
    the widest of them. What ends the block is pooled before the last join.
    """

    def __init__(self, c_in: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.steps = 2 ** (len(widths) - 1)
        self.widths = widths
        self.layers, self.widen = nn.ModuleDict(), nn.ModuleDict()
        arriving = [c_in] * len(widths)
        for step in range(1, self.steps + 1):
            here = self.columns(step)
            joined = widths[here[-1]] if step < self.steps else widths[-1]
            for k in here:
                self.layers[f"{step}_{k}"] = layer(arriving[k], widths[k])
                if widths[k] != joined:
                    self.widen[f"{step}_{k}"] = nn.Conv2d(widths[k], joined, 1, bias=False)
                arriving[k] = joined

    def columns(self, step: int) -> list[int]:
        return [k for k in range(len(self.widths)) if step % 2**k == 0]

    def forward(self, x: Tensor) -> Tensor:
        values = [x] * len(self.widths)
        for step in range(1, self.steps + 1):
            here = self.columns(step)
            joined = mean([self.layers_at(step, k, values[k]) for k in here])
            for k in here:
                values[k] = joined
        return values[0]

    def layers_at(self, step: int, k: int, x: Tensor) -> Tensor:
        y: Tensor = self.layers[f"{step}_{k}"](x)
        if step == self.steps:
            y = nn.functional.max_pool2d(y, 2)
        key = f"{step}_{k}"
        return torch.as_tensor(self.widen[key](y)) if key in self.widen else y


def fractalnet(columns: int, widths: Sequence[int], classes: int) -> nn.Module:
    """Tables 1 and 3 of the paper: a block for each of `widths`, on images of 32 x 32."""
    arriving = [3, *widths[:-1]]
    blocks = [Columns(c, [w] * columns) for c, w in zip(arriving, widths, strict=True)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(widths[-1], classes))


def fractalnet34() -> nn.Module:
    widths = [128, 256, 512, 1024]
    arriving = [64, *widths[:-1]]
    return nn.Sequential(
        layer(3, 64, 7, 2),
        nn.MaxPool2d(3, 2, 1),
        *(Columns(c, [w] * 4) for c, w in zip(arriving, widths, strict=True)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1024, 1000),
    )


def fractalnet40() -> nn.Module:
    """Footnote 2 of table 1, with 3x3 filters throughout."""
    factors = [1, 2, 4, 8, 8]
    arriving = [3, *(128 * factor for factor in factors[:-1])]
    blocks = [
        Columns(c, [16 * factor, 32 * factor, 64 * factor, 128 * factor])
        for c, factor in zip(arriving, factors, strict=True)
    ]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(1024, 10))


def plain(layers: int) -> nn.Module:
    parts: list[nn.Module] = []
    c_in = 3
    for width in (16, 32, 64, 128, 128):
        for _ in range(layers // 5):
            parts.append(layer(c_in, width))
            c_in = width
        parts.append(nn.MaxPool2d(2))
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(128, 100))


class Paths(nn.Module):
    """CrescendoNet's block: the mean of paths of 1, 2, .. layers."""

    def __init__(self, c_in: int, width: int, paths: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(layer(c_in, width), *(layer(width, width) for _ in range(more)))
            for more in range(paths)
        )

    def forward(self, x: Tensor) -> Tensor:
        return mean([path(x) for path in self.paths])


def crescendonet() -> nn.Module:
    blocks = [(3, 64), (64, 128), (128, 256)]
    return nn.Sequential(
        *(nn.Sequential(Paths(c, w, 4), nn.MaxPool2d(2)) for c, w in blocks),
        nn.Flatten(),
        *(nn.Linear(256 * 16, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU()),
        nn.Linear(192, 10),
    )


# Rules whose joins stay open: a node gives the operands of the join that it ends in.


class Branch(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.network(x)]


class Doubled(nn.Module):
    """(second . first) (+) other."""

    def __init__(self, first: nn.Module, second: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.other = first, second, other

    def forward(self, x: Tensor) -> list[Tensor]:
        return [*self.second(mean(self.first(x))), *self.other(x)]


class Closed(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return mean(self.network(x))


def doubled(level: int, c_in: int, width: int, base: Callable[[int, int], nn.Module]) -> nn.Module:
    """The fractal rule over any layer."""
    if level == 1:
        return Branch(base(c_in, width))
    return Doubled(
        doubled(level - 1, c_in, width, base),
        doubled(level - 1, width, width, base),
        Branch(base(c_in, width)),
    )


def alternating(level: int, c_in: int, width: int, kernel_size: int) -> nn.Module:
    """`kernel_size` 3 is the rule that doubles the one of 5, and the other way round."""
    own = Branch(layer(c_in, width, kernel_size))
    if level == 1:
        return own
    other = 8 - kernel_size
    return Doubled(
        alternating(level - 1, c_in, width, other), alternating(level - 1, width, width, other), own
    )


def classifier(blocks: Sequence[nn.Module], width: int) -> nn.Module:
    pooled = [nn.Sequential(Closed(block), nn.MaxPool2d(2)) for block in blocks]
    return nn.Sequential(*pooled, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


WIDTHS = [(3, 64), (64, 128), (128, 256)]


def alternating_fractals() -> nn.Module:
    return classifier([alternating(4, c, w, 3) for c, w in WIDTHS], 256)


def fractal_of_fractals() -> nn.Module:
    def inner(c_in: int, width: int) -> nn.Module:
        return Closed(doubled(2, c_in, width, layer))

    return classifier([doubled(3, c, w, inner) for c, w in WIDTHS], 256)
