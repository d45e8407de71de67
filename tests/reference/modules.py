"""f(3) in torch, written by hand from the paper, with the compiler's state-dict keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Plan = tuple[tuple[bool, ...], ...]


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(into, out, 3, padding=1, bias=False)
        self.batch_norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.batch_norm(self.conv2d(x)))


class Level1(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = Conv(into, out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Level2(nn.Module):
    """Returns the two columns of its open join; a column not asked for is not computed."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.f_1 = Level1(into, out)
        self.f_2 = Level1(out, out)
        self.conv = Conv(into, out)

    def forward(self, x: Tensor, asked: tuple[bool, ...]) -> list[Tensor]:
        columns = []
        if asked[0]:
            columns.append(self.f_2(self.f_1(x)))
        if asked[1]:
            columns.append(self.conv(x))
        return columns


class Level3(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.f_1 = Level2(into, out)
        self.f_2 = Level2(out, out)
        self.conv = Conv(into, out)

    def forward(self, x: Tensor, plan: Plan) -> list[Tensor]:
        columns = []
        if plan[1][0] or plan[1][1]:
            first = torch.stack(self.f_1(x, plan[0])).mean(0)
            columns += self.f_2(first, plan[1][:2])
        if plan[1][2]:
            columns.append(self.conv(x))
        return columns


class Net(nn.Module):
    """One block of three columns: joins of two and of three."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.f = Level3(3, channels)

    def forward(self, x: Tensor, plan: Plan = ((True,) * 2, (True,) * 3)) -> Tensor:
        return torch.stack(self.f(x, plan)).mean(0)
