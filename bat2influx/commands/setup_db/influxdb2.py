"""What `setup-db` prints for InfluxDB 2: a script that creates what is missing.

Pure. The script is for a POSIX shell and the command influx, and asks the server for the existing
state, so that it is the same for a new server and for one that has stored values for years.

The first mapping of a database is always its default one, and hides the virtual mapping of the
bucket of that name. So the bucket that serves as the database is mapped first, as the policy
autogen, which it has been by its name: its values stay visible, and its tokens work.

flux.py has the computations of the tasks.

Sources: "influx bucket", "influx v1 dbrp", "influx auth", "influx task" and "influx query" of
InfluxDB 2; its dbrp/service.go (default and virtual mappings).
"""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from bat2influx.commands.setup_db import energies, flux
from bat2influx.commands.setup_db.downsampling import (
    GRAINS,
    HOURS,
    LOOKS_BACK,
    MINUTES,
    SPAN,
    Grain,
    Retention,
    means_and_lasts,
)
from bat2influx.config.settings import Settings
from bat2influx.influx.influxql import FOREVER, HOUR, duration

_AUTOGEN = "autogen"  # the policy that a bucket without / in its name is

_BEGIN = """\
# InfluxDB 2 has buckets and tasks for this. These lines are a script, which creates what is missing
# and keeps what exists, so that it can be run again. Nothing has been changed yet. Save it, read
# it, and run it where the command influx has the login of an administrator ("influx config
# create", or INFLUX_HOST, INFLUX_ORG and INFLUX_TOKEN in the environment):
#
#     bat2influx setup-db >influxdb2.sh
#     sh influxdb2.sh
set -eu
"""

_FUNCTIONS = """\
influx bucket list >/dev/null # stops here without a login
flux=$(mktemp)
trap 'rm -f "$flux"' EXIT

id_of() { # bucket|task|auth NAME: the ID of the first one of that name or description, or nothing
    list=$(influx "$1" list --hide-headers) || exit 1
    printf '%s\n' "$list" |
        NAME=$2 awk -F '\t+' '($2 "") == (ENVIRON["NAME"] "") && !n++ { print $1 }'
}

mapped() { # --default | --rp POLICY: the ID of the bucket that a mapping names, or nothing
    list=$(influx v1 dbrp list --db "$db" "$@" --hide-headers) || exit 1
    printf '%s\n' "$list" |
        awk -F '\t+' '!NF || /^VIRTUAL/ { end = 1 } !end { print $3; end = 1 }'
}

place() { # POLICY BUCKET RETENTION: sets id, and made to yes for a new bucket
    made=no
    mapping=$(mapped --rp "$1")
    id=$mapping
    if [ -z "$id" ]; then id=$(id_of bucket "$2"); fi
    if [ -z "$id" ]; then
        influx bucket create --name "$2" --retention "$3"
        id=$(id_of bucket "$2")
        made=yes
    fi
    if [ -z "$mapping" ]; then
        influx v1 dbrp create --db "$db" --rp "$1" --bucket-id "$id"
    fi
}
"""

_SAME = """\
if [ "$raw" = "$minutes" ] || [ "$raw" = "$hours" ]; then
    echo "raw values would be in the bucket of minutes or hours: correct the mappings of $db" >&2
    exit 1
fi
"""

_TOKENS = """\
# Tokens. That of Grafana may read: its data source takes any user, and this token as the password.
token() { # DESCRIPTION OPTION...: a token, unless there is one of this description
    id=$(id_of auth "$1")
    if [ -n "$id" ]; then
        echo "the token '$1' exists"
    else
        influx auth create --description "$@"
    fi
}

if [ "$new" = yes ]; then # the one for [Influx] token; it may write raw values and nothing else
    token "bat2influx writes $db" --write-bucket "$raw"
else
    echo "tokens that may write to the bucket $raw stay valid; create a further one with"
    echo "    influx auth create --write-bucket $raw"
fi
token "Grafana reads $db" --read-bucket "$raw" --read-bucket "$minutes" --read-bucket "$hours"
# A user of the 1.x API, in place of a token, has a password of 8 to 72 characters:
#     influx v1 auth create --username NAME --write-bucket ID
"""

