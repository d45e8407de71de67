"""The commands from end to end on a small set: train, stop, go on, eval, report, export, tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fractal_dsl import compile
from fractal_dsl.cli import main
from fractal_dsl.cli.show import Shown
from fractal_dsl.runtime import read_safetensors
from fractal_dsl.train import open_run
from fractal_dsl.train.checkpoint import newest, read_checkpoint
from tests.train.nets import SPEC, noise, same

TRAIN = ["train", "net.fdl", "--data", "set.npz", "--batch", "8", "--learning-rate", "0.05"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a specification, images and a run of three epochs."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "net.fdl").write_text(f"## <script>alert(1)</script> & more\n{SPEC}")
    data = noise()
    np.savez(
        folder / "set.npz", x_train=data.train.pixels.numpy(), y_train=data.train.labels.numpy(),
        x_test=data.test.pixels.numpy(), y_test=data.test.labels.numpy(),
    )  # fmt: skip
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main([*TRAIN, "--epochs", "3", "--out", "run"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def run(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:  # fmt: skip
    """Runs the command in a copy of that folder: status, output, messages."""
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def last(folder: str) -> Any:
    return read_checkpoint(next(newest(Path(folder) / "checkpoints")))


# train --------------------------------------------------------------------------------


def test_a_run_leaves_what_it_was_told_and_did(run: Run) -> None:
    assert sorted(path.name for path in Path("run").iterdir()) == [
        "centre.npz", "checkpoints", "log.jsonl", "model.py", "run.toml", "spec.fdl",
    ]  # fmt: skip
    about = Path("run/run.toml").read_text()
    for part in ('set.npz"', "epochs = 3", "batch = 8", 'fractalc = "', "data_sha256 = "):
        assert part in about
    epochs = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert [one["epoch"] for one in epochs if one["kind"] == "epoch"] == [1, 2, 3]
    assert set(epochs[-1]) >= {"train", "train_columns", "test", "test_columns", "live", "seconds"}


def test_a_recipe_may_be_a_run_and_options_count_for_more(run: Run) -> None:
    status, _, err = run(*TRAIN, "--recipe", "run/run.toml", "--epochs", "1", "--out", "again")
    assert status == 0, err
    assert "epochs = 1" in Path("again/run.toml").read_text()


def test_without_out_each_run_has_a_folder_of_its_own(run: Run) -> None:
    for _ in range(2):
        assert run(*TRAIN, "--epochs", "1", "--columns", "false")[0] == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["Small", "Small-2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_resume_goes_on(
    number: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an epoch; what comes out is the uninterrupted run."""
    stepped = Shown.stepped

    def interrupt(self: Shown, step: int, values: Any) -> None:
        stepped(self, step, values)
        if step == 13:
            os.kill(os.getpid(), number)

    whole = [*TRAIN, "--epochs", "3", "--log-every", "1", "--out"]
    assert run(*whole, "whole")[0] == 0
    monkeypatch.setattr(Shown, "stepped", interrupt)
    status, _, err = run(*whole, "cut")
    assert status == 130
    assert "`fractalc train --out cut --resume` goes on" in err
    assert last("cut")["step"]["number"] == 13
    monkeypatch.setattr(Shown, "stepped", stepped)
    status, _, err = run("train", "--out", "cut", "--resume")
    assert status == 0 and "going on after step 13" in err
    assert same(last("cut")["model"], last("whole")["model"])


def test_a_run_is_not_written_over(run: Run) -> None:
    status, _, err = run(*TRAIN, "--out", "run")
    assert status == 1
    assert "error[F0804]: there is a run in `run` already" in err and "--resume" in err


def test_resuming_with_other_settings_is_refused(run: Run) -> None:
    Path("other.fdl").write_text(SPEC.replace("channels = 4", "channels = 5"))
    for words, told in (
        ([*TRAIN, "--epochs", "9"], "`epochs`: 3, now 9"),
        (["train", "other.fdl", "--data", "set.npz"], "the specification"),
        (["train", "net.fdl", "--data", "digits"], "the images of `digits` are not those"),
        (["train", "--epochs", "9"], "`epochs`: 3, now 9"),
        (["train", "--recipe", "paper"], "`batch`: 8, now 100"),
        (["train", "--set", "C=2"], "`--set`: not given, now C=2"),
        (["train", "--data", "digits"], "the images of `digits` are not those"),
        (["train", "other.fdl"], "the specification"),
    ):
        status, _, err = run(*words, "--out", "run", "--resume")
        assert status == 1 and "F0804" in err and told in err
    assert run("train", "net.fdl", "--epochs", "3", "--out", "run", "--resume")[0] == 0


