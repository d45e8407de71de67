"""A run that was stopped and went on is the run that was not, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fractal_dsl.train.checkpoint import read_checkpoint, write_checkpoint
from fractal_dsl.train.log import Log, read_log
from fractal_dsl.train.progress import Silent
from fractal_dsl.train.run import Run
from fractal_dsl.train.trainer import PIECES, Trainer
from tests.train.nets import SPEC, recipe, same, saved_in, trainer

STEPS = 40
TIMES = ("seconds", "images_per_second")
OTHERS = {
    "a plan for each sample": SPEC.replace("global = 0.5", 'global = 0.5, per = "sample"'),
    "all columns at once": SPEC.replace("global = 0.5", 'mode = "simultaneous"'),
    "the dead move on": SPEC.replace("global = 0.5", 'global = 0.5, dead = "advance"'),
    "no drop-path": SPEC.replace("drop_path", "# "),
    "stochastic depth": """
unit(p) = id + stochastic_depth(conv(4) >> conv2d(4) >> batch_norm, p)
net Small(classes = 3) on image[1, 6, 6] =
    conv(4) >> unit(0.3) >> unit(0.6) >> global_avg_pool >> linear(classes)
""",
}


def go(one: Trainer, folder: Path, stop_after: int = STEPS) -> None:
    """Runs with a checkpoint after every step; the log is cut where the run begins."""
    log = Log(Run(folder).log, one.step_number)
    one.run(log, saved_in(folder, one.recipe), Silent(), lambda: one.step_number >= stop_after)
    log.close()


def resumed(state: dict[str, Any], folder: Path, **settings: Any) -> Trainer:
    one = trainer(recipe(**settings))
    one.load_state(state)
    go(one, folder)
    return one


def lines(folder: Path) -> list[dict[str, Any]]:
    """The log without what a clock says."""
    found = read_log(folder / "log.jsonl")
    return [{key: one for key, one in line.items() if key not in TIMES} for line in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run that kept all its checkpoints."""
    folder = tmp_path_factory.mktemp("whole")
    one = trainer(recipe(checkpoint_every=1, keep=STEPS))
    assert one.steps == STEPS
    go(one, folder)
    return folder


def state_at(folder: Path, step: int) -> dict[str, Any]:
    return read_checkpoint(folder / "checkpoints" / f"step-{step:08d}.pt")


@pytest.mark.parametrize("step", range(1, STEPS))
def test_resumed_is_uninterrupted(step: int, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes((whole / "log.jsonl").read_bytes())
    one = resumed(state_at(whole, step), tmp_path)
    assert one.step_number == STEPS
    end = state_at(whole, STEPS)
    for piece in PIECES:
        assert same(one.state()[piece], end[piece]), piece
    assert lines(tmp_path) == lines(whole)


@pytest.mark.parametrize("piece", PIECES)
def test_without_a_piece_of_state_it_is_another_run(
    piece: str, whole: Path, tmp_path: Path
) -> None:
    """The comparison above sees each of the seven: with a new run's in its place it fails."""
    state = state_at(whole, 17) | {piece: trainer(recipe()).state()[piece]}
    one = trainer(recipe())
    one.load_state(state)
    one.run(None, saved_in(tmp_path, recipe()), Silent(), lambda: False)
    assert not same(one.net.state_dict(), state_at(whole, STEPS)["model"]["weights"])


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_every_kind_of_network_goes_on_as_it_was(spec: str, tmp_path: Path) -> None:
    told = recipe(epochs=2)
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
    whole = trainer(told, spec=spec)
    go(whole, tmp_path / "a")
    end = whole.state()
    go(trainer(told, spec=spec), tmp_path / "b", stop_after=7)
    second = trainer(told, spec=spec)
    second.load_state(state_at(tmp_path / "b", 7))
    go(second, tmp_path / "b")
    assert same(second.state(), end)
    assert lines(tmp_path / "b") == lines(tmp_path / "a")


def test_a_checkpoint_loads_with_weights_only(whole: Path, tmp_path: Path) -> None:
    """Also by torch alone, and what is written again is the same."""
    import torch

    path = whole / "checkpoints" / f"step-{STEPS:08d}.pt"
    held = torch.load(path, weights_only=True)
    assert set(PIECES) <= held.keys() and "Small" in held["spec"]
    write_checkpoint(tmp_path / "again.pt", held)
    assert same(read_checkpoint(tmp_path / "again.pt"), held)
