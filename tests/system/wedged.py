"""The daemon with a sender that can be made to hang, as by a yet unknown bug.

    python3 wedged.py FILE -- ARGUMENTS OF BAT2INFLUX

While FILE exists, the next request never ends. The request removes FILE, so that the daemon is
healthy after its next start.
"""

import sys
import threading
from pathlib import Path

from bat2influx import cli
from bat2influx.influx import writer


def main() -> int:
    """Run bat2influx with the changed sender."""
    trap, _, *arguments = sys.argv[1:]
    write = writer.Writer.write

    def wedged(*positional, **named):  # type: ignore[no-untyped-def]
        if Path(trap).exists():
            Path(trap).unlink()
            threading.Event().wait()
        return write(*positional, **named)

    writer.Writer.write = wedged  # type: ignore[method-assign]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
