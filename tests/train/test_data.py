"""Images from every kind of source, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.data import load_data
from fractal_dsl.train.data.images import Data, Found, Images, prepared
from fractal_dsl.train.recipe import Recipe
from tests.train.hub import hub

GREY = np.arange(12 * 5 * 4, dtype=np.uint8).reshape(12, 5, 4)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def idx_bytes(array: Any) -> bytes:
    head = pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + bytes(array.astype(np.uint8).tobytes())


def idx(folder: Path, suffix: str = "") -> None:
    for name, images, labels in (("train", GREY, LABELS), ("t10k", GREY[:3], LABELS[:3])):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            data = idx_bytes(array)
            path = folder / f"{name}-{kind}-ubyte{suffix}"
            path.write_bytes(gzip.compress(data) if suffix else data)


def cifar_records(heads: int, images: int) -> bytes:
    labels = np.tile((np.arange(images) % 3)[:, None], (1, heads)).astype(np.uint8)
    pixels = np.arange(images * 3072, dtype=np.uint64).reshape(images, -1) % 251
    return np.concatenate([labels, pixels.astype(np.uint8)], 1).tobytes()


def cifar10(folder: Path) -> None:
    for at in range(1, 3):
        (folder / f"data_batch_{at}.bin").write_bytes(cifar_records(1, 6))
    (folder / "test_batch.bin").write_bytes(cifar_records(1, 3))


def cifar100(folder: Path) -> None:
    (folder / "train.bin").write_bytes(cifar_records(2, 12))
    (folder / "test.bin").write_bytes(cifar_records(2, 3))


def pictures(folder: Path) -> None:
    for part, images in (("train", COLOUR), ("test", COLOUR[:3])):
        for at, image in enumerate(images):
            path = folder / part / f"class{LABELS[at]}" / f"{at:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def png(image: Any) -> bytes:
    held = io.BytesIO()
    Image.fromarray(image).save(held, "png")
    return held.getvalue()


def parquet(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    for part, images in (("train-00000-of-00001", COLOUR), ("test-00000-of-00001", COLOUR[:3])):
        cells = [{"bytes": png(image), "path": None} for image in images]
        columns = {"image": cells, "label": LABELS[: len(images)].tolist()}
        write_table(pa.table(columns), folder / f"{part}.parquet")


KINDS: dict[str, Callable[[Path], None]] = {
    "idx": idx, "idx.gz": lambda folder: idx(folder, ".gz"), "cifar10": cifar10,
    "cifar100": cifar100, "pictures": pictures, "parquet": parquet,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_each_kind(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path)
    data = load_data(str(tmp_path), Recipe())
    assert len(data.train) == 12 and len(data.test) == 3
    assert data.classes == {"cifar10": 10, "cifar100": 100}.get(kind, 3)
    if kind.startswith("idx"):
        assert torch.equal(data.train.pixels, torch.from_numpy(GREY)[:, None])
        assert data.train.labels.tolist() == LABELS.tolist()
    elif kind in ("pictures", "parquet"):
        expected = torch.from_numpy(COLOUR).movedim(-1, 1)
        order = np.argsort(LABELS, kind="stable") if kind == "pictures" else np.arange(12)
        assert torch.equal(data.train.pixels, expected[torch.from_numpy(order)])
    else:
        assert data.train.pixels[0].flatten().tolist() == [at % 251 for at in range(3072)]


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"),
              ("train_images", "train_labels", "test_images", "test_labels")],
)  # fmt: skip
@pytest.mark.parametrize("images", [GREY, COLOUR, COLOUR.transpose(0, 3, 1, 2), GREY / 255.0],
                         ids=["grey", "channels last", "channels first", "floats"])  # fmt: skip
def test_npz(names: tuple[str, ...], images: Any, tmp_path: Path) -> None:
    values = (images, LABELS[:, None], images[:3], LABELS[:3])
    np.savez(tmp_path / "set.npz", **dict(zip(names, values, strict=True)))
    data = load_data(str(tmp_path / "set.npz"), Recipe())
    assert data.train.shape == ((1, 5, 4) if images.ndim == 3 else (3, 5, 4))
    assert data.train.white == (1 if images.dtype == float else 255)
    if images is COLOUR:
        assert torch.equal(data.train.pixels, torch.from_numpy(COLOUR).movedim(-1, 1))


def rows(number: int) -> Any:
    """As a data set of the hub has them."""
    import datasets

    held = {"img": [Image.fromarray(one) for one in COLOUR[:number]],
            "label": LABELS[:number].tolist()}  # fmt: skip
    features = {"img": datasets.Image(), "label": datasets.ClassLabel(num_classes=7)}
    return datasets.Dataset.from_dict(held, features=datasets.Features(features))


def test_from_the_hub_over_http(tmp_path: Path) -> None:
    """Through `datasets` and its client, which know an address only from when they start."""
    (tmp_path / "data").mkdir()
    rows(12).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    rows(3).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    asked = (
        "from fractal_dsl.train.data import load_data; from fractal_dsl.train.recipe import Recipe;"
        "data = load_data('someone/tiny', Recipe());"
        "print(data.classes, len(data.test), data.train.pixels.flatten().tolist())"
    )
    with hub("someone/tiny", tmp_path) as address:
        done = subprocess.run(
            [sys.executable, "-c", asked], capture_output=True, text=True, timeout=100, check=False,
            env={**{name: one for name, one in os.environ.items() if not name.startswith("HF_")},
                 "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"),
                 "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pixels = torch.from_numpy(COLOUR).movedim(-1, 1).flatten().tolist()
    assert done.stdout.strip() == f"7 3 {pixels}"


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `datasets` gives it; and by the name that people use."""
    import datasets

    asked: list[tuple[str, ...]] = []

    def load(*words: str) -> Any:
        asked.append(words)
        return datasets.DatasetDict({"train": rows(12), "test": rows(3)})

    monkeypatch.setattr(datasets, "load_dataset", load)
    data = load_data("cifar10", Recipe())
    assert asked == [("uoft-cs/cifar10",)]
    assert torch.equal(data.train.pixels, torch.from_numpy(COLOUR).movedim(-1, 1))
    assert (data.classes, len(data.test)) == (7, 3)


