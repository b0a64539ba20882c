"""The daemon, whose spans follow a watchdog interval of a few seconds.

python3 -m tests.support.hurried --config FILE

So tests do not take minutes. tests/unit/daemon/test_main.py tests the daemon's real bound.
"""

import sys

from bat2influx import cli
from bat2influx.daemon import main


def allow_short_spans() -> None:
    """Make a device's time spans fractions of any watchdog interval."""
    main.PACES = 0


if __name__ == "__main__":
    allow_short_spans()
    sys.exit(cli.main())
