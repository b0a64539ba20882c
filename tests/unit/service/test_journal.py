"""The log: its target, the content of an entry, and how often a lasting failure is logged."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, TextIO

import pytest
from systemd.journal import JournalHandler

from bat2influx.failure import Trouble
from bat2influx.service import journal
from bat2influx.service.journal import (
    LASTING,
    LONGEST_ENTRY,
    LONGEST_TRACEBACK,
    MAX_CAUSES,
    MAX_PER_MINUTE,
    MAX_RECOVERIES,
    MINUTE,
    REMIND,
    RETURNS,
    DampedEpisode,
    Episode,
    event,
    set_up,
)

ABSENT = Trouble("database", "the database is away")
SLOW = Trouble("database slow", "the database is slow")
FIELDS = {"PEER": "127.0.0.1:8086"}


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The program's logger, restored afterwards."""
    made = logging.getLogger("bat2influx")
    before = made.handlers[:], made.level, made.propagate
    yield made
    made.handlers[:], made.level, made.propagate = before


@pytest.fixture
def stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A file as stderr, for `set_up_with`."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    with (tmp_path / "stderr").open("w+") as file:
        yield file


def set_up_with(file: TextIO) -> None:
    """Set up the log of a program whose stderr is this file."""
    with redirect_stderr(file):
        set_up()


