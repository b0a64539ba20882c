"""The daemon: puts the parts together and turns the loop.

Nothing that the main thread calls may block: what can hang is on a thread of its own.
"""

from __future__ import annotations

import faulthandler
import logging
import math
import os
from collections.abc import Callable

from bat2influx.clock import Clock, Hold, Now
from bat2influx.config import paths
from bat2influx.config.settings import Battery, ConfigError, Settings
from bat2influx.daemon import ending, health
from bat2influx.daemon.loop import Loop
from bat2influx.daemon.self_report import SelfReport
from bat2influx.daemon.stamps import Stamps
from bat2influx.daemon.status import Status
from bat2influx.daemon.watchdog import DEFAULT_WATCHDOG, Watchdog
from bat2influx.delivery.delivery import Delivery
from bat2influx.delivery.disk_queue import DiskQueue
from bat2influx.delivery.memory_queue import MemoryQueue
from bat2influx.delivery.spool import Spool
from bat2influx.device.device import Device
from bat2influx.device.remembered import RememberedDevices
from bat2influx.device.source import Source
from bat2influx.influx.lineprotocol import Encoder
from bat2influx.influx.writer import DEADLINE, Writer
from bat2influx.service import notify
from bat2influx.service.journal import event

log = logging.getLogger(__name__)

# Of a device's spans W/24 is the shortest, in which a message has to arrive: with a WatchdogSec of
# less than so many times the time between two, a healthy one would always be "not responding".
PACES = 32
HEARTBEAT = 3.0  # s

# The answers to the questions of a tick come within 2 ms of each other (VENUS), and a request to
# the database costs more than the values in it: so the first ones wait for the others.
GATHER = 0.004  # s
GATHER_FOR = 0.25  # s; who has not answered by then is not waited for

LAST_WORDS = 0.5  # s, for the answers under way at the end
STOP_TIMEOUT = 7.5  # s, for what still waits then
MEMORY_BOUND = 32 * 1024 * 1024  # bytes; a Raspberry Pi has other things to do

Reload = Callable[[], Settings]


def run(settings: Settings, reload: Reload) -> int:
    """Run until SIGTERM or SIGINT; return the exit code. `reload` reads the file anew."""
    daemon = Daemon(settings, reload)
    try:
        daemon.start()
        while not daemon.ended:
            ready = daemon.wait()
            daemon.follow_clock()
            daemon.step_devices(ready)
            daemon.deliver()
            daemon.tell_of_itself()
            daemon.report()
            daemon.reload_if_asked()
        daemon.hear_out()
    finally:
        daemon.stop()
    return daemon.exit_code


