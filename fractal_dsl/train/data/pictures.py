"""Images from folders of picture files, from parquet, and from the Hugging Face hub."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.data.images import Found, Images, unreadable

__all__ = ["folder", "has_classes", "hub", "parquet"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
TRAINING = ("train", "training")
TESTING = ("test", "testing", "val", "valid", "validation")
IMAGE_COLUMNS = ("image", "img", "picture", "x")
LABEL_COLUMNS = ("label", "fine_label", "labels", "class", "target", "y")
# Names that people use, as the hub has them today.
KNOWN = {
    "mnist": ("ylecun/mnist",),
    "fashion-mnist": ("zalando-datasets/fashion_mnist",),
    "fashion_mnist": ("zalando-datasets/fashion_mnist",),
    "cifar10": ("uoft-cs/cifar10",),
    "cifar100": ("uoft-cs/cifar100",),
    "svhn": ("ufldl-stanford/svhn", "cropped_digits"),
}


def pixels_of(pictures: Iterable[tuple[object, Any]]) -> torch.Tensor:
    """Pictures with their names as bytes [N, C, H, W], all of the first one's size and kind.

    Grey stays grey, anything else becomes red, green and blue. Raises DiagnosticError (F0810)
    that names the picture.
    """
    arrays: list[Any] = []
    grey = False
    for name, source in pictures:
        try:
            with Image.open(source) if not isinstance(source, Image.Image) else source as picture:
                grey = picture.mode in ("1", "L", "I", "F") if not arrays else grey
                array = np.asarray(picture.convert("L" if grey else "RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DiagnosticError(unreadable(name, str(error).lower())) from None
        if arrays and array.shape != arrays[0].shape:
            size, first = (f"{a.shape[1]} x {a.shape[0]}" for a in (array, arrays[0]))
            told = f"it is {size} pixels, the first is {first}"
            raise DiagnosticError(unreadable(name, told, "bring all images to one size first"))
        arrays.append(array)
    stacked = torch.from_numpy(np.stack(arrays)) if arrays else torch.zeros(0, 1, 1, 1)
    return stacked[:, None] if stacked.ndim == 3 else stacked.movedim(-1, 1).contiguous()


# Folders -----------------------------------------------------------------------------


def below(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


def part(path: Path, names: Sequence[str]) -> Path | None:
    return next((one for one in below(path) if one.name.lower() in names), None)


def has_classes(path: Path) -> bool:
    inner = part(path, TRAINING) or path
    return any(one.suffix.lower() in SUFFIXES for sub in below(inner) for one in sub.iterdir())


def folder(path: Path) -> Found:
    """A folder for each class, in `train/` and `test/` where there are those two."""
    training, testing = part(path, TRAINING), part(path, TESTING)
    root = training or path
    names = [one.name for one in below(root)]
    train = classes_in(root, names)
    test = classes_in(testing, names) if training and testing else None
    return Found(train, test, len(names))


def classes_in(root: Path, names: Sequence[str]) -> Images:
    strange = [one for one in below(root) if one.name not in names]
    if strange:
        raise DiagnosticError(unreadable(strange[0], "no training images are of this class"))
    paths, labels = [], []
    for label, name in enumerate(names):
        inside = sorted((root / name).iterdir()) if (root / name).is_dir() else []
        own = [one for one in inside if one.suffix.lower() in SUFFIXES]
        paths += own
        labels += [label] * len(own)
    return Images(pixels_of((one, one) for one in paths), torch.tensor(labels, dtype=torch.long))


# Parquet -----------------------------------------------------------------------------


def parquet(path: Path) -> Found:
    """One file, or a folder with `train*.parquet` and `test*.parquet`, as the hub keeps them."""
    if path.is_file():
        return Found(table(path, [path]))
    files = sorted(path.rglob("*.parquet"))
    tests = [one for one in files if one.name.lower().startswith(TESTING)]
    trains = [one for one in files if one not in tests]
    return Found(table(path, trains), table(path, tests) if tests else None)


def table(path: Path, files: Sequence[Path]) -> Images:
    import pyarrow as pa
    from pyarrow.parquet import read_table

    try:
        read = pa.concat_tables([read_table(one) for one in files])
    except (OSError, pa.ArrowException) as error:
        raise DiagnosticError(unreadable(path, str(error).split("\n")[0].lower())) from None
    image = chosen(path, read.column_names, IMAGE_COLUMNS)
    label = chosen(path, read.column_names, LABEL_COLUMNS)
    cells = read[image].to_pylist()
    pictures = ((f"{path}, row {at}", picture_in(path, at, one)) for at, one in enumerate(cells))
    return Images(pixels_of(pictures), labels_of(path, read[label].to_pylist()))


def picture_in(path: Path, row: int, cell: Any) -> Any:
    """The bytes of a picture, bare or as the hub's `{"bytes": ..., "path": ...}`."""
    held = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(held, bytes):
        raise DiagnosticError(unreadable(path, f"row {row} holds no bytes of a picture"))
    return io.BytesIO(held)


