"""What the documents show is run: every command, every Python block, every file of FDL."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gallery
from fractal_dsl.cli import main, status
from fractal_dsl.driver import compile_source, library
from fractal_dsl.driver.facts import report_data
from fractal_dsl.ir.operators import GROUPS
from fractal_dsl.ir.operators.describe import markdown
from fractal_dsl.source import Source

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents speak of."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("specs", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def shell_commands() -> list[str]:
    """Commands of the documents, in order; those that set up an environment are CI's own."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    ours = [line for line in lines if line.startswith(("fractalc ", "python "))]
    return list(dict.fromkeys(ours))


def test_every_command_and_every_python_block_runs(checkout: Path) -> None:
    """In order, as a reader would: later ones use what earlier ones wrote."""
    commands = shell_commands()
    assert len(commands) >= 6
    for command in commands:
        words = command.split()
        if words[0] == "fractalc":
            run([sys.executable, "-m", "fractal_dsl", *words[1:], *shortened(words)], checkout)
        else:
            short = ["--epochs", "1"] if words[1] == "examples/digits.py" else []
            run([sys.executable, *words[1:], *short], checkout)
    for page in PAGES:
        script = "\n".join(["import sys; sys.path.insert(0, '.')", *blocks(page, "python")])
        run([sys.executable, "-c", script], checkout)


def shortened(words: list[str]) -> list[str]:
    """Training is cut to an epoch; going on takes no settings."""
    trains = words[1] in ("train", "experiment") and "--resume" not in words
    return ["--epochs", "1", "--train-images", "200"] if trains else []


@pytest.mark.parametrize("path", sorted((ROOT / "specs").rglob("*.fdl")), ids=lambda p: p.name)
def test_every_spec_compiles(path: Path) -> None:
    compile_source(Source(path.name, path.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_fdl_in_the_documents_compiles(page: Path) -> None:
    for block in blocks(page, "fdl"):
        compile_source(Source("page.fdl", block))


def test_the_page_of_the_library_is_its_text() -> None:
    assert (ROOT / "docs" / "library.md").read_text("utf-8") == library.markdown()


def test_the_page_of_operators_is_the_table() -> None:
    assert (ROOT / "docs" / "operators.md").read_text("utf-8") == markdown(GROUPS)


def first_cells(page: str, section: str) -> set[str]:
    """What the first column of a section's table names."""
    text = (ROOT / "docs" / page).read_text("utf-8").partition(section)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {name.strip("` ") for row in rows for name in row.split(",")} - {"---"}


def test_the_keys_of_info_are_listed() -> None:
    report = report_data(compile_source(Source("net.fdl", "net = conv")))
    assert first_cells("command.md", "## Asking about it") == {"key", *report}


def test_the_exit_statuses_are_listed() -> None:
    named = {str(getattr(status, name)) for name in status.__all__ if name.isupper()}
    assert first_cells("command.md", "## Exit status") == {"status", *named}


PICTURES = {"three_lines.svg": (), "sample.svg": ("--highlight", "sample=5")}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_what_the_compiler_draws(name: str, tmp_path: Path) -> None:
    words = [str(ROOT / "specs" / "three_lines.fdl"), "-o", str(tmp_path / name), *PICTURES[name]]
    assert main(words) == 0
    assert (tmp_path / name).read_bytes() == (ROOT / "docs" / "pictures" / name).read_bytes()


def test_every_picture_is_drawn_anew_by_the_tests() -> None:
    drawn = [path for path in (ROOT / "docs" / "pictures").iterdir() if path.is_file()]
    plotted = {"performance.svg"}  # what was measured once: `python benchmarks/plot.py`
    assert {path.name for path in drawn} == set(PICTURES) | plotted


def test_the_gallery_is_what_the_compiler_makes_of_the_zoo() -> None:
    """`python -m benchmarks.gallery` writes it anew."""
    assert gallery.written() == gallery.pictures()
    assert (ROOT / "docs" / "gallery.md").read_text("utf-8") == gallery.page()
    assert (ROOT / "docs" / "generated.md").read_text("utf-8") == gallery.code_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_message_in_the_readme_is_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = (block for block in blocks(PAGES[0], "text") if block.startswith("error["))
    monkeypatch.chdir(tmp_path)
    Path("net.fdl").write_text("net = conv(64) (+) conv(128)\n")
    main(["check", "net.fdl"])
    assert capsys.readouterr().err == shown
