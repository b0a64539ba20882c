"""The daemon, with reports about itself every half second.

python3 -m tests.support.hasty --config FILE
"""

import sys

from bat2influx import cli
from bat2influx.daemon import self_report
from tests.support.hurried import allow_short_spans

EVERY = 0.5  # s

if __name__ == "__main__":
    self_report.EVERY = EVERY
    allow_short_spans()
    sys.exit(cli.main())