_TASK = """\
task() { # NAME FLUX: makes the server compute new values every hour
    id=$(id_of task "$1")
    if [ -z "$id" ]; then
        influx task create --file "$2"
    else
        %s
    fi
}
"""

_FILL = """\
    |> first()
    |> keep(columns: ["_time"])
    |> group()
    |> sort(columns: ["_time"])
    |> limit(n: 1)
    |> map(fn: (r) => ({first: int(v: r._time) / 1000000000}))
END
    csv=$(influx query --raw --file "$flux")
    first=$(printf '%s\\n' "$csv" | tr -d '\\r' | awk -F , '$4 ~ /^[0-9]+$/ { print $4 }')
}

later() { # A B: the larger one
    if [ "$1" -gt "$2" ]; then echo "$1"; else echo "$2"; fi
}

fill() { # GRAIN SECONDS FROM: a day at a time, for the memory of the server
    from=$(($3 / $2 * $2))
    end=$((now / $2 * $2))
    echo "computing $1 from $(((end - from) / @span)) days of values"
    while [ "$from" -lt "$end" ]; do
        to=$(((from / @span + 1) * @span))
        [ "$to" -lt "$end" ] || to=$end
        "flux_$1" "$from" "$to" >"$flux"
        influx query --raw --file "$flux" >/dev/null
        from=$to
    done
}
""".replace("@span", str(SPAN))


def script(settings: Settings, wanted: Retention, *, change: bool) -> Iterator[str]:
    """Yield the lines of the script.

    With `change` it alters how long the buckets that exist keep values, and the tasks.
    """
    yield from _BEGIN.splitlines()
    yield f"db={quote(settings.influx.db)}"
    yield from _FUNCTIONS.splitlines()
    yield ""
    yield from _buckets(settings, wanted, change=change)
    yield ""
    yield from _TOKENS.splitlines()
    if any(means_and_lasts(settings.batteries)):
        yield ""
        yield from _tasks(settings, change=change)
        yield ""
        yield from _filling(settings, wanted, change=change)
    yield ""
    yield from _raw_retention(wanted, change=change)


def _kept(seconds: int) -> str:
    return "0" if seconds == FOREVER else duration(seconds)


def _buckets(settings: Settings, wanted: Retention, *, change: bool) -> Iterator[str]:
    policy, raw = settings.influx.retention_policy, _kept(wanted.raw)
    if not policy:
        yield "# Raw values: the bucket that serves as this database, or else a new one."
        yield "new=no"
        yield "raw=$(mapped --default)"
        yield 'if [ -z "$raw" ]; then'
        yield f'    place {_AUTOGEN} "$db" {raw}'
        yield "    raw=$id new=$made"
        yield "fi"
    else:
        bucket = '"$db"' if policy == _AUTOGEN else f'"$db"/{quote(policy)}'
        if policy != _AUTOGEN:
            yield "# A bucket of the database's name stays its default policy."
            yield "default=$(mapped --default)"
            yield 'own=$(id_of bucket "$db")'
            yield f'if [ -z "$default" ] && [ -n "$own" ]; then place {_AUTOGEN} "$db" 0; fi'
        yield "# Raw values: the bucket that serves as retention_policy, or else a new one."
        yield f"place {quote(policy)} {bucket} {raw}"
        yield "raw=$id new=$made"
    for grain in GRAINS:
        kept = _kept(_kept_of(grain, wanted))
        yield f'place {grain.policy} "$db/{grain.policy}" {kept}'
        yield f"{grain.policy}=$id"
        if change and grain is not MINUTES:
            yield f'influx bucket update --id "$id" --retention {kept}'
    yield from _SAME.splitlines()


def _kept_of(grain: Grain, wanted: Retention) -> int:
    return {"minutes": wanted.minutes, "hours": wanted.hours}[grain.policy]


