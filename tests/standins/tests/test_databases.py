"""The real databases that other tests write to, and TLS in front of one."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.databases.asking import ask
from tests.standins.databases.influx_lines import LineError, lines_of, parse
from tests.standins.databases.influxdb import InfluxDB, InfluxDBError
from tests.standins.databases.influxdb3 import InfluxDB3
from tests.standins.databases.victoria import Sample, VictoriaMetrics, VictoriaMetricsError
from tests.standins.network.certificates import authority, device_certificate, signed_certificate
from tests.standins.network.tls_front import TlsFront, client_certificate
from tests.support.daemon import wait

AT = 1_700_000_000_123_456_789  # ns
LINE = f"dc,site=x Voltage=52.1 {AT}"


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """A VictoriaMetrics that requires a login, by TLS."""
    folder = tmp_path_factory.mktemp("victoria")
    certificate = device_certificate(folder)
    with VictoriaMetrics(folder, login=("me", "secret"), certificate=certificate) as server:
        yield server


def test_victoria_metrics_keeps_milliseconds(victoria: VictoriaMetrics) -> None:
    """After a flush, a written value reads back with its labels and its time in ms."""
    victoria.write(f"dc,site=x Voltage=52.1,Power=-7.25 {AT}\n", "battery")
    now = time.time_ns()
    victoria.write(f"dc,site=y Voltage=53.5 {now}\n", "battery")
    victoria.write(f"dc,site=x Voltage=1 {AT}\n", "other")
    of_x = [Sample(AT // 10**6, "Power", -7.25), Sample(AT // 10**6, "Voltage", 52.1)]
    assert victoria.samples("dc", site="x") == of_x
    assert victoria.samples() == [*of_x, Sample(now // 10**6, "Voltage", 53.5)]
    assert victoria.series("other") == [{"__name__": "dc_Voltage", "db": "other", "site": "x"}]


def test_victoria_metrics_rejects_writes_without_login(victoria: VictoriaMetrics) -> None:
    """With a login set, writes need it; a ping does not."""
    assert victoria.url.startswith("https://")
    login, victoria.login = victoria.login, None
    try:
        assert victoria.ask("/ping") == b""
        with pytest.raises(VictoriaMetricsError, match="401"):
            victoria.write(LINE, "battery")
    finally:
        victoria.login = login


def test_victoria_metrics_keeps_its_data(tmp_path: Path) -> None:
    """Written values survive a restart, and then a kill."""
    with VictoriaMetrics(tmp_path) as server:
        server.write(f"dc Voltage=1 {AT}", "battery")
        server.restart()
        server.kill()
        server.start()
        assert server.samples() == [Sample(AT // 10**6, "Voltage", 1)]


def test_victoria_metrics_drops_old_values_without_error(tmp_path: Path) -> None:
    """A value older than the retention gets the same answer as any other, and is not stored."""
    with VictoriaMetrics(tmp_path, retention="2d") as server:
        server.write(f"dc Old=1 {AT}\ndc New=1 {time.time_ns()}", "battery")
        assert [sample.field for sample in server.samples()] == ["New"]


def test_influxdb_speaks_tls(tmp_path: Path) -> None:
    """With a certificate InfluxDB answers by TLS alone, and shows that certificate."""
    certificate = signed_certificate(tmp_path, authority(tmp_path))
    with InfluxDB(tmp_path / "influxdb", certificate=certificate) as database:
        database.query("CREATE DATABASE battery")
        database.write(LINE, "battery")
        assert database.query("SELECT Voltage FROM dc", "battery")[0]["Voltage"] == 52.1
        trusting = ssl.create_default_context(cafile=tmp_path / "authority.pem")
        assert ask(database.port, "/ping", tls=trusting).status == 204
        assert ask(database.port, "/ping").status == 400


def test_the_front_requires_a_certificate(tmp_path: Path) -> None:
    """Nothing reaches the server unless the client has a certificate of the authority."""
    clients, strangers = authority(tmp_path), authority(tmp_path, name="strangers")
    ours = client_certificate(tmp_path, clients)
    other = client_certificate(tmp_path, strangers, name="other")
    server = signed_certificate(tmp_path, clients)
    with InfluxDB3() as three, TlsFront(three.port, server, clients=clients) as front:
        for certificate in (None, other, ours):
            trusting = ssl.create_default_context(cafile=clients.cert)
            if certificate is not None:
                trusting.load_cert_chain(certificate.cert, certificate.key)
            if certificate is ours:
                assert ask(front.port, "/ping", tls=trusting).status == 401
            else:
                with pytest.raises(OSError, match=r"(?i)required|unknown|reset|closed|eof"):
                    ask(front.port, "/ping", tls=trusting)
        wait("both refusals", lambda: len(front.refused) == 2)
        assert front.shown == ["client"]
        assert len(three.requests) == 1


BAD_LINES = [
    *(
        "dc",
        "nonsense",
        ",a=b V=1",
        "dc, V=1",
        "dc,a V=1",
        "dc,a= V=1",
        "dc,=b V=1",
        "dc,a=b,, V=1",
    ),
    *(
        "dc V",
        "dc V=",
        "dc =1",
        "dc V=abc",
        "dc V=1x",
        "dc V=1.2.3",
        "dc V=1i2",
        "dc V=-",
        "dc V=+1",
    ),
    *("dc V=1 x", "dc V=1 12 13", "dc V=1 1.5", 'dc V="abc', "dc V=1,", "dc V=1,W", "dc V=1,,W=2"),
    *("dc V=NaN", "dc V=inf", "dc,a=b,a=c V=1", "dc,a=b=c V=1", "dc V==1", "dc V=1e400"),
    *("dc V=99999999999999999999i", "dc V=1 9223372036854775808"),
]


def test_lines_are_parsed_as_by_the_real_one(influxdb: InfluxDB) -> None:
    """The peers report the same errors in a line as InfluxDB 1, with its texts."""
    influxdb.query("CREATE DATABASE battery")
    for line in BAD_LINES:
        with pytest.raises(LineError) as found:
            parse(line)
        with pytest.raises(InfluxDBError) as theirs:
            influxdb.write(line, "battery")
        assert (
            json.loads(str(theirs.value)[5:])["error"] == f"unable to parse '{line}': {found.value}"
        )
    influxdb.write(r'd\ c,t=a\,b\ c f\ 1=-1.5e-3,g=2i,h="x\" y,z",i=t -5', "battery")
    point = parse(r'd\ c,t=a\,b\ c f\ 1=-1.5e-3,g=2i,h="x\" y,z",i=t -5')
    assert influxdb.query('SELECT * FROM "d c"', "battery") == [
        {"time": point.time, **dict(point.tags), **point.fields}
    ]
    assert lines_of(b"# no\n\n a b=1 \r\nc d=2") == ["a b=1", "c d=2"]
