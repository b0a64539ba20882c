"""The end of the daemon while the network is at its worst."""

from pathlib import Path

import pytest

from tests.faults.account import Account, Window
from tests.faults.house import House, now
from tests.faults.house_database import AWAY
from tests.faults.house_device import UNDER_WAY
from tests.standins.network import apart
from tests.support.daemon import wait

END = 10.0  # s, within which SIGTERM ends the daemon


def test_names_that_hang_hold_up_no_end(tmp_path: Path) -> None:
    """SIGTERM ends it in 10 s while both peers are asked for; what waits is stored afterwards."""
    if not apart.is_possible():
        pytest.skip("namespaces take root")
    with House(tmp_path / "house") as house:
        account = Account(house)
        resolver = house.directory / "resolv.conf"
        resolver.write_text(resolver.read_text().replace("timeout:2", "timeout:30"))
        house.name_server.freeze()
        with house.says(AWAY):
            house.database.restart()
        house.more_reads(10)
        begin = now() - UNDER_WAY
        house.broker.restart()
        wait("both to be asked for", lambda: house.asking() == 2)
        assert house.daemon.stop(END) == 0
        assert house.daemon.says("values are queued on disk")
        assert not house.daemon.says("are lost")
        house.name_server.thaw()
        house.start_daemon()
        house.more_reads(5)
        account.balance([Window(begin, now())])
        assert house.daemon.stop() == 0
