"""What each code means: a page each, in `explain/`, with an example that fails and its mend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Explanation", "codes", "explanation"]

PAGES = Path(__file__).resolve().parent / "explain"
WRONG, RIGHT = "Wrong:", "Right:"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code's page. `failing` gives the code when compiled and `fixed` compiles; both are
    empty where no file of a few lines shows the mistake."""

    title: str
    text: str
    failing: str = ""
    fixed: str = ""


def codes() -> tuple[str, ...]:
    """All codes, in order."""
    return tuple(sorted(page.stem for page in PAGES.glob("*.txt")))


def explanation(code: str) -> Explanation | None:
    """The page of `code`, or None if there is no such code."""
    if not (code.isascii() and code.isalnum()):
        return None
    page = PAGES / f"{code}.txt"
    if not page.is_file():
        return None
    text, _, examples = page.read_text(encoding="utf-8").partition(f"\n{WRONG}\n")
    title, _, body = text.partition("\n")
    failing, _, fixed = examples.partition(f"\n{RIGHT}\n")
    return Explanation(title, body.strip(), outdented(failing), outdented(fixed))


def outdented(example: str) -> str:
    lines = [line.removeprefix("    ") for line in example.strip("\n").split("\n")]
    return "".join(f"{line}\n" for line in lines) if any(lines) else ""
