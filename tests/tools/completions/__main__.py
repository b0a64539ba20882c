"""Write the three files.

/usr/bin/python3 -m tests.tools.completions
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests import TOP
from tests.tools.completions import bash, command_line, fish, zsh

FOLDER = TOP / "debian" / "completions"


def scripts() -> Mapping[Path, str]:
    """Return the text of each file, by its path in the checkout."""
    commands = command_line.read()
    return {
        FOLDER / "bash" / "bat2influx": bash.script(commands),
        FOLDER / "zsh" / "_bat2influx": zsh.script(commands),
        FOLDER / "fish" / "bat2influx.fish": fish.script(commands),
    }


def main() -> None:
    """Write the changed files."""
    for path, text in scripts().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path.relative_to(TOP))


if __name__ == "__main__":
    main()
