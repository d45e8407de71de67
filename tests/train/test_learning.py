"""What training must come to, on scikit-learn's digits: assertions that can fail.

Errors are those with batch norm recalibrated: as trained, a column reads statistics that were
gathered under all plans, and at this size that hides what its weights have learned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fractal_dsl.source import Source
from fractal_dsl.train import Job, Line, Silent, open_run, read_checkpoint, scored, train
from fractal_dsl.train.log import read_log
from fractal_dsl.train.recipe import Recipe, changed

SPEC = """
f(1)   = conv
f(C+1) = (f(C) . f(C)) (+) conv
block(channels) = f(3) >> each(max_pool(2))
net Digits(classes = 10) on image[1, 8, 8] =
    chain(block(w) for w in [8, 16, 16]) >> linear(classes)
drop_path(local = 0.15, global = 0.5)
"""
SETTINGS = {"epochs": 12, "learning_rate": 0.05, "evaluate_every": 12}


def trained(folder: Path, **settings: Any) -> dict[int | None, Line]:
    """Lines of all columns and of the whole."""
    told = changed(Recipe(), {**SETTINGS, **settings})
    result = train(Job(Source("digits.fdl", SPEC), "digits", told), folder, Silent())
    assert result.finished
    one = open_run(folder)
    return {
        line.column: line
        for line in scored(one, one.data.test, (*one.columns, None), batches=28, runs=1)
    }


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int | None, Line]]:
    folder = tmp_path_factory.mktemp("mixed") / "run"
    return folder, trained(folder)


def error(line: Line) -> float:
    assert line.recalibrated is not None
    return line.recalibrated.error


def test_the_loss_falls(mixed: Any) -> None:
    losses = [one["train"]["loss"] for one in read_log(mixed[0] / "log.jsonl")
              if one["kind"] == "epoch"]  # fmt: skip
    assert len(losses) == 12
    assert losses[-1] < losses[0] / 4


def test_the_whole_net_and_each_column_beat_chance_by_far(mixed: Any) -> None:
    """Chance is wrong nine times of ten."""
    for line in mixed[1].values():
        assert error(line) < 0.2
    assert error(mixed[1][None]) < 0.1


def test_each_column_beats_itself_in_a_net_without_global_drop_path(
    mixed: Any, tmp_path: Path
) -> None:
    local = trained(tmp_path / "local", **{"global": 0.0})
    for column in (1, 2, 3):
        assert error(mixed[1][column]) < error(local[column]), column


def test_live_work_is_what_the_compiler_expects(mixed: Any) -> None:
    """Of 28 steps an epoch; the mean over the run is near the exact expectation."""
    shares = [one["live"] for one in read_log(mixed[0] / "log.jsonl") if one["kind"] == "epoch"]
    expected = open_run(mixed[0]).made.report.expected_live
    assert expected is not None
    assert sum(shares) / len(shares) == pytest.approx(expected, abs=0.06)


def test_a_checkpoint_says_what_it_is_of(mixed: Any) -> None:
    path = max((mixed[0] / "checkpoints").iterdir())
    state = read_checkpoint(path)
    assert state["spec"] == SPEC and state["step"]["number"] == 12 * 28
    assert "epochs = 12" in state["recipe"]
