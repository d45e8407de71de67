"""Modules of others: what the code says of them, and that it uses them as the file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fractal_dsl
from fractal_dsl.cli import main
from fractal_dsl.diagnostics import DiagnosticError, InternalError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.emit.torch.check import check_code
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.text import print_program
from fractal_dsl.passes.recompute import recomputed
from fractal_dsl.reference.check import check
from fractal_dsl.source import Source

STYLES: tuple[Style, ...] = ("modules", "flat")

SPEC = """
extern "torch.nn.Upsample" up(scale_factor) =
    image[in_channels, scale_factor * in_height, scale_factor * in_width]
extern "torch.nn.modules.activation.PReLU" prelu(num_parameters = 1) = in_shape
param groups = 2
unit(w) = conv2d(w) >> extern "torch.nn.GroupNorm"(groups, in_channels, eps = 0.001)
          >> prelu(in_channels)
f(1)   = unit(8)
f(C+1) = (f(C) . f(C)) (+) unit(8)
net Net =
    conv(8) >> extern "torch.nn.BatchNorm2d"(8) >> extern "torch.nn.Dropout"(0.3)
    >> up(2) >> f(3) >> extern "torch.nn.AvgPool2d"(1, stride = 1, padding = (0, 0)) @pooled
    >> prelu(8) ** 2 >> prelu
drop_path(local = 0.1)
"""


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("training", [False, True])
def test_the_code_makes_them_as_the_reference_does(style: Style, training: bool) -> None:
    compiled = compile_source(Source("net.fdl", SPEC))
    module = compiled.module(style)().double()
    report = check(module, flatten(compiled.program), seed=1, training=training)
    assert report.agrees, report
    assert "pooled" in dict(module.named_children())


def test_another_argument_is_another_network() -> None:
    """The reference does not take its module from the code that it checks."""
    compiled = compile_source(Source("net.fdl", SPEC))
    other = compile_source(Source("net.fdl", SPEC.replace("eps = 0.001", "eps = 0.5")))
    report = check(compiled.module()().double(), flatten(other.program), seed=1)
    assert not report.agrees


def test_both_styles_have_the_same_keys() -> None:
    compiled = compile_source(Source("net.fdl", SPEC))
    keys = [list(compiled.module(style)().state_dict()) for style in STYLES]
    assert sorted(keys[0]) == sorted(keys[1])
    assert "f.f_1.f_1.unit.group_norm.weight" in keys[0]
    assert "prelu_1.1.weight" in keys[0]


@pytest.mark.parametrize("style", STYLES)
def test_the_head_names_them_and_the_code_imports_them(style: Style) -> None:
    text = """
