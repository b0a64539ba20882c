"""Which label a failed step has."""

from __future__ import annotations

import pytest

from bat2influx.commands.check.labels import wrong
from bat2influx.commands.steps import WRONG, Step
from bat2influx.failure import Trouble


@pytest.mark.parametrize(
    ("cause", "label"),
    [
        ("name", "name"),
        ("unreachable: no route", "port"),
        ("protocol", "MQTT"),
        ("publish refused", "right"),
        ("wrong portal", "portal id"),
        ("missing", "instance"),
        ("tls wanted", "TLS"),
        ("of another kind", "TLS"),
    ],
)
def test_the_cause_of_a_trouble_gives_the_label(cause: str, label: str) -> None:
    """The part after the first colon is ignored, and unlisted causes are those of TLS."""
    assert wrong(Trouble(cause, "what to do")) == Step(WRONG, label, "what to do")


def test_a_given_label_comes_first() -> None:
    """Such as the name of a field, whose trouble has a cause with a label, too."""
    assert wrong(Trouble("missing", "what to do"), "Soc") == Step(WRONG, "Soc", "what to do")
