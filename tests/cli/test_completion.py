"""Completion scripts: made for every shell, and right where the shell is there to ask."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from fractal_dsl.cli import main
from fractal_dsl.cli.arguments import COMMANDS, SHELLS
from fractal_dsl.cli.completion import script


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_there(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for word in (*COMMANDS, "highlight", "graphml", "modules", "F0202", "resolved"):
        assert word in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_it(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    flag = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([shell, flag], input=script(shell), text=True, check=True)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("fractalc in", ["info"]),
        ("fractalc spec.fdl --to g", ["graphml"]),
        ("fractalc spec.fdl --hi", ["--highlight"]),
        ("fractalc dump --stage r", ["resolved", "report"]),
        ("fractalc explain F020", [f"F020{n}" for n in range(1, 10)]),
        ("fractalc completion z", ["zsh"]),
        ("fractalc info --j", ["--json"]),
    ],
)
def test_bash_offers(typed: str, offered: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    words = typed.split()
    ask = (
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _fractalc; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    found = subprocess.run(
        [bash, "--norc"], input=f"{script('bash')}\n{ask}\n", text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert found.stdout.split() == offered
