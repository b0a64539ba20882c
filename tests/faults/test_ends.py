"""The exit of the daemon while name resolution hangs."""

from pathlib import Path

import pytest

from tests.faults.account import Account, Window
from tests.faults.house import House, now
from tests.faults.house_database import AWAY
from tests.faults.house_device import UNDER_WAY
from tests.standins.network import apart
from tests.support.daemon import wait

END = 10.0  # s; SIGTERM ends the daemon within it


def test_a_hanging_name_resolution_does_not_delay_the_exit(tmp_path: Path) -> None:
    """SIGTERM ends it in 10 s during lookups of both peers; the next start stores the queue."""
    if not apart.is_possible():
        pytest.skip("namespaces need root")
    with House(tmp_path / "house") as house:
        account = Account(house)
        resolver = house.directory / "resolv.conf"
        resolver.write_text(resolver.read_text().replace("timeout:2", "timeout:30"))
        house.name_server.freeze()
        with house.expects_log(AWAY):
            house.database.restart()
        house.more_reads(10)
        begin = now() - UNDER_WAY
        house.broker.restart()
        wait("both to be asked for", lambda: house.asking() == 2)
        assert house.daemon.stop(END) == 0
        assert house.daemon.logged("values are queued on disk")
        assert not house.daemon.logged("are lost")
        house.name_server.thaw()
        house.start_daemon()
        house.more_reads(5)
        account.balance([Window(begin, now())])
        assert house.daemon.stop() == 0
