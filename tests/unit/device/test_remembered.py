"""What was found out about devices, and the file that keeps it."""

import json
import logging
import threading
from pathlib import Path

import pytest

from bat2influx.device.remembered import DeviceRecord, RememberedDevices

KEY = "venus.local:1883"
FOUND = DeviceRecord("c0619ab1c2d3", {"vebus": 275})


def kept(state: Path) -> Path:
    """Return the file."""
    return state / "devices.json"


def keep(remembered: RememberedDevices, key: str, found: DeviceRecord) -> None:
    """Have it known, and wait until it is written."""
    remembered.keep(key, found)
    remembered.flush(60.0)


def test_what_is_kept_is_known_at_the_next_start(tmp_path: Path) -> None:
    """A portal id and instances outlive the process, each device's under its own key."""
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
    """The SD card is touched when something has changed, and only then."""
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
        b"[" * 100_000,
        b'{"format": 2, "devices": {}}',
        b'{"format": 1}',
        b'{"format": 1, "devices": []}',
        b'{"format": 1, "devices": {"a": null}}',
        b'{"format": 1, "devices": {"a": {"portal": "b"}}}',
        b'{"format": 1, "devices": {"a": {"portal": "", "instances": {}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "#", "instances": {}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "+/x", "instances": {}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "%s", "instances": {}}}}' % (65 * b"a"),
        b'{"format": 1, "devices": {"a": {"portal": 7, "instances": {}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "b", "instances": {"vebus": "275"}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "b", "instances": {"vebus": true}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "b", "instances": {"vebus": -1}}}}',
        b'{"format": 1, "devices": {"a": {"portal": "b", "instances": [1]}}}',
    ],
)
def test_a_damaged_file_is_told_and_written_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is believed of a file that is not wholly as described, and nothing ends for it."""
    kept(tmp_path).write_bytes(content)
    with caplog.at_level(logging.WARNING, "bat2influx"):
        remembered = RememberedDevices(tmp_path)
    assert f"{kept(tmp_path)} is damaged, or of another version" in caplog.text
    assert remembered.recall("a") is None
    keep(remembered, KEY, FOUND)
    assert RememberedDevices(tmp_path).recall(KEY) == FOUND
    assert json.loads(kept(tmp_path).read_text())["devices"].keys() == {KEY}


def test_a_place_that_cannot_be_written_is_told_and_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was found goes on to be known until the end of the process."""
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "bat2influx"):
        remembered = RememberedDevices(tmp_path / "file" / "state")
        keep(remembered, KEY, FOUND)
    assert "cannot be written: Not a directory" in caplog.text
    assert remembered.recall(KEY) == FOUND


def test_an_end_between_writing_and_renaming_leaves_the_old_file(tmp_path: Path) -> None:
    """What lies beside the file from a start that was cut off is never read, and goes."""
    keep(RememberedDevices(tmp_path), KEY, FOUND)
    (tmp_path / "devices.new").write_text('{"format": 1, "dev')
    remembered = RememberedDevices(tmp_path)
    assert remembered.recall(KEY) == FOUND
    keep(remembered, KEY, DeviceRecord("0a1b2c3d4e5f"))
    assert [path.name for path in tmp_path.iterdir()] == ["devices.json"]


def test_found_a_slow_disk_held_up_the_main_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has something kept goes on at once; what comes meanwhile is written in its turn."""
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
    """A broker's devices may be called what its owner likes: the same rule holds everywhere."""
    found = DeviceRecord("site_2-b", {"vebus": 276})
    keep(RememberedDevices(tmp_path), KEY, found)
    assert RememberedDevices(tmp_path).recall(KEY) == found