def test_a_rate_that_the_network_does_not_have_is_said(run: Run) -> None:
    Path("plain.fdl").write_text(SPEC.partition("drop_path(")[0])
    words = ["train", "plain.fdl", "--data", "set.npz", "--epochs", "1", "--global", "0.5"]
    status, _, err = run(*words)
    assert status == 0 and "`global` changes nothing" in err and "`local`" not in err


def test_other_images_of_the_same_name_are_noticed(run: Run) -> None:
    data = noise(60)
    np.savez("set.npz", x_train=data.train.pixels.numpy(), y_train=data.train.labels.numpy())
    status, _, err = run("train", "--out", "run", "--resume")
    assert status == 1 and "are not those that the run began with" in err


def test_a_damaged_checkpoint_is_passed_over_and_said(run: Run) -> None:
    end = last("run")
    newest_one = next(newest(Path("run/checkpoints")))
    newest_one.write_bytes(newest_one.read_bytes()[:-7])
    status, _, err = run("train", "--out", "run", "--resume")
    assert status == 0 and "is damaged: " in err and "an older one is used" in err
    assert same(last("run")["model"], end["model"])


@pytest.mark.parametrize(
    "words, code, told",
    [
        (["train"], 2, "say what to train"),
        (["train", "net.fdl"], 2, "say what to train on"),
        (["train", "net.fdl", "--data", "set.npz", "--batch", "none"], 2, "a whole number"),
        (["train", "absent.fdl", "--data", "set.npz"], 1, "F0801"),
        (["train", "net.fdl", "--data", "digits"], 1, "F0811"),
        (["train", "net.fdl", "--data", "./absent"], 1, "F0810"),
        (["train", "net.fdl", "--data", "set.npz", "--recipe", "absent"], 1, "F0803"),
        (["train", "--out", "absent", "--resume"], 1, "F0804"),
        (["eval", "run", "--column", "7"], 2, "the columns are 1 to 2"),
        (["eval", "run", "--recalibrate", "-1"], 2, "is no number of batches"),
        (["eval", "absent"], 1, "is no folder of a run: no such folder"),
        (["eval", "run", "--step", "5"], 1, "there are those after 24, 16, 8"),
        (["export", "run"], 2, "say where to write"),
        (["export", "run", "-o", "a.zip"], 2, "known endings are"),
        (["report", "absent"], 1, "F0804"),
        (["experiment", "absent.toml"], 1, "F0801"),
    ],
)
def test_mistakes(words: list[str], code: int, told: str, run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out) == (code, "")
    assert told in err


def test_tensorboard_on_request(run: Run) -> None:
    assert run(*TRAIN, "--epochs", "1", "--out", "seen", "--tensorboard")[0] == 0
    (events,) = Path("seen/tensorboard").iterdir()
    assert b"epoch/test_columns/2/loss" in events.read_bytes()


# eval, report, export ------------------------------------------------------------------


def test_eval_has_a_line_for_each_column(run: Run) -> None:
    status, out, _ = run("eval", "run", "--json")
    assert status == 0
    lines = json.loads(out)["columns"]
    assert [line["column"] for line in lines] == [1, 2, None]
    assert [line["depth"] for line in lines] == [1, 2, 2]
    logged = json.loads(Path("run/log.jsonl").read_text().splitlines()[-1])
    assert lines[-1]["trained"]["loss"] == pytest.approx(logged["test"]["loss"], rel=1e-5)
    assert lines[0]["trained"]["accuracy"] == logged["test_columns"]["1"]["accuracy"]
    status, out, _ = run("eval", "run", "--column", "1", "--recalibrate", "0", "--split", "train")
    assert status == 0 and len(out.splitlines()) == 2


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)


def test_report_is_figures_and_a_page_that_holds_them(run: Run) -> None:
    assert run(*TRAIN, "--epochs", "1", "--column", "1", "--out", "plain")[0] == 0
    status, out, _ = run("report", "run", "plain", "-o", "report")
    assert status == 0
    names = {path.name for path in Path("report").iterdir()}
    kinds = {f"{name}.{kind}" for name in ("loss", "anytime", "live") for kind in ("svg", "png")}
    assert names == {"index.html", *kinds} and len(out.splitlines()) == 7
    assert Path("report/loss.png").read_bytes().startswith(b"\x89PNG")
    page = Tags()
    page.feed(Path("report/index.html").read_text())
    assert page.seen.count("svg") == 3 and page.seen.count("table") == 2
    assert "script" not in page.seen  # the specification's words are text
    before = Path("report/loss.svg").read_bytes()
    assert run("report", "run", "plain", "-o", "report")[0] == 0
    assert Path("report/loss.svg").read_bytes() == before


