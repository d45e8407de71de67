"""A trained network, or one of its columns, as a file for use."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.driver.output import write_atomically
from fractal_dsl.runtime import export_onnx, fold_batch_norm, save_safetensors
from fractal_dsl.train.network import CLASSES
from fractal_dsl.train.trained import Trained

__all__ = ["export"]


def export(one: Trained, path: Path, column: int | None, *, batches: int, fold: bool) -> None:
    """Writes one file; its ending says what.

    `.safetensors` and `.pt` hold weights under the names that they have in the whole network,
    `.onnx` the computation, `.py` the module that the weights load into. Raises DiagnosticError
    (F0801) where the file cannot be written.
    """
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
            save_safetensors(net, path, one.job.source.text, **settings(one))
        case ".pt":
            held = io.BytesIO()
            torch.save(net.state_dict(), held)
            write_atomically(path, held.getvalue())
        case ".onnx":
            x = one.centre(one.data.test.pixels[:2])
            export_onnx(fold_batch_norm(net) if fold else net, path, x)
        case _:
            raise ValueError(f"no kind of file ends with {path.suffix!r}")


def settings(one: Trained) -> dict[str, Any]:
    """The parameters with which the specification's text gives the network of the run."""
    spec = one.job.spec
    given = dict(spec.settings)
    if spec.compiled().report.output != one.made.report.output:
        given[CLASSES] = one.made.report.output.sizes[0]
    return given
