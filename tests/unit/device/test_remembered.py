"""Discovered properties of devices, and the file that keeps them."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bat2influx.device.remembered import MAX_FILE, DeviceRecord, RememberedDevices

KEY = "venus.local:1883"
FOUND = DeviceRecord("c0619ab1c2d3", {"vebus": 275})


def kept(state: Path) -> Path:
    """Return the file."""
    return state / "devices.json"


def keep(remembered: RememberedDevices, key: str, found: DeviceRecord) -> None:
    """Store it, and wait until it is written."""
    remembered.keep(key, found)
    remembered.flush(60.0)


def test_what_is_kept_is_known_at_the_next_start(tmp_path: Path) -> None:
    """Portal id and instances outlive the process, each device's under its own key."""
    state = tmp_path / "bat2influx"
    remembered = RememberedDevices(state)
    assert remembered.recall(KEY) is None
    keep(remembered, KEY, FOUND)
    keep(remembered, "attic@10.0.0.2:8883", DeviceRecord("0a1b2c3d4e5f"))
    again = RememberedDevices(state)
    assert again.recall(KEY) == FOUND
    assert again.recall("attic@10.0.0.2:8883") == DeviceRecord("0a1b2c3d4e5f", {})
    assert [path.name for path in state.iterdir()] == ["devices.json"]


def test_what_is_known_already_is_not_written_again(tmp_path: Path) -> None:
    """The SD card is written only when something has changed."""
    remembered = RememberedDevices(tmp_path)
    keep(remembered, KEY, FOUND)
    before = kept(tmp_path).stat()
    keep(remembered, KEY, DeviceRecord("c0619ab1c2d3", {"vebus": 275}))
    keep(RememberedDevices(tmp_path), KEY, FOUND)
    after = kept(tmp_path).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    keep(remembered, KEY, DeviceRecord("c0619ab1c2d3", {"vebus": 276}))
    assert kept(tmp_path).stat().st_ino != before.st_ino


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        pytest.param(b"[" * 100_000, id="deep"),
        b'{"format": 2, "devices": {}}',
        b'{"format": 1}',
        b'{"format": 1, "devices": []}',
        pytest.param(b'{"format": 1, "devices": {}}' + 256 * 1024 * b" ", id="long"),
    ],
)
def test_a_damaged_file_is_reported_and_rewritten(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of such a file is used, and the daemon goes on."""
    kept(tmp_path).write_bytes(content)
    with caplog.at_level(logging.WARNING, "bat2influx"):
        remembered = RememberedDevices(tmp_path)
    assert f"{kept(tmp_path)} is damaged or has another version" in caplog.text
    assert remembered.recall("a") is None
    keep(remembered, KEY, FOUND)
    assert RememberedDevices(tmp_path).recall(KEY) == FOUND
    assert json.loads(kept(tmp_path).read_text())["devices"].keys() == {KEY}


@pytest.mark.parametrize(
    "entry",
    [
        "null",
        "[]",
        '{"portal": "b"}',
        '{"portal": "", "instances": {}}',
        '{"portal": "#", "instances": {}}',
        '{"portal": "+/x", "instances": {}}',
        f'{{"portal": "{65 * "a"}", "instances": {{}}}}',
        '{"portal": 7, "instances": {}}',
        '{"portal": "b", "instances": {"vebus": "275"}}',
        '{"portal": "b", "instances": {"vebus": true}}',
        '{"portal": "b", "instances": {"vebus": -1}}',
        '{"portal": "b", "instances": [1]}',
    ],
)
def test_an_invalid_entry_is_ignored_and_the_others_are_used(
    entry: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Found: one invalid portal id made the whole file invalid; every device was searched for."""
    good = '{"portal": "Site_2-B", "instances": {"vebus": 275}}'
    content = f'{{"format": 1, "devices": {{"odd\\u001b": {entry}, "{KEY}": {good}}}}}'
    kept(tmp_path).write_text(content)
    with caplog.at_level(logging.WARNING, "bat2influx"):
        remembered = RememberedDevices(tmp_path)
    assert f"{kept(tmp_path)} has invalid entries, which are ignored (odd);" in caplog.text
    assert remembered.recall("odd\x1b") is None
    assert remembered.recall(KEY) == DeviceRecord("Site_2-B", {"vebus": 275})


def test_of_many_invalid_entries_three_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The length of a log line is limited."""
    devices = {str(number): None for number in range(1000)}
    kept(tmp_path).write_text(json.dumps({"format": 1, "devices": devices}))
    with caplog.at_level(logging.WARNING, "bat2influx"):
        RememberedDevices(tmp_path)
    assert "ignored (0, 1, 2 and 997 more)" in caplog.text


def test_the_file_is_never_longer_than_is_read(tmp_path: Path) -> None:
    """The oldest entry is dropped, and the latest is known at the next start."""
    state = tmp_path / "state"
    remembered = RememberedDevices(state)
    long = {f"{number}{'x' * 1000}": number for number in range(100)}
    for key in ("a", "b", "c"):
        keep(remembered, key, DeviceRecord(key, long | {key: 1}))
    assert kept(state).stat().st_size <= MAX_FILE
    again = RememberedDevices(state)
    assert again.recall("a") is None
    assert again.recall("b")
    assert again.recall("c")


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/x")])
def test_what_is_no_file_is_reported_at_once(
    put: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading does not wait at a FIFO, and follows no link."""
    put(kept(tmp_path))
    with caplog.at_level(logging.WARNING, "bat2influx"):
        assert RememberedDevices(tmp_path).recall(KEY) is None
    assert f"{kept(tmp_path)} cannot be read: it is " in caplog.text


def test_a_directory_that_is_not_writable_is_reported_and_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The entries are known until the end of the process."""
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "bat2influx"):
        remembered = RememberedDevices(tmp_path / "file" / "state")
        keep(remembered, KEY, FOUND)
    assert "cannot be written: Not a directory" in caplog.text
    assert remembered.recall(KEY) == FOUND


def test_an_end_between_writing_and_renaming_leaves_the_old_file(tmp_path: Path) -> None:
    """The temporary file of an interrupted start is never read, and is replaced."""
    keep(RememberedDevices(tmp_path), KEY, FOUND)
    (tmp_path / "devices.new").write_text('{"format": 1, "dev')
    remembered = RememberedDevices(tmp_path)
    assert remembered.recall(KEY) == FOUND
    keep(remembered, KEY, DeviceRecord("0a1b2c3d4e5f"))
    assert [path.name for path in tmp_path.iterdir()] == ["devices.json"]


def test_found_a_slow_disk_held_up_the_main_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller continues at once; later changes are written afterwards."""
    goes_on, texts = threading.Event(), []

    def slow(_: RememberedDevices, text: str) -> None:
        goes_on.wait(60.0)
        texts.append(json.loads(text)["devices"].keys())

    monkeypatch.setattr(RememberedDevices, "_replace", slow)
    remembered = RememberedDevices(tmp_path)
    for number in range(5):
        remembered.keep(f"10.0.0.{number}:1883", FOUND)
    assert texts == []
    goes_on.set()
    remembered.flush(60.0)
    assert len(texts) <= 2
    assert len(texts[-1]) == 5


def test_whatever_may_be_a_portal_id_is_known_at_the_next_start(tmp_path: Path) -> None:
    """Owners may choose any portal id: the same rule applies everywhere."""
    found = DeviceRecord("site_2-b", {"vebus": 276})
    keep(RememberedDevices(tmp_path), KEY, found)
    assert RememberedDevices(tmp_path).recall(KEY) == found
