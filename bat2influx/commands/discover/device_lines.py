"""What `bat2influx discover --json` prints: an object for each device, field and problem.

Rules: no socket. A text of a device is one line of printable characters, as in the ini lines, and
no object has a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from bat2influx.commands import json_lines
from bat2influx.commands.discover import ini_lines
from bat2influx.commands.discover.ssdp import Description
from bat2influx.commands.discover.survey import Survey
from bat2influx.commands.json_lines import Outcome, Record, ResultRecord
from bat2influx.printable import plain


class DeviceState(Enum):
    """What came of asking a device."""

    OK = "ok"  # it has published its values
    NOT_RESPONDING = "not_responding"  # the broker lists it, and it has published nothing
    NO_DEVICE = "no_device"  # a broker without a Venus device
    LOGIN_REQUIRED = "login_required"
    LOGIN_REJECTED = "login_rejected"  # with the password in the file
    MQTT_OFF = "mqtt_off"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class DeviceRecord(Record):
    """A device, and how it is reached; what is not known of it is None.

    `secured` is whether a login is required. `instance` is that of the vebus which the nine fields
    are read from, `values` how many numbers were published, and `complete` whether those are all.
    """

    kind = "device"

    state: DeviceState
    address: str
    port: int | None
    tls: bool | None
    fingerprint: str | None
    secured: bool | None
    topic_prefix: str | None
    portal_id: str | None
    model: str | None
    name: str | None
    instance: int | None
    presets: tuple[str, ...]
    values: int
    complete: bool


@dataclass(frozen=True)
class FieldRecord(Record):
    """A value of a device as a line of [Fields]; `path` is service/instance/path.

    `selected` is whether it is stored with the lines that `discover` prints without a change.
    """

    kind = "field"

    portal_id: str
    name: str
    path: str
    value: float
    unit: str | None
    selected: bool


@dataclass(frozen=True)
class ProblemRecord(Record):
    """What kept the command from finding a device, or all of it; `address` is whose problem."""

    kind = "problem"

    address: str | None
    text: str


@dataclass(frozen=True)
class Way:
    """How a host was asked; `port` and `tls` are None where nobody answered.

    `secured` is as in DeviceRecord, and `prefix` is what a bridge puts in front of the topics.
    """

    address: str
    port: int | None = None
    tls: bool | None = None
    fingerprint: str | None = None
    secured: bool | None = None
    prefix: str = ""


def without_survey(state: DeviceState, way: Way, known: Description) -> DeviceRecord:
    """Return a device that could not be asked; `known` is what it has published by SSDP."""
    return _device(state, way, known, None)


def of_survey(
    survey: Survey, way: Way, known: Description, *, everything: bool
) -> tuple[Record, ...]:
    """Return a device with its fields; `everything` has configuration among them, too."""
    state = DeviceState.OK if survey.numbers else DeviceState.NOT_RESPONDING
    fields = (
        FieldRecord(
            portal_id=survey.portal,
            name=row.name,
            path=row.leaf,
            value=row.value,
            unit=row.unit or None,
            selected=row.wanted or row.stored,
        )
        for row in ini_lines.rows(survey, everything=everything)
    )
    return (_device(state, way, known, survey), *fields)


def _device(
    state: DeviceState, way: Way, known: Description, survey: Survey | None
) -> DeviceRecord:
    multis = [place for place in survey.places() if place.service == "vebus"] if survey else []
    portal = survey.portal if survey else known.portal
    return DeviceRecord(
        state=state,
        address=way.address,
        port=way.port,
        tls=way.tls,
        fingerprint=way.fingerprint,
        secured=way.secured,
        topic_prefix=way.prefix or None,
        portal_id=plain(portal) or None,
        model=plain((survey and survey.model) or known.model) or None,
        name=plain((survey and survey.name) or known.name) or None,
        instance=multis[0].instance if multis else None,
        presets=ini_lines.presets_of(survey) if survey else (),
        values=sum(map(len, survey.numbers.values())) if survey else 0,
        complete=survey.complete if survey else False,
    )


class JsonDevices:
    """Prints problems when they are met, and at the end the devices and the result."""

    def __init__(self) -> None:
        self._problems = 0

    def problems_of(self, address: str | None) -> Callable[[str], None]:
        """Return what prints a problem of the host at `address`, None for one of no host."""

        def show(text: str) -> None:
            self._problems += 1
            json_lines.show(ProblemRecord(address, text))

        return show

    def end(self, found: Sequence[Iterable[Record]], code: int) -> None:
        """Print the objects of each host, those of a device that was read first, and the result.

        `code` is the exit code.
        """
        records = [record for host in found for record in host]
        devices = [record for record in records if isinstance(record, DeviceRecord)]
        ok = sum(device.state is DeviceState.OK for device in devices)
        for record in records:
            json_lines.show(record)
        failed = len(devices) - ok
        partial = Outcome.WARNING if self._problems or failed else Outcome.OK
        json_lines.show(
            ResultRecord(
                command="discover",
                status=Outcome.FAILED if code else partial,
                ok=ok,
                warnings=self._problems,
                failed=failed,
                exit_code=code,
            )
        )
