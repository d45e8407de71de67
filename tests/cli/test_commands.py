"""What the command does: results, messages, exit statuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fractal_dsl.cli import main
from fractal_dsl.cli import reading as reading_module
from fractal_dsl.cli.arguments import COMMANDS, KINDS, STAGES, build_parser
from fractal_dsl.diagnostics import InternalError
from fractal_dsl.driver import targets
from fractal_dsl.driver.stages import STAGES as STAGES_OF_DRIVER
from fractal_dsl.version import VERSION

RULE = "param C = 3\n\nf(1)   = conv\nf(n+1) = (f(n) . f(n)) (+) conv\n"
NET = RULE + "net    = f(C)\n"
SPECS = Path(__file__).parents[2] / "specs"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in an empty folder that has `net.fdl`: status, output, messages."""
    monkeypatch.chdir(tmp_path)
    Path("net.fdl").write_text(NET, encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_help_teaches(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for part in ("examples:", "exit status:", "-o model.py", "net    = f(4)", *COMMANDS):
        assert part in out


def test_no_words_are_help(run: Run) -> None:
    assert run()[1] == run("--help")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, run: Run) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0 and "usage: fractalc" in out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"fractalc {VERSION}\n", "")


def test_lists_kept_for_a_fast_start_are_the_driver_s() -> None:
    assert set(STAGES) == set(STAGES_OF_DRIVER)
    assert set(KINDS) == set(targets.KINDS)
    assert build_parser().prog == "fractalc"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["net.fdl"], "say where to write"),
        (["net.fdl", "-o", "model"], "cannot tell from 'model'"),
        (["net.fdl", "-o", "a.py", "-o", "a.py"], "given twice"),
        (["net.fdl", "-o", "a.py", "--set", "C"], "NAME=VALUE"),
        (["net.fdl", "-o", "a.py", "--set", "C=conv"], "is no value"),
        (["net.fdl", "-o", "a.py", "--to", "onnx"], "invalid choice"),
        (["net.fdl", "-o", "a.py", "--expand"], "--expand is for pictures"),
        (["net.fdl", "-o", "a.svg", "--style", "flat"], "--style is for Python"),
        (["net.fdl", "-o", "./net.fdl", "--to", "json"], "would overwrite the specification"),
        (["net.fdl", "-o", "a.json", "--checkpoint"], "--checkpoint is for Python"),
        (["dump", "net.fdl", "--stage", "ir", "--column", "9"], "1 to 3"),
        (["dump", "net.fdl", "--stage", "tokens", "--column", "1"], "of the text"),
        (["net.fdl", "-o", "a.svg", "--highlight", "row=1"], "column=K or sample=SEED"),
        (["net.fdl", "-o", "a.svg", "--highlight", "column=9"], "1 to 3"),
        (["net.fdl", "-o"], "expected one argument"),
        (["net.fdl", "other.fdl", "-o", "a.py"], "unrecognized arguments"),
        (
            ["net.fdl", "-o", "a.py", "--styl", "flat"],
            "did you mean `--style`?\nusage: fractalc SPEC",
        ),
        (["inof", "net.fdl"], "did you mean `info`"),
        (["dump", "net.fdl"], "--stage"),
        (["dump", "net.fdl", "--stage", "nothing"], "invalid choice"),
        (["info"], "SPEC"),
        (["completion", "csh"], "invalid choice"),
    ],
)
def test_usage(words: list[str], said: str, run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert sorted(path.name for path in Path().iterdir()) == ["net.fdl"]


def test_a_mistake_in_the_spec_is_1(run: Run) -> None:
    Path("bad.fdl").write_text("net = covn\n")
    status, out, err = run("bad.fdl", "-o", "model.json")
    assert (status, out) == (1, "")
    assert err.startswith("error[F0201]") and "bad.fdl:1:7" in err
    assert not Path("model.json").exists()


def test_a_limit_is_3(run: Run) -> None:
    status, _, err = run("net.fdl", "--set", "C=40", "-o", "model.py")
    assert status == 3 and "error[F0301]" in err
    assert run("check", "net.fdl", "--set", "C=40")[0] == 3


def test_a_mistake_weighs_more_than_a_limit(run: Run) -> None:
    Path("bad.fdl").write_text("net = covn\n")
    assert run("check", "net.fdl", "bad.fdl", "--set", "C=40")[0] == 1


def test_a_missing_file_is_1(run: Run) -> None:
    status, _, err = run("missing.fdl", "-o", "model.json")
    assert status == 1 and "F0801" in err and "no such file" in err


def test_an_output_that_cannot_be_written_is_1(run: Run) -> None:
    status, _, err = run("net.fdl", "-o", "no/such/folder.json")
    assert status == 1 and "F0801" in err


def test_several_outputs_by_their_endings(run: Run) -> None:
    status, out, err = run("net.fdl", "-o", "a.json", "-o", "a.graphml", "-o", "a.dot")
    assert (status, out, err) == (0, "", "")
    assert json.loads(Path("a.json").read_text())["name"] == "Net"
    assert "<graphml" in Path("a.graphml").read_text()
    assert "digraph" in Path("a.dot").read_text()


def test_nothing_is_written_unless_everything_is_made(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fractal_dsl.emit import data

    def broken(program: object) -> str:
        raise InternalError("broken on purpose")

    monkeypatch.setattr(data, "to_graphml", broken)
    assert run("net.fdl", "-o", "a.json", "-o", "a.graphml")[0] == 70
    assert not Path("a.json").exists()


def test_standard_output_and_to(run: Run) -> None:
    status, out, _ = run("net.fdl", "-o", "-", "--to", "json")
    assert status == 0 and json.loads(out)["name"] == "Net"


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NET.encode())))
    status, out, _ = run("info", "-", "--json")
    assert status == 0 and json.loads(out)["convs"] == 7
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"net = covn")))
    status, _, err = run("-", "-o", "-", "--to", "dot")
    assert status == 1 and "<stdin>:1:7" in err


