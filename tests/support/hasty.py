"""The daemon, which tells about itself each half second.

python3 -m tests.support.hasty --config FILE
"""

import sys

from bat2influx import cli
from bat2influx.daemon import self_report

EVERY = 0.5  # s

if __name__ == "__main__":
    self_report.EVERY = EVERY
    sys.exit(cli.main())
