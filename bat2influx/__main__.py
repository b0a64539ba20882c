"""`python3 -m bat2influx`."""

import sys

from bat2influx.cli import main

sys.exit(main())
