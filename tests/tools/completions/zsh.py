"""The completion for zsh, by its function _arguments."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from tests.tools.completions.command_line import Command, Option

HEAD = """\
#compdef bat2influx
# Generated from its parser: make completions

_bat2influx() {
    local curcontext=$curcontext ret=1
    local -a state line commands
    local -A opt_args

"""
COMMAND = """\
        command)
            _describe -t commands command commands && ret=0
            ;;
        argument)
            curcontext=${curcontext%:*:*}:bat2influx-$line[1]:
            case $line[1] in
"""
TAIL = """\
            esac
            ;;
    esac
    return ret
}

_bat2influx "$@"
"""


def script(commands: Sequence[Command]) -> str:
    """Return the text of the file."""
    first, *others = commands
    text = HEAD + "    commands=(\n"
    for each in others:
        text += f"        {quote(f'{each.name}:{each.summary}')}\n"
    text += "    )\n    _arguments -C"
    for option in first.options:
        text += f" \\\n        {_specification(option)}"
    text += " \\\n        '1: :->command' \\\n        '*:: :->argument' && ret=0\n\n"
    text += "    case $state in\n" + COMMAND
    for each in others:
        text += f"                {each.name})\n                    _arguments"
        for option in each.options:
            text += f" \\\n                        {_specification(option)}"
        if each.operand:
            text += f" \\\n                        {quote(f'1:{_plain(each.operand)}: ')}"
        text += " && ret=0\n                    ;;\n"
    return text + TAIL


def _specification(option: Option) -> str:
    value = ""
    if option.value:
        value = f":{_plain(option.value)}:{_action(option.files)}"
    told = f"[{_plain(option.summary)}]"
    if len(option.names) == 1:
        (name,) = option.names
        return quote(f"{name}{'=' if option.value else ''}{told}{value}")
    names = ",".join(f"{name}{'=' if option.value else ''}" for name in option.names)
    return f"{quote('(' + ' '.join(option.names) + ')')}{{{names}}}{quote(told + value)}"


def _action(files: str) -> str:
    if files in {"", "*"}:
        return "_files" if files else " "
    return f'_files -g "{files}(-.)"'


def _plain(text: str) -> str:
    """Return a text for a specification, with brackets and colons escaped."""
    for character in "\\[]:":
        text = text.replace(character, f"\\{character}")
    return text
