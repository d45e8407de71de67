"""Networks of several inputs and outputs have columns, tables and files like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fractal_dsl.driver import compile_source
from fractal_dsl.runtime import (
    column_table,
    export_onnx,
    extract_column,
    fold_batch_norm,
    kept_bytes,
    recalibrate_batch_norm,
    worst_draw_memory,
)
from fractal_dsl.runtime.networks import input_names
from fractal_dsl.source import Source

TEXT = """
net Two on [image[2, 6, 6], image[3, 6, 6]] = wiring([a, b]) {
    c = ((a >> conv(4)) (+) (b >> conv(4))) >> conv(4)
    return [c >> global_avg_pool >> linear(3), c >> conv(2)]
}
drop_path(local = 0.3, global = 0.5)
"""
SHAPES = ((2, 2, 6, 6), (2, 3, 6, 6))
BOTH = [TEXT, TEXT.replace("0.5)", '0.5, per = "sample")')]


def made(text: str) -> Any:
    torch.manual_seed(0)
    return compile_source(Source("two.fdl", text)).module()()


def batch(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize("text", BOTH, ids=["batch", "sample"])
def test_columns_as_chains_of_layers(text: str) -> None:
    model, x = made(text).eval(), batch()
    assert input_names(model) == ["x", "h"]
    for k in (None, 1, 2):
        plan = model.full_plan() if k is None else model.column_plan(k)
        torch.testing.assert_close(extract_column(model, k)(*x), model(*x, plan=plan))
    torch.testing.assert_close(fold_batch_norm(model)(*x), model(*x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", BOTH, ids=["batch", "sample"])
def test_what_columns_cost(text: str) -> None:
    model = made(text)
    rows = list(column_table(model, batch(), runs=1))
    convs = {"a": 2 * 4 * 9, "b": 3 * 4 * 9, "after": (4 * 4 + 4 * 2) * 9}
    rest = 36 * convs["after"] + 4 * 3
    assert [row.macs for row in rows] == [
        36 * convs["a"] + rest, 36 * convs["b"] + rest, 36 * (convs["a"] + convs["b"]) + rest,
    ]  # fmt: skip
    known = worst_draw_memory(model, SHAPES, draws=4)
    assert known.full == kept_bytes(model, model.full_plan(), SHAPES) > known.mean


@pytest.mark.parametrize("text", BOTH, ids=["batch", "sample"])
def test_statistics_of_a_column(text: str) -> None:
    model = made(text)
    found = recalibrate_batch_norm(model, [(*batch(seed), 0) for seed in range(3)], 1)
    moved = [
        name
        for name, buffer in model.named_buffers()
        if "mean" in name and not torch.equal(found.get_buffer(name), buffer)
    ]
    assert len(moved) == 3  # of a, after the join, and of the second output
    with pytest.raises(TypeError, match="begin with 2 tensors"):
        recalibrate_batch_norm(model, [batch()[:1]])


def test_onnx_has_the_names_of_forward(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = made(TEXT).eval(), tmp_path / "two.onnx"
    export_onnx(model, path, batch(), column=2)
    session = onnxruntime.InferenceSession(str(path))
    assert [one.name for one in session.get_inputs()] == ["x", "h"]
    assert [one.name for one in session.get_outputs()] == ["y_1", "y_2"]
    x = [torch.cat([one, one, one]) for one in batch()]
    found = session.run(None, {"x": x[0].numpy(), "h": x[1].numpy()})
    for one, other in zip(found, model(*x, plan=model.column_plan(2)), strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other, rtol=1e-4, atol=1e-5)
