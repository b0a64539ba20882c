"""How to convert a file of the original script, bat2influx.py of venusos2influx.

That script read its file with Python's ConfigParser, where `key: value` is a setting. The colons
identify such a file, and one message covers all of it: errors of single lines would not help.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bat2influx.config.inifile import SECRETS, Colon, Index, visible


def changes(index: Index, path: Path) -> str | None:
    """Return how to change the file at `path` if it is one of the original script, else None."""
    ours = {"Battery", "Influx"} & index.sections.keys()
    if len(index.colons) < 2 or index.equals or not ours:
        return None
    semicolons = [line for line, text in enumerate(index.lines, 1) if text[:1] == ";"]
    found = [(line, "begin the comment with #") for line in semicolons]
    found += [(colon.line, _rewritten(index, colon)) for colon in index.colons]
    command = r"sed -i 's/^ *\([A-Za-z_]*\) *: */\1 = /; s/^ *;/#/' " + shlex.quote(str(path))
    text = [
        f"{path}, line {index.colons[0].line}: this is a file of the original script"
        " (bat2influx.py of venusos2influx), with key: value; bat2influx reads key = value. Change",
        *(f"  line {line}: {change}" for line, change in sorted(found)),
        f"or all at once:  {command}",
        "Put a secret that holds # or a comma in quotes, and write %% in it as %.",
    ]
    if ("Influx", "db") not in {(colon.section, colon.key.lower()) for colon in index.colons}:
        text.append(
            "The default database of the original script is bat, here it is battery: to continue"
            " with the old data, write db = bat in [Influx]."
        )
    return "\n".join(text)


def _rewritten(index: Index, colon: Colon) -> str:
    key = colon.key.lower()  # as in ConfigParser
    if key not in (index.keys(colon.section) or ()):
        return "remove the line, because there is no such key here"
    value = "…" if key in SECRETS else visible(colon.raw)
    return f'write {key} = "{value}"' if re.search("[#,]", value) else f"write {key} = {value}"
