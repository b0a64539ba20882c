"""The search for GX devices: the request, and parsing of any answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bat2influx.commands.discover import ssdp
from bat2influx.commands.discover.ssdp import (
    Description,
    DescriptionUrl,
    SearchResponse,
    describe,
    description_url,
    parse_response,
)
from bat2influx.printable import plain
from tests.standins.venus.ssdp_responder import description

ADDRESS = "192.0.2.20"
USN = "uuid:com.victronenergy.ccgx.C0:61:9A:B1:C2:D3::urn:schemas-upnp-org:device:Basic:1"
LOCATION = "http://192.0.2.20:39167/device.xml"


def answer(status: str = "HTTP/1.1 200 OK", **headers: str) -> bytes:
    """Return an answer with these headers, those of a GX device where they are not given."""
    given = {"location": LOCATION, "Ext": "", "USN": USN, **headers}
    return "\r\n".join([status, *(f"{k}: {v}" for k, v in given.items()), "", ""]).encode()


def test_the_search_conforms_to_the_standard() -> None:
    """Each line ends with CR LF, an empty one ends it; MAN is in quotes; MX is at least 1."""
    lines = ssdp.search_request().decode().split("\r\n")
    assert lines[0] == "M-SEARCH * HTTP/1.1"
    assert lines[-2:] == ["", ""]
    headers = dict(line.split(": ") for line in lines[1:-2])
    assert headers == {
        "HOST": "239.255.255.250:1900",
        "MAN": '"ssdp:discover"',
        "MX": "1",
        "ST": "urn:schemas-upnp-org:device:Basic:1",
    }


def test_a_gx_devices_answer_is_accepted() -> None:
    """In any case and order of its headers; the address is the source of the datagram."""
    assert parse_response(answer(), ADDRESS) == SearchResponse(ADDRESS, LOCATION)
    assert parse_response(answer().replace(b"\r\n", b"\n"), ADDRESS) == SearchResponse(
        ADDRESS, LOCATION
    )


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\r\n\r\n",
        bytes(range(256)),
        answer(USN="uuid:com.example.lamp::upnp:rootdevice"),
        answer(USN=""),
        answer("HTTP/1.1 404 Not Found"),
        answer("NOTIFY * HTTP/1.1"),
        ssdp.search_request(),
        answer()[:40],
    ],
)
def test_other_answers_are_ignored(datagram: bytes) -> None:
    """Another vendor's device, another kind of message, or random bytes."""
    assert parse_response(datagram, ADDRESS) is None


@settings(deadline=None)
@given(st.binary(max_size=300) | st.builds(lambda end: answer()[:90] + end, st.binary()))
def test_no_answer_raises(datagram: bytes) -> None:
    """Any bytes are an answer or none, with a description or none."""
    found = parse_response(datagram, ADDRESS)
    assert found is None or description_url(found) is None or found.address == ADDRESS


def test_the_description_is_at_the_address_that_answered() -> None:
    """Host, port and path come from the LOCATION; port 80 and / are the defaults."""
    assert description_url(SearchResponse(ADDRESS, LOCATION)) == DescriptionUrl(
        ADDRESS, 39167, "/device.xml"
    )
    assert description_url(SearchResponse(ADDRESS, "http://192.0.2.20")) == DescriptionUrl(
        ADDRESS, 80, "/"
    )
    assert description_url(SearchResponse(ADDRESS, "HTTP://192.0.2.20/a?b=c")) == DescriptionUrl(
        ADDRESS, 80, "/a?b=c"
    )


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://192.0.2.99/device.xml",
        "http://192.0.2.20@192.0.2.99/device.xml",
        "http://user:word@192.0.2.20/device.xml",
        "http://192.0.2.20.example/device.xml",
        "http://localhost/device.xml",
        "https://192.0.2.20/device.xml",
        "file:///etc/passwd",
        "//192.0.2.20/device.xml",
        "http://192.0.2.20:99999/",
        "http://192.0.2.20:http/",
        "http://[192.0.2.20/",
        "http://192.0.2.20/\u00fc",
    ],
)
def test_a_description_on_another_machine_is_ignored(location: str) -> None:
    """An answer must not cause a request to another machine, or by another protocol."""
    assert description_url(SearchResponse(ADDRESS, location)) is None


def test_a_description_is_read() -> None:
    """Name, model, portal id and whether MQTT is on, as a GX device has them."""
    xml = description("0a1b2c3d4e5f", name="Home & boat", model="Venus GX", mqtt=False)
    assert describe(xml) == Description("Home & boat", "Venus GX", "0a1b2c3d4e5f", mqtt=False)
    assert describe(description()) == Description(
        "Cerbo GX (c0619ab1c2d3)", "Cerbo GX", "c0619ab1c2d3", mqtt=True
    )


def test_namespaces_do_not_matter_and_elements_may_be_missing() -> None:
    """Older firmware lacks some; their values are unknown."""
    assert describe(b"<x/>") == Description()
    bare = b"<root><device><X_VrmPortalId> 0a1b </X_VrmPortalId><X_MqttOnLan/></device></root>"
    assert describe(bare) == Description(portal="0a1b")
    other = b'<r xmlns:q="urn:q"><q:X_MqttOnLan>1</q:X_MqttOnLan><modelName>M</modelName></r>'
    assert describe(other) == Description(model="M", mqtt=True)


@pytest.mark.parametrize(
    "portal", ["", "+", "#", "a/b", "a b", "x" * 65, "\u0661", "c0619ab1c2d3\n/"]
)
def test_an_invalid_portal_id_is_unknown(portal: str) -> None:
    """It becomes a part of topics, where a wildcard or a slash would do harm."""
    found = describe(description(portal))
    assert found is not None
    assert found.portal == ""


BOMB = b"".join(
    b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in range(ord("b"), ord("k"))
)


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"\xff\xfe\x00",
        description()[:300],
        description() + b"<more/>",
        b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + BOMB + b"]><friendlyName>&j;</friendlyName>",
        b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>",
        "<!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>".encode("utf-16"),
        b"<?xml version='1.0' encoding='nonsense'?><x/>",
        b"<?xml version='1.0' encoding='shift_jis'?><x/>",
        b"<ve:X_MqttOnLan>1</ve:X_MqttOnLan>",
        b"\0" * 65_536,
    ],
)
def test_an_invalid_description_is_none(xml: bytes) -> None:
    """An incomplete document, a document type, an unknown encoding: none of them raises."""
    assert describe(xml) is None


def test_a_deep_description_is_read_without_harm() -> None:
    """64 KiB of nested elements take no more memory than others."""
    depth = ssdp.MAX_DESCRIPTION // 7
    assert describe(b"<a>" * depth + b"</a>" * depth) == Description()


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 800))
def test_no_description_raises(garbage: bytes, at: int) -> None:
    """Any content is read or is none."""
    xml = description()
    for text in (garbage, xml[:at] + garbage + xml[at:]):
        found = describe(text)
        assert found is None or isinstance(found, Description)


@settings(deadline=None)
@given(st.text())
def test_untrusted_text_becomes_one_printable_line(text: str) -> None:
    """No control character, no end of line, no mark of direction, and a limited length."""
    line = plain(text)
    assert len(line) <= 60
    assert line.isprintable()
    assert line == line.strip()
