"""Everything the compiler makes of a network works for each of the zoo."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from torch import nn

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.source import Source
from tests.validation.test_columns import difference
from tests.validation.translation import compared as agreement
from tests.zoo.entries import SPECS, ZOO, compiled
from tests.zoo.thin import thinned

STYLES: tuple[Style, ...] = ("modules", "flat")
LINES = 60  # of a page
OURS = ("alternating_fractals", "fractal_of_fractals")  # of no paper
# Size of the twin's image, where 32 is too small, and what its widths are divided by.
SIZES = {
    "fractalnet34": 64,
    "highway": 28,
    "hourglass": 64,
    "inception_resnet_v2": 75,
    "mlp_mixer": 224,
    "msdnet": 256,
    "vit_s16": 224,
}
SHARES = {"bifpn": 1, "efficientnet_b0": 4, "mlp_mixer": 1, "ror": 1, "vit_s16": 1}
# What is replaced in them, to be smaller still.
EDITS = {
    "bifpn": [("layer ** 3", "layer")],
    "densenet_cifar": [("layers = 100", "layers = 22")],
    "efficientnet_b0": [("5, 2, 4, 11", "5, 2, 1, 11"), ("5, 1, 3, 8", "5, 1, 1, 8")],
    "gpt2": [("50257", "57"), ("** 12", "** 2")],
    "mlp_mixer": [("d = 512", "d = 16"), ("** 8", "** 2")],
    "msdnet": [("1..22", "1..14"), ("4..22", "10..14")],
    "resnet_cifar": [("layers = 110", "layers = 20")],
    "stochastic_depth": [("layers = 110", "layers = 20")],
    "vit_s16": [("d = 384", "d = 48"), ("** 12", "** 2")],
}
# Families of one file: the values of `layers`.
FAMILIES = {
    "resnet": (18, 34, 50, 101, 152),
    "resnet_cifar": (20, 56),
    "densenet": (121, 169, 201),
    "vgg": (11, 13, 16, 19),
    "ror": (56, 110, 164),
    "wrn": (16, 40),
    "plain": (5, 10, 40),
}

each_spec = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


def twin(path: Path) -> str:
    name, text = path.stem, path.read_text("utf-8")
    for written, instead in EDITS.get(name, []):
        assert written in text
        text = text.replace(written, instead)
    return thinned(text, SIZES.get(name, 32), SHARES.get(name, 8))


@each_spec
def test_is_a_page_that_names_its_paper(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    head = " ".join(line for line in lines[: lines.index("")])
    assert head.startswith("## ")
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100
    assert ("arXiv" in head or "OpenAI" in head) != (path.stem in OURS)
    assert not any("extern" in line for line in lines)
    assert any(line.startswith("assert ") for line in lines)


@each_spec
def test_every_output(path: Path) -> None:
    made = compile_source(Source(path.name, path.read_text("utf-8")))
    assert not made.warnings
    assert made.report.parameters
    assert b"</svg>" in made.draw("svg").data
    assert b"</svg>" in made.draw("svg", highlight="column=1").data
    for style in STYLES:
        ast.parse(made.generate(style))


@each_spec
def test_generated_code_is_the_graph(path: Path) -> None:
    """Both styles against the interpreter, in eval and training, with drop-path where there is.

    Weights are drawn anew where the two differ and a value stands within rounding of a corner.
    """
    made = compile_source(Source(path.name, twin(path)))
    flat = flatten(made.program)
    modules: dict[str, nn.Module] = {style: made.module(style)() for style in STYLES}
    for seed in range(3):
        reports = agreement(modules, flat, made.program.sampling is not None, seed)
        wrong = {case: report for case, report in reports.items() if not report.agrees}
        assert all(report.ties for report in wrong.values()), wrong
        if not wrong:
            return
    pytest.fail("three times on a corner")


@pytest.mark.parametrize(
    "path",
    [path for path in SPECS if "drop_path" in path.read_text("utf-8")],
    ids=lambda path: path.stem,
)
def test_columns_are_networks_of_their_own(path: Path) -> None:
    made = compile_source(Source(path.name, twin(path)))
    assert made.report.column_count > 1
    for k in range(1, made.report.column_count + 1):
        assert difference(made, k, "modules") <= 1e-12


@pytest.mark.parametrize(
    ("name", "layers"), [(name, n) for name, family in FAMILIES.items() for n in family]
)
def test_a_family_in_one_file(name: str, layers: int) -> None:
    """The file's own assertions hold for each."""
    assert compiled(name, params={"layers": layers}).report.parameters


def test_a_member_that_a_family_lacks_is_told() -> None:
    with pytest.raises(DiagnosticError) as told:
        compiled("resnet", params={"layers": 20})
    assert told.value.diagnostics[0].code == "F0205"


def test_the_zoo_is_all_in_one_folder() -> None:
    assert sorted(ZOO.iterdir()) == SPECS
