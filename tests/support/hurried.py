"""The daemon, whose spans follow a watchdog interval of a few seconds.

python3 -m tests.support.hurried --config FILE

Tests then need no minutes. tests/unit/daemon/test_main.py holds the bound that the daemon has.
"""

import sys

from bat2influx import cli
from bat2influx.daemon import main


def allow_short_spans() -> None:
    """Have a device's spans be fractions of any interval."""
    main.PACES = 0


if __name__ == "__main__":
    allow_short_spans()
    sys.exit(cli.main())
