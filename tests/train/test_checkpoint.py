"""Checkpoints are whole, or noticed: kills, cuts, flipped bits, full disks, hostile hands."""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.train.checkpoint import (
    Checkpoints,
    DamagedError,
    newest,
    read_checkpoint,
    sealed,
    write_checkpoint,
)
from tests.train.nets import same

STATE: dict[str, Any] = {"weights": torch.arange(5000.0), "step": {"number": 3}, "spec": "net"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "step-00000003.pt"
    write_checkpoint(path, STATE)
    return path


def test_what_is_written_is_read_and_torch_reads_it_as_well(written: Path) -> None:
    assert same(read_checkpoint(written), STATE)
    assert same(torch.load(written, weights_only=True), STATE)


def test_100_cuts_are_all_noticed(written: Path) -> None:
    data = written.read_bytes()
    lengths = random.Random(0).sample(range(len(data)), 98)
    for length in (0, len(data) - 1, *lengths):
        written.write_bytes(data[:length])
        with pytest.raises(DamagedError):
            read_checkpoint(written)


def test_100_flipped_bits_are_all_noticed(written: Path) -> None:
    data = written.read_bytes()
    bits = random.Random(1).sample(range(8 * len(data)), 80)
    tail = range(8 * (len(data) - 93), 8 * len(data), 38)  # the archive's end and the digest
    for bit in (*bits, *tail):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        written.write_bytes(flipped)
        with pytest.raises(DamagedError):
            read_checkpoint(written)
    assert len(bits) + len(tail) >= 100


def test_the_newest_whole_one_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    saved = Checkpoints(tmp_path, keep=9)
    for step in (1, 2, 3, 4):
        saved.write(step, {"step": step})
    for step, cut in ((4, 100), (3, 0)):
        saved.path(step).write_bytes(saved.path(step).read_bytes()[:cut])
    found = saved.latest()
    assert found is not None
    path, state, damaged = found
    assert (path, state) == (saved.path(2), {"step": 2})
    assert [one for one, _ in damaged] == [saved.path(4), saved.path(3)]


def test_where_all_are_damaged_it_is_an_error_for_each(tmp_path: Path) -> None:
    saved = Checkpoints(tmp_path)
    for step in (1, 2):
        saved.write(step, {"step": step})
        saved.path(step).write_bytes(b"PK")
    with pytest.raises(DiagnosticError) as caught:
        saved.latest()
    assert [one.code for one in caught.value.diagnostics] == ["F0802", "F0802"]


def test_the_last_few_stay_and_what_a_kill_left_goes(tmp_path: Path) -> None:
    saved = Checkpoints(tmp_path, keep=2)
    (tmp_path / ".step-00000001.pt.fractalc-1.tmp").write_bytes(b"half")
    for step in range(1, 6):
        saved.write(step, {"step": step})
    assert [path.name for path in newest(tmp_path)] == ["step-00000005.pt", "step-00000004.pt"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_the_old_one(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = written.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiagnosticError, match=r"F0801.*no space left"):
        write_checkpoint(written, {"other": 1})
    monkeypatch.undo()
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


class Hostile:
    """A pickle that would make a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (os.fspath(self.mark),))


def test_a_hostile_pickle_with_a_right_digest_runs_nothing(tmp_path: Path) -> None:
    import io

    held = io.BytesIO()
    torch.save({"weights": Hostile(tmp_path / "mark")}, held)
    (tmp_path / "step-00000001.pt").write_bytes(sealed(held.getvalue()))
    with pytest.raises(DamagedError):
        read_checkpoint(tmp_path / "step-00000001.pt")
    assert not (tmp_path / "mark").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_at_50_moments_of_saving_leaves_a_run_that_loads(tmp_path: Path) -> None:
    """A child saves as fast as it can; whenever it is killed, everything there is whole."""
    draw = random.Random(2)
    torn = 0
    for _ in range(50):
        heard, told = os.pipe()
        child = os.fork()
        if child == 0:
            save_for_ever(tmp_path, told)
        os.read(heard, 1)
        began = time.perf_counter()
        os.read(heard, 1)  # now it is clear how long a save takes here and today
        time.sleep(draw.uniform(0, 2) * (time.perf_counter() - began))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        os.close(told)
        torn += bool(list(tmp_path.glob(".step-*.tmp")))
        for path in newest(tmp_path):
            step = int(path.stem.removeprefix("step-"))
            state = read_checkpoint(path)
            assert state["step"] == step and torch.equal(state["w"], torch.full((300_000,), step))
        assert list(newest(tmp_path))
    assert torn, "no kill came while a file was being written: the test shows nothing"


def save_for_ever(folder: Path, told: int) -> None:
    """In a child of its own; a byte after each save."""
    try:
        saved = Checkpoints(folder, keep=2)
        step = max((int(path.stem.removeprefix("step-")) for path in newest(folder)), default=0)
        while True:
            step += 1
            saved.write(step, {"step": step, "w": torch.full((300_000,), step)})
            os.write(told, b".")
    finally:
        os._exit(1)
