"""The last line of the log, cell by cell."""

from __future__ import annotations

import logging

import pytest

from bat2influx.daemon.ending import last_line
from bat2influx.delivery.figures import Figures

ASIDE = "rejected values are quarantined (`bat2influx spool` lists them)"
LOST = "values were neither stored nor written to disk and are lost"
SENDER = "stopped because worker thread 'sender' failed"


@pytest.mark.parametrize(
    ("figures", "parts", "level", "lost"),
    [
        ({}, ["every value is stored"], logging.INFO, 0),
        ({"accepted": 12}, ["every value is stored"], logging.INFO, 0),
        (
            {"accepted": 12, "queued": 7, "on_disk": 7},
            ["7 values are queued on disk for the next start", "12 values are stored"],
            logging.INFO,
            0,
        ),
        (
            {"accepted": 12, "rejected": 3, "rejected_on_disk": 3},
            [f"3 {ASIDE}", "12 values are stored"],
            logging.INFO,
            0,
        ),
        (
            {"rejected": 5, "rejected_on_disk": 3},
            [
                "2 rejected values were not written to disk and are lost",
                f"3 {ASIDE}",
                "0 values are stored",
            ],
            logging.ERROR,
            2,
        ),
        (
            {"accepted": 12, "dropped": 4},
            ["4 queued values were dropped before", "12 values are stored"],
            logging.INFO,
            0,
        ),
        (
            {"accepted": 12, "rejected_dropped": 4},
            ["4 rejected values were dropped before", "12 values are stored"],
            logging.INFO,
            0,
        ),
        ({"queued": 9}, [f"9 {LOST}", "0 values are stored"], logging.ERROR, 9),
        (
            {
                "accepted": 1,
                "queued": 5,
                "on_disk": 2,
                "rejected": 9,
                "rejected_on_disk": 5,
                "dropped": 6,
                "rejected_dropped": 7,
            },
            [
                f"3 {LOST}",
                "2 values are queued on disk for the next start",
                "4 rejected values were not written to disk and are lost",
                f"5 {ASIDE}",
                "6 queued values were dropped before",
                "7 rejected values were dropped before",
                "1 values are stored",
            ],
            logging.ERROR,
            7,
        ),
    ],
)
def test_the_last_line_names_what_happened_to_the_values(
    figures: dict[str, int], parts: list[str], level: int, lost: int
) -> None:
    """Losses come first; "every value is stored" stands alone."""
    found = last_line(Figures(**figures))  # type: ignore[arg-type]
    assert (found.text.split("; "), found.level, found.lost) == (["stopped", *parts], level, lost)
    found = Figures(**figures, failed_thread="sender")  # type: ignore[arg-type]
    failed = last_line(found)
    assert (failed.text.split("; "), failed.level) == ([SENDER, *parts], logging.ERROR)
    assert failed.lost == lost
