from __future__ import annotations
from fractal_dsl.diagnostics import Diagnostic
from fractal_dsl.source import Span
from fractal_dsl.syntax.lexemes import MISTAKES, Lexeme

def misspelt(lexemes):
    for l in lexemes:
        if l.type in MISTAKES: return Diagnostic("F0105","bad",l.span)
    return None
def unexpected(lexemes, at, expected):
    l = lexemes[min(at,len(lexemes)-1)]
    return Diagnostic("F0101", f"unexpected {l.text!r} ({sorted(expected)})", l.span)
