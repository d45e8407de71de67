"""The parser's tables are kept between runs, and nothing depends on whether they can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fractal_dsl.syntax import parser_table
from tests.syntax.support import outline, parsed


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    caches = (parser_table._lark, parser_table._terminals)
    for one in caches:
        one.cache_clear()
    yield
    for one in caches:
        one.cache_clear()


def reads() -> bool:
    return outline(parsed("f = a >> b").statements[0]) == "Equation(f, Series(a, b))"


def kept(root: Path) -> list[Path]:
    return sorted((root / "fractalc").iterdir())


def test_tables_are_kept_and_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert reads()
    (made,) = kept(tmp_path)
    before = made.stat().st_mtime_ns
    parser_table._lark.cache_clear()
    parser_table._terminals.cache_clear()
    assert reads()
    assert kept(tmp_path) == [made]
    assert made.stat().st_mtime_ns == before


def test_a_spoilt_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert reads()
    (made,) = kept(tmp_path)
    whole = made.read_bytes()
    for spoilt in (b"", b"nonsense", whole[: len(whole) // 2]):
        made.write_bytes(spoilt)
        parser_table._lark.cache_clear()
        parser_table._terminals.cache_clear()
        assert reads()
        assert len(made.read_bytes()) > 10_000


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert reads()
    assert blocked.read_text() == "not a folder"


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home directory")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert reads()


def test_terminals_have_names() -> None:
    names = [terminal.name for terminal in parser_table._lark().terminals]
    assert not [name for name in names if "ANON" in name]
