"""Tables of experiments: rows that train networks, and rows that look at columns of those."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError, Help
from fractal_dsl.driver.output import write_atomically
from fractal_dsl.driver.request import RequestError
from fractal_dsl.driver.sources import read_source
from fractal_dsl.source import Source, Span
from fractal_dsl.train.progress import Progress
from fractal_dsl.train.recipe import Recipe, changed, parse_toml, read_recipe, unknown
from fractal_dsl.train.recipe import settings as settings_of
from fractal_dsl.train.run import Job, Result, Run, agree, located, train
from fractal_dsl.train.together import by_first, is_first
from fractal_dsl.train.trained import open_run, scored

__all__ = ["Cell", "Experiment", "Row", "carry_out", "read_experiment", "results", "text_table"]

KEYS = ("title", "data", "recipe", "seeds", "settings", "rows", "recalibrate")
ROW_KEYS = ("name", "spec", "net", "set", "column", "of", "recipe", "settings", "data", "paper")
PAPER_KEYS = ("loss", "error")
SCORES = "scores.json"
SETTINGS = tuple(one.name for one in settings_of())
# What no figure depends on may change between the rows of a table.
OUTSIDE = ("device", "log_every", "checkpoint_every", "keep")


@dataclass(frozen=True, slots=True)
class Row:
    """`of` names the row whose trained network this row takes; else it trains `job`.

    `column` is that of the trained network, None everything. `paper` are published figures: the
    training loss, and the error in per cent.
    """

    name: str
    job: Job | None
    of: str
    column: int | None
    paper: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table to be made; every row with each of the seeds."""

    title: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    recalibrate: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A row's figures, one for each seed that is done: losses, and errors in per cent."""

    row: Row
    losses: tuple[float, ...]
    errors: tuple[float, ...]
    recalibrated: tuple[float, ...]
    depth: int
    parameters: int


# Reading -----------------------------------------------------------------------------


