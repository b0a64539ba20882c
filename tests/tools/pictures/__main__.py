"""`make pictures`: recreate docs/pictures/day.svg and docs/pictures/watch.svg.

/usr/bin/python3 -m tests.tools.pictures [day|watch]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tests import TOP
from tests.support import long_run
from tests.support.long_run import progress

PICTURES = TOP / "docs" / "pictures"


def _day(directory: Path) -> str:
    from tests.tools.pictures import day, plot

    return plot.draw(day.lived(directory))


def _watch(directory: Path) -> str:
    from tests.tools.pictures import svg, watch

    return svg.draw(watch.watched(directory), watch.TITLE, watch.COLUMNS)


MADE: dict[str, Callable[[Path], str]] = {"day": _day, "watch": _watch}


def main(arguments: list[str]) -> None:
    """Make the given ones, or all."""
    parser = argparse.ArgumentParser(
        prog="tests.tools.pictures", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("which", nargs="*", choices=(*MADE, []), help="default: both")
    given = parser.parse_args(arguments)
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in given.which or MADE:
        with long_run.directory(f"picture-{name}") as directory:
            file = PICTURES / f"{name}.svg"
            file.write_text(MADE[name](directory))
            progress(f"{file.relative_to(TOP)}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
