"""All houses, and all devices of a fleet, in one table: a row each, whatever is selected above."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards import palette
from dashboards.common import NO_POWER, RESTS, SOC_STEPS
from dashboards.derived import Written
from dashboards.panels import COLORED, Json, Look, table
from dashboards.queries import NOW, RAW, RECENT, SOME
from dashboards.transformations import organized
from dashboards.variables import INFLUXDB, PROMETHEUS

# Name of a column, the variable of its field, and the function for several fields of that name.
_VALUES = (
    ("State of charge", "soc", "avg"),
    ("Battery", "power", "sum"),
    ("Power", "power", "sum"),
    ("Mains", "grid", "sum"),
    ("Sun", "sun", "sum"),
)
_NAMES = {"site": "Site", "portal": "Device"}
_ENDS = 1e9  # W: beyond any value


def _range(start: float, end: float, text: str, color: str) -> Json:
    result = {"text": text, "color": color}
    return {"type": "range", "options": {"from": start, "to": end, "result": result}}


# Texts for a battery; one without a value for ten minutes does not respond.
_WORDS = (
    _range(-_ENDS, -RESTS, "discharging", palette.DISCHARGE),
    _range(-RESTS, RESTS, "idle", palette.NEUTRAL),
    _range(RESTS, _ENDS, "charging", palette.CHARGE),
    {
        "type": "special",
        "options": {"match": "null", "result": {"text": "offline", "color": palette.BAD}},
    },
)
_LINK = {
    "title": "Show this one",
    "url": "/d/${__dashboard.uid}?var-site=${__data.fields.Site}"
    "&var-portal=${__data.fields.Device}&${datasource:queryparam}&${measurement:queryparam}",
}


def _asked() -> Written:
    roles = dict.fromkeys(role for _, role, _ in _VALUES)
    last = ", ".join(f'last("${{{role}:raw}}") AS "{role}"' for role in roles)
    named = ", ".join(f'"{role}" AS "{name}"' for name, role, _ in _VALUES)
    grouped = 'GROUP BY "site", "portal"'
    by, where = "by (site, portal)", "{{site}} {{portal}}"
    return Written(
        (
            f'SELECT last("${{power:raw}}") AS "Then" FROM {RAW} WHERE time >= ${{__to}}ms - 1d'
            f" AND time <= ${{__to}}ms {grouped}",
            f"SELECT {named} FROM (SELECT {last} FROM {RAW} WHERE {NOW} {grouped})"
            f" WHERE {NOW} {grouped}",
        ),
        (
            (f'max {by} (tlast_over_time({{{SOME},__name__="${{power}}"}}[1d])) * 1000', where),
            *(
                (
                    f'{over} {by} (last_over_time({{{SOME},__name__="${{{role}}}"}}[{RECENT}]))',
                    where,
                )
                for _, role, over in _VALUES
            ),
        ),
        name="$col $tag_site $tag_portal",
        table=True,
    )


_COLUMNS = ("Site", "Device", "State of charge", "Battery", "Power", "Last value", "Mains", "Sun")


def _ordered(names: Mapping[str, str]) -> dict[str, str]:
    """Return columns in the shown order: a telephone only shows the first ones."""
    every = {**_NAMES, **names}
    return {key: every[key] for key in sorted(every, key=lambda key: _COLUMNS.index(every[key]))}


_MERGED: Json = {"id": "merge", "options": {}}
# The times of B are those of its window; with them its rows would not join those of A.
_WITHOUT_TIME = organized({}, without=("Time",)) | {"filter": {"id": "byRefId", "options": "B"}}
_OF_VICTORIA = {f"Value #{chr(ord('B') + at)}": name for at, (name, _, _) in enumerate(_VALUES)}

HOUSES = table(
    "Houses and devices",
    "Each house, and each device of a fleet: first those that do not respond, then by state of"
    " charge. Click a name to show it above.",
    (_asked(),),
    sort=("State of charge", False),
    unit="watt",
    looks=(
        # The link uses the shown text: a dash would select a site of that name, without values.
        Look("(Site|Device)", unit="string", no_value="", custom={"minWidth": 80},
             links=(_LINK,)),
        Look("State of charge", unit="percent", decimals=0, lowest=0, highest=100,
             steps=SOC_STEPS, no_value="–",
             custom={"cellOptions": {"type": "gauge", "mode": "basic"}, "minWidth": 130}),
        Look("Battery", unit="string", mappings=_WORDS,
             custom={**COLORED, "minWidth": 95, "align": "left"}),
        Look("Power", mappings=NO_POWER, no_value="–", steps=(
            (None, palette.DISCHARGE), (-RESTS, palette.NEUTRAL), (RESTS, palette.CHARGE)),
             custom={**COLORED, "minWidth": 75}),
        Look("Mains", mappings=NO_POWER, no_value="–", custom={**COLORED, "minWidth": 75},
             steps=((None, palette.SOLD), (0.0, palette.BOUGHT))),
        Look("Sun", no_value="–", steps=((None, palette.SUN),),
             custom={**COLORED, "minWidth": 75}),
        Look("Last value", unit="dateTimeFromNow", no_value="more than a day ago",
             custom={"minWidth": 140, "align": "left"}),
    ),
    of_language={
        INFLUXDB: (
            _WITHOUT_TIME,
            _MERGED,
            organized(
                _ordered({**{name: name for name, _, _ in _VALUES}, "Time": "Last value"}),
                without=("Then",),
            ),
        ),
        PROMETHEUS: (
            _MERGED,
            organized(_ordered({**_OF_VICTORIA, "Value #A": "Last value"}), without=("Time",)),
        ),
    },
    no_value="no value for a day",
)  # fmt: skip
