"""The library: nets of the literature out of its blocks have the papers' numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.ir.flatten import flatten
from fractal_dsl.ir.operators.layers import Conv2d
from fractal_dsl.semantics.definitions import names_read
from fractal_dsl.semantics.shipped import library
from fractal_dsl.source import Source
from fractal_dsl.syntax import tree

IMAGENET = "on image[3, 224, 224]"
STEM = "conv(64, 7, stride = 2) >> max_pool(3, stride = 2, padding = 1)"
HEAD = "global_avg_pool >> linear(1000)"


def compiled(text: str) -> Compilation:
    return compile_source(Source("net.fdl", text))


def resnet(unit: str, widths: str, counts: str, names: str, rules: str = "") -> str:
    return f"""
from "std" import {names}
{rules}
unit(w, s) = {unit}
stage(i)   = unit({widths}[i], if i == 0 then 1 else 2) >> unit({widths}[i], 1) ** ({counts}[i] - 1)
net Net {IMAGENET} = {STEM} >> chain(stage(i) for i in 0..3) >> {HEAD}
"""


WIDTHS, FIFTY, EIGHTEEN = "[64, 128, 256, 512]", "[3, 4, 6, 3]", "[2, 2, 2, 2]"

# Parameters as pytorchcv has them (tests/zoo holds the nets themselves against it).
NETS = {
    "ResNet-18": (resnet("basic(w, s)", WIDTHS, EIGHTEEN, "basic"), 11_689_512),
    "ResNet-34": (resnet("basic(w, s)", WIDTHS, FIFTY, "basic"), 21_797_672),
    "ResNet-50": (resnet("bottleneck(w, s)", WIDTHS, FIFTY, "bottleneck"), 25_557_032),
    "ResNeXt-50": (
        resnet("bottleneck(2 * w, s, 2, 32)", WIDTHS, FIFTY, "bottleneck"), 25_028_904,
    ),
    "SE-ResNet-50": (
        resnet(
            "bottleneck(w, s, gate = squeeze_excite(w // 4))", WIDTHS, FIFTY,
            "bottleneck, squeeze_excite",
        ),
        28_088_024,
    ),
    "pre-activation ResNet-18": (
        f"""
from "std" import preact_basic
stage(w, s) = preact_basic(w, s) >> preact_basic(w)
net Net {IMAGENET} = {STEM} >> stage(64, 1) >> stage(128, 2) >> stage(256, 2) >> stage(512, 2)
    >> batch_norm >> relu >> {HEAD}
""",
        11_687_848,
    ),
    "WRN-28-10": (
        """
from "std" import preact_basic
stage(w, s) = preact_basic(w, s) >> preact_basic(w) ** 3
net Net = conv2d(16) >> stage(160, 1) >> stage(320, 2) >> stage(640, 2)
    >> batch_norm >> relu >> global_avg_pool >> linear(10)
""",
        36_479_194,
    ),
    "DenseNet-121": (
        f"""
from "std" import dense_layer, dense_transition
net Net {IMAGENET} = {STEM} >> dense_layer(32) ** 6
    >> chain(dense_transition >> dense_layer(32) ** n for n in [12, 24, 16])
    >> batch_norm >> relu >> {HEAD}
""",
        7_978_856,
    ),
    "MobileNetV2": (
        f"""
from "std" import conv_bn, inverted_residual
layer(w, k = 3, s = 1) = conv_bn(w, k, s) >> relu6
net Net {IMAGENET} = layer(32, 3, 2)
    >> chain(inverted_residual(w, t, stride = s) >> inverted_residual(w, t) ** (n - 1)
             for t, w, n, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)])
    >> layer(1280, 1) >> global_avg_pool >> conv2d(1000, 1) >> flatten
""",
        3_503_872,
    ),
    "EfficientNet-B0": (
        f"""
