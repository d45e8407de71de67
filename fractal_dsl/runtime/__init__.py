"""Generated code brought to life in this process, and what can be done with it.

Everything but loading needs torch and comes when it is asked for: compiling does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fractal_dsl.runtime.load import load_class, load_module

if TYPE_CHECKING:
    from fractal_dsl.runtime.columns import (
        ColumnRow,
        ColumnTable,
        column_table,
        extract_column,
    )
    from fractal_dsl.runtime.deploy import (
        Saved,
        export_onnx,
        fold_batch_norm,
        load_safetensors,
        read_safetensors,
        save_safetensors,
    )
    from fractal_dsl.runtime.loading import LoadError, LoadReport, grow, load_weights
    from fractal_dsl.runtime.networks import DropPathNetwork
    from fractal_dsl.runtime.plans import DrawMemory, hollow_model, kept_bytes, worst_draw_memory
    from fractal_dsl.runtime.statistics import recalibrate_batch_norm
    from fractal_dsl.runtime.training import advance_dead, parameter_groups

__all__ = [
    "ColumnRow",
    "ColumnTable",
    "DrawMemory",
    "DropPathNetwork",
    "LoadError",
    "LoadReport",
    "Saved",
    "advance_dead",
    "column_table",
    "export_onnx",
    "extract_column",
    "fold_batch_norm",
    "grow",
    "hollow_model",
    "kept_bytes",
    "load_class",
    "load_module",
    "load_safetensors",
    "load_weights",
    "parameter_groups",
    "read_safetensors",
    "recalibrate_batch_norm",
    "save_safetensors",
    "worst_draw_memory",
]

HOLDERS = {
    "columns": ("ColumnRow", "ColumnTable", "column_table", "extract_column"),
    "deploy": (
        "Saved", "export_onnx", "fold_batch_norm", "load_safetensors", "read_safetensors",
        "save_safetensors",
    ),
    "loading": ("LoadError", "LoadReport", "grow", "load_weights"),
    "networks": ("DropPathNetwork",),
    "plans": ("DrawMemory", "hollow_model", "kept_bytes", "worst_draw_memory"),
    "statistics": ("recalibrate_batch_norm",),
    "training": ("advance_dead", "parameter_groups"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    for holder, names in HOLDERS.items():
        if name in names:
            return getattr(import_module(f"fractal_dsl.runtime.{holder}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
