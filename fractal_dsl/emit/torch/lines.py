"""Lines of generated code, laid out as `ruff format` would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fractal_dsl.emit.torch.text import Code, Safe, comment

__all__ = ["Line", "laid_out", "nest"]

WIDTH = 88
OPENING, CLOSING = "([{", ")]}"
OPERATORS = (" or ", " + ", " - ", " * ", " / ")


class Line(NamedTuple):
    """A statement, `depth` steps in, with a comment at its end."""

    code: Code
    note: str = ""
    depth: int = 0


def nest(lines: Iterable[Line], steps: int = 1) -> list[Line]:
    return [line._replace(depth=line.depth + steps) for line in lines]


def laid_out(lines: Iterable[Line], depth: int = 0) -> list[Safe]:
    """Printed lines: statements that are too long are broken at brackets, then at commas."""
    return [Code(text) for line in nest(lines, depth) for text in _line(line)]


def _line(line: Line) -> Iterator[str]:
    if not line.code:
        yield ""
        return
    pad = "    " * line.depth
    note = f"  # {comment(line.note)}" if line.note else ""
    if len(pad) + len(line.code) + len(note) <= WIDTH:
        yield f"{pad}{line.code}{note}"
        return
    if line.note:
        yield f"{pad}# {comment(line.note)}"
    yield from broken(line.code, line.depth)


def broken(code: str, depth: int) -> Iterator[str]:
    """`code` on as many lines as it needs."""
    pad = "    " * depth
    if len(pad) + len(code) <= WIDTH:
        yield pad + code
        return
    head, inside, tail = _split(code)
    if not inside:
        yield pad + code
        return
    yield pad + head
    yield from _inside(inside, head, depth + 1)
    yield pad + tail


def _inside(inside: str, head: str, depth: int) -> Iterator[str]:
    """What stands in brackets: on a line of its own, or cut at operators, `for` or commas."""
    pad = "    " * depth
    made_up = head.endswith((" (", "if ("))
    if len(pad) + len(inside) <= WIDTH and not inside.endswith(","):
        yield pad + inside
        return
    for operator in OPERATORS if made_up else ():
        if len(parts := _top_level(inside, operator)) > 1:
            yield from broken(parts[0], depth)
            for part in parts[1:]:
                yield from broken(operator[1:] + part, depth)
            return
    if len(parts := _top_level(inside, " for ")) == 2:
        yield from broken(parts[0], depth)
        yield from broken(f"for {parts[1]}", depth)
        return
    parts = _top_level(inside, ", ")
    if len(parts) == 1:
        yield from broken(inside, depth)
        return
    for part in parts:
        *before, last = broken(part, depth)
        yield from before
        yield f"{last},"


def _split(code: str) -> tuple[str, str, str]:
    """`code` before, in and after the brackets at which it is best broken."""
    colon = ":" if code.endswith(":") else ""
    for start in ("return ", "if ", *_targets(code)):
        value = code[len(start) : len(code) - len(colon)]
        if code.startswith(start) and any(len(_top_level(value, o)) > 1 for o in OPERATORS):
            return f"{start}(", value, f"){colon}"
    if code.startswith("def "):
        at = code.index("(")
        last = _closing(code, at)
    else:
        last = max(code.rfind(sign) for sign in CLOSING)
        at = _opening(code, last)
    return (code[: at + 1], code[at + 1 : last], code[last:]) if last > 0 else (code, "", "")


def _opening(code: str, last: int) -> int:
    level, at = 1, last
    while level and at > 0:
        at -= 1
        level += (code[at] in CLOSING) - (code[at] in OPENING)
    return at


def _closing(code: str, first: int) -> int:
    level, at = 1, first
    while level:
        at += 1
        level += (code[at] in OPENING) - (code[at] in CLOSING)
    return at


def _targets(code: str) -> Sequence[str]:
    at = code.find(" = ")
    return () if at < 0 or any(sign in code[:at] for sign in "(") else (code[: at + 3],)


def _top_level(code: str, separator: str) -> list[str]:
    """`code` cut at separators outside brackets and strings."""
    parts, level, start, at, quoted = [], 0, 0, 0, False
    while at < len(code):
        char = code[at]
        if char == '"':
            quoted = not quoted
        elif not quoted:
            level += (char in OPENING) - (char in CLOSING)
            if level == 0 and code.startswith(separator, at):
                parts.append(code[start:at])
                start = at = at + len(separator)
                continue
        at += 1
    parts.append(code[start:])
    return parts
