"""`fractalc completion SHELL`: scripts made from the command line's own description."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from fractal_dsl.cli.arguments import COMMANDS, build_parser, subparsers
from fractal_dsl.cli.console import Console
from fractal_dsl.cli.status import OK

__all__ = ["run", "script"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command: how it is written, what it says, and what may follow it."""

    flags: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    takes_value: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its options, and the words that may stand as its argument."""

    name: str
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


def run(arguments: argparse.Namespace, console: Console) -> int:
    console.result(script(arguments.shell))
    return OK


def script(shell: str) -> str:
    """The script for `bash`, `zsh` or `fish`."""
    write = {"bash": bash, "zsh": zsh, "fish": fish}[shell]
    return "\n".join(write(tuple(commands()))) + "\n"


def commands() -> Iterator[Command]:
    """What can be typed, read off the parser; the codes of `explain` come with it."""
    from fractal_dsl.diagnostics.catalogue import codes

    for name, parser in subparsers(build_parser()).items():
        options = [option(action) for action in parser._actions if action.option_strings]
        positional = (a for a in parser._actions if not a.option_strings and a.choices)
        words = tuple(str(word) for action in positional for word in action.choices or ())
        yield Command(name, COMMANDS[name], tuple(options), codes() if name == "explain" else words)


def option(action: argparse.Action) -> Option:
    choices = tuple(map(str, action.choices or ()))
    return Option(tuple(action.option_strings), action.help or "", choices, action.nargs != 0)


def bash(found: tuple[Command, ...]) -> Iterator[str]:
    yield "# bash completion for fractalc"
    yield "_fractalc() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"'
    yield '    local command=compile options="" words=""'
    yield f'    local commands="{" ".join(c.name for c in found)}"'
    yield '    if [[ $COMP_CWORD -gt 1 && " $commands " == *" ${COMP_WORDS[1]} "* ]]; then'
    yield '        command="${COMP_WORDS[1]}"'
    yield "    fi"
    yield '    case "$command" in'
    for command in found:
        flags = " ".join(flag for one in command.options for flag in one.flags)
        yield f'        {command.name}) options="{flags}"; words="{" ".join(command.words)}" ;;'
    yield "    esac"
    yield '    case "$before" in'
    for several, choices in sorted(with_choices(found).items()):
        offer = f'COMPREPLY=($(compgen -W "{choices}" -- "$word"))'
        yield f"        {'|'.join(several)}) {offer}; return ;;"
    yield "    esac"
    yield '    if [[ "$word" == -* ]]; then'
    yield '        COMPREPLY=($(compgen -W "$options" -- "$word"))'
    yield "    elif [[ $COMP_CWORD -eq 1 ]]; then"
    yield '        COMPREPLY=($(compgen -W "$commands" -- "$word") $(compgen -f -- "$word"))'
    yield '    elif [[ -n "$words" ]]; then'
    yield '        COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "    else"
    yield '        COMPREPLY=($(compgen -f -- "$word"))'
    yield "    fi"
    yield "}"
    yield "complete -o filenames -F _fractalc fractalc"


def with_choices(found: tuple[Command, ...]) -> dict[tuple[str, ...], str]:
    """Options that take one of a few words, with those words."""
    options = (one for command in found for one in command.options if one.choices)
    return {one.flags: " ".join(one.choices) for one in options}


def zsh(found: tuple[Command, ...]) -> Iterator[str]:
    yield "#compdef fractalc"
    yield "_fractalc() {"
    yield "    local -a commands"
    yield "    commands=("
    for command in found:
        yield f"        {quoted(f'{command.name}:{command.help}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        _files"
    yield "        return"
    yield "    fi"
    yield '    case "$words[2]" in'
    for command in sorted(found, key=lambda command: command.name == "compile"):
        pattern = "*" if command.name == "compile" else command.name
        yield f"        {pattern}) _arguments \\"
        for one in command.options:
            for flag in one.flags:
                yield f"            {zsh_option(flag, one)} \\"
        words = f":word:({' '.join(command.words)})" if command.words else ":file:_files"
        yield f"            {quoted('*' + words)} ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ "$funcstack[1]" == _fractalc ]]; then'
    yield '    _fractalc "$@"'
    yield "else"
    yield "    compdef _fractalc fractalc"
    yield "fi"


def zsh_option(flag: str, one: Option) -> str:
    text = one.help.replace("[", "(").replace("]", ")").replace(":", ";")
    value = ""
    if one.choices:
        value = f":value:({' '.join(one.choices)})"
    elif one.takes_value:
        value = ":value:_files"
    return quoted(f"*{flag}[{text}]{value}")


def fish(found: tuple[Command, ...]) -> Iterator[str]:
    yield "# fish completion for fractalc"
    for command in found:
        yield (
            f"complete -c fractalc -n __fish_use_subcommand -a {command.name} "
            f"-d {quoted(command.help)}"
        )
    others = " ".join(command.name for command in found if command.name != "compile")
    for command in found:
        condition = f"__fish_seen_subcommand_from {command.name}"
        if command.name == "compile":
            condition = f"not __fish_seen_subcommand_from {others}"
        for one in command.options:
            yield fish_option(condition, one)
        if command.words:
            offer = quoted(" ".join(command.words))
            yield f"complete -c fractalc -f -n {quoted(condition)} -a {offer}"


def fish_option(condition: str, one: Option) -> str:
    flags = [f"-l {f[2:]}" if f.startswith("--") else f"-s {f[1:]}" for f in one.flags]
    value = ""
    if one.choices:
        value = f" -x -a {quoted(' '.join(one.choices))}"
    elif one.takes_value:
        value = " -r"
    return (
        f"complete -c fractalc -n {quoted(condition)} {' '.join(flags)}{value} "
        f"-d {quoted(one.help)}"
    )


def quoted(text: str) -> str:
    """In single quotes, as all three shells read them."""
    return "'" + text.replace("'", "’") + "'"
