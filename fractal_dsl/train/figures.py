"""Figures of runs, drawn by matplotlib into memory."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["Curve", "History", "Point", "anytime_figure", "drawn", "live_figure", "loss_figure"]

mpl.rcParams["svg.hashsalt"] = "fractalc"  # the same figure is the same file
SIZE = (9.0, 4.2)
INSIDE = 6  # entries of a legend
COLOURS = "tab10"  # of the first ten curves; more take their shades from a ramp
RAMP = "nipy_spectral"


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over epochs."""

    label: str
    epochs: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class History:
    """What a run's log holds over its epochs: losses of the whole and of columns, live work."""

    name: str
    losses: tuple[Curve, ...]
    live: Curve | None


@dataclass(frozen=True, slots=True)
class Point:
    """What a column (or the whole) costs and how many images it tells wrong, in per cent."""

    label: str
    macs: int
    error: float
    recalibrated: float | None


def loss_figure(plain: Sequence[History], fractal: Sequence[History]) -> Figure:
    """Training loss over epochs (figure 3): nets alone on the left, columns on the right."""
    sides = [side for side in (plain, fractal) if side]
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots(1, len(sides), sharex=True, sharey=True, squeeze=False)[0]
    for axis, side in zip(axes, sides, strict=True):
        curves = [curve for one in side for curve in named(one, several=len(side) > 1)]
        for curve, colour in zip(curves, colours(len(curves)), strict=True):
            alone = "." if len(curve.epochs) == 1 else None
            axis.plot(curve.epochs, curve.values, label=curve.label, color=colour, linewidth=1.4,
                      marker=alone)  # fmt: skip
        axis.set_title("whole nets" if side is plain else "columns", fontsize=10)
        axis.set_xlabel("epoch")
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.25, which="both")
        legend(figure, axis)
    axes[0].set_ylabel("training loss")
    return figure


def legend(figure: Figure, axis: Any) -> None:
    """Inside while it is small; else below, where the figure grows for it."""
    number = len(axis.get_legend_handles_labels()[0])
    if number <= INSIDE:
        axis.legend(fontsize=8)
        return
    rows = -(-number // 2)
    figure.set_figheight(max(figure.get_figheight(), SIZE[1] + 0.18 * rows))
    axis.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def named(one: History, *, several: bool) -> list[Curve]:
    """The curves of a run; with its name where others stand beside."""
    if len(one.losses) == 1:
        return [Curve(one.name, one.losses[0].epochs, one.losses[0].values)]
    before = f"{one.name}, " if several else ""
    return [Curve(f"{before}{c.label}", c.epochs, c.values) for c in one.losses]


def colours(number: int) -> list[Any]:
    few = mpl.colormaps[COLOURS]
    if number <= few.N:
        return [few(at) for at in range(number)]
    ramp = mpl.colormaps[RAMP]
    return [ramp(0.95 * at / (number - 1)) for at in range(number)]


def anytime_figure(points: Mapping[str, Sequence[Point]]) -> Figure:
    """Error against cost, a point for each column: what an answer is worth at each price."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.subplots()
    for (name, own), colour in zip(points.items(), colours(len(points)), strict=True):
        macs = [point.macs for point in own]
        axis.plot(macs, [point.error for point in own], "o--", color=colour, alpha=0.5,
                  label=f"{name}, as trained")  # fmt: skip
        again = [point.recalibrated for point in own if point.recalibrated is not None]
        if len(again) == len(own):
            axis.plot(macs, again, "o-", color=colour, label=f"{name}, recalibrated")
        for point in own:
            at = point.error if point.recalibrated is None else point.recalibrated
            axis.annotate(point.label, (point.macs, at), (4, 4), textcoords="offset points",
                          fontsize=8)  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("multiply-adds of an image")
    axis.set_ylabel("error, %")
    axis.grid(alpha=0.25, which="both")
    legend(figure, axis)
    return figure


def live_figure(curves: Sequence[Curve], expected: Mapping[str, float]) -> Figure:
    """Share of multiply-adds that the steps of each epoch computed, and its expectation."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.subplots()
    for curve, colour in zip(curves, colours(len(curves)), strict=True):
        axis.plot(
            curve.epochs, [100 * one for one in curve.values], color=colour, label=curve.label
        )
        if curve.label in expected:
            axis.axhline(100 * expected[curve.label], color=colour, linestyle=":",
                         label="expected" if len(curves) == 1 else None)  # fmt: skip
    axis.set_xlabel("epoch")
    axis.set_ylabel("multiply-adds computed, %")
    axis.set_ylim(0, 100)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.25)
    legend(figure, axis)
    return figure


def drawn(figure: Figure, kind: str) -> bytes:
    """As `svg` or `png`; the same figure gives the same bytes."""
    held = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(held, format=kind, dpi=150, metadata=metadata)
    return held.getvalue()
