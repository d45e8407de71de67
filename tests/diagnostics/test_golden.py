"""The whole terminal text of messages, as golden files: review them in the diff."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fractal_dsl.cli import main
from fractal_dsl.diagnostics.catalogue import codes, explanation

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
SPECS = sorted((HERE / "specs").glob("*.fdl"))
EXAMPLES = [code for code in codes() if (page := explanation(code)) and page.failing]

Compare = Callable[[Path, str], None]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_messages(
    spec: Path, golden: Compare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(spec.parent)
    status = main(["check", spec.name])
    text = capsys.readouterr().err
    golden(GOLDEN / f"{spec.stem}.txt", f"{text}\nexit status {status}\n")


@pytest.mark.parametrize("code", EXAMPLES)
def test_messages_of_the_catalogue(
    code: str,
    golden: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = explanation(code)
    assert page is not None
    monkeypatch.chdir(tmp_path)
    Path("net.fdl").write_text(page.failing, encoding="utf-8")
    main(["check", "net.fdl"])
    golden(GOLDEN / f"{code}.txt", capsys.readouterr().err)


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {spec.stem for spec in SPECS} | set(EXAMPLES)
