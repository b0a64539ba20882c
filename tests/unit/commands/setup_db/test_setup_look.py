"""What `setup-db` looks at in InfluxDB 1, and what it makes of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bat2influx.commands.setup_db.plan import DatabaseState, Policy
from bat2influx.commands.setup_db.setup import look
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import DAY, FOREVER
from tests.unit.commands.setup_db.test_plan import configured
from tests.unit.commands.setup_db.test_setup import NOW, POLICY, Server, there


@pytest.fixture
def server() -> Server:
    """A server on which there is nothing."""
    return Server()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields, and a user."""
    return configured(tmp_path, "[Influx]\nuser = writer\n")


def test_of_a_server_without_the_database_the_user_alone_is_looked_at(
    settings: Settings, server: Server
) -> None:
    """The rest cannot be there."""
    server.rows["SHOW USERS"] = [{"user": "writer", "admin": True}]
    assert look(settings, server) == DatabaseState(admin=True)
    assert server.asked == ["SHOW USERS", 'SHOW GRANTS FOR "writer"', "SHOW DATABASES"]


def test_a_user_that_is_not_there_is_asked_nothing_about(
    settings: Settings, server: Server
) -> None:
    """Users are looked at in any case, for an administrator alone may see them."""
    influx = settings.influx._replace(user="")
    for own in (settings, settings._replace(influx=influx)):
        server.asked.clear()
        assert look(own, server) == DatabaseState()
        assert server.asked == ["SHOW USERS", "SHOW DATABASES"]


def test_a_database_is_looked_at_as_a_whole(settings: Settings, server: Server) -> None:
    """Policies in s, the right in this very database, and its own continuous queries."""
    there(server)
    own = 'CREATE CONTINUOUS QUERY {} ON {} BEGIN SELECT mean("x") INTO y FROM z END'
    server.rows["SHOW CONTINUOUS QUERIES"] = [
        {"name": "a", "query": own.format("a", "battery")},
        {"name": "b", "query": own.format('"b"', '"battery"')},
        {"name": "c", "query": own.format("c", "battery2")},
        {"name": "d", "query": "CREATE CONTINUOUS QUERY d"},
    ]
    found = look(settings, server)
    assert found == DatabaseState(
        database=True,
        policies={
            "raw": Policy(90 * DAY, DAY, default=True),
            "hours": Policy(FOREVER, DAY, default=False),
        },
        queries={"a": own.format("a", "battery"), "b": own.format('"b"', '"battery"')},
        admin=False,
        right="READ",
    )
    assert not any("FIELD KEYS" in each for each in server.asked)


Z = "00:00:00Z"


def test_the_oldest_value_is_looked_for_shard_by_shard(settings: Settings, server: Server) -> None:
    """In the policy of raw values, from the first one on, and no further than the first value."""
    there(server)
    shard = {"database": "battery", "retention_policy": "raw"}
    days = [
        {"start_time": f"2026-07-0{n}T{Z}", "end_time": f"2026-07-0{n + 1}T{Z}"}
        for n in range(1, 5)
    ]
    server.rows["SHOW SHARDS"] = [
        {**shard, **days[3]},
        {**shard, **days[2]},
        {**shard, "retention_policy": "hours", **days[0]},
        {**shard, "database": "other", **days[0]},
        {**shard, **days[1]},
    ]
    select = 'SELECT * FROM "battery"."raw"."dc" WHERE time >= \'2026-07-0'
    server.rows[f"{select}3"] = [{"time": NOW * 10**9 + 999_999_999, "State": 3}]
    assert look(settings, server).first == NOW
    assert [each for each in server.asked if each.startswith("SELECT")] == [
        f"{select}{n}T{Z}' AND time < '2026-07-0{n + 1}T{Z}' ORDER BY time LIMIT 1" for n in (2, 3)
    ]
    del server.rows[f"{select}3"]
    assert look(settings, server).first is None


def test_the_oldest_minute_is_looked_for_where_there_are_any(
    settings: Settings, server: Server
) -> None:
    """Energies are computed from it on."""
    there(server)
    days = {"start_time": f"2026-07-01T{Z}", "end_time": f"2026-07-29T{Z}"}
    server.rows["SHOW SHARDS"] = [{"database": "battery", "retention_policy": "minutes", **days}]
    server.rows['SELECT * FROM "battery"."minutes"."dc"'] = [{"time": NOW * 10**9}]
    assert look(settings, server).first_minute is None, "there is no such policy"
    server.rows["SHOW RETENTION POLICIES"].append({"name": "minutes", **POLICY, "default": False})
    assert look(settings, server).first_minute == NOW
    assert look(settings, server).first is None


def test_without_a_policy_of_raw_values_there_is_no_oldest_one(
    settings: Settings, server: Server
) -> None:
    """Nothing is asked for it."""
    there(server)
    influx = settings.influx._replace(retention_policy="mine")
    assert look(settings._replace(influx=influx), server).first is None
    assert "SHOW SHARDS" not in server.asked


def test_stored_names_are_looked_at_where_instances_are_in_them(
    tmp_path: Path, server: Server
) -> None:
    """Those of numbers."""
    there(server)
    server.rows["SHOW FIELD KEYS"] = [
        {"fieldKey": "State_275", "fieldType": "float"},
        {"fieldKey": "Count_275", "fieldType": "integer"},
        {"fieldKey": "Name_275", "fieldType": "string"},
    ]
    own = configured(tmp_path, "[Fields]\ninstances = name\n")
    assert look(own, server).fields == {"State_275", "Count_275"}
    assert 'SHOW FIELD KEYS ON "battery" FROM "battery"."raw"."dc"' in server.asked
