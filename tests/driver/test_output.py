"""Files are there whole or not at all, whatever fails."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver.output import write_atomically

OLD, NEW = b"old\n", b"new " * 5_000
CALLS = ("open", "write", "fsync", "replace", "fchmod", "close", "scandir")


class Faults:
    """Makes the n-th of the watched system calls fail, counted over all of them."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, error: int) -> None:
        self.left, self.error, self.made = number, error, False
        for name in CALLS:
            patch.setattr(os, name, self.failing(getattr(os, name), name))

    def failing(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.made = True
                if name == "close":
                    call(*arguments)
                raise OSError(self.error, os.strerror(self.error))
            return call(*arguments, **keywords)

        return wrapped


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("number", range(1, 12))
@pytest.mark.parametrize("exists", [True, False])
def test_any_call_may_fail(tmp_path: Path, number: int, error: int, exists: bool) -> None:
    target = tmp_path / "model.py"
    if exists:
        target.write_bytes(OLD)
    refused = None
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, number, error)
        try:
            write_atomically(target, NEW)
        except DiagnosticError as raised:
            refused = raised
    found = target.read_bytes() if target.exists() else None
    assert found in ((OLD if exists else None), NEW)
    assert [path.name for path in tmp_path.iterdir() if path != target] == []
    if faults.made:
        assert refused is not None and refused.diagnostics[0].code == "F0801"
    else:
        assert refused is None and found == NEW


def test_the_range_of_faults_covers_every_call(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch, 10**6, errno.EIO)
        write_atomically(tmp_path / "model.py", NEW)
    assert 5 <= 10**6 - faults.left < 12


def test_short_writes_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, bytes(data)[:7]))
    write_atomically(tmp_path / "model.py", NEW[:100])
    assert (tmp_path / "model.py").read_bytes() == NEW[:100]


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "model.py", NEW)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    dead = dead_process()
    (tmp_path / f".model.py.fractalc-{dead}.tmp").write_bytes(b"half")
    (tmp_path / f".other.py.fractalc-{dead}.tmp").write_bytes(b"another target's")
    (tmp_path / f".model.py.fractalc-{os.getppid()}.tmp").write_bytes(b"at work")
    write_atomically(tmp_path / "model.py", NEW)
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.py",
        f".other.py.fractalc-{dead}.tmp",
        f".model.py.fractalc-{os.getppid()}.tmp",
    }


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_rights_of_an_old_file_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "model.py"
    target.write_bytes(OLD)
    target.chmod(0o640)
    write_atomically(target, NEW)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path, umask: int) -> None:
    write_atomically(tmp_path / "model.py", NEW)
    assert stat.S_IMODE((tmp_path / "model.py").stat().st_mode) == 0o666 & ~umask


def test_a_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "real.py"
    real.write_bytes(OLD)
    link = tmp_path / "link.py"
    link.symlink_to(real)
    write_atomically(link, NEW)
    assert link.is_symlink() and real.read_bytes() == NEW


def test_a_device_is_written_to() -> None:
    write_atomically("/dev/null", NEW)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("path", ["no/such/folder/m.py", ".", "a\0b.py", "x" * 400 + ".py"])
def test_what_cannot_be_written_is_said(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiagnosticError) as refused:
        write_atomically(path, NEW)
    only = refused.value.diagnostics[0]
    assert only.code == "F0801" and only.message.startswith("cannot write")
    assert list(tmp_path.iterdir()) == []
