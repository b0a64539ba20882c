"""The path before /write in the URLs of a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.config.settings import ConfigError, load
from tests.standins.databases.http_peers import ACCEPTED, PONG, HttpPeer
from tests.standins.databases.influxdb import InfluxDB
from tests.standins.databases.victoria import VictoriaMetrics
from tests.support.writing import lines, write, writer


def read(tmp_path: Path, path: str) -> str:
    """Return the path as it is configured."""
    ini = tmp_path / "a.ini"
    ini.write_text(f"[Influx]\npath = {path}\n")
    return load(ini).influx.path


def test_victoriametrics_accepts_values_below_a_path(tmp_path: Path) -> None:
    """As its cluster does below another path: it is recognised, and values are stored."""
    with VictoriaMetrics(tmp_path / "victoria") as database:
        made = writer(database.port, path="/influx")
        batch = lines(count=3)
        assert write(made, batch).accepted == 3
        assert made.peer == f"VictoriaMetrics at 127.0.0.1:{database.port}/influx"
        elsewhere = write(writer(database.port, path="/nowhere"), batch)
        assert elsewhere.undecided == batch
        assert elsewhere.trouble
        where = f"VictoriaMetrics at 127.0.0.1:{database.port}/nowhere"
        assert elsewhere.trouble.what.startswith(
            f"{where} accepts no values at that path (status 4"
        )
        assert "check path under [Influx] in" in elsewhere.trouble.what


def test_influxdb_has_no_api_below_a_path(tmp_path: Path) -> None:
    """No line is rejected for that; the error is logged, and all stay queued."""
    with InfluxDB(tmp_path / "influxdb") as database:
        batch = lines(count=3)
        elsewhere = write(writer(database.port, path="/influxdb"), batch)
    assert elsewhere.undecided == batch
    assert not elsewhere.rejected
    assert elsewhere.trouble
    assert "check path under [Influx] in" in elsewhere.trouble.what


@pytest.mark.parametrize("path", ["insert/0/influx", "/insert/0/influx/", "insert//0/influx"])
def test_slashes_at_its_ends_are_optional(tmp_path: Path, path: str) -> None:
    """Every request has the path once, with one slash at each end."""
    with HttpPeer(PONG, ACCEPTED, ping=None) as peer:
        assert write(writer(peer.port, path=read(tmp_path, path)), lines()).accepted == 1
        heads = [request.split(b" ")[1] for request in peer.requests]
    assert [head.partition(b"?")[0] for head in heads] == [
        b"/insert/0/influx/ping",
        b"/insert/0/influx/write",
    ]


@pytest.mark.parametrize("path", ["insert?x", "http://host/insert", "a#b", "é"])
def test_an_invalid_path(tmp_path: Path, path: str) -> None:
    """The error describes a valid path."""
    with pytest.raises(ConfigError, match="what stands between port and /write"):
        read(tmp_path, f'"{path}"')