def _tasks(settings: Settings, *, change: bool) -> Iterator[str]:
    computed = [(grain.policy, grain, flux.of_grain(grain, settings)) for grain in GRAINS]
    if flux.powers(settings):
        computed.append((energies.NAME, HOURS, flux.of_energies(settings)))
    yield "# Minutes, hours and energies."
    for name, _, lines in computed:
        yield f"flux_{name}() {{ # FROM TO"
        yield from lines
        yield "}"
        yield ""
    there = (
        'influx task update --id "$id" --file "$2"'
        if change
        else 'echo "the task $1 exists and is kept; setup-db --change prints what alters it"'
    )
    yield from (_TASK % there).splitlines()
    for name, grain, _ in computed:
        every = duration(grain.seconds)
        # A range that begins within an interval would overwrite it, from a part of its values.
        since = f"date.truncate(t: -{LOOKS_BACK[grain.policy]}, unit: {every})"
        until = f"date.truncate(t: now(), unit: {every})"
        yield ""
        yield f"flux_{name} '{since}' '{until}' >\"$flux\""
        yield f'task {quote(flux.task_name(name, settings))} "$flux"'


def _filling(settings: Settings, wanted: Retention, *, change: bool) -> Iterator[str]:
    yield "# What can be computed of the values that exist, by a query for each day. Run again, it"
    yield "# writes the same."
    yield "now=$(date +%s)"
    yield "oldest() { # BUCKET: sets first, to the time of its oldest value in s, or to nothing"
    yield '    cat >"$flux" <<END'
    yield 'from(bucketID: "$1")'
    yield "    |> range(start: 0)"
    yield "END"
    yield "    cat >>\"$flux\" <<'END'"
    yield f"    |> filter(fn: (r) => r._measurement == {flux.string(settings.influx.measurement)})"
    yield from _FILL.splitlines()
    powers = flux.powers(settings)
    filled = [(grain.policy, grain) for grain in GRAINS]
    if change:
        yield ""
        if powers:
            yield "# Before minutes are kept for less time, energies are computed from all of them."
            yield from _filled("$minutes", [(energies.NAME, HOURS)], wanted, change=change)
            filled.append((energies.NAME, HOURS))  # of the minutes that are added
        yield f'influx bucket update --id "$minutes" --retention {_kept(wanted.minutes)}'
    yield ""
    yield from _filled("$raw", filled, wanted, change=change)
    if powers and not change:
        yield from _filled("$minutes", [(energies.NAME, HOURS)], wanted, change=change)


def _filled(
    bucket: str, filled: list[tuple[str, Grain]], wanted: Retention, *, change: bool
) -> Iterator[str]:
    """Yield the lines that compute each of `filled` from the oldest value in a bucket on.

    Values older than the bucket's retention are rejected, and time passes while this runs. Before
    raw values are removed, all of them are used. A limit is at a full hour, otherwise its energy
    would be that of a part.
    """
    yield f'oldest "{bucket}"'
    yield 'if [ -n "$first" ]; then'
    for name, grain in filled:
        kept = _kept_of(grain, wanted)
        limits = [] if change or wanted.fill == FOREVER else [wanted.fill]
        limits += [] if kept == FOREVER else [kept - SPAN]
        limit = f"$(((now - {min(limits)}) / {HOUR} * {HOUR}))" if limits else ""
        since = f'"$(later "$first" {limit})"' if limits else '"$first"'
        yield f"    fill {name} {grain.seconds} {since}"
    yield "fi"


def _raw_retention(wanted: Retention, *, change: bool) -> Iterator[str]:
    update = f'influx bucket update --id "$raw" --retention {_kept(wanted.raw)}'
    yield "# Last, how long raw values are kept: the server removes what is older."
    if change:
        yield update
        return
    yield 'if [ "$new" = no ]; then'
    yield '    echo "how long the bucket $raw keeps raw values is unchanged; this alters it:"'
    yield f'    echo "    influx bucket update --id $raw --retention {_kept(wanted.raw)}"'
    yield "fi"