def test_export_is_the_network_that_eval_saw(run: Run) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    outputs = ("w.safetensors", "w.pt", "w.onnx", "w.py")
    words = [word for name in outputs for word in ("-o", name)]
    assert run("export", "run", *words, "--column", "deepest")[0] == 0
    one = open_run(Path("run"))
    x = one.centre(one.data.test.pixels)
    with torch.no_grad():
        expected = one.net(x, one.net.column_plan(2))
    session = onnxruntime.InferenceSession("w.onnx")
    pixels = one.data.test.pixels.float().numpy()
    (found,) = session.run(None, {"x": pixels})  # centres them itself
    assert np.allclose(found, expected.numpy(), atol=1e-5)
    assert Path("w.safetensors").stat().st_mode == Path("w.pt").stat().st_mode
    centre = np.load("run/centre.npz")
    assert np.allclose((pixels - centre["mean"]) / centre["deviation"], x.numpy(), atol=1e-6)
    saved = read_safetensors("w.safetensors")
    assert compile(saved.spec, **saved.settings).report.output.sizes == (3,)
    for name in ("absent/w.safetensors", "absent/w.pt", "absent/w.onnx"):
        status, _, err = run("export", "run", "-o", name)
        assert status == 1 and "error[F0801]" in err, err
    status, _, err = run("export", "run", "-o", "w.pt", "--fold")
    assert status == 1 and "--fold is for .onnx" in err
    state = torch.load("w.pt", weights_only=True)
    namespace: dict[str, Any] = {"__name__": "w"}
    exec(Path("w.py").read_text(), namespace)  # noqa: S102 - it is what a user imports
    model = namespace["Small"](classes=3)
    model.load_state_dict(state)
    with torch.no_grad():
        assert torch.allclose(model.eval()(x), expected, atol=1e-6)


def test_a_file_of_weights_knows_the_net_and_the_lists_that_were_set(run: Run) -> None:
    Path("two.fdl").write_text(
        "param widths = [3]\n"
        "net A(classes = 3) on image[1, 6, 6] = conv(2) >> global_avg_pool >> linear(classes)\n"
        "net B(classes = 3) on image[1, 6, 6] =\n"
        "    chain(conv(w) for w in widths) >> global_avg_pool >> linear(classes)\n"
    )
    words = ["two.fdl", *TRAIN[2:], "--net", "B", "--set", "widths=[4, 5]", "--epochs", "1"]
    assert run("train", *words, "--out", "b")[0] == 0
    status, _, err = run("export", "b", "-o", "b.safetensors")
    assert status == 0, err
    saved = read_safetensors("b.safetensors")
    model = compile(saved.spec, **saved.settings).module()()
    model.load_state_dict(saved.state)


def test_a_report_from_inside_the_folder(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("run")
    status, _, err = run("report", ".", ".", "-o", "said")
    assert status == 0 and Path("said/index.html").exists(), err


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler")
def test_compiled_it_trains_and_is_looked_at(run: Run) -> None:
    status, _, err = run(*TRAIN, "--epochs", "1", "--compile", "true", "--out", "compiled")
    assert status == 0, err


# mistakes ------------------------------------------------------------------------------


def test_drop_path_without_a_join_trains(run: Run) -> None:
    """The first row of the paper's table 3: f(1) alone."""
    Path("one.fdl").write_text(
        "net One(classes = 3) on image[1, 6, 6] =\n"
        "    conv(4) >> global_avg_pool >> linear(classes)\n"
        "drop_path(local = 0.15, global = 0.5)\n"
    )
    words = ["train", "one.fdl", *TRAIN[2:], "--epochs", "1", "--out", "one"]
    status, _, err = run(*words)
    assert status == 0, err


def test_a_batch_that_no_images_fill_is_refused(run: Run) -> None:
    status, _, err = run(*TRAIN, "--batch", "100000", "--out", "none")
    assert status == 1 and "error[F0803]: a batch of 100,000 is more than" in err
    assert not Path("none").exists()


def test_a_run_knows_its_images_from_anywhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path.cwd()
    assert run(*TRAIN, "--epochs", "1", "--out", "there")[0] == 0
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert run("eval", "../there")[0] == 0
    words = [*TRAIN, "--epochs", "1", "--out", "../there", "--resume"]
    words[1], words[3] = "../net.fdl", "../set.npz"
    status, _, err = run(*words)
    assert status == 0, err


def test_images_that_the_network_cannot_tell_apart(run: Run) -> None:
    held = dict(np.load("set.npz"))
    np.savez("more.npz", **{**held, "y_test": held["y_test"] + 5})
    wide = {k: np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, 2 * (v.ndim > 1))])
            for k, v in held.items()}  # fmt: skip
    np.savez("larger.npz", allow_pickle=False, **wide)
    np.savez("words.npz", **{**held, "y_train": held["y_train"].astype(str)})
    for name, code in (("more", "F0811"), ("larger", "F0811"), ("words", "F0810")):
        status, _, err = run("eval", "run", "--data", f"{name}.npz")
        assert status == 1 and f"error[{code}]" in err, err


