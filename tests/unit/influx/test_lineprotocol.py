"""Line protocol, with the `influxdb` package's own encoder as the oracle."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb.line_protocol import make_lines

from bat2influx.device.plan import Series
from bat2influx.influx import lineprotocol
from bat2influx.influx.lineprotocol import Encoder, oldest_stamp, stamp_of
from bat2influx.reading import Origin, Reading, Row
from bat2influx.venus.protocol import DECIMALS

# What the configuration lets through: printable, no backslash; a measurement without "=".
PRINTED = st.characters(blacklist_categories=("C", "Z"), blacklist_characters='\\"')
NAME = st.builds(
    lambda first, rest: f"{first}{rest}".strip(),  # a first one that is no space is left
    PRINTED,
    st.text(PRINTED | st.just(" "), max_size=11),
)
VALUE = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: round(number, DECIMALS))
TIME = st.integers(1, 2**62)


@settings(max_examples=50)
@given(
    measurement=NAME.filter(lambda text: "=" not in text),
    tags=st.dictionaries(NAME.filter(lambda name: name != "site"), NAME, max_size=3),
    site=st.just("") | NAME,
    field=NAME,
    value=VALUE.filter(math.isfinite),
    time_ns=TIME,
)
def test_lines_are_those_of_the_influxdb_package(
    measurement: str, tags: dict[str, str], site: str, field: str, value: float, time_ns: int
) -> None:
    """For every possible name and value the line is the one that the package writes."""
    line = Encoder(measurement, tuple(tags.items())).encode(Reading(time_ns, site, field, value))
    point = {
        "measurement": measurement,
        "tags": {**tags, **({"site": site} if site else {})},
        "time": time_ns,
        "fields": {field: value},
    }
    assert line.decode() + "\n" == make_lines({"points": [point]})


SERIES = st.builds(
    Series, NAME, st.builds(Origin, st.just("") | NAME, NAME, st.none() | st.integers(0, 65535))
)
ROWS = st.lists(st.tuples(SERIES, VALUE.filter(math.isfinite), TIME), max_size=9)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.just("") | NAME, ROWS), max_size=3))
def test_rows_have_the_lines_of_their_values(sites: list[tuple[str, list[Row]]]) -> None:
    """Whatever came before, of the same site or of another."""
    encoder = Encoder("dc", (("a", "b"),), ("portal", "service", "instance"))
    for site, rows in sites * 2:
        assert encoder.lines(site, rows) == [
            encoder.encode(Reading(time_ns, site, of.field, value, of.origin))
            for of, value, time_ns in rows
        ]


def test_the_cached_heads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all sites together; devices of a fleet come and go."""
    monkeypatch.setattr(lineprotocol, "MAX_HEADS", 10)
    encoder = Encoder("dc", (), ("portal",))
    for number in range(35):
        origin = Origin(f"c{number}")
        for site in ("", "boat"):
            tags = f"dc,portal=c{number}" + (f",site={site}" if site else "")
            assert (
                encoder.lines(site, [(Series("Soc", origin), 1.0, 7)] * 2)
                == [f"{tags} Soc=1.0 7".encode()] * 2
            )
        assert sum(map(len, encoder._heads.values())) <= 10


def test_a_whole_number_is_still_a_float() -> None:
    """No line ever writes an integer, which would fix the field's type."""
    assert Encoder("dc").encode(Reading(7, "", "Power", 426.0)) == b"dc Power=426.0 7"


def test_tags_come_in_order_and_site_is_one_of_them() -> None:
    """Tags are sorted by name, as InfluxDB recommends."""
    encoder = Encoder("dc", (("where", "cellar left"), ("a", "b=c")))
    line = encoder.encode(Reading(7, "boat", "Soc", 50.5))
    assert line == rb"dc,a=b\=c,site=boat,where=cellar\ left Soc=50.5 7"
    assert encoder.encode(Reading(8, "", "Soc", 50.5)).startswith(rb"dc,a=b\=c,where=cellar\ left ")


STAMPS = st.sampled_from(
    [b"", b" -5", b" 7", b" 1767225610000000001", b" 1767225610000000000", b" x"]
)


@settings(max_examples=50)
@given(st.lists(STAMPS | st.integers(10**18, 10**19 - 1).map(lambda number: b" %d" % number)))
def test_the_oldest_timestamp_is_the_smallest(ends: list[bytes]) -> None:
    """Lines without one, or with an invalid one, do not count."""
    lines = [b"dc V=1" + end for end in ends]
    stamps = [stamp for line in lines if (stamp := stamp_of(line)) is not None]
    assert oldest_stamp(lines) == min(stamps, default=None)