def test_set_and_net(run: Run) -> None:
    Path("two.fdl").write_text(RULE + "net A(w = 8) = f(C) >> conv(w)\nnet B = f(1)\n")
    assert run("info", "two.fdl", "--json")[0] == 1
    status, out, _ = run("info", "two.fdl", "--json", "--net", "A", "--set", "C=2", "--set", "w=5")
    found = json.loads(out)
    assert (status, found["name"], found["convs"]) == (0, "A", 4)
    assert found["output"] == "image[5, 32, 32]"


def test_warnings_go_to_the_messages(run: Run) -> None:
    Path("odd.fdl").write_text("net = relu . conv2d(8)\n")
    status, out, err = run("odd.fdl", "-o", "-", "--to", "dot")
    assert status == 0 and "digraph" in out
    assert err.startswith("warning[W0101]")


def test_check_says_what_it_checked(run: Run) -> None:
    Path("two.fdl").write_text("net A = conv\nnet B = conv >> relu\n")
    assert run("check", "net.fdl", "two.fdl") == (
        0,
        "net.fdl: Net is right\n  f takes from its callers: channels\ntwo.fdl: A, B are right\n",
        "",
    )  # fmt: skip


def test_check_lists_what_a_rule_takes_from_its_callers_and_no_more(run: Run) -> None:
    Path("net.fdl").write_text(
        "branch = conv(16) >> conv(channels = 32)\n"
        "wide(w) = conv(w) >> inner(w)\n"
        "inner(w) = relu >> conv\n"
        "told = inner(3, channels = 8)\n"
        "net = branch >> wide(4) >> told\n"
    )
    taken = "  wide takes from its callers: channels\n  inner takes from its callers: channels\n"
    assert run("check", "net.fdl")[1] == f"net.fdl: Net is right\n{taken}"


def test_check_looks_at_every_net(run: Run) -> None:
    Path("two.fdl").write_text("net A = conv >> linear(3)\nnet B = conv\nassert depth == 2\n")
    status, out, err = run("check", "two.fdl")
    assert (status, out) == (1, "two.fdl: wrong\n")
    assert "F0404" in err and "F0701" in err


