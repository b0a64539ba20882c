"""The completion for bash, by the functions of the package bash-completion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.tools.completions.command_line import Command, Option

HEAD = """\
# bash completion for bat2influx                                           -*- shell-script -*-
# Generated from its parser: make completions

_bat2influx() {
    local cur prev words cword split
    _init_completion -s || return # --config=FILE as well

    case $prev in
"""
MIDDLE = """\
    esac

    local i command=
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
"""
TAIL = """\
    esac
} &&
    complete -F _bat2influx bat2influx
"""


def script(commands: Sequence[Command]) -> str:
    """Return the text of the file."""
    first, *others = commands
    text = HEAD
    for names, action in _values(option for each in commands for option in each.options):
        text += f"        {' | '.join(names)}){action} return ;;\n"
    text += MIDDLE
    in_front = [name for option in first.options if option.value for name in option.names]
    text += f"            {' | '.join(in_front)}) ((i++)) ;; # what follows is no command\n"
    text += f"            {' | '.join(each.name for each in others)})\n"
    text += "                command=${words[i]}\n                break\n                ;;\n"
    text += "        esac\n    done\n    case $command in\n"
    for each in others:
        text += f"        {each.name}) {_offer(_long(each))} ;;\n"
    text += f"        *) {_offer([*_long(first), *(each.name for each in others)])} ;;\n"
    return text + TAIL


def _long(command: Command) -> list[str]:
    return [name for option in command.options for name in option.long]


def _offer(words: Iterable[str]) -> str:
    return f"COMPREPLY=($(compgen -W '{' '.join(words)}' -- \"$cur\"))"


def _values(options: Iterable[Option]) -> Iterator[tuple[list[str], str]]:
    """Yield the names of the options with a value, by the completions of the value."""
    by_files: dict[str, list[str]] = {}
    for option in options:
        if option.value:
            by_files.setdefault(option.files, []).extend(option.names)
    for files, names in sorted(by_files.items(), reverse=True):
        action = f" _filedir {files.removeprefix('*').removeprefix('.')}".rstrip() + ";"
        yield names, action if files else ""
