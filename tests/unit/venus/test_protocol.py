"""Topics and payloads of a Venus OS device: what is a value, what is not, and the requests."""

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bat2influx.device.plan import Plan
from bat2influx.venus.protocol import (
    MAX_LEAVES,
    MAX_PAYLOAD,
    MAX_SERVICES,
    Field,
    InstanceSearch,
    NoValue,
    decode,
    decode_json,
    is_portal_id,
    keepalive,
    names_device,
    parse_field,
    portal_of,
    services_to_find,
)
from bat2influx.venus.units import DEFAULT_FIELDS
from tests.standins.venus.payloads import EDGES, NO_NUMBERS, REAL

PORTAL = "c0619ab1c2d3"
LEAST_WITHOUT_A_FLOAT = 2**1024 - 2**970


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'{"value":88.9000015258789}', 88.9),
        (b'{"max":2,"min":0,"value":1}', 1.0),
        (b'{"value":426}', 426.0),
        (b'{"value":8.0}', 8.0),
        (b'{"value":1e-07}', 0.0),
        (b'{"value":56.8400001526}', 56.84),
        (b' {"value" : -12.34567}\n', -12.3457),
        (b'{"value":1.5,"\\u0076alue":2.5}', 2.5),
        (b'{"value":%d}' % (LEAST_WITHOUT_A_FLOAT - 1), 1.7976931348623157e308),
    ],
)
def test_a_number_is_a_float_of_four_decimals(payload: bytes, value: float) -> None:
    """Integers, floats and float32 noise all become floats rounded to four decimals."""
    decoded = decode(payload)
    assert decoded == value
    assert type(decoded) is float


PLAIN_TEXTS = st.one_of(
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,20})?", fullmatch=True),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from([*EDGES, *NO_NUMBERS]),
)


@settings(max_examples=500)
@given(PLAIN_TEXTS, st.sampled_from(['{"value":%s}'] * 5 + ['{"value":%s}\n', '{"value": %s}']))
def test_the_plain_form_is_read_like_any_json(text: str, form: str) -> None:
    """The fast path for usual payloads gives the same float, or the same reason."""
    payload = (form % text).encode()
    assert repr(decode(payload)) == repr(decode_json(payload))


@pytest.mark.parametrize("payload", REAL)
def test_a_recorded_payload_is_read_like_any_json(payload: bytes) -> None:
    """Numbers, nulls, texts and objects of a recorded conversation."""
    assert decode(payload) == decode_json(payload)


def test_minus_zero_is_zero() -> None:
    """-0.0, which a device does send, is stored as 0.0."""
    assert math.copysign(1, decode(b'{"value":-0.0}')) == 1.0  # type: ignore[arg-type]
    assert math.copysign(1, decode(b'{"value":-0.00001}')) == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"value":null}', NoValue.NULL),
        (b'{"value":[]}', NoValue.EMPTY_LIST),
        (b'{"value":[1]}', NoValue.OTHER_TYPE),
        (b'{"value":{}}', NoValue.OTHER_TYPE),
        (b"{}", NoValue.NO_VALUE_KEY),
        (b"[]", NoValue.NOT_AN_OBJECT),
        (b"null", NoValue.NOT_AN_OBJECT),
        (b"12.5", NoValue.NOT_AN_OBJECT),
        (b"", NoValue.ZERO_BYTES),
        (b'{"value":"12.5"}', NoValue.TEXT),
        (b'{"value":true}', NoValue.BOOLEAN),
        (b'{"value":false}', NoValue.BOOLEAN),
        (b'{"value":NaN}', NoValue.NOT_FINITE),
        (b'{"value":Infinity}', NoValue.NOT_FINITE),
        (b'{"value":-Infinity}', NoValue.NOT_FINITE),
        (b'{"value":1e400}', NoValue.NOT_FINITE),
        (b'{"value":1' + 400 * b"0" + b"}", NoValue.NOT_FINITE),
        (b'{"value":%d}' % LEAST_WITHOUT_A_FLOAT, NoValue.NOT_FINITE),
        (b'{"value":' + 5000 * b"9" + b"}", NoValue.NOT_JSON),
        (b"[" * 60_000, NoValue.TOO_DEEP),
        (b'{"value":' + b"[" * 60_000, NoValue.TOO_DEEP),
        (b"[" * 200_000, NoValue.TOO_LONG),
        (b'{"value":1,"x":"' + b"a" * 1_000_000 + b'"}', NoValue.TOO_LONG),
        (b'{"value":1,"x":"\xff"}', NoValue.NOT_JSON),
        (b"\xff\xfe{\x00", NoValue.NOT_JSON),
        (b'{"value":1', NoValue.NOT_JSON),
        (b"hello", NoValue.NOT_JSON),
        (b'\xef\xbb\xbf{"value":1}', NoValue.NOT_JSON),
        ('{"value":1}'.encode("utf-16"), NoValue.NOT_JSON),
        (b'{"value":"\\ud800"}', NoValue.TEXT),
    ],
)
def test_what_is_no_value_is_named(payload: bytes, reason: NoValue) -> None:
    """Every kind of payload without a number has a separate reason."""
    assert decode(payload) is reason


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_payload_raises(payload: bytes) -> None:
    """Whatever the bytes, decoding gives a finite float or a reason."""
    value = decode(payload)
    assert isinstance(value, NoValue) or math.isfinite(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.dictionaries(st.sampled_from(["max", "min", "x"]), JSON))
