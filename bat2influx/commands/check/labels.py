"""The label of a failed step: which part of the connection or the device a trouble is about."""

from __future__ import annotations

from bat2influx.commands.steps import WRONG, Step
from bat2influx.failure import Trouble

_LABELS = {  # by the first part of a trouble's cause; the causes of TLS are many
    "name": "name",
    "refused": "port",
    "unreachable": "port",
    "only tls": "port",
    "no tls port": "port",
    "protocol": "MQTT",
    "closed": "MQTT",
    "connack": "login",
    "login": "login",
    "vrm login": "login",
    "vrm refused": "right",
    "publish refused": "right",
    "subscription refused": "right",
    "portal": "portal id",
    "wrong portal": "portal id",
    "silent": "device",
    "unanswered": "device",
    "wrong instance": "instance",
    "missing": "instance",
}


def wrong(why: Trouble, label: str = "") -> Step:
    """Return the step that failed with `why`; without `label` the cause of `why` names it."""
    kind = why.cause.partition(":")[0]
    return Step(WRONG, label or _LABELS.get(kind, "TLS"), why.what)
