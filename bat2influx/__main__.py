"""The program: the daemon with its usual command line, and otherwise the command line.

argparse and the parser take a tenth of the time of a start, which the daemon does without.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bat2influx.config.paths import DEFAULT_CONFIG


def main() -> int:
    """Run the command line of this process; return the exit code."""
    if config := daemon_config(sys.argv[1:]):
        from bat2influx.commands.run import run_daemon  # noqa: PLC0415 - commands do not need it

        return run_daemon(config)
    from bat2influx import cli  # noqa: PLC0415 - the daemon does not need it

    return cli.main()


def daemon_config(arguments: Sequence[str]) -> Path | None:
    """Return the configuration file of the daemon's usual command line, None for any other one."""
    match [*arguments]:
        case [] | ["run"]:
            return DEFAULT_CONFIG
        case ["--config", file] | ["--config", file, "run"] if not file.startswith("-"):
            return Path(file)
    return None


if __name__ == "__main__":
    sys.exit(main())