def test_a_value_is_decoded_whatever_stands_beside_it(
    value: object, extra: dict[str, object]
) -> None:
    """A finite number is that number rounded; nothing else is a value; extra keys are accepted."""
    decoded = decode(json.dumps({**extra, "value": value}).encode())
    if isinstance(value, bool) or not isinstance(value, int | float):
        assert isinstance(decoded, NoValue)
    elif abs(value) < 1e300 and math.isfinite(value):
        assert decoded == round(float(value), 4)


def test_the_nine_are_asked_for_by_two_sub_trees_and_a_leaf() -> None:
    """Sub-trees with two wanted siblings or more; Soc, alone at the service's root, as a leaf."""
    plan = Plan(PORTAL, DEFAULT_FIELDS, {"vebus": (275,)})
    asked = {request.topic.removeprefix(f"R/{PORTAL}/"): request.slow for request in plan.requests}
    trees = ("vebus/275/Dc/0", "vebus/275/Ac/ActiveIn/L1")
    assert asked == {"vebus/275/Soc": True, **dict.fromkeys(trees, False)}
    assert len(plan.subscriptions) == len(set(plan.subscriptions)) == 11
    assert plan.heartbeat in plan.subscriptions
    assert not any(mark in topic for topic in plan.subscriptions for mark in "+#")


def test_a_services_root_is_never_asked_for() -> None:
    """Wanted leaves directly below a service are read one by one, however many they are."""
    fields = [parse_field(name, f"vebus/{name}") for name in ("Soc", "State", "Mode")]
    topics = {request.topic for request in Plan(PORTAL, fields, {"vebus": (275,)}).requests}
    assert topics == {f"R/{PORTAL}/vebus/275/{name}" for name in ("Soc", "State", "Mode")}


def test_what_a_sub_tree_covers_is_not_asked_for_again() -> None:
    """Leaves below a requested sub-tree add no request, slow ones included."""
    paths = ("Dc/Battery/Voltage", "Dc/Battery/Power", "Dc/Battery/Soc", "Dc/Battery/X/Y", "Dc/Pv")
    fields = [parse_field(path.replace("/", ""), f"system/{path}") for path in paths]
    plan = Plan(PORTAL, fields, {})
    topics = {request.topic for request in plan.requests}
    assert topics == {f"R/{PORTAL}/system/0/Dc/Battery", f"R/{PORTAL}/system/0/Dc/Pv"}
    assert {len(request.answers) for request in plan.requests} == {4, 1}


def test_two_names_for_a_path_share_its_topic() -> None:
    """A path wanted twice is subscribed to once and stored under both names."""
    fields = [parse_field("A", "vebus/Soc"), parse_field("B", "vebus/275/Soc")]
    plan = Plan(PORTAL, fields, {"vebus": (275,)})
    assert plan.fields == {f"N/{PORTAL}/vebus/275/Soc": ("A", "B")}
    assert len(plan.requests) == 1


SEGMENT = st.text("abcXYZ019_", min_size=1, max_size=3)
PATHS = st.lists(
    st.tuples(st.sampled_from(["vebus", "system"]), st.lists(SEGMENT, min_size=1, max_size=4)),
    min_size=1,
    max_size=12,
)


