"""Broken texts of every kind: nothing but diagnostics comes out, and each points into the file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import lark
import pytest

from fractal_dsl.source import Source, Span
from fractal_dsl.syntax.parser_table import _lark, lexemes_of
from tests.syntax.support import FIXTURES, codes, faults, parsed

PIECES = [
    *"()[]{}=,.@+-*/%<>:;#\"'\\\n\t ", "(+)", "⊕", "∘", ">>", "++", "**", "//", "..", "::", "==",
    "if", "then", "else", "for", "in", "and", "or", "not", "net", "on", "return", "wiring",
    "shared", "extern", "import", "from", "as", "param", "assert", "x", "f(1)", "3", "1e9", '"s"',
    "\r", "\x00", "é", "→", "##", "\n\n", "{ return", "2x", "\ud800",
]  # fmt: skip


@cache
def samples() -> list[str]:
    """Every three statements of the fixtures that follow one another, and what parts them."""
    texts: list[str] = []
    for path in FIXTURES:
        text = path.read_text("utf-8")
        spans = [one.span for one in parsed(text).statements]
        firsts = range(max(len(spans) - 2, 1))
        texts += [text[spans[at].start : spans[at:][:3][-1].end] + "\n" for at in firsts]
    return texts


def mutants(count: int, seed: int) -> Iterator[str]:
    source = random.Random(seed)
    texts = samples()
    for _ in range(count):
        clean = source.choice(texts)
        at = source.randrange(len(clean))
        kind = source.randrange(5)
        until = min(len(clean), at + source.choice([1, 1, 1, 2, 5, 40]))
        piece = source.choice(PIECES)
        other = source.randrange(len(clean))
        yield (
            clean[:at] + clean[until:],
            clean[:at] + piece + clean[at:],
            clean[:at] + piece + clean[until:],
            clean[:at],
            clean[:at] + clean[other : other + 60] + clean[at:],
        )[kind]


def spans_of(text: str) -> Iterator[Span]:
    for fault in faults(text):
        assert fault.code in ALLOWED
        assert fault.message
        assert fault.span is not None
        yield fault.span
        yield from (label.span for label in fault.labels)
        yield from (way.edit.span for way in fault.helps if way.edit is not None)


ALLOWED = {"F0001", *(f"F010{n}" for n in range(1, 9)), "F0302", "F0303", "F0304"}


@pytest.mark.parametrize("seed", range(6))
def test_mutations_give_only_diagnostics(seed: int) -> None:
    broken = 0
    for text in mutants(500, seed):
        for span in spans_of(text):
            assert 0 <= span.start <= span.end <= len(text)
            broken = broken + 1
    assert broken > 300  # a harness that breaks nothing would find nothing


@pytest.mark.parametrize("seed", range(4))
def test_noise_gives_only_diagnostics(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(500):
        text = " ".join(source.choice(PIECES) for _ in range(source.randrange(1, 40)))
        assert all(0 <= span.start <= span.end <= len(text) for span in spans_of(text))


def one_lexeme_off(count: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Fixtures with one word or sign left out, doubled or swapped, and the line of it."""
    source = random.Random(seed)
    files = [Source("sample", text) for text in samples()]
    words = {file: [one for one in lexemes_of(file) if one.text.strip()] for file in files}
    for _ in range(count):
        file = source.choice(files)
        at = source.randrange(len(words[file]) - 1)
        span, following = words[file][at].span, words[file][at + 1].span
        text, here = file.text, words[file][at].text
        yield source.choice(
            [
                (text[: span.start] + text[span.end :], span.line, following.line),
                (f"{text[: span.end]} {here}{text[span.end :]}", span.line, following.line),
                (
                    f"{text[: span.start]}{following.text} {here}{text[following.end :]}",
                    span.line,
                    following.line,
                ),
            ]
        )


def test_one_mistake_gives_one_message_near_its_place() -> None:
    broken = single = placed = 0
    for text, first, last in one_lexeme_off(1_000, 7):
        found = faults(text)
        if not found:
            continue
        broken += 1
        single += len(found) == 1
        lines = [found[0].span, *(label.span for label in found[0].labels)]
        placed += any(span is not None and first <= span.line <= last for span in lines)
    assert broken > 500
    assert single / broken >= 0.95
    assert placed / broken >= 0.90


def test_lexemes_are_those_of_larks_own_lexer() -> None:
    source = random.Random(3)
    letters = "abcif or 0123.9e+-*/()[]{}<>=!\"\\#@:,\n\t%⊕∘;é'~"
    texts = [path.read_text("utf-8") for path in FIXTURES]
    texts += ["".join(source.choices(letters, k=source.randrange(60))) for _ in range(1_000)]
    texts += ["a = b\r\nc = d\r\n", 'a = "b\r\n']
    for text in texts:
        reading = _lark().parse_interactive(text)
        tokens: Iterator[lark.Token] = reading.lexer_thread.lex(reading.parser_state)  # type: ignore[no-untyped-call]
        theirs = [(one.type, str(one), one.start_pos) for one in tokens]
        ours = [(one.type, one.text, one.span.start) for one in lexemes_of(Source("", text))]
        assert ours == theirs


def test_every_character_of_a_text_is_read() -> None:
    assert codes("a = b\u2003+ c") == ["F0105"]
    assert codes("a = b \U0001f98a") == ["F0105"]