class Daemon:
    """The parts of the running program, and what one turn of the loop does with them."""

    def __init__(self, settings: Settings, reload: Reload) -> None:
        self.settings = settings
        self.exit_code = os.EX_OK
        self._reload = reload
        interval = notify.watchdog_interval()
        self._watched = interval is not None
        self._w = interval or DEFAULT_WATCHDOG
        self._loop = Loop()
        self._wakeup = self._loop.wakeup
        self._clock = Clock()
        self._now = now = self._clock.look()
        self._stamps = Stamps(self._clock)
        self._hold = Hold.NO
        self._gather_until = math.inf  # monotonic s: when readings that wait for others go
        self._watchdog = Watchdog(self._w, now.mono)
        self._status = Status(now.mono, self._w)
        state = paths.state_directory(settings.path, os.environ)
        self._encoder = _encoder(settings)
        self._delivery = Delivery(
            Spool(
                MemoryQueue(min(settings.max_size, MEMORY_BOUND)),
                DiskQueue(state, settings.max_size),
            ),
            self._writer(settings),
            idle=self._w / 8,
            wake=self._wakeup.wake,
        )
        self._self_report = SelfReport(settings, now)
        self._health = health.HealthFile(settings.path, self._w)
        self._remembered = RememberedDevices(state)
        self.devices = tuple(self._device(battery) for battery in settings.batteries)

    # One turn of the loop

    def start(self) -> None:
        """Take over signals, and start the threads."""
        faulthandler.enable()
        self._wakeup.catch_signals()
        self._delivery.start()

    @property
    def ended(self) -> bool:
        """Whether to leave the loop; says why where a failure is the reason."""
        if (failure := self._delivery.failure) is not None:
            text, extra = "exiting: worker thread %r failed", event("internal error")
            log.critical(text, self._delivery.failed_thread, exc_info=failure, extra=extra)
            self.exit_code = os.EX_SOFTWARE
        if all(device.undecided for device in self.devices):
            self.exit_code = os.EX_CONFIG
        return self._wakeup.stop or self.exit_code != os.EX_OK

    def wait(self, most: float = math.inf) -> dict[int, int]:
        """Wait for sockets, signals, threads and the next thing due; return what is ready.

        It takes `most` s at the most.
        """
        now = self._clock.look().mono
        most = min(most, self._status.timeout(now), self._self_report.timeout(now))
        most = min(most, max(0.0, self._gather_until - now))
        return self._loop.wait(self.devices, self._clock.look, min(most, self._clock.timeout()))

    def follow_clock(self) -> None:
        """Look at the clock; what does not have its stamp from this look goes with a step."""
        switched = self._stamps.choose(self.devices)
        self._now = self._clock.look()
        self._delivery.offset_ns = self._now.offset_ns
        if step := self._clock.take_step():
            self.deliver(all_of_them=True)  # their stamps are of the time before it
            (self._delivery.clock_switched if switched else self._delivery.clock_set)(step)
            for device in self.devices:
                device.clock_set(step)
        if self._stamps.hold is not self._hold:
            self._hold = self._stamps.hold
            self._delivery.hold(self._hold)
            if self._hold is Hold.NO:
                text = "no longer waiting for the clock; queued values are stored"
                log.info(text, extra=event("clock right"))
            else:
                text = "%s; values are queued until it is"
                log.info(text, self._hold.value, extra=event("clock awaited"))

    def step_devices(self, ready: dict[int, int]) -> None:
        """Have each device do what it can."""
        if self._loop.step(self.devices, ready, self._now):
            self._watchdog.message()

    def deliver(self, *, all_of_them: bool = False) -> None:
        """Hand the new readings over to the database, those of a tick together.

        Those of a device wait for GATHER at the most while it has still to answer, unless
        `all_of_them` are to go.
        """
        now = self._now.mono
        late = all_of_them or now >= self._gather_until
        self._gather_until, before = math.inf, self._gather_until
        for device in self.devices:
            if not late and device.has_readings and device.awaits(now - GATHER_FOR):
                self._gather_until = min(before, now + GATHER)
            elif rows := device.take_rows():
                self._delivery.put(self._encoder.lines(device.battery.name, rows))
                self._status.count(len(rows))

    def tell_of_itself(self) -> None:
        """Have the database, and the node exporter's file, know how things are."""
        if lines := self._self_report.report(self._now, self.devices, self._delivery):
            self._delivery.put(lines)

    def report(self) -> None:
        """Tell the service manager how things are."""
        now = self._clock.look()
        if self._watchdog.ping(now.mono, self._delivery.finished.values()) and self._watched:
            notify.ping()
        if self._status.due(now.mono):
            text = self._status_text(now)
            self._status.tell(text, now.mono)
            self._health.write(now.mono, self._watchdog.alive, text)
        interval = self._watchdog.interval_wanted(now.mono)
        if interval is not None and self._watched:
            notify.set_watchdog(interval)

    def _status_text(self, now: Now) -> str:
        clocks = self._stamps.remarks(self.devices, now)
        return self._status.text(self.devices, self._delivery, self._hold, now.mono, clocks)

    def reload_if_asked(self) -> None:
        """Go over to the file as it is now; if it is bad, say so and go on as before."""
        if not self._wakeup.reload:
            return
        self._wakeup.reload = False
        notify.reloading()
        try:
            settings = self._reload()
        except ConfigError as error:
            for problem in error.problems:
                log.error("%s", problem, extra=event("bad configuration"))
            text = "the configuration has mistakes and was not reloaded; the old one stays in force"
            log.error(text, extra=event("reload refused"))
        else:
            self._go_over_to(settings)
            log.info("configuration reloaded", extra=event("reloaded"))
        notify.ready(self._status_text(self._now))

    def hear_out(self) -> None:
        """Take along what was asked for just now and has not come yet."""
        if self.exit_code != os.EX_OK:
            return
        for device in self.devices:
            device.ask_no_more()
        start = self._clock.look().mono
        left = LAST_WORDS
        while left > 0 and any(device.awaits(start - LAST_WORDS) for device in self.devices):
            ready = self.wait(left)
            self.follow_clock()
            self.step_devices(ready)
            self.deliver(all_of_them=True)
            left = start + LAST_WORDS - self._now.mono

    def stop(self) -> None:
        """Leave the devices, deliver what waits, end."""
        notify.stopping("storing queued values")
        for device in self.devices:
            device.close()
        self.deliver(all_of_them=True)
        self._delivery.stop(STOP_TIMEOUT)
        last = ending.last_line(self._delivery.figures)
        self._remembered.flush(LAST_WORDS)
        self._self_report.close()
        self._health.close()
        if last.lost:
            log.error("%s", last.text, extra=event("values lost", COUNT=str(last.lost)))
        else:
            log.log(last.level, "%s", last.text, extra=event("stopped"))
        self._loop.close()

    # Parts

    def _device(self, battery: Battery) -> Source:
        by_tick = self.settings.influx.timestamps == "tick"
        config, wake = str(self.settings.path), self._wakeup.wake
        pace = HEARTBEAT if battery.mode == "notify" else min(battery.interval, HEARTBEAT)
        w = max(self._w, PACES * pace)
        if battery.fleet:
            from bat2influx.fleet.fleet import Fleet  # noqa: PLC0415 - most have none

            return Fleet(battery, by_tick=by_tick, watchdog=w, config=config, wake=wake)
        return Device(
            battery,
            by_tick=by_tick,
            watchdog=w,
            config=config,
            remembered=self._remembered,
            wake=wake,
        )

    def _writer(self, settings: Settings) -> Writer:
        return Writer(settings.influx, str(settings.path), deadline=min(DEADLINE, self._w / 4))

    def _go_over_to(self, settings: Settings) -> None:
        self.deliver(all_of_them=True)  # of devices that leave, and by the names until now
        before, self.settings = self.settings, settings
        if settings.influx != before.influx:
            self._delivery.use(self._writer(settings))
            self._encoder = _encoder(settings)
        self._self_report.use(settings)
        same_stamps = settings.influx.timestamps == before.influx.timestamps
        old = {device.battery.name: device for device in self.devices}
        devices = []
        for battery in settings.batteries:
            device = old.pop(battery.name, None)
            if device is not None and same_stamps and device.takes(battery):
                device.reschedule(battery)
                device.rescan()
            else:
                if device is not None:
                    self._self_report.left(device)
                    device.close()
                device = self._device(battery)
            devices.append(device)
        for device in old.values():
            self._self_report.left(device)
            device.close()
        self.devices = tuple(devices)


def _encoder(settings: Settings) -> Encoder:
    influx = settings.influx
    return Encoder(influx.measurement, influx.tags, influx.device_tags)
