"""The completion for fish."""

from __future__ import annotations

from collections.abc import Sequence

from tests.tools.completions.command_line import Command, Option

HEAD = """\
# fish completion for bat2influx
# Generated from its parser: make completions

"""
FUNCTION = """\
# Succeeds where the command that has been typed is the one that is given, "" for none.
function __bat2influx_in
    set -l words (commandline -opc)
    set -l command
    set -l skip no
    for word in $words[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case INFRONT
                set skip yes
            case '-*'
            case '*'
                set command $word
                break
        end
    end
    test "$command" = "$argv[1]"
end

complete -c bat2influx -f
"""


def script(commands: Sequence[Command]) -> str:
    """Return the text of the file."""
    first, *others = commands
    in_front = [name for option in first.options if option.value for name in option.names]
    text = HEAD + FUNCTION.replace("INFRONT", " ".join(in_front))
    for each in others:
        text += (
            f"complete -c bat2influx -n {_within('')} -a {each.name} -d {_quote(each.summary)}\n"
        )
    for each in commands:
        for option in each.options:
            text += f"complete -c bat2influx -n {_within(each.name)} {_option(option)}\n"
    return text


def _within(command: str) -> str:
    return _quote(f"__bat2influx_in {command}".strip())


def _option(option: Option) -> str:
    words = []
    for name in option.names:
        words += ["-l" if name.startswith("--") else "-s", name.lstrip("-")]
    if option.files == "*":
        words += ["-r", "-F"]
    elif option.files:
        suffix = option.files.removeprefix("*")
        # fish itself only puts these first.
        wanted = f"string match -er '(/|\\{suffix})(\\t|$)'"
        words += ["-x", "-a", _quote(f"(__fish_complete_suffix {suffix} | {wanted})")]
    elif option.value:
        words.append("-x")
    return " ".join([*words, "-d", _quote(option.summary)])


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
