"""Images from files of fixed forms: IDX (MNIST's), CIFAR's binary records, `.npz`."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import unpack
from typing import Any

import numpy as np
import torch

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.data.images import Found, Images, unreadable

__all__ = ["cifar", "has_cifar", "has_idx", "idx", "npz"]

IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MOST_AXES = 4


def content(path: Path) -> bytes:
    """All bytes of a file, unpacked where it is gzip. Raises DiagnosticError (F0810)."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DiagnosticError(unreadable(path, reason.lower())) from None


# IDX ---------------------------------------------------------------------------------


def idx_file(folder: Path, *parts: str) -> Path | None:
    """The file whose name begins with one of `parts`, such as `train-images`."""
    named = (path for path in sorted(folder.iterdir()) if path.name.startswith(parts))
    return next((path for path in named if ".idx" in path.name or "-idx" in path.name), None)


def has_idx(folder: Path) -> bool:
    return idx_file(folder, "train-images") is not None


def idx(folder: Path) -> Found:
    """A folder of the MNIST family: `train-images-idx3-ubyte`, also with `.gz`, and the rest."""
    train = idx_pair(folder, "train-images", "train-labels")
    assert train is not None
    return Found(
        train, idx_pair(folder, "t10k-images", "t10k-labels", "test-images", "test-labels")
    )


def idx_pair(folder: Path, *names: str) -> Images | None:
    images = idx_file(folder, *names[::2])
    labels = idx_file(folder, *names[1::2])
    if images is None:
        return None
    if labels is None:
        raise DiagnosticError(unreadable(folder, f"there is no {names[1]}-idx1-ubyte"))
    pixels, numbers = read_idx(images), read_idx(labels)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if numbers.ndim != 1:
        raise DiagnosticError(unreadable(labels, f"labels have {numbers.ndim} axes, not 1"))
    return Images(torch.from_numpy(pixels), torch.from_numpy(numbers.astype(np.int64)))


def read_idx(path: Path) -> Any:
    """One array of an IDX file, in the machine's own order of bytes."""
    data = content(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in IDX_TYPES or data[3] > MOST_AXES:
        raise DiagnosticError(unreadable(path, "it does not begin as an IDX file does"))
    kind, axes = np.dtype(IDX_TYPES[data[2]]), data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DiagnosticError(unreadable(path, "it ends within its head"))
    shape = unpack(f">{axes}I", data[4:start])
    expected = start + kind.itemsize * int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise DiagnosticError(unreadable(path, f"it has {len(data):,} of {expected:,} bytes"))
    array = np.frombuffer(data, kind, offset=start).reshape(shape)
    return array.astype(kind.newbyteorder("="))  # a copy, which may be written to


# CIFAR -------------------------------------------------------------------------------

PIXELS = 3 * 32 * 32


def has_cifar(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("data_batch_1.bin", "train.bin"))


def cifar(folder: Path) -> Found:
    """CIFAR-10 (`data_batch_*.bin`) or CIFAR-100 (`train.bin`, its fine labels), as published."""
    if (folder / "train.bin").is_file():
        names, test, heads, classes = [folder / "train.bin"], folder / "test.bin", 2, 100
    else:
        names = sorted(folder.glob("data_batch_*.bin"))
        test, heads, classes = folder / "test_batch.bin", 1, 10
    parts = [records(path, heads) for path in names]
    pixels, labels = (torch.cat(both) for both in zip(*parts, strict=True))
    held = Images(*records(test, heads)) if test.is_file() else None
    return Found(Images(pixels, labels), held, classes)


def records(path: Path, heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels [N, 3, 32, 32] and labels; a record is `heads` labels, the last counts, and pixels."""
    data = np.frombuffer(content(path), np.uint8)
    if not len(data) or len(data) % (heads + PIXELS):
        told = f"{len(data):,} bytes are no whole number of records of {heads + PIXELS:,}"
        raise DiagnosticError(unreadable(path, told))
    rows = data.reshape(-1, heads + PIXELS)
    pixels = torch.from_numpy(rows[:, heads:].copy()).view(-1, 3, 32, 32)
    return pixels, torch.from_numpy(rows[:, heads - 1].astype(np.int64))


# npz ---------------------------------------------------------------------------------

TRAIN = (("x_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"),
         ("images", "labels"), ("x", "y"), ("X", "y"))  # fmt: skip
TEST = (("x_test", "y_test"), ("test_images", "test_labels"), ("test_x", "test_y"),
        ("x_val", "y_val"), ("val_images", "val_labels"))  # fmt: skip


def npz(path: Path) -> Found:
    """Arrays by the usual names: `x_train`, `y_train`, `x_test`, `y_test`, and their likes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise DiagnosticError(unreadable(path, (error.strerror or str(error)).lower())) from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, TypeError):
        told = "it is no .npz, or a damaged one, or one of arrays of Python objects"
        raise DiagnosticError(unreadable(path, told)) from None
    train = next(npz_pairs(path, arrays, TRAIN), None)
    if train is None:
        held = ", ".join(map(repr, arrays)) or "nothing"
        told = f"it holds {held}; `x_train` and `y_train` were expected"
        raise DiagnosticError(unreadable(path, told))
    return Found(train, next(npz_pairs(path, arrays, TEST), None))


def npz_pairs(
    path: Path, arrays: Mapping[str, Any], names: tuple[tuple[str, str], ...]
) -> Iterator[Images]:
    for images, labels in names:
        if images in arrays and labels in arrays:
            pixels = in_order(path, torch.from_numpy(arrays[images]))
            if arrays[labels].dtype.kind not in "iubf":
                told = f"`{labels}` are {arrays[labels].dtype}; whole numbers from 0 were expected"
                raise DiagnosticError(unreadable(path, told))
            numbers = torch.from_numpy(arrays[labels].astype(np.int64)).flatten()
            yield Images(pixels, numbers, white_of(pixels))


def in_order(path: Path, pixels: torch.Tensor) -> torch.Tensor:
    """As [N, C, H, W]: grey images have no channel, and channels may come last."""
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim != 4:
        raise DiagnosticError(
            unreadable(path, f"images of {pixels.ndim} axes; 3 or 4 were expected")
        )
    last = pixels.shape[-1] in (1, 3, 4) and pixels.shape[1] not in (1, 3)
    return pixels.movedim(-1, 1).contiguous() if last else pixels


def white_of(pixels: torch.Tensor) -> float:
    """Whole numbers are bytes; others that stay within 0 to 1 are taken as they are."""
    if not pixels.is_floating_point():
        return 255.0
    return 1.0 if not pixels.numel() or float(pixels.amax()) <= 1 else 255.0
