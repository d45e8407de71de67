"""From the text of a file to its syntax tree."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.comments import take_comments
from fractal_dsl.syntax.layout import Statement, statements_of
from fractal_dsl.syntax.lexemes import MISTAKES, Lexeme
from fractal_dsl.syntax.limits import check_characters, check_nesting, check_size, counted
from fractal_dsl.syntax.mistakes import misspelt, unexpected
from fractal_dsl.syntax.parser_table import StatementParser, lexemes_of

__all__ = ["parse"]

_MOST_FAULTS = 20


def parse(source: Source) -> tree.Program:
    """The syntax tree of a file.

    Raises DiagnosticError: alone for a file over the limits or that is no text (F0302,
    F0303, F0304, F0001), else with the first fault of each statement that has one.
    """
    check_size(source)
    check_characters(source)
    file = take_comments(counted(lexemes_of(source)))
    statements: list[tree.Statement] = []
    faults: list[Diagnostic] = []
    for statement in statements_of(file):
        check_nesting(statement.lexemes)
        try:
            statements.append(_parsed(statement))
        except DiagnosticError as error:
            faults.extend(error.diagnostics)
            if len(faults) >= _MOST_FAULTS:
                break
    if faults:
        raise DiagnosticError(*faults)
    return tree.Program(source, tuple(statements), file.opening)


def _parsed(statement: Statement) -> tree.Statement:
    lexemes = statement.lexemes
    fault = misspelt(lexemes) or statement.fault
    if fault is not None:
        raise DiagnosticError(fault)
    parser = StatementParser()
    for at, lexeme in enumerate(lexemes):
        if not parser.takes(lexeme):
            raise DiagnosticError(unexpected(lexemes, at, parser.expected))
    node: tree.Statement | None = parser.finish(_end(lexemes))
    if node is None:
        raise DiagnosticError(unexpected(lexemes, len(lexemes), parser.expected))
    return _documented(node, statement.doc)


def _end(lexemes: list[Lexeme]) -> Span:
    last = lexemes[-1].span
    return Span(last.source, last.end, last.end)


def _documented(node: tree.Statement, doc: str) -> tree.Statement:
    match node:
        case (
            tree.Equation()
            | tree.ParamDeclaration()
            | tree.ImplicitDeclaration()
            | tree.NetDeclaration()
        ):
            return replace(node, doc=doc)
        case _:
            return node
