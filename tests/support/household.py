"""Simulated houses with a battery, with values for every second, in which all powers add up.

Rules: this module reads no clock and no random numbers (household_weather.py): two houses with the
same start time are equal. Powers are in W with Victron's signs: + charges the battery, + comes from
the mains, + goes to the loads. At each moment

    mains + generator + alternator + sun = loads + into the battery + lost in converting

holds exactly; the charge and the meters are the sums of that over steps of two minutes.
household_fields.py derives the device's values from it.

How it is wired: heat pump, car and PV inverter are before the inverter/charger, on the side of the
mains; all other loads are behind it. The solar charger, the alternator and the DC loads are at the
battery.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support import household_weather as weather
from tests.support.household_weather import DAY, HOUR, noise, share

STEP = 120  # s
KEPT = 0.945  # efficiency of an inverter/charger
IDLE = 14.0  # W, the inverter/charger's own use per phase
IN_BATTERY = 0.97  # efficiency of charging, and of discharging
EMPTY = 10.0  # %, the least that a system with mains discharges to
STARTS, STOPS = 35.0, 82.0  # %, of the generator
AT_THE_START = 0.42  # of the battery's capacity
BEFORE = 4  # days until a house no longer depends on its initial state
SPRING = 20_544  # day number of 31 March 2026: enough sun to fill a battery, and still cold

Interval = tuple[float, float]  # s since 1970


@dataclass(frozen=True, slots=True)
class Site:
    """What a house has; 0 W of something means that it has none.

    `stored` means that the battery stores the sun's surplus and returns it (ESS); without
    it the inverter only charges from the mains, as on a boat. On `harbour` alone there are mains on
    some days. With `behind` the PV inverter is behind the inverter/charger, at its output. `rs` is
    a system of RS units, without vebus. Capacities are in kWh.
    """

    name: str
    phases: int
    capacity: float
    cells: int = 16
    charger: float = 5_000.0  # W, through the inverter/charger
    inverter: float = 6_000.0
    panels_dc: float = 0.0
    panels_ac: float = 0.0
    heat_pump: float = 0.0
    car: float = 0.0
    dc_load: float = 0.0
    household: float = 1.0  # times a usual one
    generator: float = 0.0
    alternator: float = 0.0
    stored: bool = True
    harbour: bool = False
    behind: bool = False
    rs: bool = False
    latitude: float = 50.0


HOME = Site(
    "home",
    3,
    14.4,
    panels_dc=3_200.0,
    panels_ac=6_400.0,
    heat_pump=2_600.0,
    car=7_200.0,
    dc_load=18.0,
)
# What the nine fields can show: Power is the battery's, and all mains are at the inverter's L1.
PLAIN = Site("home", 1, 10.2, panels_ac=4_600.0, behind=True, household=1.3)
BOAT = Site(
    "boat",
    1,
    10.2,
    charger=1_700.0,
    inverter=2_600.0,
    panels_dc=1_450.0,
    dc_load=110.0,
    household=0.34,
    generator=3_800.0,
    alternator=1_600.0,
    stored=False,
    harbour=True,
    latitude=43.0,
)
CABIN = Site(
    "cabin", 3, 9.6, charger=4_000.0, inverter=7_000.0, panels_dc=4_400.0, household=0.7, rs=True
)


class Meters(NamedTuple):
    """The meters, in kWh; they never decrease."""

    grid_in: float = 0.0
    grid_out: float = 0.0
    panels_ac: float = 0.0
    panels_dc: float = 0.0
    heat_pump: float = 0.0
    car: float = 0.0
    dc_load: float = 0.0
    generator: float = 0.0
    alternator: float = 0.0


@dataclass(slots=True)
class Moment:
    """A house at `time`, in s since 1970.

    `charge` is the state of charge, 0 to 1. `mains` is False without mains, when a generator
    may take its place at the input. `grid`, `loads`, `input` and `output` have a value for each
    phase: `loads` are those behind the inverter/charger, `output` the same less a PV inverter
    there. `conversion` is the inverter/charger's power at its AC side, `direct` at its DC side.
    """

    time: float
    charge: float
    mains: bool = True
    running: bool = False  # the generator
    under_way: bool = False  # with the alternator
    loads: tuple[float, ...] = ()
    heat_pump: float = 0.0
    car: float = 0.0
    car_status: int = 0
    dc_load: float = 0.0
    panels_ac: float = 0.0
    panels_dc: float = 0.0
    possible_dc: float = 0.0  # what the panels could give
    alternator: float = 0.0
    generator: float = 0.0
    conversion: float = 0.0
    direct: float = 0.0
    battery: float = 0.0
    input: tuple[float, ...] = ()
    output: tuple[float, ...] = ()
    grid: tuple[float, ...] = ()
    meters: Meters = field(default_factory=Meters)

    @property
    def consumption(self) -> tuple[float, ...]:
        """The power of all AC loads, by phase."""
        before = (self.heat_pump + self.car) / len(self.loads)
        return tuple(each + before for each in self.loads)

    @property
    def lost(self) -> float:
        """The power that the inverter/charger loses as heat."""
        return self.conversion - self.direct


class Household:
    """A house from `since`, in s since 1970; in the intervals `without_mains` there are none.

    `ahead` is by how many days its calendar is ahead: weather and loads are those of so many days
    later. A moment depends on all moments since the beginning, so the first call for a late one
    takes 40 ms per simulated day.
    """

    def __init__(
        self, site: Site, since: int, *, ahead: int = 0, without_mains: tuple[Interval, ...] = ()
    ) -> None:
        self.site = site
        self.since = since
        self._ahead = ahead * DAY
        self._without_mains = without_mains
        # At the beginning of each step: kWh in the battery, whether the generator runs, meters.
        self._nodes = [(AT_THE_START * site.capacity, False, Meters())]

    def at(self, time: float) -> Moment:
        """Return the house at a time. Raises ValueError for one before `since`."""
        if time < self.since:
            raise ValueError(f"{time} is before {self.since}")
        number = int((time - self.since) // STEP)
        while len(self._nodes) <= number + 1:
            self._go_on()
        (before, running, meters), (after, _, later) = self._nodes[number : number + 2]
        part = (time - self.since) / STEP - number
        moment = self._flows(time, before + (after - before) * part, running)
        moment.meters = Meters(*(a + (b - a) * part for a, b in zip(meters, later, strict=True)))
        return moment

    def _go_on(self) -> None:
        """Add the next step."""
        start = self.since + (len(self._nodes) - 1) * STEP
        kwh, running, meters = self._nodes[-1]
        now = self._flows(start + STEP / 2, kwh, running)
        hours = STEP / HOUR / 1000.0  # times W they are kWh
        stored = now.battery * hours * (IN_BATTERY if now.battery > 0.0 else 1.0)
        kwh = min(self.site.capacity, max(0.0, kwh + stored))
        soc = 100.0 * kwh / self.site.capacity
        if self.site.generator and not now.mains:
            running = soc < STOPS if running else soc < STARTS
        else:
            running = False
        powers = Meters(
            max(0.0, sum(now.grid)),
            max(0.0, -sum(now.grid)),
            now.panels_ac,
            now.panels_dc,
            now.heat_pump,
            now.car,
            now.dc_load,
            now.generator,
            now.alternator,
        )
        counted = (old + watts * hours for old, watts in zip(meters, powers, strict=True))
        self._nodes.append((kwh, running, Meters(*counted)))

    def _flows(self, time: float, kwh: float, running: bool) -> Moment:
        """Return a moment, complete except for the meters."""
        site, name = self.site, self.site.name
        now = Moment(time, kwh / site.capacity, mains=self._has_mains(time))
        running = now.running = running and not now.mains
        time += self._ahead
        supplied = now.mains or running
        now.loads = self._loads(time)
        now.dc_load = site.dc_load * (1.0 + 0.5 * noise(f"{name} dc", time, 1_500.0))
        if now.mains:
            now.heat_pump = weather.heating(name, time, site.heat_pump)
            now.car, now.car_status = weather.car(name, time, site.car)
        sun = weather.sunshine(name, time, site.latitude)
        now.panels_ac = site.panels_ac * sun if now.mains else 0.0
        now.panels_dc = now.possible_dc = 0.97 * site.panels_dc * sun
        if site.alternator:
            now.under_way = not now.mains and self._under_way(time)
            now.alternator = site.alternator * now.under_way * _taper(now.charge)
        most, least = self._limits(now.charge)
        beside = now.panels_dc + now.alternator - now.dc_load  # all but the inverter/charger
        loads = sum(now.loads)
        if not supplied:
            wanted = _direct(-loads, site.phases)
        elif site.stored:
            others = loads + now.heat_pump + now.car - now.panels_ac
            missed = 18.0 + 22.0 * noise(f"{name} regulator", time, 9.0)  # of no W at all
            wanted = _direct(missed - others, site.phases)
        else:
            wanted = max(0.0, most - beside)
        if supplied:
            wanted = min(max(wanted, least - beside), most - beside)
            wanted = min(max(wanted, -site.inverter), site.charger)
        over = wanted + beside - most
        if over > 0.0:  # no load takes the surplus: the charger reduces its power
            taken = min(over, now.panels_dc)
            now.panels_dc -= taken
            beside -= taken
        now.direct = wanted
        now.conversion = _conversion(wanted, site.phases) if supplied else -loads
        now.battery = now.direct + beside
        behind, before = now.conversion, now.heat_pump + now.car
        if site.behind:
            behind -= now.panels_ac
        else:
            before -= now.panels_ac
        behind, before = behind / site.phases, before / site.phases
        drawn = tuple(load + behind for load in now.loads)
        now.output = tuple(each - now.conversion / site.phases for each in drawn)
        now.input = drawn if supplied else (0.0,) * site.phases
        if now.mains:
            now.grid = tuple(watts + before for watts in drawn)
        else:
            now.grid = (0.0,) * site.phases
            now.generator = sum(now.input)
        return now

    def _has_mains(self, time: float) -> bool:
        if any(start <= time < end for start, end in self._without_mains):
            return False
        if not self.site.harbour:
            return True
        day = weather.local_day(time + self._ahead)
        return share(f"{self.site.name} harbour", day // 2) < 0.45

    def _under_way(self, time: float) -> bool:
        day, hour = weather.local_day(time), weather.local_hour(time)
        leaves = share(f"{self.site.name} leaves", day) < 0.8
        return leaves and (9.0 < hour < 9.7 or 16.0 < hour < 16.9)

    def _limits(self, charge: float) -> tuple[float, float]:
        """Return the battery's limits in W: of charging, and of discharging (negative)."""
        site = self.site
        least = -1.2 * site.inverter * min(1.0, max(0.0, (100.0 * charge - EMPTY) / 2.0))
        return (site.charger + site.panels_dc) * _taper(charge), least

    def _loads(self, time: float) -> tuple[float, ...]:
        """Return the loads behind the inverter/charger, by phase."""
        site, name = self.site, self.site.name
        base = 95.0 + 6.0 * noise(f"{name} base", time, 40.0) + 2.0 * noise(name, time, 3.0)
        lines = (
            base + weather.fridge(time),
            0.35 * base + weather.kitchen(name, time),
            0.25 * base + weather.lights(time) + weather.washing(name, time),
        )
        if site.phases == 1:
            return (min(site.household * sum(lines), 0.9 * site.inverter),)
        return tuple(site.household * each for each in lines)


def _taper(charge: float) -> float:
    """Return the share of its current that a battery accepts: less above 90 %, none when full."""
    return min(1.0, max(0.0, (1.0 - charge) / 0.1))


def _direct(conversion: float, phases: int) -> float:
    """Return the power at the DC side of an inverter/charger, from that at its AC side."""
    net = conversion - IDLE * phases
    return net * KEPT if net > 0.0 else net / KEPT


def _conversion(direct: float, phases: int) -> float:
    """Return the opposite of `_direct`."""
    return (direct / KEPT if direct > 0.0 else direct * KEPT) + IDLE * phases


def until(
    site: Site, end: int, days: float, *, without_mains: tuple[Interval, ...] = ()
) -> Household:
    """Return a house with values for so many days until `end`, in s since 1970.

    Whatever `end` is, the house has the same days, in spring.
    """
    day = weather.local_day(end)
    since = (day - int(days) - BEFORE) * DAY - weather.ZONE
    return Household(site, since, ahead=SPRING - day, without_mains=without_mains)
