"""Networks for use: folded, in files that say what they are, in ONNX."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

from fractal_dsl import compile
from fractal_dsl.driver.compilation import Style
from fractal_dsl.runtime import (
    LoadError,
    export_onnx,
    extract_column,
    fold_batch_norm,
    load_safetensors,
    load_weights,
    read_safetensors,
    save_safetensors,
)
from tests.runtime.nets import (
    BLOCKS,
    SAMPLES,
    STEM,
    both_styles,
    inputs,
    made,
    statistics_of_its_own,
)

WITHOUT = BLOCKS.replace("drop_path(local = 0.4, global = 0.5)", "")
SHARED = "net on image[2, 6, 6] = conv2d(4) >> (batch_norm + id) >> conv2d(4) >> batch_norm\n"


def norms(model: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in model.modules())


@pytest.mark.parametrize(
    ("text", "size"),
    [(BLOCKS, 8), (STEM, 6), (SAMPLES, 8), (WITHOUT, 8)],
    ids=["blocks", "stem", "samples", "without"],
)
@both_styles
def test_folded_is_the_same_function(text: str, size: int, style: Style) -> None:
    model, x = statistics_of_its_own(made(text, style)), inputs(size=size)
    folded = fold_batch_norm(model.train())
    assert not folded.training
    assert norms(folded) == 0 < norms(model)
    model.eval()
    plans: list[Any] = [] if text is WITHOUT else [model.column_plan(k) for k in (1, 2, 3)]
    for arguments in ((), *((plan,) for plan in plans)):
        expected = model(x, *arguments)
        assert (folded(x, *arguments) - expected).abs().max() <= 1e-5 * (1 + expected.abs().max())


@both_styles
def test_columns_fold_and_have_no_trace_of_it(style: Style) -> None:
    model, x = statistics_of_its_own(made(BLOCKS, style)), inputs()
    for k in (1, 2, 3, None):
        column = extract_column(model, k)
        folded = fold_batch_norm(column)
        torch.testing.assert_close(folded(x), column(x), rtol=1e-5, atol=1e-5)
        kinds = {type(one) for one in folded.modules()}
        assert not kinds & {nn.BatchNorm2d, nn.Identity}
    for k, y in cast(Any, fold_batch_norm(model)).anytime(x):
        plan = model.full_plan() if k is None else model.column_plan(k)
        torch.testing.assert_close(y, model(x, plan), rtol=1e-5, atol=1e-5)


def test_a_norm_stays_where_others_read_the_convolution() -> None:
    model, x = statistics_of_its_own(made(SHARED)), inputs(size=6)
    folded = fold_batch_norm(model)
    assert norms(folded) == 1
    torch.testing.assert_close(folded(x), model(x), rtol=1e-5, atol=1e-5)


# Files ------------------------------------------------------------------------------


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    model, path = statistics_of_its_own(made()), tmp_path / "weights.safetensors"
    save_safetensors(model.to(memory_format=torch.channels_last), path, BLOCKS)
    saved = read_safetensors(path)
    assert saved.spec == BLOCKS
    assert saved.spec_sha256 == sha256(BLOCKS.encode()).hexdigest()
    assert saved.spec_sha256 in compile(saved.spec).source
    again = compile(saved.spec).module()().eval()
    assert not load_safetensors(again, path, BLOCKS).missing
    torch.testing.assert_close(again(inputs()), model(inputs()))
    load_weights(made(), path)


def test_a_file_of_another_specification(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_safetensors(made(), path, BLOCKS)
    model = made()
    before = {key: one.clone() for key, one in model.state_dict().items()}
    with pytest.raises(ValueError, match="was saved with another specification"):
        load_safetensors(model, path, BLOCKS + "\n")
    with pytest.raises(LoadError, match="other shapes"):
        load_safetensors(made(BLOCKS.replace("(6, 0.4)", "(7, 0.4)")), path)
    assert all(torch.equal(one, before[key]) for key, one in model.state_dict().items())


def test_a_changed_text_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_safetensors(made(), path, BLOCKS)
    data = path.read_bytes()
    assert data.count(b"param C = 3") == 1
    path.write_bytes(data.replace(b"param C = 3", b"param C = 4"))
    with pytest.raises(ValueError, match="not the one it was saved with"):
        read_safetensors(path)


def test_files_that_others_made(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file(made().state_dict(), path)
    assert read_safetensors(path).spec == ""
    load_safetensors(made(), path)

    with pytest.raises(ValueError, match="does not say which specification"):
        load_safetensors(made(), path, BLOCKS)


def test_a_file_keeps_what_was_set(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    small = compile(BLOCKS, C=2).module()()
    save_safetensors(small, path, BLOCKS, {"C": 2})
    saved = read_safetensors(path)
    again = compile(saved.spec, **saved.settings).module()()
    load_safetensors(again, path, BLOCKS)
    for key, one in small.state_dict().items():
        assert torch.equal(again.state_dict()[key], one)


def test_mistakes_with_files_say_what_was_expected(tmp_path: Path) -> None:
    other = tmp_path / "weights.pt"
    other.write_text("net = conv\n")
    with pytest.raises(ValueError, match="not its path"):
        save_safetensors(made(), tmp_path / "weights.safetensors", "specs/digits.fdl")
    save_safetensors(made(), tmp_path / "weights.safetensors", BLOCKS)
    with pytest.raises(ValueError, match="not its path"):
        load_safetensors(made(), tmp_path / "weights.safetensors", Path("net.fdl"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weights\.pt is no safetensors file"):
        read_safetensors(other)
    with pytest.raises(ValueError, match=r"weights\.pt is no file of weights"):
        load_weights(made(), other)
    with pytest.raises(TypeError, match="the path comes before"):
        export_onnx(made(), inputs(), "x.onnx")  # type: ignore[arg-type]


def test_weights_of_another_module() -> None:
    one, two = made(), made()
    load_weights(two, one)
    for key, value in one.state_dict().items():
        assert torch.equal(two.state_dict()[key], value)


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    save_safetensors(made(), path, BLOCKS)
    before, synced = path.read_bytes(), []
    fsync = os.fsync

    def full(handle: int) -> None:
        synced.append(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_safetensors(made(), path, "")
    monkeypatch.setattr(os, "fsync", fsync)
    assert synced
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


# ONNX -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("column", [2, None])
def test_onnx_is_the_same_function(column: int | None, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = statistics_of_its_own(made()), tmp_path / "net.onnx"
    export_onnx(model.train(), path, inputs(), column)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    plan = model.full_plan() if column is None else model.column_plan(column)
    for samples in (1, 7):
        x = inputs(samples)
        (y,) = session.run(["y"], {"x": x.numpy()})
        expected = model.eval()(x, plan)
        torch.testing.assert_close(torch.from_numpy(y), expected, rtol=1e-4, atol=1e-5)


def test_onnx_needs_a_batch_to_generalise_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        export_onnx(made(), tmp_path / "net.onnx", inputs(1))
