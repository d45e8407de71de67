"""A compilation's report as data that `json` can write."""

from __future__ import annotations

from typing import Any

from fractal_dsl.driver.compilation import Compilation
from fractal_dsl.passes.path_lengths import PathLengths
from fractal_dsl.passes.receptive_field import ReceptiveField
from fractal_dsl.passes.report import Report

__all__ = ["report_data"]


def report_data(compilation: Compilation) -> dict[str, Any]:
    """One object with every number of the report; sizes are those of one sample.

    `paths` is a decimal string, or a power of ten where `paths_exact` is false. `columns`
    lists all columns, or the first and the last where `column_count` is over 1,024.
    """
    report = compilation.report
    taken, given = report.ends
    return {
        "name": report.name,
        "input": taken,
        "output": given,
        "depth": report.depth,
        "weighted_depth": report.weighted_depth,
        "convs": report.convs,
        "parameters": report.parameters,
        "parameters_by_kind": dict(report.parameters_by_kind),
        "buffers": report.buffers,
        "macs": report.macs,
        "operators": dict(report.operators),
        "externs": dict(report.externs),
        "paths": str(report.paths),
        "paths_exact": report.paths.exact is not None,
        "path_lengths": lengths(report.path_lengths),
        "joins": {str(arity): count for arity, count in report.joins.items()},
        "column_count": report.column_count,
        "columns": columns(report),
        "activation_bytes": report.activation_bytes,
        "receptive_field": field(report.receptive_field),
        "expected_live": report.expected_live,
        "expected_live_convs": report.expected_live_convs,
        "distinct_graphs": report.distinct_graphs,
        "nodes": report.nodes,
    }


def columns(report: Report) -> list[dict[str, int]]:
    return [
        {
            "column": one.column,
            "depth": one.depth,
            "convs": one.convs,
            "parameters": one.parameters,
            "macs": one.macs,
        }
        for one in report.columns
    ]


def lengths(found: PathLengths | None) -> dict[str, Any] | None:
    if found is None:
        return None
    counts = found.histogram
    return {
        "shortest": found.shortest,
        "longest": found.longest,
        "mean": found.mean,
        "variance": found.variance,
        "histogram": None if counts is None else {str(n): str(count) for n, count in counts},
    }


def field(found: ReceptiveField | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "height": found.height,
        "width": found.width,
        "jump": [int(one) if one == int(one) else float(one) for one in found.jump],
        "whole": found.is_whole,
    }