from "std" import conv_bn, inverted_branch, squeeze_excite
layer(w, k = 3, s = 1) = conv_bn(w, k, s) >> silu
body(w, t, k, s, c = in_channels) =
    inverted_branch(w, t * c, k, s, silu, squeeze_excite(c // 4, silu))
mbconv(w, t, k, s, rate) if s == 1 and in_channels == w =
    id + stochastic_depth(body(w, t, k, s), rate)
mbconv(w, t, k, s, rate) = body(w, t, k, s)
stage(t, w, k, s, n, b) =
    chain(mbconv(w, t, k, if i == 0 then s else 1, 0.2 * (b + i) / 16) for i in 0..n-1)
net Net {IMAGENET} = layer(32, 3, 2)
    >> chain(stage(t, w, k, s, n, b) for t, w, k, s, n, b in
             [(1, 16, 3, 1, 1, 0), (6, 24, 3, 2, 2, 1), (6, 40, 5, 2, 2, 3), (6, 80, 3, 2, 3, 5),
              (6, 112, 5, 1, 3, 8), (6, 192, 5, 2, 4, 11), (6, 320, 3, 1, 1, 15)])
    >> layer(1280, 1) >> global_avg_pool >> dropout(0.2) >> linear(1000)
""",
        5_288_548,
    ),
    "SqueezeNet": (
        f"""
from "std" import fire
pool = max_pool(3, stride = 2, ceil = true)
layer(w, k, s = 1) = conv2d(w, k, stride = s, padding = 0, bias = true) >> relu
net Net {IMAGENET} = layer(96, 7, 2) >> pool >> fire(16) >> fire(16) >> fire(32)
    >> pool >> fire(32) >> fire(48) >> fire(48) >> fire(64) >> pool >> fire(64)
    >> dropout >> layer(1000, 1) >> global_avg_pool >> flatten
""",
        1_248_424,
    ),
    "FractalNet": (
        """
from "std" import fractal
block(channels, rate) = fractal(3) >> each(max_pool(2)) >> dropout(rate)
net Net = chain(block(w, p) for w, p in [(64, 0), (128, 0.1), (256, 0.2), (512, 0.3), (512, 0.4)])
    >> linear(10)
drop_path(local = 0.15, global = 0.5)
assert columns == 3
assert depth == 20
""",
        33_724_618,
    ),
    "pre-activation ResNet-50": (
        f"""
from "std" import preact_bottleneck
stage(w, n, s) = preact_bottleneck(w, s) >> preact_bottleneck(w) ** (n - 1)
net Net {IMAGENET} = {STEM} >> stage(64, 3, 1) >> stage(128, 4, 2) >> stage(256, 6, 2)
    >> stage(512, 3, 2) >> batch_norm >> relu >> {HEAD}
""",
        25_549_480,
    ),
    "MobileNet": (
        f"""
from "std" import separable_conv
net Net {IMAGENET} = conv(32, 3, stride = 2)
    >> chain(separable_conv(w, stride = s) for w, s in
             [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)])
    >> separable_conv(512) ** 5 >> separable_conv(1024, stride = 2) >> separable_conv(1024)
    >> {HEAD}
""",
        4_231_976,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_nets_out_of_its_blocks(name: str) -> None:
    text, parameters = NETS[name]
    compilation = compiled(text)
    assert compilation.report.parameters == parameters
    assert compilation.warnings == ()


# Nets of the zoo, which tests/zoo holds against pytorchcv or a reference, and what to set in them.
ZOO: dict[str, tuple[str, dict[str, int]]] = {
    "ResNet-18": ("resnet", {"layers": 18}),
    "ResNet-34": ("resnet", {"layers": 34}),
    "ResNet-50": ("resnet", {}),
    "ResNeXt-50": ("resnext50", {}),
    "SE-ResNet-50": ("seresnet50", {}),
    "pre-activation ResNet-18": ("preresnet18", {}),
    "WRN-28-10": ("wrn", {}),
    "DenseNet-121": ("densenet", {}),
    "MobileNetV2": ("mobilenetv2", {}),
    "EfficientNet-B0": ("efficientnet_b0", {}),
    "SqueezeNet": ("squeezenet", {}),
    "FractalNet": ("fractalnet", {}),
}


@pytest.mark.parametrize("name", ZOO)
def test_they_are_the_nets_of_the_zoo(name: str) -> None:
    """Operator for operator; names, and what counts in `depth`, may differ."""
    spec, params = ZOO[name]
    ours, theirs = compiled(NETS[name][0]), compile_spec(spec, params)
    assert operations(ours) == operations(theirs)


def compile_spec(spec: str, params: dict[str, int]) -> Compilation:
    path = Path(__file__).parents[2] / "specs" / "zoo" / f"{spec}.fdl"
    return compile_source(Source(path.name, path.read_text("utf-8")), params=params)


def operations(compilation: Compilation) -> list[tuple[object, tuple[int, ...]]]:
    """What each node of the flat graph does, and of which others."""
    found: list[tuple[object, tuple[int, ...]]] = []
    for node in flatten(compilation.program).nodes:
        attributes = node.attributes
        if isinstance(attributes, Conv2d):
            attributes = replace(attributes, counted=True, padding=attributes.paddings)
        found.append((attributes or len(node.operands), node.inputs))
    return found


def test_every_rule_is_tried() -> None:
    """By a net above, or by another rule that one uses."""
    rules = {s.name: s for s in library().statements if isinstance(s, tree.Equation)}
    read = set().union(*(names_read(rule) for rule in rules.values()))
    text = "\n".join(text for text, _ in NETS.values())
    assert [rule for rule in rules if rule not in text and rule not in read] == []


def test_every_rule_has_its_documentation() -> None:
    equations = [s for s in library().statements if isinstance(s, tree.Equation)]
    first = {one.name: one for one in reversed(equations)}
    assert [name for name, one in first.items() if not one.doc] == []


def test_the_library_checks_itself_as_any_file() -> None:
    """Compiled as a user's file, nothing in it is wrong but that it has no net."""
    text = library().source.text
    with pytest.raises(DiagnosticError) as error:
        compiled(text)
    assert [one.code for one in error.value.diagnostics] == ["F0212"]


def test_code_of_its_blocks_runs_in_both_styles() -> None:
    import torch

    text = """
from "std" import bottleneck, inverted_residual, squeeze_excite, dense_layer, fire, preact_basic
net Net on image[3, 16, 16] = conv(8) >> bottleneck(4, 2, gate = squeeze_excite(4))
    >> inverted_residual(16, 2, gate = squeeze_excite(4, silu)) >> dense_layer(4) >> fire(2)
    >> preact_basic(8, 2) >> global_avg_pool >> linear(3)
"""
    compilation = compiled(text)
    first, other = (compilation.module(style)().eval() for style in ("modules", "flat"))
    other.load_state_dict(first.state_dict())
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(first(x), other(x))