def labels_of(path: object, labels: Sequence[Any]) -> torch.Tensor:
    for row, label in enumerate(labels):
        if not isinstance(label, int):
            told = f"the label of row {row} is {label!r}; whole numbers were expected"
            raise DiagnosticError(unreadable(path, told))
    return torch.tensor(labels, dtype=torch.long)


def chosen(path: object, columns: Sequence[str], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in columns:
            return name
    told = f"its columns are {', '.join(map(repr, columns))}; `{wanted[0]}` was expected"
    raise DiagnosticError(unreadable(path, told))


# The hub -----------------------------------------------------------------------------


def hub(name: str) -> Found:
    """A data set by its name on the hub; `NAME:CONFIG` where it has several.

    Raises DiagnosticError (F0812) where it cannot be had.
    """
    import datasets

    repository, _, config = name.partition(":")
    words = KNOWN.get(repository.lower(), (repository,)) + ((config,) if config else ())
    datasets.disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # of its retries
    try:
        found = datasets.load_dataset(*words)
    except Exception as error:  # noqa: BLE001 - whatever its many layers of network raise
        raise DiagnosticError(unreachable(name, error)) from None
    splits = {str(key).lower(): value for key, value in found.items()}
    train = next((splits[one] for one in TRAINING if one in splits), None)
    test = next((splits[one] for one in TESTING if one in splits), None)
    if train is None:
        told = f"its parts are {', '.join(splits)}; `train` was expected"
        raise DiagnosticError(unreadable(name, told))
    held = None if test is None else rows_of(name, test)
    return Found(rows_of(name, train), held, classes_of(name, train))


def rows_of(name: str, rows: Any) -> Images:
    image = chosen(name, rows.column_names, IMAGE_COLUMNS)
    label = chosen(name, rows.column_names, LABEL_COLUMNS)
    pictures = ((f"{name}, row {at}", picture) for at, picture in enumerate(rows[image]))
    return Images(pixels_of(pictures), labels_of(name, list(rows[label])))


def classes_of(name: str, rows: Any) -> int:
    feature = rows.features[chosen(name, rows.column_names, LABEL_COLUMNS)]
    return int(getattr(feature, "num_classes", 0) or 0)


def unreachable(name: str, error: Exception) -> Any:
    from fractal_dsl.diagnostics import Diagnostic, Help

    reason = " ".join(str(error).split())[:160]
    return Diagnostic(
        "F0812", f"cannot get `{name}` from the Hugging Face hub: {reason}", None,
        notes=("there is no file or folder of that name either",),
        helps=(
            Help("`digits` needs no network; a folder of images, of MNIST's or CIFAR's files, a"
                 " `.npz` or a `.parquet` is read from the disk"),
        ),
    )  # fmt: skip