def test_without_a_network_the_hub_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*words: str) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DiagnosticError, match=r"F0812.*`nobody/knows`.*no route"):
        load_data("nobody/knows", Recipe())


def test_digits() -> None:
    data = load_data("digits", Recipe())
    assert data.train.shape == (1, 8, 8) and data.classes == 10 and data.train.white == 16
    assert len(data.train) + len(data.test) == 1797
    counts = data.test.labels.bincount().tolist()
    assert min(counts) >= 34 and max(counts) <= 38  # a fifth of each class


# What cannot be read ------------------------------------------------------------------


def told(path: Path) -> str:
    with pytest.raises(DiagnosticError) as caught:
        load_data(str(path), Recipe())
    (one,) = caught.value.diagnostics
    assert one.code == "F0810"
    return one.message


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_files_that_are_cut_short_are_named(tmp_path: Path) -> None:
    idx(tmp_path)
    cut(tmp_path / "t10k-images-idx3-ubyte")
    assert "t10k-images-idx3-ubyte`: it has 75 of 76 bytes" in told(tmp_path)


@pytest.mark.parametrize("kind, file, part", [
    ("idx.gz", "train-images-idx3-ubyte.gz", "end-of-stream"),
    ("cifar10", "data_batch_2.bin", "no whole number of records"),
    ("cifar100", "test.bin", "no whole number of records"),
    ("pictures", "train/class1/04.png", ""),
    ("parquet", "test-00000-of-00001.parquet", ""),
])  # fmt: skip
def test_other_files_that_are_cut_short(kind: str, file: str, part: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:40])
    message = told(tmp_path)
    assert part in message
    assert kind == "parquet" or path.name in message


def test_what_is_called_npz_and_is_none(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.save(tmp_path / "array.npy", GREY)
    for content in (b"text", b"", (tmp_path / "array.npy").read_bytes()):
        path.write_bytes(content)
        assert "no .npz" in (message := told(path))
        assert "pickle" not in message


def test_labels_without_images_and_the_other_way(tmp_path: Path) -> None:
    idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:5]))
    assert "12 images with 5 labels" in told(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert "there is no train-labels-idx1-ubyte" in told(tmp_path)


def test_a_picture_of_another_size_and_a_strange_class(tmp_path: Path) -> None:
    pictures(tmp_path)
    odd = tmp_path / "train" / "class2" / "99.png"
    Image.fromarray(COLOUR[0, :3]).save(odd)
    assert "99.png`: it is 4 x 3 pixels, the first is 4 x 5" in told(tmp_path)
    odd.unlink()
    (tmp_path / "test" / "class9").mkdir()
    assert "class9`: no training images are of this class" in told(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    assert "no images are known there" in told(tmp_path)
    assert "there is no such file" in told(tmp_path / "absent.npz")
    (tmp_path / "a.npz").write_bytes(b"none")
    assert "a.npz" in told(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", z=GREY)
    assert "it holds 'z'; `x_train` and `y_train` were expected" in told(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x_train=np.array([{}], dtype=object), y_train=LABELS)
    assert "c.npz" in told(tmp_path / "c.npz")  # no pickle is read


# Cutting ------------------------------------------------------------------------------


def of(number: int, classes: int) -> Images:
    pixels = torch.arange(number).view(-1, 1, 1, 1)
    return Images(pixels, torch.arange(number) % classes)


def split(images: Images, **settings: Any) -> Data:
    told = {"held_out": 0.25, "train_images": 0, "test_images": 0, **settings}
    return prepared("x", Found(images), **told)


def test_held_out_is_a_share_of_each_class_and_all_else_is_kept() -> None:
    data = split(of(80, 4))
    assert data.test.labels.bincount().tolist() == [5, 5, 5, 5]
    both = torch.cat([data.train.pixels, data.test.pixels]).flatten().sort().values
    assert both.tolist() == list(range(80))


@pytest.mark.parametrize("number", [1, 7, 16, 33, 50])
def test_fewer_images_are_exactly_so_many(number: int) -> None:
    data = split(of(80, 4), train_images=number)
    assert len(data.train) == number
    counts = data.train.labels.bincount(minlength=4)
    assert int(counts.max() - counts.min()) <= 2
    assert data.digest != split(of(80, 4)).digest