def read_experiment(
    path: Path, *, data: str | None = None, recipe: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> Experiment:  # fmt: skip
    """A file of TOML; `data`, `recipe` and `settings` count for more than what it says.

    A `seed` among the settings is the only one that is run. Specifications are found beside the
    file. Raises DiagnosticError (F0803) for what cannot be.
    """
    source = read_source(path)
    table = parse_toml(source)
    refuse_unknown(table, KEYS, source)
    base = Recipe()
    told = recipe or table.get("recipe")
    if told is not None:
        base = read_recipe(str(told))
    base = changed(base, table.get("settings", {}), source)
    reader = Reader(path.parent, source, base, data or table.get("data"), settings or {})
    rows = tuple(reader.row(one) for one in table.get("rows", ()))
    check_rows(rows, source)
    check_columns(rows, source)
    seeds = seeds_of(table.get("seeds", [base.seed]), source)
    if "seed" in (settings or {}):
        seeds = (changed(base, settings or {}).seed,)
    title = str(table.get("title", path.stem))
    return Experiment(title, rows, seeds, int(table.get("recalibrate", 100)))


def seeds_of(value: object, source: Source) -> tuple[int, ...]:
    if isinstance(value, list) and value and all(type(one) is int for one in value):
        return tuple(value)
    raise refused(f"`seeds` is a list of whole numbers, not {value!r}", source, "seeds")


def refuse_unknown(table: Mapping[str, Any], known: Sequence[str], source: Source) -> None:
    wrong = [
        unknown(name, dict.fromkeys(known), place(source, name))
        for name in table
        if name not in known
    ]
    if wrong:
        raise DiagnosticError(*wrong)


def place(source: Source, name: str) -> Span | None:
    found = re.search(rf"\b({re.escape(name)})\b", source.text)
    return Span(source, *found.span(1)) if found else None


def check_rows(rows: Sequence[Row], source: Source) -> None:
    trained = [row.name for row in rows if row.job is not None]
    names = [row.name for row in rows]
    for row in rows:
        if names.count(row.name) > 1:
            raise refused(f"two rows are called {row.name!r}", source, row.name)
        if row.of not in trained:
            raise refused(f"no row that trains is called {row.of!r}", source, row.of)
    if not rows:
        raise refused("there are no [[rows]]", source, "rows")
    folders: dict[str, str] = {}
    for name in trained:
        if (other := folders.setdefault(slug(name), name)) != name:
            said = f"the rows {other!r} and {name!r} would share a folder; call one otherwise"
            raise refused(said, source, name)


def check_columns(rows: Sequence[Row], source: Source) -> None:
    """That every network compiles and has the columns asked for, before anything is trained."""
    known = {row.name: column_count(row.name, row.job, source) for row in rows if row.job}
    for row in rows:
        if row.column is not None and row.column > known[row.of]:
            said = f"{row.name!r} asks for column {row.column}; {row.of!r} has {known[row.of]}"
            raise refused(said, source, row.name)


def column_count(name: str, job: Job, source: Source) -> int:
    """Of the row's network. Raises DiagnosticError with what is wrong, and in which row."""
    said = f"the network of {name!r} does not compile"
    try:
        return job.spec.compiled().report.column_count
    except RequestError as error:
        raise refused(f"{said}: {error}", source, name) from None
    except DiagnosticError as error:
        row = refused(said, source, name)
        raise DiagnosticError(*error.diagnostics, *row.diagnostics) from None


def refused(said: str, source: Source, word: str) -> DiagnosticError:
    return DiagnosticError(Diagnostic("F0803", said, place(source, word)))


@dataclass(frozen=True, slots=True)
class Reader:
    """What holds for all rows."""

    folder: Path
    source: Source
    recipe: Recipe
    data: str | None
    settings: Mapping[str, object]

    def row(self, table: Mapping[str, Any]) -> Row:
        refuse_unknown(table, ROW_KEYS, self.source)
        paper = table.get("paper", {})
        refuse_unknown(paper, PAPER_KEYS, self.source)
        name = str(table.get("name", ""))
        if not name or ("spec" in table) == ("of" in table):
            said = "a row has a `name`, and either `spec` or `of`"
            raise refused(said, self.source, name or "rows")
        if "of" in table:
            column = table.get("column")
            if not (column is None or (type(column) is int and column > 0)):
                raise refused(f"`column` is a number from 1 on, not {column!r}", self.source, name)
            return Row(name, None, str(table["of"]), column, paper)
        return Row(name, self.job(table), name, None, paper)

    def job(self, table: Mapping[str, Any]) -> Job:
        data = self.data or table.get("data")
        if data is None:
            raise refused("say what to train on: `data`", self.source, str(table["name"]))
        # A row's own recipe is for nets of other papers; the table's settings were not theirs.
        base = read_recipe(str(table["recipe"])) if "recipe" in table else self.recipe
        recipe = changed(base, table.get("settings", {}), self.source)
        recipe = changed(recipe, self.settings)
        spec = read_source(os.path.relpath(self.folder / str(table["spec"])))
        words = table.get("set", [])
        if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
            said = f'`set` is a list of strings, as ["C=2"], not {words!r}'
            raise refused(said, self.source, str(table["name"]))
        return Job(spec, str(data), recipe, tuple(words), table.get("net"), table.get("column"))


# Carrying out ------------------------------------------------------------------------


def carry_out(
    experiment: Experiment, folder: Path, progress: Progress, stop: Callable[[], bool]
) -> bool:
    """Trains what is not trained yet, seed by seed; whether everything is done."""
    for seed in experiment.seeds:
        for row in experiment.rows:
            if row.job is None:
                continue
            run = place_of(folder, row, seed)
            if by_first(partial(was_done, experiment, row.job, run, seed)):
                continue
            if is_first():
                progress.noted(f"{row.name}, seed {seed}")
            if not carried(experiment, row.job, run, seed, progress, stop):
                return False
    return True


def was_done(experiment: Experiment, job: Job, run: Path, seed: int) -> bool:
    """Raises DiagnosticError (F0804) where it was done with other settings."""
    if done := is_done(run):
        check_done(run, job, seed, experiment.recalibrate)
    return done


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def place_of(folder: Path, row: Row, seed: int) -> Path:
    return folder / f"{slug(row.of)}-{seed}"


def is_done(run: Path) -> bool:
    return (run / SCORES).is_file()


def check_done(run: Path, job: Job, seed: int, recalibrate: int) -> None:
    """Raises DiagnosticError (F0804) where what is there came of other settings."""
    before = json.loads((run / SCORES).read_text("utf-8")).get("recalibrate", recalibrate)
    if before != recalibrate:
        said = f"`{run}` was recalibrated on {before} batches, now {recalibrate}"
        way = Help(f"delete `{run / SCORES}`: it is made again without training")
        raise DiagnosticError(Diagnostic("F0804", said, None, helps=(way,)))
    about, begun = Run(run).read()
    if located(job.data) not in (located(begun.data), located(about["data"])):
        said = f"`{run}` was trained on {about['data']}, the row asks for {job.data}"
        raise DiagnosticError(Diagnostic("F0804", said, None))
    told = [one for one in SETTINGS if one not in OUTSIDE]
    agree(seeded(job, seed), begun, told, f"delete `{run}`, or give the table another --out")


def seeded(job: Job, seed: int) -> Job:
    return replace(job, recipe=replace(job.recipe, seed=seed))


def carried(
    experiment: Experiment, job: Job, run: Path, seed: int, progress: Progress,
    stop: Callable[[], bool],
) -> bool:  # fmt: skip
    result: Result = train(seeded(job, seed), run, progress, resume=True, stop=stop, given=SETTINGS)
    if result.finished:
        by_first(lambda: keep_scores(run, result, experiment.recalibrate))
    return result.finished


def keep_scores(run: Path, result: Result, batches: int) -> None:
    one = open_run(run)
    lines = scored(one, one.data.test, (*one.columns, None), batches=batches)
    held = {
        "train": result.last,
        "columns": [line.as_data() for line in lines],
        "recalibrate": batches,
    }
    write_atomically(run / SCORES, json.dumps(held, indent=2).encode())


# Results -----------------------------------------------------------------------------


def results(experiment: Experiment, folder: Path) -> Iterator[Cell]:
    """The table as far as it is there. Raises DiagnosticError (F0804) where it is another's."""
    jobs = {row.name: row.job for row in experiment.rows}
    for row in experiment.rows:
        done = [seed for seed in experiment.seeds if is_done(place_of(folder, row, seed))]
        for seed in done:
            job = jobs[row.of]
            assert job is not None
            check_done(place_of(folder, row, seed), job, seed, experiment.recalibrate)
        held = [
            json.loads((place_of(folder, row, seed) / SCORES).read_text("utf-8")) for seed in done
        ]
        found = [line for one in held for line in one["columns"] if line["column"] == row.column]
        again = [line["recalibrated"] for line in found if line["recalibrated"]]
        yield Cell(
            row,
            tuple(training_loss(one["train"], row.column) for one in held),
            tuple(percent(line["trained"]) for line in found),
            tuple(percent(one) for one in again),
            found[0]["depth"] if found else 0,
            found[0]["parameters"] if found else 0,
        )


def percent(score: Mapping[str, float]) -> float:
    """The error of a score as it is kept."""
    return 100 * (1 - score["accuracy"])


def training_loss(last: Mapping[str, Any], column: int | None) -> float:
    """In eval mode on all training images as they are, after the last epoch."""
    found = last["train_at_end"] if column is None else last["train_at_end_columns"][str(column)]
    return float(found["loss"])


def mean_and_spread(values: Sequence[float], digits: int) -> str:
    """`31.3 +- 0.4`; the spread is the standard deviation over seeds."""
    if not values:
        return ""
    spread = stdev(values) if len(values) > 1 else math.nan
    said = f"{fmean(values):.{digits}f}"
    return said if math.isnan(spread) else f"{said} +- {spread:.{digits}f}"


def text_table(experiment: Experiment, cells: Sequence[Cell]) -> Iterator[str]:
    """Lines for a terminal; the paper's figures stand beside where a row has some."""
    width = max(len(cell.row.name) for cell in cells)
    yield experiment.title
    yield (
        f"{'':{width}}  {'depth':>5}  {'parameters':>11}  {'train loss':>16}  {'error %':>14}"
        f"  {'recalibrated %':>14}  {'paper: loss':>11}  {'error %':>7}"
    )
    for cell in cells:
        loss, error = (cell.row.paper.get(key) for key in PAPER_KEYS)
        yield (
            f"{cell.row.name:{width}}  {cell.depth or '':>5}"
            f"  {f'{cell.parameters:,}' if cell.parameters else '':>11}"
            f"  {mean_and_spread(cell.losses, 3):>16}  {mean_and_spread(cell.errors, 2):>14}"
            f"  {mean_and_spread(cell.recalibrated, 2):>14}"
            f"  {'' if loss is None else f'{loss:.3f}':>11}"
            f"  {'' if error is None else f'{error:.2f}':>7}"
        ).rstrip()