def test_the_bar_says_how_many_are_right(run: Run) -> None:
    steps = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert all(0 <= one["accuracy"] <= 1 for one in steps if one["kind"] == "step")


# experiment ----------------------------------------------------------------------------

TABLE = """
title = "A table"
data = "set.npz"
seeds = [0, 1]

[settings]
epochs = 1
batch = 8

[[rows]]
name = "Whole"
spec = "net.fdl"
paper = {error = 12.5, loss = 0.1}

[[rows]]
name = "Column 1"
of = "Whole"
column = 1
"""


def test_a_table_is_trained_printed_and_gone_on_with(run: Run) -> None:
    Path("t.toml").write_text(TABLE)
    status, out, err = run("experiment", "t.toml", "--out", "t")
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0] == "A table" and lines[2].startswith("Whole") and "12.50" in lines[2]
    assert lines[3].startswith("Column 1") and "+-" in lines[3]
    assert sorted(path.name for path in Path("t").iterdir()) == ["whole-0", "whole-1"]
    again = run("experiment", "t.toml", "--out", "t")
    assert again[:2] == (0, out) and "epoch" not in again[2]
    assert run("experiment", "t.toml", "--out", "t", "--print")[1] == out
    assert run("experiment", "t.toml", "--out", "t", "--print", "--log-every", "3")[1] == out
    Path("t.toml").write_text(f"recalibrate = 3\n{TABLE}")
    status, _, err = run("experiment", "t.toml", "--out", "t", "--print")
    assert status == 1 and "was recalibrated on 100 batches, now 3" in err
    Path("t.toml").write_text(TABLE.replace("epochs = 1", "epochs = 2"))
    for more in ((), ("--print",)):  # figures of other settings are not shown for these
        status, out, err = run("experiment", "t.toml", "--out", "t", *more)
        assert status == 1 and "`epochs`: 1, now 2" in err and not out


@pytest.mark.parametrize(
    "line, told",
    [
        ('tittle = "x"', "did you mean `title`?"),
        ('recipe = "absent"', "there is no recipe `absent`"),
        ('[[rows]]\nname = "x"', "either `spec` or `of`"),
        ('[[rows]]\nname = "x"\nof = "y"', "no row that trains is called 'y'"),
        ('[[rows]]\nname = "Whole"\nof = "Whole"', "two rows are called 'Whole'"),
        ('[[rows]]\nname = "x"\nof = "Whole"\npaper = {err = 1}', "did you mean `error`?"),
        ('[[rows]]\nname = "whole!"\nspec = "net.fdl"', "would share a folder"),
        ('[[rows]]\nname = "x"\nof = "Whole"\ncolumn = 7', "asks for column 7"),
        ('[[rows]]\nname = "x"\nof = "Whole"\ncolumn = "a"', "`column` is a number"),
        ('[[rows]]\nname = "x"\nspec = "net.fdl"\nset = "C=2"', "`set` is a list"),
        ('[[rows]]\nname = "x"\nspec = "net.fdl"\nset = [1]', "`set` is a list of strings"),
        ('[[rows]]\nname = "x"\nspec = "net.fdl"\nset = ["Q=7"]', "network of 'x' does not"),
        ('[[rows]]\nname = "x"\nspec = "net.fdl"\nset = ["C=7x"]', "'7x' is no value"),
    ],
)
def test_a_table_that_is_wrong(line: str, told: str, run: Run) -> None:
    text = f"{TABLE}\n{line}" if line.startswith("[[") else f"{line}\n{TABLE}"
    Path("t.toml").write_text(text)
    status, _, err = run("experiment", "t.toml")
    assert status == 1 and "F0803" in err and told in err