def stream(file: TextIO) -> str:
    """Return $JOURNAL_STREAM for a program whose stderr is connected to the journal."""
    status = os.fstat(file.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def written(file: TextIO) -> str:
    """Return the content of a file."""
    file.flush()
    return Path(file.name).read_text()


def test_no_text_moves_the_cursor_of_a_terminal(log: logging.Logger, stderr: TextIO) -> None:
    """Whatever a peer supplied; line breaks and those of a traceback stay."""
    set_up_with(stderr)
    try:
        raise ValueError("odd\x1b[2J")
    except ValueError:
        log.warning("the broker says %s", "\x1b]0;x\x07\u202e", exc_info=True)
    first, *rest = written(stderr).splitlines()
    assert first == "WARNING: the broker says  ]0;x  "
    assert rest[-1] == "ValueError: odd [2J"


def test_the_journal_is_used_if_stderr_goes_there(
    log: logging.Logger, stderr: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$JOURNAL_STREAM has device and inode of stderr."""
    monkeypatch.setenv("JOURNAL_STREAM", stream(stderr))
    set_up_with(stderr)
    assert [type(handler) for handler in log.handlers] == [JournalHandler]


@pytest.mark.parametrize("other", [None, "", "0:0", "8:", "nonsense"])
def test_stderr_is_used_otherwise(
    log: logging.Logger, stderr: TextIO, monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    """Without the variable, or after a redirection of stderr, with plain lines."""
    if other is not None:
        monkeypatch.setenv("JOURNAL_STREAM", other)
    set_up_with(stderr)
    log.info("started")
    logging.getLogger("bat2influx.delivery").warning("%s is away", "it", extra=FIELDS)
    log.debug("not for people")
    assert written(stderr) == "INFO: started\nWARNING: it is away\n"


def test_setting_up_twice_logs_nothing_twice(log: logging.Logger, stderr: TextIO) -> None:
    """There is one handler, and nothing is passed to the root logger."""
    set_up_with(stderr)
    set_up_with(stderr)
    log.info("once")
    assert written(stderr) == "INFO: once\n"
    assert not log.propagate


def test_a_closed_stderr_is_not_the_journal(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that was started without stderr still runs."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setenv("JOURNAL_STREAM", "0:0")
    set_up()
    log.info("to nobody")


Entries = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def entries(log: logging.Logger, stderr: TextIO, monkeypatch: pytest.MonkeyPatch) -> Entries:
    """The entries that are sent to the journal: (MESSAGE, fields)."""
    sent: Entries = []
    monkeypatch.setenv("JOURNAL_STREAM", stream(stderr))
    set_up_with(stderr)
    (handler,) = log.handlers
    assert isinstance(handler, JournalHandler)
    handler.send = lambda text, /, **fields: sent.append((text, fields))
    return sent


def test_an_entry_has_identifier_priority_and_fields(log: logging.Logger, entries: Entries) -> None:
    """SYSLOG_IDENTIFIER names the program; the fields of `extra` can be searched."""
    made = Episode(logging.getLogger("bat2influx.delivery"), FIELDS)
    made.failed(ABSENT, 10.0)
    made.recovered("it is back", 20.0)
    log.error("bad")
    log.critical("worse")
    assert [message for message, _ in entries[:1]] == [ABSENT.text]
    assert entries[1][0].startswith("it is back")
    for _, fields in entries:
        assert fields["SYSLOG_IDENTIFIER"] == "bat2influx"
    assert [fields["PRIORITY"] for _, fields in entries] == ["4", "6", "3", "2"]
    warning = entries[0][1]
    assert warning["LOGGER"] == "bat2influx.delivery"
    assert {**FIELDS, "CAUSE": "database", "COUNT": "1"}.items() <= warning.items()
    assert warning["MESSAGE_ID"] == event("database")["MESSAGE_ID"]
    assert entries[1][1]["COUNT"] == "1"


def test_a_traceback_is_in_the_message(log: logging.Logger, entries: Entries) -> None:
    """The journal shows what ended a thread."""
    try:
        raise ZeroDivisionError("of a thread")
    except ZeroDivisionError as error:
        failure = error
    log.critical("ending", exc_info=failure)
    assert entries[0][0].startswith("ending\nTraceback")
    assert entries[0][0].endswith("ZeroDivisionError: of a thread")


def test_an_entry_has_a_bound_in_all_its_fields(log: logging.Logger, entries: Entries) -> None:
    """The text of a peer, its arguments, and the searchable fields."""
    long = "x" * 300_000
    log.warning("the device has %s", long, extra=event("missing", TOPIC=long))
    ((text, fields),) = entries
    assert len(text) == LONGEST_ENTRY
    assert text.startswith("the device has xxx")
    assert text.endswith("x…")
    assert len(fields["TOPIC"]) == LONGEST_ENTRY
    assert all(len(str(each)) <= LONGEST_ENTRY for each in fields.values())


def test_a_line_on_a_terminal_has_the_same_bound(log: logging.Logger, stderr: TextIO) -> None:
    """Without the journal."""
    set_up_with(stderr)
    log.warning("%s", "x" * 300_000)
    log.warning("%s", "x" * LONGEST_ENTRY)
    cut, whole = written(stderr).splitlines()
    assert len(cut) == len("WARNING: ") + LONGEST_ENTRY
    assert cut.endswith("x…")
    assert whole.endswith("xx")


def test_of_a_long_traceback_both_ends_stay(log: logging.Logger, entries: Entries) -> None:
    """Its begin and the exception, whose text may be a peer's."""
    try:
        raise ValueError("odd" * 100_000 + " end")
    except ValueError as error:
        failure = error
    log.critical("ending", exc_info=failure)
    ((text, fields),) = entries
    assert text.startswith("ending\nTraceback")
    assert text.endswith("oddodd end")
    assert len(text) == len("ending\n") + LONGEST_TRACEBACK
    assert len(fields["EXCEPTION_TEXT"]) == LONGEST_TRACEBACK


def test_the_journal_accepts_any_text_of_a_peer(
    log: logging.Logger, stderr: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logging any text raises nothing; this test uses the real socket."""
    monkeypatch.setenv("JOURNAL_STREAM", stream(stderr))
    monkeypatch.setattr(logging, "raiseExceptions", False)
    set_up_with(stderr)
    for text in ("plain", "two\nlines", "\x00", "\ud800", "x" * 300_000):
        log.warning("%s", text, extra=event("database", PEER=text))


class TestEpisode:
    """A failure that lasts, with a clock of the test."""

    @pytest.fixture
    def episode(self, caplog: pytest.LogCaptureFixture) -> Episode:
        """An episode whose entries are caught."""
        caplog.set_level(logging.INFO)
        return Episode(logging.getLogger("test"), FIELDS, counted="failed attempt")

    def test_the_first_failure_is_a_warning_and_its_repeats_are_counted(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A hundred failures are one warning, and at the end one line with their number."""
        for number in range(100):
            episode.failed(ABSENT, 1000.0 + number)
            assert episode.trouble is ABSENT
        episode.recovered("it is back", 1180.0)
        assert episode.trouble is None
        warning, recovery = caplog.records
        assert (warning.levelname, warning.getMessage()) == ("WARNING", ABSENT.text)
        assert recovery.levelname == "INFO"
        assert recovery.getMessage().startswith("it is back")
        assert "3 min" in recovery.getMessage()
        assert "100 failed attempts" in recovery.getMessage()
        assert vars(recovery)["COUNT"] == "100"
        assert vars(recovery)["PEER"] == FIELDS["PEER"]

    def test_success_without_a_failure_is_not_logged(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And after a failure it is logged once."""
        episode.recovered("it is back", 1.0)
        episode.failed(ABSENT, 2.0)
        episode.recovered("it is back", 3.0)
        episode.recovered("it is back", 4.0)
        assert len(caplog.records) == 2
        assert "1 failed attempt" in caplog.records[1].getMessage()
        assert "attempts" not in caplog.records[1].getMessage()

    def test_a_lasting_failure_is_logged_again_every_hour(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """In a day of failures every ten seconds: the warning and a reminder an hour."""
        for number in range(8641):
            episode.failed(ABSENT, 10.0 * number)
        assert len(caplog.records) == 1 + 24
        assert all(record.levelname == "WARNING" for record in caplog.records)
        texts = [record.getMessage() for record in caplog.records]
        assert all(text.startswith(ABSENT.text) for text in texts)
        assert "361 failed attempts" in texts[1]
        assert "24 h" in texts[24]

    def test_another_cause_is_logged_too(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It may have another remedy; it is still one episode with one end."""
        for number, trouble in enumerate([ABSENT, ABSENT, SLOW, SLOW, SLOW]):
            episode.failed(trouble, float(number))
        episode.recovered("it is back", 10.0)
        texts = [record.getMessage() for record in caplog.records]
        assert texts[:2] == [ABSENT.text, SLOW.text]
        assert len(texts) == 3
        assert "5 failed attempts" in texts[2]

    def test_the_next_failure_starts_a_new_count(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """After a recovery a failure is a first one again."""
        for now in (0.0, 5000.0):
            episode.failed(ABSENT, now)
            episode.failed(ABSENT, now + 1.0)
            episode.recovered("it is back", now + 2.0)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2
        assert "2 failed attempts" in caplog.records[3].getMessage()
        assert "2 s" in caplog.records[3].getMessage()

    def test_a_reminder_comes_an_hour_after_the_latest_entry(
        self, episode: Episode, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not earlier, and not at once because of an earlier failure."""
        episode.failed(ABSENT, 0.0)
        episode.failed(SLOW, REMIND - 1)
        episode.failed(SLOW, REMIND + 1)
        assert len(caplog.records) == 2
        episode.failed(SLOW, 2 * REMIND)
        assert len(caplog.records) == 3


class TestAlternatingCauses:
    """An episode in which causes alternate."""

    @pytest.mark.parametrize(
        ("causes", "told"),
        [
            ("a", "a"),
            ("aaaa", "a"),
            ("ab", "ab"),
            ("aabbb", "ab"),
            ("aba", "aba"),
            ("ababab", "ababab"),
            ("abababababab", "ababab"),
            ("ababababababc", "abababc"),
            ("abababababcbc", "abababc"),
        ],
    )
    def test_a_returning_cause_is_logged_a_few_times(
        self, caplog: pytest.LogCaptureFixture, causes: str, told: str
    ) -> None:
        """A new cause is logged at once, whatever came before."""
        episode = Episode(logging.getLogger("test"))
        for now, cause in enumerate(causes):
            episode.failed(Trouble(cause, cause), float(now))
        assert "".join(each.getMessage() for each in caplog.records) == told
        assert len([*told]) <= 3 + RETURNS

    def test_reminders_come_every_hour_whatever_the_cause(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One line an hour, with the present cause."""
        episode = Episode(logging.getLogger("test"), counted="failed attempt")
        for second in range(0, 86_400, 10):
            cause = "ab"[second // 10 % 2]
            episode.failed(Trouble(cause, cause), float(second))
        assert len(caplog.records) == 2 + RETURNS + 23
        assert "still" in caplog.records[-1].getMessage()

    def test_the_next_episode_starts_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """Causes that an earlier episode logged are logged again."""
        episode = Episode(logging.getLogger("test"))
        for second in range(20):
            episode.failed(Trouble("ab"[second % 2], "x"), float(second))
        episode.recovered("it is back", 20.0)
        caplog.clear()
        for second in range(21, 24):
            episode.failed(Trouble("ab"[second % 2], "x"), float(second))
        assert len(caplog.records) == 3


class TestBounds:
    """What a peer can make an episode store and log with invented causes."""

    def test_a_cause_beyond_the_bound_counts_as_logged_before(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """So many causes are logged, and a few more; only the first are stored."""
        episode = Episode(logging.getLogger("test"))
        for number in range(50 * MAX_CAUSES):
            episode.failed(Trouble(f"missing: {number}", "x"), number * MINUTE / 50 / MAX_CAUSES)
        for number in range(50 * MAX_CAUSES):
            episode.failed(Trouble(f"again: {number}", "x"), (1 + number) * MINUTE)
        assert len(episode._causes) == MAX_CAUSES
        reminders = [each for each in caplog.messages if "still" in each]
        assert len(caplog.messages) - len(reminders) == MAX_CAUSES + RETURNS

    def test_entries_per_minute_are_bounded_and_the_latest_cause_follows(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A lasting cause is logged as soon as the bound allows, once."""
        episode = Episode(logging.getLogger("test"))
        for second in range(50):
            episode.failed(Trouble(f"cause {second}", f"text {second}"), float(second))
        assert caplog.messages == [f"text {second}" for second in range(MAX_PER_MINUTE)]
        caplog.clear()
        for second in range(50, 200):
            episode.failed(Trouble("cause 49", "text 49"), float(second))
        assert caplog.messages == ["text 49"]

    def test_an_end_is_logged_only_after_a_logged_begin(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Failures that come and go every second have as few ends as begins in the log."""
        caplog.set_level(logging.INFO)
        episode = Episode(logging.getLogger("test"))
        for number in range(600):
            episode.failed(ABSENT, number / 10)
            episode.recovered("it is back", number / 10 + 0.05)
        levels = [record.levelname for record in caplog.records]
        assert levels == ["WARNING", "INFO"] * MAX_PER_MINUTE
        episode.failed(ABSENT, MINUTE)
        assert len(caplog.records) == 2 * MAX_PER_MINUTE + 1


class TestDampedEpisode:
    """Alternating failures and successes; `f`, `w` and `-` (neither) are a second each."""

    @pytest.mark.parametrize(
        ("happens", "told"),
        [
            ("w", ""),
            ("www", ""),
            ("f", "F"),
            ("ff", "F"),
            ("fw", "FW"),
            ("fww", "FW"),
            ("fwfw", "FWFW"),
            ("fw" * MAX_RECOVERIES, "FW" * MAX_RECOVERIES),
            ("fw" * (MAX_RECOVERIES + 1), "FW" * MAX_RECOVERIES + "F"),
            ("fw" * 100, "FW" * MAX_RECOVERIES + "F"),
            ("fw" * 100 + "w" * 9, "FW" * MAX_RECOVERIES + "F"),
            ("fw" * 100 + "w" * 10, "FW" * MAX_RECOVERIES + "FW"),
            ("fw" * 100 + "-" * 9 + "w", "FW" * MAX_RECOVERIES + "FW"),
            ("fw" * 100 + "w" * 10 + "fw", "FW" * MAX_RECOVERIES + "FW" + "F"),
            ("fw" * 100 + "w" * 10 + "fw" + "w" * 19, "FW" * MAX_RECOVERIES + "FW" + "F"),
            ("fw" * 100 + "w" * 10 + "fw" + "w" * 20, "FW" * MAX_RECOVERIES + "FW" + "FW"),
            ("fw" * 100 + "w" * 8 + "fw", "FW" * MAX_RECOVERIES + "F"),
            (("f" + "w" * 60) * 50, "FW" * (MAX_RECOVERIES + 3) + "F"),  # 10, 20, 40, and not 80 s
            (("f" + "w" * 1000) * 20, "FW" * 20),  # four in an hour
            ("f" * 50 + "w", "FW"),
        ],
    )
    def test_a_recovery_is_logged_at_once_until_several_did_not_last(
        self, caplog: pytest.LogCaptureFixture, happens: str, told: str
    ) -> None:
        """Then only after it has lasted 10 s, and twice as long each time after."""
        caplog.set_level(logging.INFO)
        episode = DampedEpisode(logging.getLogger("test"))
        for now, each in enumerate(happens):
            if each == "f":
                episode.failed(ABSENT, float(now))
            elif each == "w":
                episode.recovered("it is back", float(now))
        found = "".join("F" if e.levelname == "WARNING" else "W" for e in caplog.records)
        assert (found, LASTING) == (told, 10.0)
        assert (episode.trouble is not None) is told.endswith("F")

    def test_a_damped_episode_is_logged_every_hour(self, caplog: pytest.LogCaptureFixture) -> None:
        """With the number of failures, which is every second attempt."""
        caplog.set_level(logging.INFO)
        episode = DampedEpisode(logging.getLogger("test"), FIELDS, counted="failed attempt")
        for now in range(0, 7210, 2):
            episode.failed(ABSENT, float(now))
            episode.recovered("it is back", now + 1.0)
        assert len(caplog.records) == 2 * MAX_RECOVERIES + 1 + 2
        assert "1801 failed attempts" in caplog.records[-2].getMessage()


def test_an_unknown_event_has_only_its_fields() -> None:
    """An entry without an id is still an entry with fields."""
    assert journal.event("nothing of ours", PEER="x") == {"PEER": "x"}


def test_fields_of_a_failure_are_in_its_entry_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """The journal can be searched for them, in addition to the common fields."""
    episode = Episode(logging.getLogger("fields"), {"PEER": "venus.local"})
    with caplog.at_level(logging.INFO):
        episode.failed(Trouble("missing: x", "no answer"), 0.0, TOPIC="N/p/vebus/275/Soc")
        episode.recovered("answered", 5.0)
    for record in caplog.records:
        assert record.__dict__["PEER"] == "venus.local"
        assert record.__dict__["TOPIC"] == "N/p/vebus/275/Soc"
    assert len(caplog.records) == 2


def test_the_fields_of_an_episode_may_change(caplog: pytest.LogCaptureFixture) -> None:
    """After a reload the following entries name the other database."""
    episode = Episode(logging.getLogger("fields"), {"PEER": "old", "UNIT": "x"})
    with caplog.at_level(logging.INFO):
        episode.failed(Trouble("busy", "no answer"), 0.0)
        episode.is_about(PEER="new")
        episode.recovered("answered", 5.0)
    told = [(record.__dict__["PEER"], record.__dict__["UNIT"]) for record in caplog.records]
    assert told == [("old", "x"), ("new", "x")]
