"""The example on real input: a short run in every test run, the whole of it when asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fractal_dsl.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example and the model beside it; nothing of this project is on the path."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "digits.py").write_bytes((ROOT / "examples" / "digits.py").read_bytes())
    assert main([f"{ROOT}/specs/digits.fdl", "-o", f"{folder}/digits_model.py"]) == 0
    return folder


def accuracy(folder: Path, *words: str) -> float:
    """On the held-out fifth, in per cent."""
    done = subprocess.run(
        [sys.executable, "digits.py", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"accuracy on the held-out fifth: ([\d.]+)%", done.stdout)
    assert found is not None, done.stdout
    assert "step/s" in done.stderr, "no progress bar"
    return float(found[1])


def test_a_short_run(folder: Path) -> None:
    assert accuracy(folder, "--epochs", "12") >= 93


@pytest.mark.slow
def test_the_whole_of_it(folder: Path) -> None:
    assert accuracy(folder) >= 97