@given(PATHS)
def test_every_wanted_leaf_is_covered_exactly_once(paths: list[tuple[str, list[str]]]) -> None:
    """Each subscription is expected from one request, and no request covers another's."""
    fields = [Field("x", service, 0, "/".join(path)) for service, path in paths]
    leaves = {f"{field}/" for field in fields}  # no leaf has another below it
    assume(not any(a != b and a.startswith(b) for a in leaves for b in leaves))
    plan = Plan(PORTAL, fields, {})
    expected = [answer for request in plan.requests for answer in request.answers]
    assert sorted(expected) == sorted(plan.fields)
    for request in plan.requests:
        asked = request.topic.replace("R/", "N/", 1)
        assert all(f"{answer}/".startswith(f"{asked}/") for answer in request.answers)
        assert not any(
            other is not request and other.topic.startswith(f"{request.topic}/")
            for other in plan.requests
        )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("vebus/Soc", Field("x", "vebus", None, "Soc")),
        ("solarcharger/288/Yield/Power", Field("x", "solarcharger", 288, "Yield/Power")),
        (" vebus/Ac/ActiveIn/L2/P ", Field("x", "vebus", None, "Ac/ActiveIn/L2/P")),
        ("system/0/Dc/Battery/Soc", Field("x", "system", 0, "Dc/Battery/Soc")),
    ],
)
def test_a_field_is_service_instance_path(text: str, field: Field) -> None:
    """The instance is optional, and a number right behind the service."""
    assert parse_field("x", text) == field


@pytest.mark.parametrize(
    "text",
    ["", "vebus", "vebus/", "vebus/275", "vebus/275/", "vebus//Soc", "vebus/+/Soc", "vebus/#",
     "N/c0619/vebus/275/Soc", "Vebus/Soc", "vebus/S oc", "vebus/²/Soc"],
)  # fmt: skip
def test_a_field_that_is_not_one_is_refused(text: str) -> None:
    """Wildcards, empty parts, whole topics and missing paths are refused with a text."""
    with pytest.raises(ValueError, match=r"must be|has|write it"):
        parse_field("x", text)


def test_only_soc_is_slow() -> None:
    """Paths that end in /Soc, or are Soc, are read at soc_interval."""
    slow = {"vebus/Soc": True, "system/Dc/Battery/Soc": True, "x/Socket": False, "x/Soc/y": False}
    assert {path: parse_field("x", path).slow for path in slow} == slow


def test_the_portal_id_is_in_the_retained_topic() -> None:
    """It may begin with a zero; only the topic of a Serial contains one."""
    assert portal_of("N/0619ab1c2d3f/system/0/Serial") == "0619ab1c2d3f"
    others = ("N/a/b/system/0/Serial", "N//system/0/Serial", "R/a/system/0/Serial", "N/a/system")
    for topic in others:
        assert portal_of(topic) is None


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("c0619ab1c2d3", True),
        ("site_2-b", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("+", False),
        ("a\n", False),
        ("\u0661", False),
    ],
)
def test_one_rule_defines_portal_ids(text: str, valid: bool) -> None:
    """Letters, digits, _ and - of ASCII, at most 64; the topic of a Serial has the same rule."""
    assert is_portal_id(text) is valid
    assert portal_of(f"N/{text}/system/0/Serial") == (text if valid else None)


def test_a_serial_without_a_number_names_no_device() -> None:
    """A null comes from a system without a serial number; zero bytes remove a device."""
    for payload in (b'{"value":"c0619ab1c2d3"}', b'{"max":null, "value":"x"}', b'{"value": 12}'):
        assert names_device(payload)
    for none in ("null", "[]", "{}", '""', "true", "false", '["c0619ab1c2d3"]'):
        assert not names_device(b'{"value":%s}' % none.encode())
    for payload in (b"", b"null", b"{}", b"[1]", b"x", b"\xff", b"[" * 99_999):
        assert not names_device(payload)
    assert not names_device(b'{"value":"%s"}' % (b"x" * MAX_PAYLOAD))


def test_keepalives_are_what_the_device_understands() -> None:
    """Suppressed, or with an echo; compact JSON below R/<portal id>/keepalive."""
    assert keepalive(PORTAL) == (
        f"R/{PORTAL}/keepalive",
        b'{"keepalive-options":["suppress-republish"]}',
    )
    assert keepalive(PORTAL, echo="abc123")[1] == (
        b'{"keepalive-options":[{"full-publish-completed-echo":"abc123"}]}'
    )


