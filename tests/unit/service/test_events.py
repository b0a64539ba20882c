"""The events and their catalog: what `journalctl -x` will find."""

import inspect
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bat2influx.device import errors as device_errors
from bat2influx.device.source import Census
from bat2influx.failure import Trouble
from bat2influx.fleet import diagnosis
from bat2influx.influx import errors as influx_errors
from bat2influx.mqtt import errors as mqtt_errors
from bat2influx.service.events import MESSAGE_IDS, message_id
from tests import TOP

CATALOG = TOP / "systemd" / "bat2influx.catalog"
HEADER = re.compile(r"-- ([0-9a-f]{32})")
ALWAYS = {"PEER", "CAUSE", "COUNT"}  # what a failure of a device or the database has
FIELDS = {
    "recovered": {"COUNT"},
    "reading": {"PEER", "PORTAL_ID"},
    "growing": {"CAUSE", "COUNT"},
    "disk fault": {"CAUSE", "COUNT"},
    "overflow": {"CAUSE", "COUNT"},
    "refused dropped": {"CAUSE", "COUNT"},
    "inbox overflow": {"CAUSE", "COUNT"},
    "values lost": {"COUNT"},
}
NO_FIELDS = (
    "undecided,memory,database created,row refused,bad configuration,reloaded,reload refused,"
    "stopped,owner,internal error"
)
ANY = {
    "str": "x",
    "int": 503,
    "float": 1.5,
    "bool": True,
    "Sequence[str]": ["x"],
    "Mapping[str, str] | None": {"x": "y"},
    "Sequence[int]": [276],
    "Collection[tuple[str, int]]": [("battery", 512)],
    "Census": Census(2, ("x",)),
}


def _entries() -> dict[str, tuple[dict[str, str], str]]:
    """Return the catalog: header fields and body by id."""
    entries: dict[str, tuple[dict[str, str], str]] = {}
    for entry in re.split(r"(?m)^(?=-- )", CATALOG.read_text())[1:]:
        first, _, rest = entry.partition("\n")
        header, _, body = rest.partition("\n\n")
        match = HEADER.fullmatch(first)
        assert match, first
        assert match[1] not in entries, f"{match[1]} stands there twice"
        entries[match[1]] = (dict(line.split(": ", 1) for line in header.splitlines()), body)
    return entries


def _constructors() -> list[Callable[..., Any]]:
    modules = device_errors, mqtt_errors, influx_errors, diagnosis
    functions = [
        each for module in modules for each in inspect.getmembers(module, inspect.isfunction)
    ]
    return [f for _, f in functions if f.__annotations__.get("return") == "Trouble"]


@pytest.mark.parametrize("make", _constructors())
def test_every_trouble_is_an_event(make: Callable[..., Trouble]) -> None:
    """Every failure of a peer has an id, and so an explanation."""
    parameters = inspect.signature(make).parameters.values()
    made = make(
        *(ANY[str(each.annotation)] for each in parameters if each.kind is not each.KEYWORD_ONLY),
        **{
            each.name: ANY.get(str(each.annotation), True)
            for each in parameters
            if each.kind is each.KEYWORD_ONLY
        },
    )
    assert message_id(made.cause), made


def test_every_event_named_in_the_code_exists() -> None:
    """Each cause or event in a module has an id."""
    wanted = re.compile(r'\b(?:Trouble|message_id|event)\(\s*f?"([^"{]*)')
    for path in (TOP / "bat2influx").rglob("*.py"):
        for name in wanted.findall(path.read_text()):
            assert message_id(f"{name}503" if name.endswith(" ") else name), f"{path}: {name}"


def test_causes_with_a_tail_have_the_id_of_their_kind() -> None:
    """The missing service, or the status of an answer, does not make another event."""
    assert message_id("missing: has no vebus") == MESSAGE_IDS["missing"]
    assert message_id("database 503") == MESSAGE_IDS["database answer"]
    assert message_id("database slow") == MESSAGE_IDS["database slow"]
    assert message_id("nothing of ours") is None


def test_ids_are_128_bits_and_differ() -> None:
    """As the journal requires."""
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in MESSAGE_IDS.values())
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)


def test_the_catalog_explains_every_event_and_nothing_else() -> None:
    """An event without explanation, or an explanation without event, is a mistake."""
    assert _entries().keys() == set(MESSAGE_IDS.values())


def test_explanations_have_a_subject_and_a_text() -> None:
    """The subject heads what `journalctl -x` shows; lines fit a terminal with its margin."""
    for header, body in _entries().values():
        assert header["Defined-By"] == "bat2influx"
        assert header["Subject"]
        assert header.keys() <= {"Subject", "Defined-By", "Documentation"}
        assert body.strip()
        assert max(map(len, body.splitlines())) <= 77


def test_only_existing_fields_that_can_be_substituted_are_used() -> None:
    """A name with a digit is not substituted; a missing field leaves its name."""
    entries = _entries()
    for event, value in MESSAGE_IDS.items():
        used = set(re.findall("@([^@\n ]+)@", entries[value][1]))
        own = set() if event in NO_FIELDS.split(",") else FIELDS.get(event, ALWAYS)
        assert used <= own | {"_SYSTEMD_UNIT", "MESSAGE_ID"}, event
        assert all(re.fullmatch("[A-Z_]+", name) for name in used), event


def test_the_manual_pages_in_explanations_exist() -> None:
    """The package contains every page that an explanation names."""
    for header, _ in _entries().values():
        for page in header.get("Documentation", "").split():
            file = re.sub(r"man:(.+)\((\d)\)", r"\1.\2", page)
            assert (TOP / "debian" / "man" / file).exists(), page


def test_journalctl_accepts_the_catalog(tmp_path: Path) -> None:
    """systemd's own reader of catalogs finds every entry, without a warning."""
    if shutil.which("journalctl") is None:
        return  # the tests above have read it
    folder = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    journalctl = ["journalctl", f"--root={tmp_path}", "--no-pager"]
    made = subprocess.run([*journalctl, "--update-catalog"], capture_output=True, check=True)
    assert (made.stdout, made.stderr) == (b"", b"")
    listed = subprocess.run([*journalctl, "--list-catalog"], capture_output=True, check=True)
    ids = [line.split()[0] for line in listed.stdout.decode().splitlines()]
    assert sorted(ids) == sorted(MESSAGE_IDS.values())
