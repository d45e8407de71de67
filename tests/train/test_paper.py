"""The networks of the paper's tables 1 to 4, each with its number of parameters.

FractalNets by the closed formula for the standard layout; the others by the numbers that their
papers, and implementations by others, have.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.settings import parse_settings
from fractal_dsl.driver.sources import read_source
from fractal_dsl.train.experiment import read_experiment
from fractal_dsl.train.recipe import read_recipe

PAPER = Path(__file__).parents[2] / "specs" / "paper"
WIDE, THIN = (64, 128, 256, 512, 512), (16, 32, 64, 128, 128)


def parameters(name: str, *settings: str) -> int:
    values = parse_settings(settings)
    return compile_source(read_source(PAPER / f"{name}.fdl"), params=values).report.parameters


def fractal(columns: int, widths: tuple[int, ...], classes: int) -> int:
    """Convolutions without biases, batch norms with two numbers a channel, one dense layer."""
    total, before = (widths[-1] + 1) * classes, 3
    for width in widths:
        inner = 2**columns - 1 - columns
        total += 9 * columns * before * width + 9 * inner * width**2
        total += 2 * (2**columns - 1) * width
        before = width
    return total


def plain(layers: int, classes: int) -> int:
    total, before = (THIN[-1] + 1) * classes, 3
    for width in THIN:
        for _ in range(layers // 5):
            total += 9 * before * width + 2 * width
            before = width
    return total


@pytest.mark.parametrize("classes", [10, 100])
def test_table_1_fractalnet_20(classes: int) -> None:
    found = parameters("fractal20_cifar", f"classes={classes}")
    assert found == fractal(3, WIDE, classes) == {10: 33_724_618, 100: 33_770_788}[classes]


@pytest.mark.parametrize(
    "columns, printed", [(1, 0.3), (2, 0.8), (3, 2.1), (4, 4.8), (5, 10.2), (6, 21.1)]
)
def test_table_3(columns: int, printed: float) -> None:
    found = parameters("table3", f"C={columns}")
    assert found == fractal(columns, THIN, 100)
    assert round(found / 1e6, 1) == printed


@pytest.mark.parametrize("columns, layers", [(1, 5), (2, 10), (3, 20), (4, 40)])
def test_table_4_plain_nets_are_the_columns(columns: int, layers: int) -> None:
    found = parameters("plain", f"C={columns}")
    column = compile_source(read_source(PAPER / "table3.fdl")).column(columns)
    assert found == plain(layers, 100) == column.report.parameters


@pytest.mark.parametrize(
    "name, settings, expected",
    [
        ("fractal40_cifar", (), 47_198_554),  # all 3x3; the paper's 22.9 M have 1x1 among them
        ("fractalnet34", (), 164_031_016),
        ("resnet34c", (), 22_716_840),
        ("vgg16", (), 138_357_544),
        ("nin", (), 966_986),
        ("all_cnn", (), 1_369_738),
        ("resnet110", (), 1_727_962),
        ("stochastic_depth", (), 1_727_962),
        ("preresnet", ("layers=164",), 1_703_258),
        ("preresnet", (), 10_327_706),
        ("wide_resnet", (), 36_479_194),
        ("densenet", (), 15_324_406),
    ],
)
def test_other_rows_of_tables_1_and_2(name: str, settings: tuple[str, ...], expected: int) -> None:
    assert parameters(name, *settings) == expected


@pytest.mark.parametrize(
    "name, rows, figures",
    [
        ("table1", 5, [13.63, 11.66, 10.18, 7.33, 7.27]),
        ("table1_plus", 7, [6.61, 6.41, 5.23, 5.22, 4.60, 4.68, 5.24]),
        ("table3", 6, [37.32, 30.71, 27.69, 27.38, 26.46, 27.38]),
        ("table4", 9, [36.62, 32.47, 31.31, 38.84, 27.40, 37.23, 32.85, 31.31, 31.75]),
    ],
)
def test_tables_are_experiments(name: str, rows: int, figures: list[float]) -> None:
    found: Any = read_experiment(PAPER / f"{name}.toml")
    assert len(found.rows) == rows
    assert [row.paper["error"] for row in found.rows] == figures
    for row in found.rows:
        if row.job is not None:
            row.job.spec.compiled()


def test_rows_of_other_papers_have_recipes_of_their_own() -> None:
    found = read_experiment(PAPER / "table1.toml").rows
    rows = {row.name: row.job.recipe for row in found if row.job is not None}
    assert rows["FractalNet-20"] == replace(read_recipe("paper"), local=0.0, global_=0.0)
    assert rows["Stochastic Depth"] == replace(read_recipe("stochastic_depth"), augment="none")


@pytest.mark.parametrize("name", ["resnet110", "stochastic_depth"])
def test_units_end_in_a_relu_of_the_sum(name: str) -> None:
    """relu(F(x) + shortcut(x)), with option A (He et al. 2016, equation 1 and section 4.2)."""
    torch.manual_seed(0)
    values = parse_settings(["n=2"])
    made = compile_source(read_source(PAPER / f"{name}.fdl"), params=values)
    module = made.module()().double().eval()
    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.BatchNorm2d)]
    pairs = list(zip(layers[::2], layers[1::2], strict=True))

    def convolved(x: Tensor) -> Tensor:
        conv, norm = pairs.pop(0)
        out: Tensor = norm(conv(x))
        return out

    x = torch.randn(2, 3, 32, 32, dtype=torch.double)
    y = convolved(x).relu()
    for width in (16, 16, 32, 32, 64, 64):
        change = convolved(convolved(y).relu())
        if width != y.shape[1]:
            y = nn.functional.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 0, width - y.shape[1]))
        y = (change + y).relu()
    assert not pairs
    dense = next(one for one in module.modules() if isinstance(one, nn.Linear))
    torch.testing.assert_close(module(x), dense(y.mean((2, 3))))
