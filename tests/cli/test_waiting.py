"""A sign of life on a terminal, for what takes long; nothing anywhere else."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from fractal_dsl.cli import waiting as module
from fractal_dsl.cli.waiting import waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def is_watched() -> bool:
    return any(thread.name == "waiting" for thread in threading.enumerate())


@pytest.mark.parametrize(("patience", "shown"), [(0.01, True), (30.0, False)])
def test_on_a_terminal_once_patience_is_over(
    patience: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "PATIENCE", patience)
    monkeypatch.setenv("TERM", "xterm")
    with waiting("compiling net.fdl"):
        assert is_watched()
        deadline = time.monotonic() + (5.0 if shown else 0.2)
        while time.monotonic() < deadline and "compiling" not in stream.getvalue():
            time.sleep(0.01)
    assert ("compiling net.fdl" in stream.getvalue()) is shown
    assert not is_watched()


def test_not_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting("compiling net.fdl"):
        assert not is_watched()
    assert stream.getvalue() == ""


def test_a_mistake_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(KeyError), waiting("compiling net.fdl"):
        raise KeyError
    assert not is_watched()
