"""Figures and tables of runs, and a page of HTML that holds them all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fractal_dsl.driver.output import write_atomically
from fractal_dsl.train.experiment import SCORES, percent
from fractal_dsl.train.figures import (
    Curve,
    History,
    Point,
    anytime_figure,
    drawn,
    live_figure,
    loss_figure,
)
from fractal_dsl.train.log import read_log
from fractal_dsl.train.recipe import as_toml
from fractal_dsl.train.trained import Trained, open_run, scored

__all__ = ["write_report"]

BATCHES = 100  # of training images, to recalibrate batch norm on


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """A run with what is said of it."""

    name: str
    run: Trained
    history: History
    lines: Sequence[Mapping[str, Any]]


def write_report(folders: Sequence[Path], output: Path) -> list[Path]:
    """Writes the report of runs into `output`; the files, `index.html` first.

    Raises DiagnosticError where a folder is no run, or a file cannot be written.
    """
    folders = list(dict.fromkeys(folder.absolute() for folder in folders))
    runs = [reported(folder, name) for folder, name in zip(folders, names_of(folders), strict=True)]
    output.mkdir(parents=True, exist_ok=True)
    figures = dict(figures_of(runs))
    paths = []
    for name, figure in figures.items():
        for kind in ("svg", "png"):
            paths.append(output / f"{name}.{kind}")
            write_atomically(paths[-1], drawn(figure, kind))
    pictures = {
        name: apart(drawn(figure, "svg").decode(), name) for name, figure in figures.items()
    }
    page = output / "index.html"
    write_atomically(page, "\n".join(html(runs, pictures)).encode())
    return [page, *paths]


def names_of(folders: Sequence[Path]) -> list[str]:
    """The folders' last names, with as many before them as tell all apart."""
    for parts in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names


def apart(svg: str, name: str) -> str:
    """Names of an SVG's parts that are no other's on the page."""
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)


def reported(folder: Path, name: str) -> Reported:
    run = open_run(folder)
    return Reported(name, run, history(name, read_log(run.run.log)), lines_of(run))


def lines_of(one: Trained) -> list[Mapping[str, Any]]:
    """Scores of all columns on the test images: those that an experiment kept, or computed now."""
    kept = one.run.folder / SCORES
    if kept.is_file():
        held: list[Mapping[str, Any]] = json.loads(kept.read_text("utf-8"))["columns"]
        return held
    lines = scored(one, one.data.test, (*one.columns, None), batches=BATCHES)
    return [line.as_data() for line in lines]


def history(name: str, log: Sequence[Mapping[str, Any]]) -> History:
    epochs = [line for line in log if line["kind"] == "epoch"]
    whole = Curve("all steps", *pairs(epochs, lambda line: line["train"]["loss"]))
    columns = {k for line in epochs for k in line.get("train_columns", {})}
    own = [
        Curve(f"column {k}", *pairs(epochs, lambda line, k=k: line["train_columns"][k]["loss"]))
        for k in sorted(columns, key=int)
    ]
    live = Curve(name, *pairs(epochs, lambda line: line["live"]))
    return History(name, (*own, whole), live if live.values else None)


def pairs(lines: Sequence[Mapping[str, Any]], value: Any) -> tuple[list[float], list[float]]:
    """Epochs and values, of lines that have one; null stands for what is not finite."""
    found: list[tuple[float, float]] = []
    for line in lines:
        try:
            number = value(line)
        except KeyError:
            continue
        if number is not None:
            found.append((line["epoch"], number))
    return [epoch for epoch, _ in found], [number for _, number in found]


def figures_of(runs: Sequence[Reported]) -> Iterator[tuple[str, Any]]:
    plain = [one.history for one in runs if len(one.history.losses) == 1]
    fractal = [one.history for one in runs if len(one.history.losses) > 1]
    yield "loss", loss_figure(plain, fractal)
    yield "anytime", anytime_figure({one.name: points(one.lines) for one in runs})
    live = [one.history.live for one in runs if one.history.live is not None]
    if live:
        shares = {one.name: one.run.made.report.expected_live for one in runs}
        expected = {name: share for name, share in shares.items() if share is not None}
        yield "live", live_figure(live, expected)


def points(lines: Sequence[Mapping[str, Any]]) -> list[Point]:
    return [
        Point(
            ("all" if len(lines) > 1 else "") if line["column"] is None else str(line["column"]),
            line["multiply_adds"],
            percent(line["trained"]),
            percent(line["recalibrated"]) if line["recalibrated"] else None,
        )
        for line in lines
    ]


# The page ----------------------------------------------------------------------------

STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884 }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto }
pre { background: #8881; padding: .8rem; overflow-x: auto }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd }
  svg { background: #fff } }"""
CAPTIONS = {
    "loss": "Training loss over epochs; of a column, in the steps that trained it alone.",
    "anytime": "Error on the held-out images against cost: one point for each column.",
    "live": "Share of the multiply-adds that the steps computed; dotted: what was expected.",
}
HEAD = ("column", "depth", "parameters", "multiply-adds", "ms", "loss", "error",
        "loss, recalibrated", "error")  # fmt: skip


def html(runs: Sequence[Reported], pictures: Mapping[str, str]) -> Iterator[str]:
    title = escape(", ".join(one.name for one in runs))
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
    for name, svg in pictures.items():
        yield f"<figure>{svg[svg.index('<svg') :]}"
        yield f"<figcaption>{CAPTIONS[name]}</figcaption></figure>"
    for one in runs:
        yield from section(one)
    yield "</body></html>"


def section(one: Reported) -> Iterator[str]:
    job = one.run.job
    yield f"<h2>{escape(one.name)}</h2>"
    yield (
        f"<p>{escape(one.run.made.name)} after step {one.run.step:,}, trained on"
        f" {len(one.run.data.train):,} images of {escape(job.data)}; tested on"
        f" {len(one.run.data.test):,}.</p>"
    )
    yield f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in HEAD)}</tr>"
    for line in one.lines:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells(line))}</tr>"
    yield "</table>"
    told = escape(as_toml(job.recipe))
    yield f"<details><summary>recipe</summary><pre>{told}</pre></details>"
    yield "<details><summary>specification</summary>"
    yield f"<pre>{escape(job.source.text)}</pre></details>"


def cells(line: Mapping[str, Any]) -> Iterator[str]:
    yield "all" if line["column"] is None else str(line["column"])
    yield f"{line['depth']}"
    yield f"{line['parameters']:,}"
    yield f"{line['multiply_adds']:,}"
    yield f"{line['milliseconds']:.2f}"
    for score in (line["trained"], line["recalibrated"]):
        yield f"{score['loss']:.4f}" if score else ""
        yield f"{percent(score):.2f} %" if score else ""
