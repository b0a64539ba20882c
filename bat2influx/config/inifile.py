"""The lines of an ini file, checked before ConfigObj reads them.

ConfigObj names no line for a wrong value, prints the whole line for an invalid one, even a secret,
and tries all ways to split a list with a stray quote (20 items take a second, 40 take days). So
each line is checked here first, and ConfigObj reads each valid line separately.

Rules: a line has one problem at most, the first to be corrected. A value is shown only if its key
is known and not a secret; a key or section only if it is known or could be one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from configobj import ConfigObj

MAX_FILE = 64 * 1024  # bytes
MAX_LINE = 1000  # characters; ConfigObj's time grows with their square
SECRETS = frozenset({"password", "token"})

_UNREADABLE = re.compile(r"[\x00\udc80-\udcff]")
_CONTROL = re.compile(r"[\x01-\x08\x0b-\x1f\x7f-\x9f]")
_HEADER = re.compile(r"\[\s*([^\[\]]*[^\[\]\s])\s*\]\s*(?:#.*)?")
_SETTING = re.compile(r"""("[^"]+"|'[^']+'|[^'"=:\s][^=:]*?)\s*([=:])\s*(.*)""")
# Each character has one way to match, so that an invalid value takes no longer than a valid one.
_ITEM = r"""(?:(?:"[^"]*"|'[^']*')\s*|[^'"#,\s][^#,]*)"""
_VALUE = re.compile(rf"((?:{_ITEM}(?:,\s*{_ITEM})*(?:,\s*)?)?)(?:(?<!\S)#.*)?")
# ConfigObj reads `ab#cd` as `ab`, and `a,b` as a list: both are wrong for a secret.
_SECRET = re.compile(r"""("[^"]*"|'[^']*')(?:\s+#(.*))?|[^'"#,][^#,]*|(?:#\s.*)?""")
# A comment of ConfigParser and many others, but not of ConfigObj: a ; or // beside a space.
_OTHER_COMMENT = re.compile(r"(?:^|(?<=\s))(;)|(;)\s|(?<=\s)(//)|^(//)(?:\s|$)")
_MARKED_HEADER = re.compile(r"(\[[^\[\]]*\])\s*(;|//).*")
_QUOTED_ITEM = re.compile(r"""(^|,)\s*(?:"[^"]*"|'[^']*')""")
_OPENING_QUOTE = re.compile(r"""(?:^|,)\s*["']""")
_SECRETIVE = re.compile("passw|token|secret", re.IGNORECASE)
_COULD_BE_KEY = re.compile(r"[A-Za-z_]{1,24}")
_COULD_BE_FIELD = re.compile(r"[^\W\d_]\w{0,31}")
_COULD_BE_SECTION = re.compile(r"[^\W\d_][\w .-]{0,31}")
_CHOSEN = re.compile(r"[a-z0-9_]+(?:/(?:[0-9]+|one|tag|name))?")  # battery/512, battery/tag
_DEVICE = re.compile(r"[^\W_][\w .-]{0,31}")

PER_DEVICE = ("Battery", "Fields")  # sections that a device can have, with its name
Value = str | list[str]
Names = Mapping[str, Collection[str]]  # the keys of each section


class ConfigError(Exception):
    """The configuration is invalid; `problems` says why, a complete message each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class MissingFileError(ConfigError):
    """The configuration file does not exist."""


class Entry(NamedTuple):
    """A valid line `key = value`: its number, and the value by ConfigObj."""

    line: int
    value: Value


class Colon(NamedTuple):
    """A line in the notation of Python's ConfigParser, `key: value`."""

    line: int
    section: str
    key: str
    raw: str


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises FileNotFoundError; ConfigError when it cannot be read, is larger than 64 KiB, or is
    not UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(data) > MAX_FILE:
        raise ConfigError(
            [f"{path}: is larger than {MAX_FILE // 1024} KiB; check that it is the right file"]
        )
    # A UnicodeDecodeError would contain the file, with its secrets.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    if bad := _UNREADABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        what = "a NUL byte" if bad[0] == "\0" else "a byte that is not UTF-8"
        raise ConfigError([f"{path}, line {line}: holds {what}; save the file as UTF-8 text"])
    return text


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` probably stands for."""
    folded = {known.casefold(): known for known in names}
    import difflib  # noqa: PLC0415 - only after a mistake

    close = difflib.get_close_matches(name[:40].casefold(), folded, 1)
    return folded[close[0]] if close else None


def visible(value: Value) -> str:
    """Return a value for a message: short, printable, and masked if it could hold a login."""
    text = value if isinstance(value, str) else ", ".join(value)
    if "@" in text or "?" in text:
        return "…"
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 60 else f"{text[:59]}…"


def could_be_field(key: str, raw: str) -> bool:
    """Tell whether a line in [Fields] is a field, not a misspelt key or a misplaced secret."""
    secret = _SECRETIVE.search(key) or nearest(key.partition(" ")[0], ["password"])
    return not secret and raw not in ("yes", "no")


def _no_comment(mark: str) -> str:
    return f"a comment begins with #, not with {mark}"


def _misspelt(raw: str, *, secret: bool) -> str | None:
    """Return why ConfigObj would misread a value, None if it would not."""
    if raw.startswith(("'''", '"""')):
        return "a value has one line, and one quote at each end"
    unquoted = re.split(r"(?<!\S)#", _QUOTED_ITEM.sub(r"\1_", raw))[0]
    other = None if _OPENING_QUOTE.search(unquoted) else _OTHER_COMMENT.search(unquoted)
    if other:
        mark = other[other.lastindex or 0]
        return (
            f"has a {mark} outside of quotes; begin a comment with #, and put a value that holds"
            f' {mark} in quotes: "…"'
        )
    match = (_SECRET if secret else _VALUE).fullmatch(raw)
    if not match:
        return 'has a stray quote, comma or #; put it in quotes: "…"'
    if secret and match[2] and _ends_in_comment(raw[0], match[2]):
        return (
            f"could end at either {raw[0]}; put the comment on a separate line, or a secret that"
            f" holds {raw[0]} in the other kind of quotes"
        )
    return None


def _ends_in_comment(quote: str, comment: str) -> bool:
    """Tell whether a secret in these quotes could continue in what looks like a comment."""
    return bool(re.search(rf"{quote}\s*(?:#|$)", comment))


def _without_comment(raw: str, *, secret: bool) -> str:
    """Return a valid value without its comment, in which ConfigObj would read quotes and commas."""
    match = (_SECRET if secret else _VALUE).fullmatch(raw)
    return (match and match[1]) or ("" if raw[:1] == "#" else raw)


class Index:
    """The lines of all sections and keys in the file, and the problems of its lines.

    `names` are the known sections and keys, `free` the sections that also accept keys of any name.
    `[Battery NAME]` has the keys of `[Battery]`, `[Fields NAME]` of `[Fields]`.
    """

    def __init__(self, text: str, names: Names, free: Collection[str]) -> None:
        self.lines = [line.strip() for line in text.split("\n")]
        self.sections: dict[str, int] = {}
        self.entries: dict[tuple[str, str], Entry] = {}
        self.problems: list[tuple[int, str]] = []
        self.both_quotes: dict[int, tuple[str, str]] = {}  # faults of secrets, by line
        self.colons: list[Colon] = []
        self.equals = 0  # settings with a =
        self._names = names
        self._free = free
        self._section: str | None = None
        self._skip_to = 0
        for number, line in enumerate(self.lines, 1):
            if line and line[0] != "#" and number > self._skip_to:
                self._read(number, line)

    def keys(self, section: str) -> Collection[str] | None:
        """Return the keys of `section`, None if it is unknown."""
        kind, _, name = section.partition(" ")
        return self._names.get(kind if kind in PER_DEVICE and name else section)

    def label(self, section: str, key: str) -> str:
        """Return the name of a key for a message, without what could be a misplaced secret."""
        could_be = (_COULD_BE_FIELD if self._is_free(section) else _COULD_BE_KEY).fullmatch(key)
        bare = key.casefold() in SECRETS or not key.casefold().startswith(tuple(SECRETS))
        shown = could_be and bare  # passwordhunter2 = … is not
        return f"[{section}] {key}" if shown else f"[{section}]"

    def _is_free(self, section: str) -> bool:
        return section.partition(" ")[0] in self._free

    def _read(self, number: int, line: str) -> None:
        if control := _CONTROL.search(line):
            self._problem(number, f"holds a control character (0x{ord(control[0]):02x})")
        elif len(line) > MAX_LINE:
            self._problem(number, f"is longer than {MAX_LINE} characters")
        elif line.startswith((";", "//")):
            self._problem(number, _no_comment(";" if line[0] == ";" else "//"))
        elif line[0] == "[":
            self._header(number, line)
        elif setting := _SETTING.fullmatch(line):
            self._setting(number, *setting.groups())
        else:
            self._problem(number, self._neither(line))

    def _problem(self, number: int, text: str) -> None:
        self.problems.append((number, text))

    def _header(self, number: int, line: str) -> None:
        marked = _MARKED_HEADER.fullmatch(line)
        header = _HEADER.fullmatch(marked[1] if marked else line)
        name = " ".join(header[1].split()) if header else ""
        self._section = name
        if not header:
            self._problem(number, "a section is one name in brackets, such as [Battery]")
        elif self.keys(name) is None:
            shown = f"[{name}]" if _COULD_BE_SECTION.fullmatch(name) else "[…]"
            near = nearest(name, self._names)
            known = ", ".join(f"[{section}]" for section in self._names)
            hint = f"did you mean [{near}]?" if near else f"there are {known}"
            self._problem(number, f"{shown}: unknown section; {hint}")
        elif " " in name and not _DEVICE.fullmatch(name.partition(" ")[2]):
            self._section = "[]"  # no valid section: messages about its keys would show the name
            what = "a device's name has letters, digits, spaces and . _ -, 32 at most"
            self._problem(number, f"[{name.partition(' ')[0]} …]: {what}")
        elif name in self.sections:
            first = self.sections[name]
            self._problem(number, f"[{name}]: is repeated, first in line {first}; merge the two")
        else:
            self.sections[name] = number
            if marked:
                self._problem(number, f"[{name}]: {_no_comment(marked[2])}")

    def _neither(self, line: str) -> str:
        word = line.split(maxsplit=1)[0]
        if self._section and word in (self.keys(self._section) or ()):
            return f"[{self._section}] {word}: has no '='; write {word} = …"
        return "is neither a [Section] nor key = value"

    def _setting(self, number: int, left: str, sign: str, raw: str) -> None:
        key = left[1:-1] if left[0] in "'\"" else left
        section = self._section or ""
        if sign == ":":
            self.colons.append(Colon(number, section, key, raw))
        else:
            self.equals += 1
            self._skip_lines_of(number, raw)
        keys = self.keys(section)
        label = self.label(section, key)
        if self._section is None:
            self._problem(number, self._outside_section(key))
        elif keys is None:
            pass  # the section's header was reported
        elif fault := self._fault(key, keys, sign, raw):
            self._problem(number, f"{label}: {fault}")
            if sign == "=" and key in SECRETS and key in keys and {*"\"'"} <= {*raw}:
                self.both_quotes[number] = section, key
        elif first := self.entries.get((section, key)):
            again = f"is set twice, first in line {first.line}; keep one of the two"
            self._problem(number, f"{label}: {again}")
        else:
            bare = _without_comment(raw, secret=key in SECRETS)
            value = ConfigObj([f"value = {bare}"], interpolation=False, list_values=True)["value"]
            self.entries[section, key] = Entry(number, value)

    def _fault(self, key: str, keys: Collection[str], sign: str, raw: str) -> str | None:
        if sign == ":":
            meant = key if key in keys else nearest(key, keys)
            return f"has ':' and no '='; write {meant or 'key'} = …"
        if key not in keys and not self._could_be_field(key, keys, raw):
            return f"unknown key; {self._hint(key, keys)}"
        return _misspelt(raw, secret=key in SECRETS)

    def _could_be_field(self, key: str, keys: Collection[str], raw: str) -> bool:
        chosen = all(_CHOSEN.fullmatch(item.strip()) for item in raw.split(","))
        misspelt = raw and ("/" not in raw or chosen) and nearest(key, keys)  # preset = battery
        return self._is_free(self._section or "") and not misspelt and could_be_field(key, raw)

    def _skip_lines_of(self, number: int, raw: str) -> None:
        """Skip the lines of a value in triple quotes: they are not settings."""
        quotes = raw[:3]
        if quotes in ("'''", '"""') and quotes not in raw[3:]:
            rest = enumerate(self.lines[number:], number + 1)
            self._skip_to = next((line for line, text in rest if quotes in text), number)

    def _outside_section(self, key: str) -> str:
        having = self._sections_with(key)
        if not having:
            return "is before the first [Section]"
        return f"{key}: is before the first section; write {having} above it"

    def _hint(self, key: str, keys: Collection[str]) -> str:
        if having := self._sections_with(key):
            return f"it belongs to {having}"
        near = nearest(key, keys)
        return f"did you mean {near}?" if near else f"there are {', '.join(keys)}"

    def _sections_with(self, key: str) -> str:
        return " or ".join(f"[{section}]" for section, keys in self._names.items() if key in keys)
