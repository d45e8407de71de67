"""The zoo: each file of `specs/zoo`, what to set in it, and whom it is compared with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fractal_dsl.driver import Compilation, compile_source
from fractal_dsl.source import Source

__all__ = ["PEERS", "SPECS", "ZOO", "Peer", "compiled", "spec_text"]

ZOO = Path(__file__).parents[2] / "specs" / "zoo"
SPECS = sorted(ZOO.glob("*.fdl"))


@dataclass(frozen=True, slots=True)
class Peer:
    """`function` of `pytorchcv.models.module` is the net of `spec` with `params`.

    `sizes` are heights (and widths) of images to compare on: what the net allows, kept small.
    `edit` replaces one text of the spec by another, where pytorchcv departs from the paper;
    `options` are for its function.
    """

    spec: str
    module: str
    function: str
    sizes: tuple[int, ...]
    params: Mapping[str, object] = field(default_factory=dict)
    edit: tuple[str, str] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    slow: bool = False

    @property
    def name(self) -> str:
        return self.function


# pytorchcv pools after a block's last join, as the paper's figure 1 has it; the spec before it, as
# section 3.3 says of the paper's own code.
POOL_AFTER = ("each(max_pool(2))", "max_pool(2)")

PEERS = [
    Peer("fractalnet", "fractalnet_cifar", "fractalnet_cifar10", (32,), edit=POOL_AFTER),
    Peer("resnet", "resnet", "resnet18", (64, 96), {"layers": 18}),
    Peer("resnet", "resnet", "resnet34", (64, 96), {"layers": 34}),
    Peer("resnet", "resnet", "resnet50", (64, 96)),
    Peer("resnet_cifar", "resnet_cifar", "resnet110_cifar10", (16, 32)),
    Peer("preresnet18", "preresnet", "preresnet18", (64, 96)),
    Peer("wrn", "wrn_cifar", "wrn28_10_cifar10", (16, 24)),
    Peer("resnext50", "resnext", "resnext50_32x4d", (64, 96)),
    Peer("seresnet50", "seresnet", "seresnet50", (64, 96)),
    Peer("ror", "ror_cifar", "ror3_56_cifar10", (16, 32)),
    Peer("ror", "ror_cifar", "ror3_110_cifar10", (16, 32), {"layers": 110}),
    Peer("densenet", "densenet", "densenet121", (64, 96)),
    Peer("densenet_cifar", "densenet_cifar", "densenet100_k12_bc_cifar10", (16, 32)),
    Peer("squeezenet", "squeezenet", "squeezenet_v1_0", (64, 97)),
    Peer("vgg", "vgg", "vgg16", (224,), slow=True),
    Peer("inception_resnet_v2", "inceptionresnetv2", "inceptionresnetv2", (107, 139)),
    Peer("mobilenetv2", "mobilenetv2", "mobilenetv2b_w1", (64, 96)),
    Peer("efficientnet_b0", "efficientnet", "efficientnet_b0", (64, 96)),
    Peer("unet", "unet", "unet_cityscapes", (32, 64)),
    Peer("shufflenetv2", "shufflenetv2", "shufflenetv2_w1", (64, 96)),
    Peer("hrnet_w18", "hrnet", "hrnetv2_w18", (64, 96)),
    Peer(
        "stochastic_depth",
        "resdropresnet_cifar",
        "get_resdropresnet_cifar",
        (16, 32),
        options={"num_classes": 10, "blocks": 110, "bottleneck": False},
    ),
    Peer("darts", "darts", "darts", (64, 96)),
    Peer("dla34", "dla", "dla34", (64, 96)),
    Peer("dpn68", "dpn", "dpn68", (64, 96), options={"for_training": True}),
    Peer("msdnet", "msdnet", "msdnet22", (224, 256)),
]


def spec_text(name: str, size: int | None = None, edit: tuple[str, str] | None = None) -> str:
    """The file, with its image's height and width replaced by `size`."""
    text = (ZOO / f"{name}.fdl").read_text("utf-8")
    if edit is not None:
        assert edit[0] in text, edit
        text = re.sub(r"^assert .*\n", "", text.replace(*edit), flags=re.MULTILINE)
    if size is None:
        return text
    found, number = re.subn(r"(on image\[\d+), \d+, \d+\]", rf"\1, {size}, {size}]", text)
    assert number == 1, name
    return found


def compiled(
    name: str,
    size: int | None = None,
    params: Mapping[str, object] | None = None,
    edit: tuple[str, str] | None = None,
) -> Compilation:
    source = Source(f"{name}.fdl", spec_text(name, size, edit))
    return compile_source(source, params=params)
