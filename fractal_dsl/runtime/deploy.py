"""Networks for use: folded, in files that say what they are, in ONNX."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fractal_dsl.runtime.columns import extract_column
from fractal_dsl.runtime.loading import LoadReport, load_weights
from fractal_dsl.runtime.networks import Inputs, as_inputs, input_names, plan_of, traced
from fractal_dsl.runtime.writing import replacing
from fractal_dsl.version import VERSION

__all__ = [
    "Saved", "export_onnx", "fold_batch_norm", "load_safetensors", "read_safetensors",
    "save_safetensors",
]  # fmt: skip


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of `model` for inference, its batch norms folded into the convolutions before.

    The same function in eval mode up to rounding, plans and columns included. A batch norm
    goes where it alone reads a convolution's result; nn.Identity takes its place. State-dict
    keys of the copy are others; it cannot be trained on.
    """
    made = copy.deepcopy(model).eval()
    for conv, norm in list(_pairs(made)):
        made.set_submodule(conv, _fused(made.get_submodule(conv), made.get_submodule(norm)))
        made.set_submodule(norm, nn.Identity())
    if isinstance(made, fx.GraphModule):
        _without_identities(made)
    return made


def _fused(conv: nn.Module, norm: nn.Module) -> nn.Module:
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, _BatchNorm)
    return fuse_conv_bn_eval(conv, norm)


def _pairs(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of convolutions and of the batch norms that alone read what they give."""
    net = traced(model, plan_of(model, None))
    layers = [node for node in net.graph.nodes if node.op == "call_module"]
    calls = Counter(node.target for node in layers)
    for node in layers:
        source = node.args[0] if node.args else None  # a parameter reads nothing
        if not isinstance(source, fx.Node) or source.op != "call_module":
            continue
        conv, norm = str(source.target), str(node.target)
        alone = len(source.users) == 1 and calls[conv] == calls[norm] == 1
        if alone and _fuses(net.get_submodule(conv), net.get_submodule(norm)):
            yield conv, norm


def _fuses(conv: nn.Module, norm: nn.Module) -> bool:
    known = isinstance(conv, nn.Conv2d) and isinstance(norm, _BatchNorm)
    return known and norm.running_mean is not None


def _without_identities(net: fx.GraphModule) -> None:
    for node in list(net.graph.nodes):
        if node.op == "call_module" and isinstance(net.get_submodule(node.target), nn.Identity):
            node.replace_all_uses_with(node.args[0])
            node.graph.erase_node(node)
    net.delete_all_unused_submodules()
    net.recompile()


# Files ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Saved:
    """A file of weights: `state` by key, on the CPU, and the specification they belong to.

    `compile(saved.spec, **saved.settings)` is the network, where it imports no other file. Of a
    column there are that column's weights, by the network's names.
    """

    state: dict[str, Tensor]
    spec: str
    spec_sha256: str
    settings: dict[str, Any]


def save_safetensors(
    model: nn.Module,
    path: str | os.PathLike[str],
    spec_text: str,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Writes the weights of `model`, and the text of its specification, to one file.

    `settings` are what the network was compiled with, as {"C": 4}. Text, sha256 and
    settings stand in the metadata (`fdl`, `fdl_sha256`, `fdl_settings` as JSON). The old file or
    the new one is there at any time, never a part. Raises ValueError for a path in place of the
    text.
    """
    from safetensors.torch import save

    _check_text(spec_text)
    state = {key: one.detach().contiguous() for key, one in model.state_dict().items()}
    about = {
        "format": "pt", "fractalc": VERSION, "fdl": spec_text, "fdl_sha256": _digest(spec_text),
        "fdl_settings": json.dumps(dict(settings or {})),
    }  # fmt: skip
    with replacing(path) as beside:
        beside.write_bytes(save(state, about))  # errors and rights are those of any file


def _check_text(spec: object) -> None:
    if not isinstance(spec, str) or (spec.endswith(".fdl") and "\n" not in spec):
        raise ValueError(
            f"the text of the specification was expected, not its path {str(spec)!r}:"
            " open(path).read()"
        )


def read_safetensors(path: str | os.PathLike[str]) -> Saved:
    """What `save_safetensors` wrote; `spec` is empty in files that others made.

    Raises ValueError for files of another kind, and where the text is not the one that the
    sha256 was made of.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} is no safetensors file: {error}") from error
    spec = about.get("fdl", "")
    found = about.get("fdl_sha256", _digest(spec))
    if found != _digest(spec):
        raise ValueError(
            f"{os.fspath(path)}: the specification in it is not the one it was saved with"
            f" (sha256 {_digest(spec)[:12]}..., {found[:12]}... was expected); save it again"
        )
    return Saved(state, spec, _digest(spec), json.loads(about.get("fdl_settings", "{}")))


def load_safetensors(
    model: nn.Module,
    path: str | os.PathLike[str],
    spec_text: str | None = None,
    *,
    classes_may_differ: bool = False,
    partial: bool = False,
) -> LoadReport:
    """Loads a file's weights into `model`, as `load_weights` does.

    With `spec_text`, the file must have been saved with that very specification. Raises
    ValueError, with `model` as it was.
    """
    saved = read_safetensors(path)
    if spec_text is not None:
        _check_text(spec_text)
        if not saved.spec:
            raise ValueError(
                f"{os.fspath(path)} does not say which specification it is of; without `spec_text`"
                " its weights load wherever they fit"
            )
    if spec_text is not None and _digest(spec_text) != saved.spec_sha256:
        raise ValueError(
            f"{os.fspath(path)} was saved with another specification (sha256"
            f" {saved.spec_sha256[:12]}..., {_digest(spec_text)[:12]}... was expected); without"
            " `spec_text` its weights load wherever they fit"
        )
    return load_weights(model, saved.state, classes_may_differ=classes_may_differ, partial=partial)


def _digest(text: str) -> str:
    """As the compiler's: of the file's bytes."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def export_onnx(
    model: nn.Module, path: str | os.PathLike[str], x: Inputs, column: int | None = None
) -> None:
    """Writes `model` in eval mode, or one of its columns, as ONNX.

    `x` is an example of a batch, of at least 2, or one for each of several inputs; graph
    inputs have the names of forward's arguments, `x` first, the output is `y` (`y_1`, `y_2`,
    ... of several); they take any number of samples. Needs the packages onnx and onnxscript.
    """
    if isinstance(x, str | os.PathLike):
        raise TypeError("export_onnx(model, path, x): the path comes before the example of a batch")
    inputs = as_inputs(x)
    if (size := len(inputs[0])) < 2:
        raise ValueError(f"a batch of {size}; at least 2 was expected, so that any number fits")
    network = extract_column(model, column).eval()
    answer = next(reversed(network.graph.nodes)).args[0]
    count = len(answer) if isinstance(answer, tuple | list) else 1
    with replacing(path) as beside:
        torch.onnx.export(
            network, inputs, beside, input_names=input_names(model),
            output_names=["y"] if count == 1 else [f"y_{at}" for at in range(1, count + 1)],
            dynamic_shapes=tuple({0: torch.export.Dim("n")} for _ in inputs),
            external_data=False, verbose=False, dynamo=True,
        )  # fmt: skip
        assert Path(beside).exists()
