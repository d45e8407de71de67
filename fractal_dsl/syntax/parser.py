"""From the text of a file to its syntax tree."""

from __future__ import annotations

from dataclasses import replace

from fractal_dsl.diagnostics import Diagnostic, DiagnosticError
from fractal_dsl.source import Source, Span
from fractal_dsl.syntax import tree
from fractal_dsl.syntax.comments import take_comments
from fractal_dsl.syntax.habits import foreign_statement
from fractal_dsl.syntax.layout import Statement, statements_of
from fractal_dsl.syntax.lexemes import Lexeme
from fractal_dsl.syntax.limits import check_characters, check_nesting, check_size, limited
from fractal_dsl.syntax.mistakes import run_on, unexpected
from fractal_dsl.syntax.parser_table import StatementParser, lexemes_of
from fractal_dsl.syntax.spelling import misspelt
from fractal_dsl.syntax.stuck import is_inside

__all__ = ["parse"]

_MOST_FAULTS = 20


def parse(source: Source) -> tree.Program:
    """The syntax tree of a file.

    Raises DiagnosticError: alone for a file over the limits or that is no text (F0302,
    F0303, F0304, F0001), else with the first fault of each statement that has one.
    """
    check_size(source)
    check_characters(source)
    file = take_comments(limited(lexemes_of(source)))
    statements: list[tree.Statement] = []
    faults: list[Diagnostic] = []
    for statement in statements_of(file):
        check_nesting(statement.lexemes)
        if len(faults) < _MOST_FAULTS:
            _read(statement, statements, faults)
    if faults:
        raise DiagnosticError(*faults)
    return tree.Program(source, tuple(statements), file.opening)


def _read(statement: Statement, statements: list[tree.Statement], faults: list[Diagnostic]) -> None:
    """Read one statement, or the several that a trailing operator ran together."""
    rest: Statement | None = statement
    while rest is not None and len(faults) < _MOST_FAULTS:
        statement, rest = rest, None
        try:
            statements.append(_parsed(statement))
        except DiagnosticError as error:
            faults.extend(error.diagnostics)
        except _RunOnError as error:
            faults.append(error.diagnostic)
            rest = Statement(statement.lexemes[error.at :], "", None)


class _RunOnError(Exception):
    """A statement that ends in an operator, and so took in the one that begins at `at`."""

    def __init__(self, diagnostic: Diagnostic, at: int) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
        self.at = at


def _parsed(statement: Statement) -> tree.Statement:
    lexemes = statement.lexemes
    fault = misspelt(lexemes) or statement.fault
    if fault is not None:
        raise DiagnosticError(foreign_statement(lexemes) or fault)
    parser = StatementParser()
    for at, lexeme in enumerate(lexemes):
        if not parser.takes(lexeme):
            raise _stuck(lexemes, at, parser)
    node: tree.Statement | None = parser.finish(_end(lexemes))
    if node is None:
        raise _stuck(lexemes, len(lexemes), parser)
    return _documented(node, statement.doc)


def _stuck(lexemes: list[Lexeme], at: int, parser: StatementParser) -> Exception:
    following = run_on(lexemes, at)
    if following is None:
        return DiagnosticError(unexpected(lexemes, at, parser.expected))
    before = lexemes[:following]
    fault = unexpected(before, following, frozenset({"NUMBER"}))
    return DiagnosticError(fault) if is_inside(before) else _RunOnError(fault, following)


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
            | tree.ExternDeclaration()
        ):
            return replace(node, doc=doc)
        case _:
            return node
