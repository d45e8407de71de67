"""A trained network, or one of its columns, as a file for use."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.driver.output import write_atomically
from fractal_dsl.runtime import export_onnx, fold_batch_norm, save_safetensors
from fractal_dsl.semantics.values import Items, Value
from fractal_dsl.train.batches import Centre
from fractal_dsl.train.network import CLASSES
from fractal_dsl.train.trained import Trained

__all__ = ["export"]


def export(one: Trained, path: Path, column: int | None, *, batches: int, fold: bool) -> None:
    """Writes one file; its ending says what.

    `.safetensors` and `.pt` hold weights under the names that they have in the whole network,
    `.onnx` the computation from pixels as they are in the data, `.py` the module that the weights
    load into. Raises DiagnosticError: F0801 where the file cannot be written, F0803 for `fold`
    where it means nothing.
    """
    if fold and path.suffix != ".onnx":
        said = f"--fold is for .onnx; `{path}` holds what the module loads, batch norms and all"
        raise DiagnosticError(Diagnostic("F0803", said, None))
    if path.suffix == ".py":
        made = one.made if column is None else one.made.column(column)
        write_atomically(path, made.source.encode())
        return
    net = one.network(column, batches)
    try:
        write(one, net, path, fold=fold)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiagnosticError(
            Diagnostic("F0801", f"cannot write `{path}`: {reason}", None)
        ) from None


def write(one: Trained, net: Any, path: Path, *, fold: bool) -> None:
    match path.suffix:
        case ".safetensors":
            save_safetensors(net, path, one.job.source.text, settings(one))
        case ".pt":
            held = io.BytesIO()
            torch.save(net.state_dict(), held)
            write_atomically(path, held.getvalue())
        case ".onnx":
            whole = FromPixels(one.centre, fold_batch_norm(net) if fold else net)
            with quiet():
                export_onnx(whole.eval(), path, one.data.test.pixels[:2].float())
        case _:
            raise ValueError(f"no kind of file ends with {path.suffix!r}")


class Centring(nn.Module):
    """`Centre` as a layer."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, centre: Centre) -> None:
        super().__init__()
        self.register_buffer("mean", centre.mean)
        self.register_buffer("deviation", centre.deviation)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class FromPixels(nn.Module):
    """A network that takes pixels as they are in the data: it centres them itself."""

    def __init__(self, centre: Centre, net: nn.Module) -> None:
        super().__init__()
        self.centring, self.net = Centring(centre), net

    def forward(self, x: Tensor) -> Any:
        return self.net(self.centring(x))


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch.onnx tells its developers."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def settings(one: Trained) -> dict[str, Any]:
    """With which the specification's text gives the network of the run; a column has its keys."""
    spec = one.job.spec
    given: dict[str, Any] = {name: listed(value) for name, value in spec.settings.items()}
    if spec.net is not None:
        given["net"] = spec.net
    if spec.compiled().report.output != one.made.report.output:
        given[CLASSES] = one.made.report.output.sizes[0]
    return given


def listed(value: Value) -> Any:
    """Lists of the language as lists of Python's."""
    return [listed(one) for one in value.values] if isinstance(value, Items) else value