def test_check_as_data(run: Run) -> None:
    Path("bad.fdl").write_text("net = covn\n")
    status, out, err = run("check", "bad.fdl", "net.fdl", "--json")
    bad, good = json.loads(out)
    assert (status, err) == (1, "")
    assert (bad["file"], bad["ok"], bad["diagnostics"][0]["code"]) == ("bad.fdl", False, "F0201")
    assert (good["ok"], good["nets"], good["diagnostics"]) == (True, ["Net"], [])
    assert good["implicit"] == {"f": ["channels"]}


@pytest.mark.parametrize("stage", STAGES_OF_DRIVER)
def test_dump(stage: str, run: Run) -> None:
    status, out, err = run("dump", "net.fdl", "--stage", stage)
    assert (status, err) == (0, "")
    sign = {
        "tokens": "1:1\tPARAM\t'param'", "syntax": "net = f(C)", "resolved": "implicit channels",
        "ir": "graph 0 conv", "flat": "return %", "report": '"convs": 7', "python": "class Net",
        "dot": "digraph",
    }  # fmt: skip
    assert sign[stage] in out


def test_dump_of_one_column(run: Run) -> None:
    status, out, _ = run("dump", "net.fdl", "--stage", "report", "--column", "2")
    assert (status, json.loads(out)["convs"]) == (0, 2)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_of_itself(command: str, run: Run) -> None:
    _, out, _ = run(command, "--help")
    lines = [line.strip() for line in out.splitlines()]
    shown = [line for line in lines if line.startswith("fractalc ")]
    assert shown
    assert command == "compile" or all(line.split()[1] == command for line in shown)


def test_operators_have_their_defaults(run: Run) -> None:
    status, out, _ = run("operators")
    assert status == 0
    assert "max_pool(kernel_size, stride = kernel_size, padding = 0" in out
    assert max(map(len, out.splitlines())) <= 100


def fail_with(error: BaseException) -> Callable[..., object]:
    def failing(*_: object, **__: object) -> object:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InternalError("in pass depth"), 70),
        (RecursionError("deep"), 70),
        (AssertionError("an invariant"), 70),
        (MemoryError(), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_escapes_a_stage(
    error: BaseException, status: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "compile_source", fail_with(error))
    found, out, err = run("net.fdl", "-o", "model.json")
    assert (found, out) == (status, "")
    assert "Traceback" not in err
    assert sorted(path.name for path in Path().iterdir()) == ["net.fdl"]


def test_a_bug_leaves_a_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reports = tmp_path_factory.mktemp("reports")
    monkeypatch.setattr("tempfile.tempdir", str(reports))
    monkeypatch.setattr(reading_module, "compile_source", fail_with(InternalError("in pass depth")))
    status, _, err = run("info", "net.fdl")
    assert status == 70
    assert err.startswith("error[F9999]: internal error in pass depth\n")
    (report,) = reports.iterdir()
    assert str(report) in err
    text = report.read_text()
    for part in (VERSION, "InternalError: in pass depth", "net.fdl"):
        assert part in text
    assert NET not in text


def test_a_reader_that_goes_away_is_no_mistake(run: Run) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fractal_dsl", "dump", "net.fdl", "--stage", "tokens"]
    ended = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, check=False,
        env={**os.environ, "PYTHONPATH": str(SPECS.parent)},
    )  # fmt: skip
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_colour_only_when_asked_for(run: Run) -> None:
    Path("bad.fdl").write_text("net = covn\n")
    assert "\x1b[" not in run("check", "bad.fdl")[2]
    assert "\x1b[1;31m" in run("check", "bad.fdl", "--colour", "always")[2]


def test_output_that_the_encoding_lacks_is_escaped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    Path("bad.fdl").write_text("net = conv ∘ covn\n", encoding="utf-8")
    main(["check", "bad.fdl"])
    assert b"\\u2218" in stream.buffer.getvalue()
