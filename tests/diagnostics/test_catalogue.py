"""Every code has a page, and the pages tell the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fractal_dsl
from fractal_dsl.cli import main
from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.diagnostics.catalogue import codes, explanation
from fractal_dsl.driver import compile_source
from fractal_dsl.source import Source

PACKAGE = Path(fractal_dsl.__file__).parent
EXAMPLES = [code for code in codes() if (page := explanation(code)) and page.failing]
# What no small file shows: bytes, limits of size, the system, Graphviz, our own faults.
WITHOUT = {
    "F0001", "F0213", "F0215", "F0301", "F0302", "F0303", "F0304", "F0308", "F0605", "F0801",
    "F0802", "F0803", "F0804", "F0805", "F0806", "F0807", "F0810", "F0811", "F0812", "F0901",
    "F0902", "F0903", "F9999",
}  # fmt: skip


def codes_in_the_source() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return {code for text in texts for code in re.findall(r"\b[FW]\d{4}\b", text)}


def said_of(text: str) -> list[str]:
    try:
        warnings = compile_source(Source("net.fdl", text)).warnings
    except DiagnosticError as error:
        return [one.code for one in error.diagnostics]
    return [one.code for one in warnings]


def test_every_code_in_the_source_has_a_page() -> None:
    assert codes_in_the_source() - set(codes()) == set()


def test_every_page_is_of_a_code_in_the_source() -> None:
    assert set(codes()) - codes_in_the_source() == set()


def test_only_what_cannot_be_shown_has_no_example() -> None:
    assert set(codes()) - set(EXAMPLES) == WITHOUT


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_failing_example_gives_its_code_alone(code: str) -> None:
    page = explanation(code)
    assert page is not None
    assert said_of(page.failing) == [code]


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_fixed_example_compiles_without_a_word(code: str) -> None:
    page = explanation(code)
    assert page is not None
    assert said_of(page.fixed) == []


def test_pages_fit_a_terminal() -> None:
    lines = (line for page in (PACKAGE / "diagnostics" / "explain").iterdir()
             for line in page.read_text(encoding="utf-8").splitlines())  # fmt: skip
    assert max(map(len, lines)) <= 96


def test_explain_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "f0202"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("F0202: a rule has no base case\n")
    assert "    f(1)   = conv\n" in text


def test_explain_lists_all_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert [line[:5] for line in capsys.readouterr().out.splitlines()] == list(codes())


@pytest.mark.parametrize("code", ["F0000", "../F0202", "F0202/", "", "ß"])
def test_explain_of_an_unknown_code(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 2
    assert "no code" in capsys.readouterr().err