def test_instances_are_complete_at_the_own_echo() -> None:
    """Another client's republish does not end the search; one without an echo (old) does."""
    search = InstanceSearch(PORTAL, ["vebus", "grid"], "mine")
    completed = f"N/{PORTAL}/full_publish_completed"
    assert search.process(f"N/{PORTAL}/vebus/275/ProductId", b'{"value":9763}')
    assert search.process(f"N/{PORTAL}/vebus/288/ProductId", b"")  # has left the bus
    assert not search.process(f"N/{PORTAL}/vebus/275/Soc", b'{"value":50}')
    assert not search.process(f"N/{PORTAL}x/vebus/261/ProductId", b'{"value":1}')
    theirs = b'{"full-publish-completed-echo":"theirs","value":1}'
    for other in (theirs, b"\xff", b"[" * 60_000, b"7"):
        search.process(completed, other)
        assert not search.complete
    search.process(completed, b'{"full-publish-completed-echo":"mine","value":1}')
    assert search.complete
    assert search.found == {"vebus": {275}, "grid": set()}
    old = InstanceSearch(PORTAL, ["vebus"], "mine")
    old.process(completed, b'{"value":1795350075}')
    assert old.complete


def test_the_instance_of_system_is_known() -> None:
    """It is always 0; given instances need no search either."""
    more = (parse_field("a", "system/Dc/Pv/Power"), parse_field("b", "grid/30/x"))
    fields = (*DEFAULT_FIELDS, *more)
    assert services_to_find(fields) == ("vebus",)


def test_a_payload_of_the_largest_size_is_read() -> None:
    """The bound on size is inclusive."""
    start = b'{"value":1,"x":"'
    payload = start + b"a" * (MAX_PAYLOAD - len(start) - 2) + b'"}'
    assert decode(payload) == 1.0


def test_where_an_inverter_is_looked_for_all_services_are_seen() -> None:
    """Limited, and without invented names; elsewhere only those that are wanted."""
    search = InstanceSearch(PORTAL, ["vebus"], "mine")
    for leaf in ("battery/512", "solarcharger/288", "B+d/1", "gps/x"):
        assert search.process(f"N/{PORTAL}/{leaf}/ProductId", b'{"value":1}')
    assert not search.process(f"N/{PORTAL}/battery/512/Soc", b'{"value":1}')
    assert search.places == {("battery", 512), ("solarcharger", 288)}
    assert search.found == {"vebus": set()}
    for number in range(MAX_LEAVES + 10):
        search.process(f"N/{PORTAL}/tank/{number}/ProductId", b'{"value":1}')
    assert len(search.places) == MAX_SERVICES
    assert not search.present, "what is not wanted"
    for number in range(MAX_LEAVES + 10):
        search.process(f"N/{PORTAL}/vebus/{number}/ProductId", b'{"value":1}')
    assert len(search.found["vebus"]) == MAX_SERVICES
    assert len(search.present) == MAX_LEAVES
    other = InstanceSearch(PORTAL, ["grid"], "mine")
    assert not other.process(f"N/{PORTAL}/battery/512/ProductId", b'{"value":1}')


def test_a_service_with_a_invented_name_is_not_kept() -> None:
    """Names have 64 characters at most: a topic may have 65,535."""
    search = InstanceSearch("c0619ab1c2d3", ["vebus"])
    for name in ("a" * 64, "b" * 65, "c" * 60_000):
        search.process(f"N/c0619ab1c2d3/{name}/0/ProductId", b'{"value":1}')
    assert search.places == {("a" * 64, 0)}
    assert not search.present


def test_what_is_present_is_no_longer_than_what_is_looked_for() -> None:
    """A topic of 64 KiB is not kept, whichever of its parts is long."""
    path = ("solarcharger", "Yield/Power")
    search = InstanceSearch(PORTAL, ["vebus"], paths=[path])
    long = "a" * 65_000
    leaves = ("vebus/275/ProductId", "solarcharger/999999999/Yield/Power")
    for leaf in (
        *leaves,
        f"{long}/0/ProductId",
        f"vebus/{'0' * 65_000}/ProductId",
        f"solarcharger/288/{long}",
        f"{long}/288/Yield/Power",
        "battery/512/ProductId",
    ):
        search.process(f"N/{PORTAL}/{leaf}", b'{"value":1}')
    assert search.present == {*leaves}


def test_an_end_of_a_republish_that_is_too_long_is_none() -> None:
    """It is not even decoded."""
    search = InstanceSearch("c0619ab1c2d3", ["vebus"], "echo")
    search.process("N/c0619ab1c2d3/full_publish_completed", b'{"value":1}' + b" " * MAX_PAYLOAD)
    assert not search.complete
    search.process("N/c0619ab1c2d3/full_publish_completed", b'{"value":1}')
    assert search.complete
