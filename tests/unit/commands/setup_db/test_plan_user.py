"""What `setup-db` does about the user of the file, and about its right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bat2influx.commands.setup_db.plan import DatabaseState
from bat2influx.commands.steps import NOTE, OK, Step
from bat2influx.config.settings import Settings
from tests.unit.commands.setup_db.test_plan import THERE, configured, of, planned, said, statements


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The nine fields, and a user."""
    return configured(tmp_path, "[Influx]\nuser = writer\npassword = s3cret\n")


@pytest.mark.parametrize(
    ("user", "password", "admin", "change", "state", "text", "statement"),
    [
        ("", "", None, False, OK, "the file names none in [Influx]; none is created", ""),
        ("", "", None, True, OK, "the file names none in [Influx]; none is created", ""),
        (
            *("me", "", None, True, NOTE),
            *("'me' does not exist; not created, because the file has no password for it", ""),
        ),
        ("me", "p", None, False, OK, "'me' created", "CREATE USER \"me\" WITH PASSWORD '…'"),
        ("me", "p", False, False, OK, "'me' exists; its password is unchanged", ""),
        ("me", "", False, True, OK, "'me' exists; its password is unchanged", ""),
        (
            *("me", "p", False, True, OK, "'me' exists, and now has the file's password"),
            "SET PASSWORD FOR \"me\" = '…'",
        ),
        (
            *("me", "p", True, True, OK, "'me' exists, and now has the file's password"),
            "SET PASSWORD FOR \"me\" = '…'",
        ),
    ],
)
def test_a_missing_user_is_created(
    settings: Settings,
    user: str,
    password: str,
    admin: bool | None,
    change: bool,
    state: str,
    text: str,
    statement: str,
) -> None:
    """With the file's password, which an existing user gets with --change."""
    influx = settings.influx._replace(user=user, password=password)
    own = settings._replace(influx=influx)
    tasks = planned(own, dataclasses.replace(THERE, admin=admin), change=change)
    (task,) = of("user", tasks)
    assert said(task) == (Step(state, "user", text), [statement] if statement else [])
    assert bool(of("right", tasks)) is (bool(user) and (admin is not None or bool(password)))


@pytest.mark.parametrize(
    ("admin", "right", "state", "text", "granted"),
    [
        (False, "", OK, "'writer' may write to 'battery' now, and do nothing else there", "WRITE"),
        (
            *(False, "NO PRIVILEGES", OK),
            *("'writer' may write to 'battery' now, and do nothing else there", "WRITE"),
        ),
        (False, "READ", OK, "'writer' may write to 'battery' now, and read as before", "ALL"),
        (False, "WRITE", OK, "'writer' may write to 'battery'", ""),
        (
            *(False, "ALL PRIVILEGES", OK),
            *("'writer' may write to 'battery'; it may read, too", ""),
        ),
        (
            *(True, "", NOTE),
            *("'writer' is an administrator, and may do more than write; unchanged", ""),
        ),
    ],
)
def test_a_missing_right_to_write_is_granted(
    settings: Settings, admin: bool, right: str, state: str, text: str, granted: str
) -> None:
    """Alone to a user without a right, and with the right to read if the user had that."""
    (task,) = of("right", planned(settings, DatabaseState(admin=admin, right=right)))
    statement = f'GRANT {granted} ON "battery" TO "writer"'
    assert said(task) == (Step(state, "right", text), [statement] if granted else [])


def test_a_user_without_a_password_is_not_created(settings: Settings) -> None:
    """Nor one without a name; a line says so."""
    for user, password, text in (("writer", "", "no password"), ("", "", "none is created")):
        influx = settings.influx._replace(user=user, password=password)
        tasks = planned(settings._replace(influx=influx), DatabaseState())
        assert text in tasks[-1].step.text
        assert not any("USER" in statement for statement in statements(tasks))


def test_a_granted_right_includes_the_old_one(settings: Settings) -> None:
    """A server replaces the old right by the new one."""

    def granted(**found: object) -> list[str]:
        tasks = planned(settings, dataclasses.replace(DatabaseState(), **found))  # type: ignore[arg-type]
        return [each for each in statements(tasks) if each.startswith("GRANT")]

    assert granted() == ['GRANT WRITE ON "battery" TO "writer"']
    assert granted(admin=False) == ['GRANT WRITE ON "battery" TO "writer"']
    assert granted(admin=False, right="READ") == ['GRANT ALL ON "battery" TO "writer"']
    assert granted(admin=False, right="WRITE") == []
    assert granted(admin=False, right="ALL PRIVILEGES") == []
    assert granted(admin=True) == []
