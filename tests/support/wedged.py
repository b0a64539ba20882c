"""The daemon, of which one part hangs or fails at SIGUSR1.

    WEDGE=sender python3 -m tests.support.wedged --config FILE

The parts are `sender`, `keeper` and `main loop`; with `dies` after it, a thread raises instead.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from bat2influx import cli
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.influx.writer import Writer
from tests.support.hurried import allow_short_spans

PLACES: dict[str, tuple[type, str]] = {
    "sender": (Writer, "write"),
    "keeper": (MemoryQueue, "append"),
}
_told = threading.Event()


def hang_here_for_ever() -> None:
    """Hang, in a function whose name a stack trace shows."""
    threading.Event().wait()


def die_here() -> None:
    """Raise an unexpected error."""
    raise ZeroDivisionError("made to fail by SIGUSR1")


def _wedge(place: type, name: str, act: Callable[[], None]) -> None:
    sound = getattr(place, name)

    def wedged(*args: Any, **options: Any) -> Any:
        if _told.is_set():
            act()
        return sound(*args, **options)

    setattr(place, name, wedged)


def main() -> int:
    """Run the command line, with the hanging part."""
    allow_short_spans()
    part, dies = os.environ["WEDGE"].removesuffix(" dies"), os.environ["WEDGE"].endswith(" dies")
    if part in PLACES:
        _wedge(*PLACES[part], die_here if dies else hang_here_for_ever)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        _told.set()
        if part == "main loop":
            hang_here_for_ever()  # the main thread runs signal handlers

    signal.signal(signal.SIGUSR1, on_signal)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
