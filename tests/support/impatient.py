"""The daemon, with a tenth of the retry interval where a person has to act first.

python3 -m tests.support.impatient --config FILE

tests/unit/test_failure.py tests the real intervals.
"""

import sys

from bat2influx import cli
from bat2influx.failure import Backoff

TENTH = 0.1
OF_PEOPLE = (Backoff.LOGIN, Backoff.CERTIFICATE)

if __name__ == "__main__":
    for backoff in OF_PEOPLE:
        backoff._value_ = tuple(seconds * TENTH for seconds in backoff.value)
    sys.exit(cli.main())
