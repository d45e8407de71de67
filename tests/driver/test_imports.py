"""Which files an import opens: those below the project's root, and no others."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fractal_dsl
from fractal_dsl.cli import main
from fractal_dsl.diagnostics import DiagnosticError
from fractal_dsl.driver import compile_source
from fractal_dsl.driver.imports import MAX_BYTES, MAX_FILES, project_root
from fractal_dsl.driver.sources import read_source
from fractal_dsl.source import Source

UNIT = "unit = conv(8)\n"
NET = 'import "{}" as b\nnet Net = b::unit\n'

opened: list[str] = []
watching = False


def note(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event == "open" and isinstance(arguments[0], str | bytes):
        opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(note)


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is opened meanwhile, as it is given to the system."""
    global watching
    opened.clear()
    watching = True
    try:
        yield opened
    finally:
        watching = False


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """`outside.fdl` beside a project with `nets/` in it, where files are compiled."""
    (tmp_path / "outside.fdl").write_text(UNIT)
    folder = tmp_path / "project"
    (folder / "nets" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    for place in ("blocks.fdl", "nets/beside.fdl", "nets/deep/below.fdl"):
        (folder / place).write_text(UNIT)
    return folder


def said(folder: Path, path: str) -> list[str]:
    """Codes of what is wrong with a net in `folder` that imports `path`."""
    spec = folder / "net.fdl"
    spec.write_text(NET.format(path.replace("\\", "\\\\")), encoding="utf-8")
    try:
        compile_source(read_source(spec))
    except DiagnosticError as error:
        return [one.code for one in error.diagnostics]
    return []


@pytest.mark.parametrize(
    "path",
    ["beside.fdl", "./beside.fdl", "deep/below.fdl", "deep/../beside.fdl", "../blocks.fdl",
     "../nets/beside.fdl", "deep//below.fdl"],
)  # fmt: skip
def test_files_of_the_project(project: Path, path: str) -> None:
    assert said(project / "nets", path) == []


REFUSED = [
    "", ".", "..", "/", "~", "//", "beside", "beside.py", "beside.fdl.txt", ".fdl", "../blocks",
    "../../outside.fdl", "../../../outside.fdl", "deep/../../../outside.fdl", "/outside.fdl",
    "/etc/passwd", "/etc/passwd.fdl", "~/blocks.fdl", "~root/x.fdl", "C:/blocks.fdl", "c:x.fdl",
    "..\\blocks.fdl", "deep\\below.fdl", "\\\\server\\share\\x.fdl", "//server/share/x.fdl",
    "/proc/self/mem", "/proc/self/fd/0", "/proc/self/cwd/beside.fdl", "/dev/stdin", "/dev/zero",
    "file:///x.fdl", "a\x00.fdl", "be\x1bside.fdl", "beside.fdl\x00", "x" * 2_000 + ".fdl",
    "a/" * 2_048 + "x.fdl", "../" * 40 + "etc/passwd.fdl", "std.py", "STD", "std/x",
]  # fmt: skip


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_refused_is_not_looked_at(project: Path, path: str) -> None:
    inside = str(project)
    with watched() as opened:
        codes = said(project / "nets", path)
    assert codes in (["F0214"], ["F0101"], ["F0001"])
    assert [one for one in opened if one.endswith(".fdl") and not one.startswith(inside)] == []


@pytest.mark.parametrize(
    "path", ["nothere.fdl", "nowhere/x.fdl", "beside.fdl/x.fdl", "Beside.FDL", "y" * 300 + ".fdl"]
)
def test_what_is_not_there(project: Path, path: str) -> None:
    assert said(project / "nets", path)[0] in ("F0801", "F0214")


def test_links_are_resolved_first(project: Path) -> None:
    nets = project / "nets"
    (nets / "out.fdl").symlink_to(project.parent / "outside.fdl")
    (nets / "passwd.fdl").symlink_to("/etc/passwd")
    (nets / "up").symlink_to(project.parent)
    (nets / "again.fdl").symlink_to("again.fdl")
    (nets / "dangling.fdl").symlink_to("nothere")
    (nets / "fine.fdl").symlink_to("../blocks.fdl")
    assert said(nets, "out.fdl") == ["F0214"]
    assert said(nets, "passwd.fdl") == ["F0214"]
    assert said(nets, "up/outside.fdl") == ["F0214"]
    assert said(nets, "again.fdl") == ["F0801"]
    assert said(nets, "dangling.fdl") == ["F0801"]
    assert said(nets, "fine.fdl") == []


def test_nothing_that_is_no_file_is_opened(project: Path) -> None:
    """A FIFO without a writer would block for ever."""
    nets = project / "nets"
    os.mkfifo(nets / "fifo.fdl")
    (nets / "folder.fdl").mkdir()
    (nets / "null.fdl").symlink_to("/dev/null")
    assert said(nets, "fifo.fdl") == ["F0801"]
    assert said(nets, "folder.fdl") == ["F0801"]
    assert said(nets, "null.fdl") == ["F0214"]


def test_a_link_put_in_place_after_the_look_is_not_followed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is resolved, then the file is exchanged for a link to one outside."""
    nets = project / "nets"

    def exchanged(path: str | Path, *, strict: bool = False) -> str:
        if str(path).endswith("beside.fdl"):
            place = nets / "beside.fdl"
            place.unlink()
            place.symlink_to(project.parent / "outside.fdl")
            return str(place)
        return os.path.realpath(path, strict=strict)

    monkeypatch.setattr("fractal_dsl.driver.imports.realpath", exchanged)
    assert said(nets, "beside.fdl") == ["F0801"]


def test_nor_one_put_in_place_between_look_and_opening(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = project / "nets"

    def is_regular(mode: int) -> bool:
        (nets / "beside.fdl").unlink()
        (nets / "beside.fdl").symlink_to(project.parent / "outside.fdl")
        return True

    monkeypatch.setattr("fractal_dsl.driver.imports.stat.S_ISREG", is_regular)
    assert said(nets, "beside.fdl") == ["F0801"]


def test_nor_a_link_in_the_place_of_a_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = project / "nets"
    (project.parent / "below.fdl").write_text(UNIT)

    def exchanged(path: str | Path, *, strict: bool = False) -> str:
        place = os.path.realpath(path, strict=strict)
        if place.endswith("below.fdl"):
            (nets / "deep" / "below.fdl").unlink()
            (nets / "deep").rmdir()
            (nets / "deep").symlink_to(project.parent)
        return place

    monkeypatch.setattr("fractal_dsl.driver.imports.realpath", exchanged)
    assert said(nets, "deep/below.fdl") == ["F0801"]


def test_the_root_is_the_nearest_marked_folder(project: Path, tmp_path: Path) -> None:
    nets = project / "nets"
    assert project_root(nets / "deep") == project
    (nets / "pyproject.toml").touch()
    assert project_root(nets / "deep") == nets
    assert said(nets / "deep", "../beside.fdl") == []
    assert said(nets, "../blocks.fdl") == ["F0214"]


def test_without_a_mark_the_root_is_the_files_own_folder(project: Path) -> None:
    (project / ".git").rmdir()
    assert said(project / "nets", "../blocks.fdl") == ["F0214"]
    assert said(project, "nets/beside.fdl") == []


def test_a_ring_is_found_through_links_too(project: Path) -> None:
    (project / "a.fdl").write_text('import "nets/b.fdl" as b\nunit = b::unit\n')
    (project / "nets" / "b.fdl").symlink_to("../c.fdl")
    (project / "c.fdl").write_text('import "a.fdl" as a\nunit = a::unit\n')
    assert said(project, "a.fdl") == ["F0215"]
    assert said(project, "net.fdl") == ["F0215"]


def test_files_are_counted_and_weighed(project: Path) -> None:
    for at in range(MAX_FILES + 1):
        (project / f"f{at}.fdl").write_text(UNIT)
    lines = [f'import "f{at}.fdl" as f{at}\n' for at in range(MAX_FILES + 1)]
    spec = project / "many.fdl"
    spec.write_text("".join(lines[:-1]) + "net = f0::unit\n")
    assert compile_source(read_source(spec)).program
    spec.write_text("".join(lines) + "net = f0::unit\n")
    with pytest.raises(DiagnosticError) as error:
        compile_source(read_source(spec))
    assert [one.code for one in error.value.diagnostics] == ["F0214"]
    ruler = "#" * 200_000 + "\n"
    for at in range(MAX_BYTES // len(ruler) + 1):
        (project / f"f{at}.fdl").write_text(ruler + UNIT)
    spec.write_text("".join(lines[: MAX_BYTES // len(ruler) + 1]) + "net = f0::unit\n")
    with pytest.raises(DiagnosticError) as error:
        compile_source(read_source(spec))
    assert "MiB" in error.value.diagnostics[0].message


# Text that came from no file, and what the output says of files -----------------------------


def test_text_imports_from_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "nets")
    assert fractal_dsl.compile(NET.format("beside.fdl")).name == "Net"
    assert fractal_dsl.compile(NET.format("../blocks.fdl")).name == "Net"


def test_standard_input_imports_from_the_current_folder(project: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "fractal_dsl", "-", "-o", "-"], cwd=project / "nets", check=True,
        input=NET.format("deep/below.fdl"), capture_output=True, text=True,
    )  # fmt: skip
    assert "from <stdin> and 1 file that it imports" in made.stdout


def test_the_header_tells_every_file_and_no_place(project: Path, tmp_path: Path) -> None:
    """The same bytes from a copy elsewhere; other bytes where an imported file differs."""
    spec = project / "nets" / "net.fdl"
    spec.write_text(NET.format("../blocks.fdl"))
    texts = {compile_source(read_source(spec)).source}
    other = tmp_path / "elsewhere"
    (other / "nets").mkdir(parents=True)
    (other / "pyproject.toml").touch()
    for name in ("nets/net.fdl", "blocks.fdl"):
        (other / name).write_bytes((project / name).read_bytes())
    texts.add(compile_source(read_source(other / "nets" / "net.fdl")).source)
    assert len(texts) == 1
    digests = [
        hashlib.sha256((project / name).read_bytes()).hexdigest()
        for name in ("nets/net.fdl", "blocks.fdl")
    ]
    whole = hashlib.sha256("".join(f"{one}\n" for one in digests).encode()).hexdigest()
    assert f"# sha256 {whole}\n" in texts.pop()
    (project / "blocks.fdl").write_text(UNIT + "# a word\n")
    assert whole not in compile_source(read_source(spec)).source


def test_files_are_listed_in_the_order_in_which_they_are_met(tmp_path: Path) -> None:
    """Depth first, each once; not in the order in which their rules are known."""
    (tmp_path / "a.fdl").write_text('import "c.fdl" as c\nunit = c::unit\n')
    (tmp_path / "b.fdl").write_text('import "a.fdl" as a\nunit = a::unit\n')
    (tmp_path / "c.fdl").write_text(UNIT)
    spec = tmp_path / "net.fdl"
    spec.write_text(
        'import "std" as std\nimport "a.fdl" as a\nfrom "b.fdl" import unit\n'
        "net Net = a::unit >> unit >> std::basic(8)\n"
    )
    compiled = compile_source(read_source(spec))
    assert [Path(one.name).name for one in compiled.imported] == ["a.fdl", "c.fdl", "b.fdl"]


def test_a_file_that_imports_the_library_alone_has_its_own_digest(tmp_path: Path) -> None:
    text = 'from "std" import basic\nnet Net = basic(8)\n'
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert f"# sha256 {digest}\n" in compile_source(Source("net.fdl", text)).source


def test_every_command_takes_a_file_with_imports(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = project / "net.fdl"
    spec.write_text(NET.format("blocks.fdl"))
    for command in ("check", "info", "dump --stage resolved", "dump --stage flat"):
        assert main([*command.split(), str(spec)]) == 0, command
    assert "Net is right" in capsys.readouterr().out
