"""Blocks of transformers in FDL equal torch's own, with its weights copied over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fractal_dsl.driver import compile_source
from fractal_dsl.driver.compilation import Style
from fractal_dsl.source import Source

# Xiong et al., 2020: layer normalisation before each part, or after each sum as in the original.
PRE = """
block = (id + (layer_norm >> attention(heads = {h}, causal = {causal})))
     >> (id + (layer_norm >> linear({wide}) >> {act} >> linear({d})))
"""
POST = """
block = (id + attention(heads = {h}, causal = {causal})) >> layer_norm
     >> (id + (linear({wide}) >> {act} >> linear({d}))) >> layer_norm
"""
HEADS, WIDTH, WIDE, DEPTH, LENGTH = 4, 24, 40, 3, 7
OURS = (
    "attention.qkv.weight", "attention.qkv.bias", "attention.proj.weight", "attention.proj.bias",
    "linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias",
    "layer_norm_1.weight", "layer_norm_1.bias", "layer_norm_2.weight", "layer_norm_2.bias",
)  # fmt: skip
THEIRS = (
    "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight",
    "self_attn.out_proj.bias", "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
    "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
)  # fmt: skip


def torch_encoder(first: bool, activation: str) -> nn.Module:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, WIDE, 0.0, activation, norm_first=first, batch_first=True
    )
    encoder = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False).double()
    for one in encoder.parameters():  # the copies of a layer start alike, biases at zero
        nn.init.normal_(one, 0.0, 0.3)
    return encoder


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"block.{number}.{ours}": state[f"layers.{number}.{theirs}"]
        for number in range(DEPTH)
        for ours, theirs in zip(OURS, THEIRS, strict=True)
    }


@pytest.mark.parametrize("style", ["modules", "flat"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("block", "activation"), [(PRE, "gelu"), (POST, "relu")], ids=["pre", "post"]
)
def test_encoders_of_torch(block: str, activation: str, causal: bool, style: Style) -> None:
    torch.manual_seed(0)
    rule = block.format(
        h=HEADS, d=WIDTH, wide=WIDE, act=activation, causal="true" if causal else "false"
    )
    text = f"{rule}net on sequence[{LENGTH}, {WIDTH}] = block ** {DEPTH}"
    module = compile_source(Source("encoder.fdl", text)).module(style)().double()
    encoder = torch_encoder(block is PRE, activation)
    module.load_state_dict(copied(encoder.state_dict()))
    x = torch.randn(2, LENGTH, WIDTH, dtype=torch.double)
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=x.dtype)
    expected = encoder(x, mask=mask if causal else None, is_causal=causal)
    torch.testing.assert_close(module(x), expected)


DECODER = """
layer(x, memory) = {{
    a = x >> (id + attention({h}, causal = true)) >> layer_norm
    b = (a + ([a, memory] >> cross_attention({h}))) >> layer_norm
    return b >> (id + (linear({wide}) >> relu >> linear({d}))) >> layer_norm
}}
net on [sequence[{n}, {d}], sequence[{m}, {d}]] = wiring([x, memory]) {{
    y[0] = x
    y[i] = layer(y[i-1], memory) for i in 1..{depth}
    return y[{depth}]
}}
"""


@pytest.mark.parametrize("style", ["modules", "flat"])
def test_decoders_of_torch(style: Style) -> None:
    """Layers that look at another sequence, of another length (Vaswani et al., 2017)."""
    torch.manual_seed(0)
    text = DECODER.format(h=HEADS, d=WIDTH, wide=WIDE, n=LENGTH, m=5, depth=DEPTH)
    module = compile_source(Source("decoder.fdl", text)).module(style)().double()
    one = nn.TransformerDecoderLayer(WIDTH, HEADS, WIDE, 0.0, batch_first=True)
    decoder = nn.TransformerDecoder(one, DEPTH).double()
    for tensor in decoder.parameters():
        nn.init.normal_(tensor, 0.0, 0.3)
    state = decoder.state_dict()
    ours = dict(zip(OURS, THEIRS, strict=True)) | {
        f"layer_norm_3.{kind}": f"norm3.{kind}" for kind in ("weight", "bias")
    }
    given = {
        f"layer.{at}.{key}": state[f"layers.{at}.{other}"]
        for at in range(DEPTH)
        for key, other in ours.items()
    }
    for at in range(DEPTH):
        for kind in ("weight", "bias"):
            cross, theirs = f"layer.{at}.cross_attention", f"layers.{at}.multihead_attn"
            given[f"{cross}.q.{kind}"] = state[f"{theirs}.in_proj_{kind}"][:WIDTH]
            given[f"{cross}.kv.{kind}"] = state[f"{theirs}.in_proj_{kind}"][WIDTH:]
            given[f"{cross}.proj.{kind}"] = state[f"{theirs}.out_proj.{kind}"]
    module.load_state_dict(given)
    x, memory = (torch.randn(2, n, WIDTH, dtype=torch.double) for n in (LENGTH, 5))
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=x.dtype)
    expected = decoder(x, memory, tgt_mask=mask, tgt_is_causal=True)
    torch.testing.assert_close(module(x, memory), expected)
