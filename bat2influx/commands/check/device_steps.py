"""The steps from a device's name to each field's value, with the daemon's messages.

The daemon's own parts take them. After a failed step the steps that need it are left out; the
successful ones before it are printed. conversation.py has the steps after the login.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from bat2influx.commands.check import fleet_check
from bat2influx.commands.check.clear_login import clear_login
from bat2influx.commands.check.conversation import Conversation, no_device
from bat2influx.commands.check.labels import wrong
from bat2influx.commands.steps import OK, Step
from bat2influx.config.settings import Battery
from bat2influx.device.source import Census, endpoint_of
from bat2influx.failure import Trouble
from bat2influx.mqtt.link import Link
from bat2influx.mqtt.session import Session


def device_steps(battery: Battery, config: str) -> Iterator[Step]:
    """Take the steps from the name to each field's value. Raises UndecidedError."""
    endpoint = endpoint_of(battery, config)
    with closing(Session(endpoint)) as session:
        link = session.connect()
        yield from _way(session, link)
        if isinstance(link, Trouble):
            return
        if why := session.log_in(link):
            yield wrong(why)
            return
        secret = "with" if battery.password else "without"
        yield Step(OK, "login", f"as {battery.user!r}, {secret} a password")
        yield from clear_login(
            "the password" if battery.password else "",
            endpoint.host,
            session.addresses,
            f"a device with a security profile supports TLS: write tls = yes in {config}",
            tls=endpoint.tls is not None,
        )
        fleet = battery.fleet
        if fleet:
            portals = fleet_check.fleet_portals(session)
            if not portals:
                yield wrong(session.trouble or no_device(session, battery, config))
                return
            yield Step(OK, "devices", f"{Census(len(portals), ())}; checking {portals[0]}")
            battery = battery._replace(serial=portals[0])
        conversation = Conversation(session, battery, config)
        parts = [conversation.portal, conversation.instances, conversation.fields]
        if not fleet:  # each device of a fleet has its own clock
            parts.append(conversation.clock)
        for steps in parts:
            yield from steps()
            if conversation.over:
                return


def _way(session: Session, outcome: Link | Trouble) -> Iterator[Step]:
    """Yield name, port and TLS; those before the trouble succeeded."""
    endpoint = session.endpoint
    if session.addresses and endpoint.host not in session.addresses:
        yield Step(OK, "name", f"{endpoint.host} is {', '.join(session.addresses)}")
    if isinstance(outcome, Trouble):
        step = wrong(outcome)
        if step.label in ("TLS", "MQTT"):
            yield Step(OK, "port", f"{endpoint.port} is open")
        yield step
        return
    yield Step(OK, "port", f"{endpoint.port} is open")
    if endpoint.tls:
        if endpoint.tls.fingerprint:
            trusted = "the certificate is the pinned one"
        else:
            trusted = f"the certificate is trusted by {endpoint.tls.ca_file or 'the system'}"
            trusted += "" if endpoint.tls.verify_host else ", and its name is not checked"
        yield Step(OK, "TLS", f"{outcome.version}, {trusted}")
