"""A broker's packets: parsed as they were written, or rejected as invalid."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bat2influx.mqtt import packets
from bat2influx.mqtt.packets import (
    CONNACK,
    DISCONNECT,
    MAX_ANSWER_BYTES,
    MAX_BYTES,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    UNSUBACK,
    MalformedError,
    Protocol,
    Response,
    TooLargeError,
    UnexpectedError,
    admit,
    response,
    without_properties,
)

NEW, OLD = Protocol.MQTT_5, Protocol.MQTT_3_1_1


def number(value: int) -> bytes:
    """Return a variable byte integer."""
    made = bytearray()
    while True:
        value, digit = divmod(value, 128)
        made.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(made)


def text(value: bytes) -> bytes:
    """Return a string after its length."""
    return len(value).to_bytes(2, "big") + value


def properties(*made: bytes) -> bytes:
    """Return properties after their length."""
    body = b"".join(made)
    return number(len(body)) + body


def said(reason: str) -> bytes:
    """Return a reason string."""
    return b"\x1f" + text(reason.encode())


OTHERS = st.one_of(
    st.sampled_from([b"\x01\x01", b"\x13\x00\x0a", b"\x21\x00\x14", b"\x11\0\0\0\1"]),
    st.integers(0, 268_435_455).map(lambda value: b"\x0b" + number(value)),
    st.binary(max_size=200).map(lambda value: b"\x09" + text(value)),
    st.binary(max_size=200).map(lambda value: b"\x26" + text(value) + text(b"\x1f\x00\x01x")),
)
FORMS = {
    CONNACK: lambda code, more: bytes([0, code]) + more,
    PUBACK: lambda code, more: b"\x01\x02" + bytes([code]) + more,
    DISCONNECT: lambda code, more: bytes([code]) + more,
    SUBACK: lambda code, more: b"\x01\x02" + more + bytes([code]),
    UNSUBACK: lambda code, more: b"\x01\x02" + more + bytes([code]),
}


@given(
    st.sampled_from(sorted(FORMS)),
    st.integers(0, 255),
    st.text(max_size=100),
    st.lists(OTHERS, max_size=5),
    st.lists(OTHERS, max_size=5),
)
def test_code_and_reason_are_found_among_all_properties(
    kind: int, code: int, reason: str, before: list[bytes], behind: list[bytes]
) -> None:
    """Whatever else a packet of MQTT 5 says."""
    made = FORMS[kind](code, properties(*before, said(reason), *behind))
    found = response(kind, made, NEW)
    assert (found.code, found.reason_string) == (code, reason)
    assert found.mid == (0x0102 if kind in (PUBACK, SUBACK, UNSUBACK) else 0)


@given(st.sampled_from(sorted(FORMS)), st.binary(max_size=40), st.sampled_from(Protocol))
def test_any_bytes_are_an_answer_or_malformed(kind: int, body: bytes, to: Protocol) -> None:
    """No other error is raised."""
    with suppress(MalformedError):
        packets.publish(body, to)
    with suppress(MalformedError):
        assert isinstance(response(kind, body, to), Response)


@pytest.mark.parametrize(
    ("kind", "body", "to", "expected"),
    [
        (CONNACK, b"\0\0", OLD, Response(0, b"\0")),
        (CONNACK, b"\0\5", OLD, Response(0, b"\5")),
        (CONNACK, b"\0\1", NEW, Response(0, b"\1", complete=False)),
        (CONNACK, b"\0\0\3\x13\0\x0a", NEW, Response(0, b"\0", keepalive=10)),
        (PUBACK, b"\0\7", NEW, Response(7, b"")),
        (PUBACK, b"\0\7\x87", NEW, Response(7, b"\x87")),
        (PUBACK, b"\0\7", OLD, Response(7, b"")),
        (DISCONNECT, b"", NEW, Response(0, b"")),
        (DISCONNECT, b"\x8e", NEW, Response(0, b"\x8e")),
        (SUBACK, b"\0\7\0\x80", OLD, Response(7, b"\0\x80")),
        (SUBACK, b"\0\7\0\0\x87", NEW, Response(7, b"\0\x87")),
        (UNSUBACK, b"\0\7", OLD, Response(7, b"")),
    ],
)
def test_the_last_parts_of_a_packet_may_be_absent(
    kind: int, body: bytes, to: Protocol, expected: Response
) -> None:
    """A packet without them means success, if it may be that short."""
    assert response(kind, body, to) == expected


@pytest.mark.parametrize(
    ("kind", "body", "to"),
    [
        (CONNACK, b"\0", NEW),
        (CONNACK, b"\0\0\0", OLD),
        (PUBACK, b"\0", NEW),
        (SUBACK, b"\0\7", NEW),
        (DISCONNECT, b"\x8e\5\x1f\0\3a", NEW),
        (DISCONNECT, b"\x8e\4\x1f\0\3abc", NEW),
        (DISCONNECT, b"\x8e\1\x7f", NEW),
        (DISCONNECT, b"\x8e\xff\xff\xff\xff\1", NEW),
    ],
)
def test_malformed_packets_are_rejected(kind: int, body: bytes, to: Protocol) -> None:
    """It is cut off, has an unknown property, or one that is longer than all of them."""
    with pytest.raises(MalformedError):
        response(kind, body, to)


@pytest.mark.parametrize("protocol", Protocol)
def test_only_what_a_broker_sends_is_admitted(protocol: Protocol) -> None:
    """Answers, and messages of QoS 0; with 3.1.1 no DISCONNECT."""
    sent = {CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP}
    for head in range(256):
        kind, qos = head >> 4, (head & 6) >> 1
        fine = kind in sent or (kind == DISCONNECT and protocol is NEW)
        if fine and not (kind == PUBLISH and qos):
            admit(head, 0, protocol)
            continue
        with pytest.raises(UnexpectedError) as told:
            admit(head, 0, protocol)
        assert str(told.value).startswith("PUBLISH of QoS" if kind == PUBLISH else names(kind))


def names(kind: int) -> str:
    """Return the name of a packet that is never admitted (section 2.1.2)."""
    client = {1: "CONNECT", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE", 12: "PINGREQ", 14: "DISCONNECT"}
    either = {0: "type 0", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 15: "AUTH"}
    return (client | either)[kind]


def test_a_packet_is_admitted_up_to_its_bound() -> None:
    """With one byte more, the error has its size."""
    admit(0x30, MAX_BYTES, NEW)
    with pytest.raises(TooLargeError, match="1,048,577"):
        admit(0x30, MAX_BYTES + 1, NEW)


@pytest.mark.parametrize("kind", [CONNACK, PUBACK, SUBACK, UNSUBACK, DISCONNECT])
def test_an_answer_is_admitted_up_to_its_own_bound(kind: int) -> None:
    """It has a byte for each topic, and a reason."""
    admit(kind << 4, MAX_ANSWER_BYTES, NEW)
    with pytest.raises(UnexpectedError, match="of 65,537 bytes"):
        admit(kind << 4, MAX_ANSWER_BYTES + 1, NEW)


@pytest.mark.parametrize(
    ("kind", "body", "bare"),
    [
        (CONNACK, b"\1\0", b"\1\0\0"),
        (CONNACK, b"\1\0\5\x26\0\0\0\0", b"\1\0\0"),
        (PUBACK, b"\0\7", b"\0\7"),
        (PUBACK, b"\0\7\x10\5\x26\0\0\0\0", b"\0\7"),
    ],
)
def test_an_answer_without_its_properties(kind: int, body: bytes, bare: bytes) -> None:
    """It means the same to paho; 3.1.1 has none."""
    assert without_properties(kind, body, NEW) == bare
    assert without_properties(kind, body, OLD) == body
