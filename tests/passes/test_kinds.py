"""Numbers of networks on sequences and tokens, and of those that make images larger."""

from __future__ import annotations

import pytest
import torch

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.passes import counts
from fractal_dsl.passes.receptive_field import receptive_field
from fractal_dsl.source import Source

TRANSFORMER = """
param d = 12
mlp(h, c = in_channels) = linear(h) >> gelu >> linear(c)
block(h) = (id + (layer_norm >> attention(heads = h))) >> (id + (layer_norm >> mlp(4 * d)))
"""
VIT = (
    TRANSFORMER
    + """
net ViT(classes = 10) on image[3, 16, 16] =
    conv2d(d, 4, stride = 4, padding = 0, bias = true) >> tokens
    >> block(3) ** 3 >> layer_norm >> take(0) >> linear(classes)
"""
)
TALKER = TRANSFORMER + "net on tokens[7] = embedding(50, d) >> block(3) ** 2 >> linear(50)"


def compiled(text: str) -> Compilation:
    return compile_source(Source("net.fdl", text))


def test_a_transformer_in_numbers() -> None:
    """By hand: N = 16 tokens of d = 12 channels, three blocks."""
    program = compiled(VIT).program
    n, d = 16, 12
    dense = 4 * d * d + 2 * 4 * d * d
    block = dense + 4 * d + (4 + 1) * d + 2 * 2 * d
    assert counts.parameters(program) == 49 * d + 3 * block + 2 * d + (d + 1) * 10
    assert counts.parameters(program, "attention") == 3 * (4 * d * d + 4 * d)
    attention = 2 * n * n * d
    assert counts.macs(program) == n * 48 * d + 3 * (n * dense + attention) + 10 * d
    report = compiled(VIT).report
    assert (report.depth, report.weighted_depth) == (1, 1 + 3 * 4 + 1)
    assert report.paths.exact == 4**3


def test_activations_of_attention() -> None:
    """Outputs of 8 operators, and what attention keeps inside; views are free."""
    program = compiled(VIT).program
    attention = 1 + 4
    block = 1 + attention + 1 + 1 + (4 + 4 + 1) + 1  # norm, attention, sum, norm, mlp, sum
    assert counts.activation_bytes(program) == 4 * (16 * 12 * (1 + 3 * block + 1) + 10)


def test_tokens_have_no_field_and_count_all_the_same() -> None:
    program = compiled(TALKER).program
    assert receptive_field(program) is None
    assert counts.parameters(program, "embedding") == 600
    assert str(program.input) == "tokens[7]" and str(program.output) == "sequence[7, 50]"


@pytest.mark.parametrize("mix", ["attention(2)", "transpose >> linear(3) >> transpose"])
def test_what_mixes_tokens_sees_the_whole_image(mix: str) -> None:
    head = "net on image[2, 9, 9] = conv2d(4, 3) >> tokens"
    one = receptive_field(compiled(f"{head} >> linear(3)").program)
    assert one is not None and (one.height, one.width, one.is_whole) == (3, 3, False)
    whole = receptive_field(compiled(f"{head} >> {mix}").program)
    assert whole is not None and (whole.height, whole.width, whole.is_whole) == (9, 9, True)


FIELDS = (
    "upsample(2)",
    "conv2d(1, 3) >> upsample(2) >> conv2d(1, 3)",
    "max_pool(2) >> conv2d(1, 3) >> upsample(2) >> conv2d(1, 5)",
    'upsample(2, mode = "bilinear") >> conv2d(1, 3)',
    "avg_pool(2) >> avg_pool(2) >> upsample(2) >> conv2d(1, 3) >> upsample(2) >> conv2d(1, 3)",
    "conv_transpose2d(1, 3)",
    "conv2d(1, 3) >> conv_transpose2d(1, 4, padding = 1) >> conv2d(1, 3)",
    "conv_transpose2d(1, 2, stride = 1, dilation = 3)",
    "upsample((1, 3)) >> conv2d(1, 3, stride = (1, 3))",
)


@pytest.mark.parametrize("body", FIELDS)
def test_fields_where_images_grow(body: str) -> None:
    """The most rows and columns that one place depends on: by gradients, with weights of 1."""
    compilation = compiled(f"net on image[1, 24, 24] = {body}")
    module = compilation.module()().double()
    for one in module.parameters():
        torch.nn.init.ones_(one)
    x = torch.rand(1, 1, 24, 24, dtype=torch.double, requires_grad=True)
    y = module(x)[0, 0]
    rows, columns = y.shape
    found = [0, 0]
    for row in range(rows // 3, 2 * rows // 3):
        for column in range(columns // 3, columns // 3 + 12):
            (gradient,) = torch.autograd.grad(y[row, column], x, retain_graph=True)
            seen = gradient[0, 0].nonzero()
            spread = seen.amax(0) - seen.amin(0) + 1
            found = [max(a, int(b)) for a, b in zip(found, spread, strict=True)]
    field = receptive_field(compilation.program)
    assert field is not None
    assert [field.height, field.width] == found
