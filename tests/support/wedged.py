"""The daemon, of which one part hangs or dies as soon as SIGUSR1 comes.

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
    """Be stuck, under a name that a stack shows."""
    threading.Event().wait()


def die_here() -> None:
    """Raise what nobody expects."""
    raise ZeroDivisionError("made to die by SIGUSR1")


def _wedge(place: type, name: str, act: Callable[[], None]) -> None:
    sound = getattr(place, name)

    def wedged(*args: Any, **options: Any) -> Any:
        if _told.is_set():
            act()
        return sound(*args, **options)

    setattr(place, name, wedged)


def main() -> int:
    """Run the command line, wedged."""
    allow_short_spans()
    part, dies = os.environ["WEDGE"].removesuffix(" dies"), os.environ["WEDGE"].endswith(" dies")
    if part in PLACES:
        _wedge(*PLACES[part], die_here if dies else hang_here_for_ever)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        _told.set()
        if part == "main loop":
            hang_here_for_ever()  # a handler is run by the main thread

    signal.signal(signal.SIGUSR1, on_signal)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
