"""Two processes train the network that one would: the same command under torchrun."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist

from fractal_dsl.train.checkpoint import newest, read_checkpoint
from fractal_dsl.train.log import read_log
from fractal_dsl.train.together import backends
from tests.train.nets import SPEC, noise

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "net.fdl --data set.npz --epochs 2 --batch 8 --learning-rate 0.05 --log-every 1 --augment +"
    " --sync-batch-norm true --momentum 0.9"
)


def run(folder: Path, processes: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Trains in `folder`; dropout is off, as each process draws its own."""
    (folder / "net.fdl").write_text(SPEC.replace("rate = 0.2", "rate = 0"))
    data = noise()
    np.savez(
        folder / "set.npz", x_train=data.train.pixels.numpy(), y_train=data.train.labels.numpy(),
        x_test=data.test.pixels.numpy(), y_test=data.test.labels.numpy(),
    )  # fmt: skip
    start = [sys.executable, "-m", "fractal_dsl"]
    if processes > 1:
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone",
                 f"--nproc-per-node={processes}", "-m", "fractal_dsl"]  # fmt: skip
    return subprocess.run(
        [*start, "train", *WORDS.split(), *more], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    done = run(folder, 2, "--out", "two")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("column  train loss") == 1  # one process speaks
    return folder / "two"


def weights(run: Path) -> dict[str, Any]:
    state = read_checkpoint(next(newest(run / "checkpoints")))
    return {**state["model"]["weights"]}


def test_they_agree_with_one_process_on_the_same_batches(two: Path) -> None:
    done = run(two.parent, 1, "--out", "one")
    assert done.returncode == 0, done.stderr
    ours, theirs = weights(two), weights(two.parent / "one")
    assert ours.keys() == theirs.keys()
    for name, one in theirs.items():
        bound = 1e-3 * float(one.double().abs().max()) + 1e-6
        assert float((ours[name].double() - one.double()).abs().max()) <= bound, name
    epochs = [[line for line in read_log(folder / "log.jsonl") if line["kind"] == "epoch"]
              for folder in (two, two.parent / "one")]  # fmt: skip
    for a, b in zip(*epochs, strict=True):
        assert a["train"]["loss"] == pytest.approx(b["train"]["loss"], rel=1e-3)
        assert a["test"]["loss"] == pytest.approx(b["test"]["loss"], rel=1e-3)
        assert a["train_columns"].keys() == b["train_columns"].keys()


def test_their_checkpoint_holds_random_numbers_of_both(two: Path) -> None:
    state = read_checkpoint(next(newest(two / "checkpoints")))
    assert len(state["random"]) == len(state["plans"]) == 2
    assert not np.array_equal(state["random"][0]["cpu"], state["random"][1]["cpu"])


def test_weights_in_parts_train_the_same_and_go_on(two: Path) -> None:
    """The same figures as with whole weights; stopped and resumed, bit for bit."""
    done = run(two.parent, 2, "--out", "parts", "--sharded", "true")
    assert done.returncode == 0, done.stderr
    ours, theirs = weights(two.parent / "parts"), weights(two)
    assert ours.keys() == theirs.keys()
    for name, one in theirs.items():
        assert ours[name].shape == one.shape
        bound = 1e-4 * float(one.double().abs().max()) + 1e-7
        assert float((ours[name].double() - one.double()).abs().max()) <= bound, name
    logs = [[line for line in read_log(folder / "log.jsonl") if line["kind"] == "epoch"]
            for folder in (two, two.parent / "parts")]  # fmt: skip
    for a, b in zip(*logs, strict=True):
        assert a["test_columns"]["1"]["loss"] == pytest.approx(b["test_columns"]["1"]["loss"], 1e-4)
        assert a["live"] == b["live"]
    max((two.parent / "parts" / "checkpoints").iterdir()).unlink()
    done = run(two.parent, 2, "--out", "parts", "--sharded", "true", "--resume")
    assert done.returncode == 0, done.stderr
    again = weights(two.parent / "parts")
    assert all(np.array_equal(ours[name], again[name]) for name in ours)


@pytest.mark.slow
def test_a_fault_is_named_with_weights_in_parts(tmp_path: Path) -> None:
    done = run(tmp_path, 2, "--sharded", "true", "--learning-rate", "1e30", "--drops", "0.99")
    assert done.returncode != 0
    assert "F0805" in done.stderr and "is the first layer" in done.stderr


@pytest.mark.slow
def test_they_stop_and_go_on_as_if_they_had_not(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two, tmp_path / "again")
    first, second = sorted((tmp_path / "again" / "checkpoints").iterdir())
    second.unlink()
    done = run(tmp_path, 2, "--out", "again", "--resume")
    assert done.returncode == 0, done.stderr
    ours, theirs = weights(tmp_path / "again"), weights(two)
    assert first.exists() and all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_fabric_run_starts_them_as_well(two: Path) -> None:
    scripts = Path(sys.executable).parent
    words = ["run", "--accelerator", "cpu", "--devices", "2", "--strategy", "ddp"]
    done = subprocess.run(
        [scripts / "fabric", *words, scripts / "fractalc", "train", *WORDS.split(), "--out", "run"],
        cwd=two.parent, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, theirs = weights(two.parent / "run"), weights(two)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_they_hear_of_one_anothers_errors() -> None:
    """None waits for one that failed; an error that is no diagnostic is told by whoever had it."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*start, "-m", "tests.train.agreeing"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (told for _, told in sorted(map(json.loads, done.stdout.splitlines())))
    lost = "KeyError('lost')"
    failed = "AgreedError F0807: another process of the run failed: KeyError: 'lost'"
    same = {
        "first": "of 0",
        "first is wrong": "AgreedError F0804: no run",
        "second is wrong": "AgreedError F0804: no run found by process 1",
        "both are wrong": "AgreedError F0804: no run",
    }
    by_itself = "found by process"
    assert first == same | {
        "each": "of 0", "first is broken": lost, "both are broken": lost,
        "second is broken": f"{failed} {by_itself} 1",
    }  # fmt: skip
    assert second == same | {
        "each": "of 1", "first is broken": failed, "both are broken": failed,
        "second is broken": lost,
    }  # fmt: skip


@pytest.mark.parametrize("gpus, chosen", [(False, "gloo"), (True, "cpu:gloo,cuda:nccl")])
def test_tensors_go_by_what_moves_them(
    gpus: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus)
    assert backends() == chosen
    devices = dist.BackendConfig(dist.Backend(chosen)).get_device_backend_map()
    assert devices["cpu"] == "gloo" and devices.get("cuda", "nccl") in ("nccl", "gloo")


def machines(folder: Path, *more: str) -> list[subprocess.CompletedProcess[str]]:
    """Two, of one process each, with a folder `0` and `1` each in place of a disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def start(machine: int) -> subprocess.Popen[str]:
        where = ["--nnodes=2", f"--node-rank={machine}", "--nproc-per-node=1",
                 "--master-addr=127.0.0.1", f"--master-port={port}"]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *where, "-m", "fractal_dsl", "train",
             *more],
            cwd=folder / str(machine), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    started = [start(machine) for machine in range(2)]
    with ThreadPoolExecutor() as readers:
        try:
            ended = list(readers.map(lambda one: one.communicate(timeout=200), started))
        finally:
            for one in started:
                one.kill()
    return [
        subprocess.CompletedProcess(one.args, one.returncode, *said)
        for one, said in zip(started, ended, strict=True)
    ]


def untimed(run: Path) -> list[dict[str, Any]]:
    """The log, but for what clocks say."""
    clocks = ("seconds", "images_per_second", "time")
    return [
        {key: value for key, value in line.items() if key not in clocks}
        for line in read_log(run / "log.jsonl")
    ]


def test_machines_that_share_no_disk_train_and_go_on(two: Path, tmp_path: Path) -> None:
    """The first keeps the run; the others hear from it what it was told and how far it came."""
    for machine in ("0", "1"):
        (tmp_path / machine).mkdir()
        for name in ("net.fdl", "set.npz"):
            shutil.copy(two.parent / name, tmp_path / machine)
    words = (*WORDS.split(), "--checkpoint-every", "5")
    for done in machines(tmp_path, *words, "--out", "run"):
        assert done.returncode == 0, done.stderr
    run, theirs = tmp_path / "0" / "run", weights(two)
    assert all(np.array_equal(one, theirs[name]) for name, one in weights(run).items())
    told = untimed(run)
    for step in (15, 16):  # what is left is of step 10, within the second epoch
        (run / "checkpoints" / f"step-{step:08d}.pt").unlink()
    for done in machines(tmp_path, "--out", "run", "--resume"):
        assert done.returncode == 0, done.stderr
    assert all(np.array_equal(one, theirs[name]) for name, one in weights(run).items())
    assert untimed(run) == told
    assert {one.name for one in (tmp_path / "1").iterdir()} == {"net.fdl", "set.npz"}

    (tmp_path / "1" / "set.npz").unlink()
    done, other = machines(tmp_path, *WORDS.split(), "--out", "new")
    assert "F0810" in done.stderr and "found by process 1, on the machine " in done.stderr
    assert done.returncode and other.returncode and not (tmp_path / "0" / "new").exists()


@pytest.mark.slow
def test_a_table_is_trained_by_two(two: Path) -> None:
    """The first scores and prints; what is done is not trained again."""
    (two.parent / "t.toml").write_text(
        'title = "Two"\ndata = "set.npz"\n[settings]\nepochs = 1\nbatch = 8\n'
        '[[rows]]\nname = "whole"\nspec = "net.fdl"\n'
        '[[rows]]\nname = "first"\nof = "whole"\ncolumn = 1\n'
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    tables = []
    for _ in range(2):
        done = subprocess.run(
            [*start, "-m", "fractal_dsl", "experiment", "t.toml", "--out", "table"],
            cwd=two.parent, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout)
        assert done.stdout.count("whole ") == done.stdout.count("first ") == 1
    assert tables[0] == tables[1] and "epoch" not in done.stderr


@pytest.mark.slow
def test_a_batch_must_divide(tmp_path: Path) -> None:
    done = run(tmp_path, 2, "--batch", "9")
    assert done.returncode != 0 and done.stderr.count("F0803") == 1  # one says it for both
    assert "a batch of 9 does not divide among 2" in done.stderr