extern "timm.layers.BlurPool2d" blur(channels, stride = 2) =
    image[channels, in_height // stride, in_width // stride]
net Net = conv(8) >> blur(8) >> extern "torch.nn.GELU"(approximate = "tanh")
"""
    code = compile_source(Source("net.fdl", text)).generate(style)
    assert "# - timm.layers.BlurPool2d\n# - torch.nn.GELU\n" in code
    assert "\nimport timm.layers\nfrom torch import Tensor, nn\n" in code
    assert "timm.layers.BlurPool2d(channels=8, stride=2)" in code
    assert 'nn.GELU(approximate="tanh")' in code


def test_nothing_is_imported_while_compiling(tmp_path: Path) -> None:
    """Neither what exists nor what does not: a module that would leave a trace is named."""
    package = tmp_path / "leaves_a_trace.py"
    package.write_text("raise SystemExit('imported')\n")
    spec = tmp_path / "net.fdl"
    spec.write_text('net Net = conv >> extern "leaves_a_trace.Thing"(1, [2, "a"], flag = true)\n')
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from fractal_dsl.cli import main\n"
        "for words in (['check'], ['info'], ['dump', '--stage', 'flat']):\n"
        "    assert main([*words, 'net.fdl']) == 0\n"
        "for kind in ('py', 'svg', 'json', 'graphml'):\n"
        "    assert main(['net.fdl', '-o', f'out.{kind}']) == 0\n"
        "assert not {'leaves_a_trace', 'torch'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    code = (tmp_path / "out.py").read_text()
    assert 'leaves_a_trace.Thing(1, [2, "a"], flag=True)' in code


def test_check_code_lets_through_what_was_named_and_no_more() -> None:
    head = "from __future__ import annotations\n"
    fine = f"{head}import a.b\nfrom torch import nn\nX = a.b.C(1)\nY = nn.Fold(1)\n"
    check_code(fine, ["a.b.C", "torch.nn.Fold"])
    for names, bad in (
        (["torch.nn.Fold"], fine),
        (["a.b.C"], fine),
        (["a.b.D", "torch.nn.Fold"], fine),
        (["a.b.C"], f"{head}import a\nX = a.b.C(1)\n"),
        (["a.b.C"], f"{head}import a.b as c\nX = c.C(1)\n"),
        (["a.b.C"], f"{head}import a.b\nX = a.c.C(1)\n"),
        (["a.b.C"], f"{head}import a.b, os\nX = a.b.C(1)\n"),
        (["torch.nn.utils.x.C"], f"{head}import torch.nn.utils.x\nX = torch.load('x')\n"),
    ):
        with pytest.raises(InternalError):
            check_code(bad, names)


def test_what_hides_a_package_is_refused() -> None:
    text = """
net Net(timm = 10) = conv >> global_avg_pool >> extern "timm.layers.Blur"(1) >> linear(timm)
"""
    compiled = compile_source(Source("net.fdl", text))
    for style in STYLES:
        with pytest.raises(DiagnosticError) as refused:
            compiled.generate(style)
        assert [one.code for one in refused.value.diagnostics] == ["F0605"]
    other = text.replace("(timm", "(t")
    assert "import timm.layers" in compile_source(Source("net.fdl", other)).generate()


def test_1_and_true_stay_apart() -> None:
    written = " >> ".join(f'extern "m.F"({one})' for one in ("1", "true", "1.0", '"1"'))
    text = f"net Net = {written}\n"
    code = compile_source(Source("net.fdl", text)).generate()
    assert [f"m.F({given})" in code for given in ("1", "True", "1.0", '"1"')] == [True] * 4


def test_code_of_a_module_alone_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass Twice(nn.Module):\n    def forward(self, x):\n"
        "        return 2 * x\n"
    )
    text = 'net Net = id >> extern "mine.Twice" + id\n'
    (tmp_path / "net.py").write_text(compile_source(Source("net.fdl", text)).generate())
    script = "import torch, net; print(float(net.Net()(torch.ones(1, 3, 32, 32)).sum()))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == 3 * 3 * 32 * 32


def test_reports_say_what_they_do_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "net.fdl"
    spec.write_text(SPEC)
    assert main(["info", str(spec)]) == 0
    page = capsys.readouterr().out
    assert " + extern (" in page and "torch.nn.GroupNorm x 7" in page
    assert "receptive field" not in page
    compiled = fractal_dsl.compile(str(spec))
    assert compiled.report.externs["torch.nn.modules.activation.PReLU"] == 7 + 3
    assert compiled.report.receptive_field is None


def test_pictures_and_dumps_show_the_call() -> None:
    compiled = compile_source(
        Source("net.fdl", 'net Net = conv >> extern "torch.nn.GELU"(approximate = "tanh")\n')
    )
    assert "extern torch.nn.GELU(approximate='tanh') (%1) as gelu" in print_program(
        compiled.program
    )
    assert "GELU(approximate=" in compiled.draw("svg").data.decode()


def test_a_part_with_modules_of_others_is_not_computed_twice() -> None:
    """Such a module may count its calls, or draw."""
    text = "block = conv >> conv >> {} >> conv\nnet Net = block ** 4 >> block"
    plain = compile_source(Source("net.fdl", text.format("relu"))).program
    foreign_text = text.format('extern "torch.nn.Dropout"(0.1)')
    foreign = compile_source(Source("net.fdl", foreign_text)).program
    labels = [
        {program.graphs[at].label for at in recomputed(program)} for program in (plain, foreign)
    ]
    assert "block" in labels[0] and "block" not in labels[1]


def test_training_draws_what_the_module_draws() -> None:
    """Dropout of torch's own module replays under one seed."""
    compiled = compile_source(Source("net.fdl", 'net Net = extern "torch.nn.Dropout"(0.5)\n'))
    module = compiled.module()()
    x = torch.ones(2, 3, 32, 32)
    torch.manual_seed(3)
    found = module(x)
    torch.manual_seed(3)
    assert torch.equal(found, torch.nn.functional.dropout(x, 0.5))
