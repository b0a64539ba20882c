"""The daemon, which tells about itself each half second.

python3 -m tests.parts.hasty --config FILE
"""

import sys

from bat2influx import about, cli

EVERY = 0.5  # s

if __name__ == "__main__":
    about.EVERY = EVERY
    sys.exit(cli.main())
