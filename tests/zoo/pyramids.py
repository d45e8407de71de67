"""Nets that go down and up, written small from their papers; no code of ours is in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from pytorchcv.models.resnet import resnet50
from torch import Tensor, cat, nn, ones

__all__ = ["BiFpn", "Fpn", "StackedHourglass", "UNetPlusPlus"]


def double(below: int, width: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for c_in in (below, width):
        parts += [nn.Conv2d(c_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        parts.append(nn.ReLU())
    return nn.Sequential(*parts)


class UNetPlusPlus(nn.Module):
    """Zhou et al., figure 1a: X(i, j) reads X(i, 0..j-1) and, enlarged, X(i+1, j-1)."""

    def __init__(self, levels: int = 4, classes: int = 1) -> None:
        super().__init__()
        self.levels = levels
        width = [32 * 2**i for i in range(levels + 1)]
        self.nodes = nn.ModuleDict()
        for i in range(levels + 1):
            self.nodes[f"{i} 0"] = double(width[i - 1] if i else 1, width[i])
            for j in range(1, levels - i + 1):
                self.nodes[f"{i} {j}"] = double(j * width[i] + width[i + 1], width[i])
        self.heads = nn.ModuleList(nn.Conv2d(32, classes, 1) for _ in range(levels))

    def forward(self, image: Tensor) -> list[Tensor]:
        x: dict[tuple[int, int], Tensor] = {}
        for j in range(self.levels + 1):
            for i in range(self.levels + 1 - j):
                if j == 0:
                    read = image if i == 0 else F.max_pool2d(x[i - 1, 0], 2)
                else:
                    up = F.interpolate(x[i + 1, j - 1], scale_factor=2)
                    read = cat([*(x[i, k] for k in range(j)), up], 1)
                x[i, j] = self.nodes[f"{i} {j}"](read)
        return [head(x[0, j]) for j, head in enumerate(self.heads, 1)]


class Residual(nn.Module):
    """Figure 4 left of Newell et al., with the pre-activation of their released code."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        half = c_out // 2
        parts: list[nn.Module] = []
        for one, other, size in ((c_in, half, 1), (half, half, 3), (half, c_out, 1)):
            parts += [nn.BatchNorm2d(one), nn.ReLU(), nn.Conv2d(one, other, size, 1, size // 2)]
        self.body = nn.Sequential(*parts)
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.body(x)  # type: ignore[no-any-return]


class OneHourglass(nn.Module):
    def __init__(self, depth: int, w: int) -> None:
        super().__init__()
        self.depth = depth
        self.stay = nn.ModuleList(Residual(w, w) for _ in range(depth))
        self.down = nn.ModuleList(Residual(w, w) for _ in range(depth))
        self.middle = Residual(w, w)
        self.up = nn.ModuleList(Residual(w, w) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for stay, down in zip(self.stay, self.down, strict=True):
            kept.append(stay(x))
            x = down(F.max_pool2d(x, 2))
        x = self.middle(x)
        for up in self.up:
            x = F.interpolate(up(x), scale_factor=2) + kept.pop()
        return x


class StackedHourglass(nn.Module):
    def __init__(self, w: int = 256, joints: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), Residual(64, 128)),
            *(nn.MaxPool2d(2), Residual(128, 128), Residual(128, w)),
        )
        self.features = nn.ModuleList(
            nn.Sequential(
                *(OneHourglass(4, w), Residual(w, w)),
                *(nn.Conv2d(w, w, 1), nn.BatchNorm2d(w), nn.ReLU()),
            )
            for _ in range(2)
        )
        self.heat = nn.ModuleList(nn.Conv2d(w, joints, 1) for _ in range(2))
        self.back = nn.ModuleList([nn.Conv2d(w, w, 1), nn.Conv2d(joints, w, 1)])

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(image)
        first = self.features[0](x)
        maps = self.heat[0](first)
        x = x + self.back[0](first) + self.back[1](maps)
        return [maps, self.heat[1](self.features[1](x))]


class Fpn(nn.Module):
    """Lin et al., figure 3, on pytorchcv's ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        features = resnet50().features
        names = [name for name, _ in features.named_children()]
        assert names == ["init_block", "stage1", "stage2", "stage3", "stage4", "final_pool"]
        self.stem = features.init_block
        self.stages = nn.ModuleList([features[at] for at in range(1, 5)])
        self.lateral = nn.ModuleList(nn.Conv2d(256 * 2**i, 256, 1) for i in range(4))
        self.smooth = nn.ModuleList(nn.Conv2d(256, 256, 3, padding=1) for _ in range(4))

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(image)
        maps = []
        for stage, lateral in zip(self.stages, self.lateral, strict=True):
            x = stage(x)
            maps.append(lateral(x))
        for i in (2, 1, 0):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], scale_factor=2)
        return [smooth(one) for smooth, one in zip(self.smooth, maps, strict=True)]


class Fusion(nn.Module):
    """O = sum_i w_i I_i / (epsilon + sum_j w_j), w_i = relu(p_i); then a separable convolution."""

    def __init__(self, inputs: int, w: int) -> None:
        super().__init__()
        self.p = nn.Parameter(ones(inputs))
        self.deep = nn.Conv2d(w, w, 3, padding=1, groups=w, bias=False)
        self.point = nn.Conv2d(w, w, 1)
        self.norm = nn.BatchNorm2d(w)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        w = self.p.relu().split(1)
        total = sum((one * scale for one, scale in zip(inputs[1:], w[1:], strict=True)),
                    inputs[0] * w[0])  # fmt: skip
        x = total / (sum(w[1:], w[0]) + 1e-4)
        return self.norm(self.point(self.deep(F.silu(x))))  # type: ignore[no-any-return]


class BiFpn(nn.Module):
    def __init__(self, w: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.top = nn.ModuleList(
            nn.ModuleList(Fusion(2, w) for _ in range(4)) for _ in range(layers)
        )
        self.bottom = nn.ModuleList(
            nn.ModuleList(Fusion(inputs, w) for inputs in (3, 3, 3, 2)) for _ in range(layers)
        )

    def forward(self, *maps: Tensor) -> list[Tensor]:
        p = list(maps)
        for top, bottom in zip(self.top, self.bottom, strict=True):
            middle = [p[4]]
            for i in (3, 2, 1, 0):
                up = F.interpolate(middle[0], scale_factor=2)
                middle.insert(0, top[i]([p[i], up]))  # type: ignore[index]
            out = [middle[0]]
            for i in (1, 2, 3, 4):
                down = F.max_pool2d(out[-1], 3, 2, 1)
                inputs = [p[i], middle[i], down] if i < 4 else [p[4], down]
                out.append(bottom[i - 1](inputs))  # type: ignore[index]
            p = out
        return p
