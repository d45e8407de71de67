"""Trains the network that `fractalc specs/digits.fdl -o examples/digits_model.py` writes.

Data: scikit-learn's 1,797 handwritten digits, of which a fixed fifth is held out.

    python examples/digits.py              half a minute
    python examples/digits.py --epochs 12  a taste
"""

from __future__ import annotations

import argparse

import torch
from digits_model import Digits
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from tqdm import tqdm


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, held-out images and labels; images are [N, 1, 8, 8]."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
    y = torch.tensor(labels)
    kept, held = train_test_split(range(len(y)), test_size=0.2, random_state=0, stratify=labels)
    return x[kept], y[kept], x[held], y[held]


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of images whose largest output is the label's, in eval mode."""
    model.eval()
    return float((model(x).argmax(1) == y).float().mean())


def train(epochs: int, batch: int = 50) -> float:
    """Trains for `epochs` and gives the accuracy on the held-out fifth."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # images this small gain nothing from more
    x, y, x_held, y_held = digits()
    model = Digits()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    steps = epochs * (len(y) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps)
    with tqdm(total=steps, unit="step") as progress:
        for _ in range(epochs):
            model.train()
            for rows in torch.randperm(len(y))[: steps // epochs * batch].split(batch):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
                loss.backward()
                optimiser.step()
                schedule.step()
                progress.update()
                progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return accuracy(model, x_held, y_held)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    result = train(parser.parse_args().epochs)
    print(f"accuracy on the held-out fifth: {result:.2%}")
