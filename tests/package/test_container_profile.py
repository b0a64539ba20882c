"""The profile `all` of compose.yml, as far as it can be checked without a container."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bat2influx.cli import parser
from bat2influx.config.settings import load
from tests import TOP
from tests.package.test_container_files import COMPOSE, assert_published
from tests.support import programs

GRAFANA_FILES = TOP / "etc/grafana"
DOCKERFILE = (TOP / "etc/docker/Dockerfile.grafana").read_text()
SERVICES: Any = yaml.safe_load(COMPOSE)["services"]
PROFILE = {name: service for name, service in SERVICES.items() if "profiles" in service}
INFLUXDB, SETUP, GRAFANA = (PROFILE[name] for name in ("influxdb", "setup-db", "grafana"))
PLACE = "/usr/share/bat2influx/grafana"  # by debian/install


def with_administrator(text: str) -> str:
    """Return compose.yml with its lines for an administrator of Grafana."""
    text = re.sub(r"(?m)^( *)(?=GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION)", r"\1#", text)
    return re.sub(r"(?m)^( *)#(?=GF_SECURITY_ADMIN_PASSWORD)", r"\1", text)


def test_the_daemon_is_in_no_profile() -> None:
    """Nor does it depend on one: users with their own database start nothing else."""
    assert {name for name in SERVICES if name not in PROFILE} == {"bat2influx"}
    assert all(service["profiles"] == ["all"] for service in PROFILE.values())
    assert "depends_on" not in SERVICES["bat2influx"]


@pytest.mark.parametrize("name", sorted(PROFILE))
def test_a_service_has_few_rights_and_a_health_check(name: str) -> None:
    """No capability, no port for other machines, a health check unless it exits at once."""
    service = PROFILE[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"] == {"core": 0}
    assert service["network_mode"] == "host"
    assert not service.keys() & {"ports", "privileged", "cap_add", "pid"}
    once = name == "setup-db"
    assert service["healthcheck"].keys() >= ({"disable"} if once else {"test", "interval"})
    assert service["restart"] == ("on-failure:30" if once else "unless-stopped")


def test_influxdb_listens_on_this_machine_alone() -> None:
    """By variables of a real InfluxDB, at the default address of the ini."""
    influxd = programs.find("influxd")
    told = subprocess.run(
        [influxd.path, "config"],
        env={**influxd.environment, **INFLUXDB["environment"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sections = re.split(r"(?m)^\[+([\w.-]+)\]+$", told)
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    (rpc,) = re.findall(r'(?m)^bind-address = "(.*)"$', sections[0])
    (http,) = re.findall(r'(?m)^  bind-address = "(.*)"$', found["http"])
    assert {each.partition(":")[0] for each in (rpc, http)} == {"127.0.0.1"}
    assert "store-enabled = false" in found["monitor"]
    assert all("log-enabled = false" in found[name] for name in ("http", "continuous_queries"))
    for other in ("collectd", "opentsdb", "graphite", "udp"):
        assert "enabled = false" in found[other], "they would listen on all addresses"


def test_values_dashboards_and_database_meet_at_one_address(tmp_path: Path) -> None:
    """That of the default [Influx], of InfluxDB's variables and of Grafana's data source."""
    ini = tmp_path / "bat2influx.ini"
    ini.write_text((TOP / "etc/bat2influx.ini").read_text())
    influx = load(ini).influx
    source = yaml.safe_load(
        (GRAFANA_FILES / "provisioning/datasources/bat2influx.yaml").read_text()
    )["datasources"][0]
    url = urlsplit(source["url"])
    assert (url.hostname, url.port) == (influx.address, influx.port) == ("localhost", 8086)
    assert source["jsonData"]["dbName"] == influx.db
    assert INFLUXDB["environment"]["INFLUXDB_HTTP_BIND_ADDRESS"] == f"127.0.0.1:{influx.port}"
    assert " ".join(INFLUXDB["healthcheck"]["test"][:4]) == "CMD influx -host 127.0.0.1"


def test_the_database_is_set_up_by_the_image_of_the_daemon() -> None:
    """With its ini, by arguments that the program accepts, once InfluxDB answers.

    It is built once: two builds that export one name at the same time fail.
    """
    daemon = SERVICES["bat2influx"]
    assert SETUP["image"] == daemon["image"]
    assert "build" in daemon and "build" not in SETUP
    assert SETUP["volumes"] == daemon["volumes"][:1]
    assert parser().parse_args(SETUP["command"]).command == "setup-db"
    assert SETUP["depends_on"] == {"influxdb": {"condition": "service_healthy"}}


def test_grafana_finds_what_the_package_has() -> None:
    """Data source, dashboards and the home dashboard, from the same .deb as the daemon."""
    assert f"etc/grafana/* {PLACE[1:]}" in re.sub(
        " +", " ", (TOP / "debian/install").read_text().replace("\t", " ")
    )
    assert f"COPY --from=package /tmp/files{PLACE} {PLACE}\n" in DOCKERFILE
    assert f"ENV GF_PATHS_PROVISIONING={PLACE}/provisioning\n" in DOCKERFILE
    provider = yaml.safe_load(
        (GRAFANA_FILES / "provisioning/dashboards/bat2influx.yaml").read_text()
    )
    assert provider["providers"][0]["options"]["path"] == f"{PLACE}/dashboards"
    home = GRAFANA["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (GRAFANA_FILES / home.removeprefix(f"{PLACE}/")).is_file()
    assert GRAFANA["build"] == {"context": ".", "dockerfile": "Dockerfile.grafana"}


def test_visitors_of_grafana_may_only_view() -> None:
    """At this machine's address alone; no administrator has a known password."""
    environment = GRAFANA["environment"]
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    port = environment["GF_SERVER_HTTP_PORT"]
    assert f"http://127.0.0.1:{port}/api/health" in GRAFANA["healthcheck"]["test"]
    assert f"http://localhost:{port} " in COMPOSE


def test_an_administrator_needs_a_password(tmp_path: Path) -> None:
    """With the two lines that compose.yml tells the user to change."""
    text = with_administrator(COMPOSE)
    environment = yaml.safe_load(text)["services"]["grafana"]["environment"]
    assert "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION" not in environment
    assert environment["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    assert_published(text, tmp_path)


def test_no_variable_is_required_without_that() -> None:
    """A missing variable would also stop users of the daemon alone."""
    lines = [line for line in COMPOSE.splitlines() if not line.lstrip().startswith("#")]
    assert "${" not in "\n".join(lines)


def test_every_volume_is_declared() -> None:
    """By its name; files of the user's folder are mounted by their paths."""
    named = {
        each.partition(":")[0]
        for service in SERVICES.values()
        for each in service["volumes"]
        if isinstance(each, str)
    }
    assert named == {*yaml.safe_load(COMPOSE)["volumes"]}
