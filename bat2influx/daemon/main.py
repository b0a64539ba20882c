"""The daemon: assembles the parts and runs the loop.

Nothing that the main thread calls may block: calls that may hang run in worker threads.
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

# W/24 is a device's shortest time limit, within which a message must arrive. With a WatchdogSec of
# fewer than so many intervals between messages, a healthy device would count as "not responding".
PACES = 32
HEARTBEAT = 3.0  # s

# The answers to the requests of a tick come within 2 ms of each other (VENUS), and a request to the
# database costs more than the values in it: so the first answers wait for the others.
GATHER = 0.004  # s
GATHER_TIMEOUT = 0.25  # s after which an unanswered request is not waited for

LAST_ANSWERS = 0.5  # s at the end for answers to pending requests
STOP_TIMEOUT = 7.5  # s at the end to deliver queued values
MEMORY_BOUND = 32 * 1024 * 1024  # bytes; a Raspberry Pi needs its memory for other programs, too

Reload = Callable[[], Settings]


def run(settings: Settings, reload: Reload) -> int:
    """Run until SIGTERM or SIGINT; return the exit code. `reload` reads the file again."""
    daemon = Daemon(settings, reload)
    try:
        daemon.start()
        while not daemon.ended:
            ready = daemon.wait()
            daemon.follow_clock()
            daemon.step_devices(ready)
            daemon.deliver()
            daemon.report_metrics()
            daemon.report()
            daemon.reload_if_requested()
        daemon.await_replies()
    finally:
        daemon.stop()
    return daemon.exit_code


class Daemon:
    """The parts of the running program, and the steps of one turn of the loop."""

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
        self._gather_until = math.inf  # monotonic s: when to deliver the gathered values
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
        """Install the signal handlers, and start the threads."""
        faulthandler.enable()
        self._wakeup.catch_signals()
        self._delivery.start()

    @property
    def ended(self) -> bool:
        """Whether to leave the loop; logs the reason if it is a failure."""
        if (failure := self._delivery.failure) is not None:
            text, extra = "exiting: worker thread %r failed", event("internal error")
            log.critical(text, self._delivery.failed_thread, exc_info=failure, extra=extra)
            self.exit_code = os.EX_SOFTWARE
        if all(device.undecided for device in self.devices):
            self.exit_code = os.EX_CONFIG
        return self._wakeup.stop or self.exit_code != os.EX_OK

    def wait(self, most: float = math.inf) -> dict[int, int]:
        """Wait for sockets, signals, threads and the next timeout; return what is ready.

        The wait takes at most `most` s.
        """
        now = self._clock.look().mono
        most = min(most, self._status.timeout(now), self._self_report.timeout(now))
        most = min(most, max(0.0, self._gather_until - now))
        return self._loop.wait(self.devices, self._clock.look, min(most, self._clock.timeout()))

    def follow_clock(self) -> None:
        """Read the clock; if it was set, deliver earlier values first and report the step."""
        switched = self._stamps.choose(self.devices)
        self._now = self._clock.look()
        self._delivery.offset_ns = self._now.offset_ns
        if step := self._clock.take_step():
            self.deliver(everything=True)  # their timestamps are from before the step
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
        """Step each device, and count a message for the watchdog."""
        if self._loop.step(self.devices, ready, self._now):
            self._watchdog.message()

    def deliver(self, *, everything: bool = False) -> None:
        """Hand new values over to the delivery, those of a tick together.

        The values of a device wait at most GATHER while it has pending requests, unless
        `everything` is set.
        """
        now = self._now.mono
        late = everything or now >= self._gather_until
        self._gather_until, before = math.inf, self._gather_until
        for device in self.devices:
            if not late and device.has_readings and device.expects_answer(now - GATHER_TIMEOUT):
                self._gather_until = min(before, now + GATHER)
            elif rows := device.pop_rows():
                self._delivery.put(self._encoder.lines(device.battery.name, rows))
                self._status.count(len(rows))

    def report_metrics(self) -> None:
        """Report the daemon's own metrics to the database and the node exporter's file."""
        if lines := self._self_report.report(self._now, self.devices, self._delivery):
            self._delivery.put(lines)

    def report(self) -> None:
        """Send watchdog ping, status and watchdog interval to the service manager."""
        now = self._clock.look()
        if self._watchdog.ping(now.mono, self._delivery.finished.values()) and self._watched:
            notify.ping()
        if self._status.due(now.mono):
            text = self._status_text(now)
            self._status.send(text, now.mono)
            values = (device.last_value_ns for device in self.devices)
            figures = health.HealthFigures.of(self._delivery.figures, values)
            self._health.write(now.mono, self._watchdog.alive, text, figures)
        interval = self._watchdog.interval_wanted(now.mono)
        if interval is not None and self._watched:
            notify.set_watchdog(interval)

    def _status_text(self, now: Now) -> str:
        clocks = self._stamps.remarks(self.devices, now)
        return self._status.text(self.devices, self._delivery, self._hold, now.mono, clocks)

    def reload_if_requested(self) -> None:
        """Reload the configuration if requested; with mistakes, log them and keep the old one."""
        if not self._wakeup.reload:
            return
        self._wakeup.reload = False
        notify.reloading()
        try:
            settings = self._reload()
        except ConfigError as error:
            for problem in error.problems:
                log.error("%s", problem, extra=event("bad configuration"))
            text = "the configuration has mistakes and was not reloaded; the old one stays in use"
            log.error(text, extra=event("reload refused"))
        else:
            self._apply(settings)
            log.info("configuration reloaded", extra=event("reloaded"))
        notify.ready(self._status_text(self._now))

    def await_replies(self) -> None:
        """Wait for the answers to pending requests, for at most LAST_ANSWERS."""
        if self.exit_code != os.EX_OK:
            return
        for device in self.devices:
            device.stop_requests()
        start = self._clock.look().mono
        left = LAST_ANSWERS
        while left > 0 and any(
            device.expects_answer(start - LAST_ANSWERS) for device in self.devices
        ):
            ready = self.wait(left)
            self.follow_clock()
            self.step_devices(ready)
            self.deliver(everything=True)
            left = start + LAST_ANSWERS - self._now.mono

    def stop(self) -> None:
        """Disconnect the devices, deliver queued values, stop the threads."""
        notify.stopping("storing queued values")
        for device in self.devices:
            device.close()
        self.deliver(everything=True)
        self._delivery.stop(STOP_TIMEOUT)
        last = ending.last_line(self._delivery.figures)
        self._remembered.flush(LAST_ANSWERS)
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
            from bat2influx.fleet.fleet import Fleet  # noqa: PLC0415 - few users have a fleet

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

    def _apply(self, settings: Settings) -> None:
        self.deliver(everything=True)  # values of removed devices, and with the old names
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
            if device is not None and same_stamps and device.same_except_intervals(battery):
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
