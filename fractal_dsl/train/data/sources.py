"""What `--data` names: scikit-learn's digits, files, a folder, or a set on the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.data import files, pictures
from fractal_dsl.train.data.images import Data, Found, Images, prepared, unreadable
from fractal_dsl.train.recipe import Recipe

__all__ = ["find", "load_data"]

DIGITS = "digits"

Reader = Callable[[Path], Found]


def load_data(name: str, recipe: Recipe) -> Data:
    """The images that `name` stands for, cut as `recipe` says.

    Raises DiagnosticError: F0810 for what cannot be read, F0812 for what the hub does not give.
    """
    return prepared(
        name, find(name), held_out=recipe.held_out, train_images=recipe.train_images,
        test_images=recipe.test_images,
    )  # fmt: skip


def find(name: str) -> Found:
    path = Path(name).expanduser()
    if path.exists():
        return reader(path)(path)
    if name == DIGITS:
        return digits()
    if name.startswith((".", "/", "~")) or path.suffix in (".npz", ".parquet"):
        raise DiagnosticError(unreadable(name, "there is no such file or folder"))
    return pictures.hub(name)


def reader(path: Path) -> Reader:
    """How a file or folder is read, by what is in it."""
    if path.is_file():
        by_suffix: dict[str, Reader] = {".npz": files.npz, ".parquet": pictures.parquet}
        if path.suffix in by_suffix:
            return by_suffix[path.suffix]
    elif files.has_idx(path):
        return files.idx
    elif files.has_cifar(path):
        return files.cifar
    elif next(path.rglob("*.parquet"), None) is not None:
        return pictures.parquet
    elif pictures.has_classes(path):
        return pictures.folder
    expected = (
        "a folder for each class with images in it, MNIST's *-idx*-ubyte, CIFAR's *.bin,"
        " a .npz or a .parquet"
    )
    raise DiagnosticError(unreadable(path, "no images are known there", f"expected is {expected}"))


def digits() -> Found:
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels from 0 to 16, with no test set."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy(images).to(torch.uint8).reshape(-1, 1, 8, 8)
    return Found(Images(pixels, torch.from_numpy(labels).long(), white=16), None, 10)
