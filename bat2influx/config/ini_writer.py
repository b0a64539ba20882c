"""Writes settings into the text of an ini file: every other line, and every comment, is unchanged.

Pure: text in, text out. A line with the key keeps its place, its indentation and its comment; a key
without a line gets one below the last setting of its section, and a missing section is appended.
Ends of lines are those of the file.

Rules: inifile.py reads the text without a problem. The result is read again: it has the wanted
settings, or nothing is returned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import unified_diff

from bat2influx.config.inifile import ConfigError, Index, Value

Wanted = Mapping[str, Mapping[str, str]]  # by section and key; '' stands for the default
Names = Mapping[str, Collection[str]]  # the keys of each section, as of `inifile.Index`

MASK = "(not shown)"  # in the place of a secret in a diff
_AROUND = 2  # lines shown above and below a change

_BOM = "\ufeff"
_BARE = re.compile(r"[\w*][\w.:/@%+*=-]*")  # needs no quotes, whatever the key
_LIST = re.compile(r"[\w/.:-]+(?:, [\w/.:-]+)+")  # of names, as of presets
_LINE = re.compile(r"""(\s*(?:"[^"]+"|'[^']+'|[^'"=:\s][^=:]*?)\s*=)(\s*)(.*?)(\s*)""")
_ITEM = r"""(?:(?:"[^"]*"|'[^']*')\s*|[^'"#,\s][^#,]*)"""
_VALUE = re.compile(rf"(?:{_ITEM}(?:,\s*{_ITEM})*(?:,\s*)?)?")
_SECRET = re.compile(
    r"""([\s#+-]*["']?\w*(?:passw\w*|pass|pw|token|secret)["']?\s*[=:]\s*)\S.*""", re.IGNORECASE
)


class UnwritableError(ValueError):
    """The syntax of the file cannot represent a value, or not in its line."""


def quoted(value: str) -> str:
    """Return a value in the notation of the file, in quotes if it needs them.

    Raises UnwritableError if it holds both kinds of quotes, or unprintable characters.
    """
    if not value or _BARE.fullmatch(value) or _LIST.fullmatch(value):
        return value
    for quote in ('"', "'"):
        if quote not in value and value.isprintable():
            return f"{quote}{value}{quote}"
    raise UnwritableError("a value holds both kinds of quotes, or unprintable characters")


def with_settings(text: str, wanted: Wanted, names: Names) -> str:
    """Return the text of an ini file with the wanted settings.

    A wanted '' empties an existing line, and adds none. Raises ConfigError if the text is invalid,
    and UnwritableError.
    """
    index = _index(text, names)
    lines = text.split("\n")
    end = "\r" if any(line.endswith("\r") for line in lines) else ""
    below: dict[int, list[str]] = {}  # new lines, by the number of the line above
    missing: list[list[str]] = []  # sections
    for section, settings in wanted.items():
        new = []
        for key, value in settings.items():
            entry = index.entries.get((section, key))
            if entry is None:
                new += [f"{key} = {quoted(value)}{end}"] if value else []
            elif _text(entry.value) != value:
                lines[entry.line - 1] = _with_value(lines[entry.line - 1], quoted(value))
        if section in index.sections:
            own = [entry.line for (other, _), entry in index.entries.items() if other == section]
            below[max(own, default=index.sections[section])] = new
        elif new:
            missing.append([f"[{section}]{end}", *new])
    for number in sorted(below, reverse=True):
        _insert(lines, number, below[number], end)
    made = "\n".join(lines)
    for block in missing:
        made = _appended(made, block, end)
    return _checked(made, wanted, names)


def replaced(text: str, wanted: Wanted, names: Names, defaults: Wanted) -> list[str]:
    """Return which settings of the file have another value than wanted, as in "[Battery] user".

    An empty value, or the default, does not count. Raises ConfigError.
    """
    index = _index(text, names)
    return [
        f"[{section}] {key}"
        for section, settings in wanted.items()
        for key, value in settings.items()
        if (entry := index.entries.get((section, key)))
        and _text(entry.value) not in ("", value, defaults.get(section, {}).get(key, ""))
    ]


def difference(before: str, after: str, name: str) -> list[str]:
    """Return how two texts differ, in the notation of diff -u, without any secret."""
    old, new = (text.removeprefix(_BOM).splitlines() for text in (before, after))
    names = f"{name} (now)", f"{name} (new)"
    lines = unified_diff(old, new, *names, lineterm="", n=_AROUND)
    return [_SECRET.sub(rf"\1{MASK}", line) for line in lines]


def settings_of(lines: Sequence[str], names: Names) -> dict[str, dict[str, str]]:
    """Return the settings in lines for the file; empty ones are left out.

    Raises ConfigError for lines with a problem.
    """
    wanted: dict[str, dict[str, str]] = {}
    for (section, key), entry in _index("\n".join(lines), names).entries.items():
        if value := _text(entry.value):
            wanted.setdefault(section, {})[key] = value
    return wanted


def _index(text: str, names: Names) -> Index:
    index = Index(text.removeprefix(_BOM), names, free=("Fields",))
    if index.problems:
        raise ConfigError([f"line {line}: {what}" for line, what in sorted(index.problems)])
    return index


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _with_value(line: str, written: str) -> str:
    """Return a line `key = old  # comment` with another value."""
    match = _LINE.fullmatch(line)
    assert match, "inifile.py reads it, so it has this form"
    head, gap, rest, tail = match.groups()
    old = _VALUE.match(rest)
    comment = rest[len(old[0].rstrip()) :].strip() if old else ""
    shown = f"{head}{gap or ' '}{written}" if written else head
    return f"{shown}{'  ' if written else ' '}{comment}{tail}" if comment else f"{shown}{tail}"


def _insert(lines: list[str], number: int, new: list[str], end: str) -> None:
    """Insert lines below line `number`, which may be the last, without a newline."""
    if new and number == len(lines):
        lines[-1] += end if not lines[-1].endswith(end) else ""
        new = [*new[:-1], new[-1].removesuffix(end)]
    lines[number:number] = new


def _appended(text: str, block: Sequence[str], end: str) -> str:
    """Return the text with a section appended, after an empty line."""
    if text.removeprefix(_BOM):
        text += "" if text.endswith("\n") else f"{end}\n"
        text += "" if text.endswith(f"\n{end}\n") else f"{end}\n"
    return text + "\n".join([*block, ""])


def _checked(text: str, wanted: Wanted, names: Names) -> str:
    """Return the text if it has the wanted settings. Raises UnwritableError otherwise."""
    try:
        entries = _index(text, names).entries
    except ConfigError as error:
        raise UnwritableError(error.problems[0]) from None
    for section, settings in wanted.items():
        for key, value in settings.items():
            entry = entries.get((section, key))
            if (_text(entry.value) if entry else "") != value:
                raise UnwritableError(f"[{section}] {key} cannot be written into its line")
    return text
