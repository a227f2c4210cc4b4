"""The messages of circuit relay v2: go's bytes, and what does not pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.relay.messages import (
    MAX_ADDRESSES,
    HopKind,
    HopMessage,
    Limit,
    Peer,
    Reservation,
    StopKind,
    StopMessage,
)
from p2pstack.relay.protocols import HOP, MAX_MESSAGE, STOP
from p2pstack.relay.status import Status
from p2pstack.relay.voucher import Voucher
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb import circuit_pb2
from tests.vectors import load

FRAMES = {
    (message["protocol"], message["note"]): bytes.fromhex(message["frame"]) for message in load("services")["messages"]
}
DIALER, LISTENER, RELAY = (PrivateKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
EXPIRES = 1_900_000_000
LIMIT = Limit(120, 131_072)
ADDRESS = with_peer(parse("/ip4/203.0.113.3/tcp/4001"), RELAY.peer_id)


def hop_vector(note: str) -> bytes:
    return unframed(FRAMES[HOP, note])


def stop_vector(note: str) -> bytes:
    return unframed(FRAMES[STOP, note])


def unframed(frame: bytes) -> bytes:
    (message,) = FrameReader(MAX_MESSAGE).receive_data(frame)
    return message


HOP_CASES = [
    ("RESERVE", HopMessage(kind=HopKind.RESERVE)),
    ("STATUS RESERVATION_REFUSED", HopMessage(kind=HopKind.STATUS, status=Status.RESERVATION_REFUSED)),
    ("CONNECT to 32x02", HopMessage(kind=HopKind.CONNECT, peer=Peer(LISTENER.peer_id))),
    (
        "STATUS OK with limit (answer to CONNECT)",
        HopMessage(kind=HopKind.STATUS, status=Status.OK, limit=LIMIT),
    ),
    ("STATUS NO_RESERVATION", HopMessage(kind=HopKind.STATUS, status=Status.NO_RESERVATION)),
]
STOP_CASES = [
    ("CONNECT from 32x01", StopMessage(kind=StopKind.CONNECT, peer=Peer(DIALER.peer_id), limit=LIMIT)),
    ("STATUS OK", StopMessage(kind=StopKind.STATUS, status=Status.OK)),
]


@pytest.mark.req("RELAY-01", "RELAY-02")
@pytest.mark.parametrize(("note", "message"), HOP_CASES)
def test_hop_messages_are_go_s_byte_for_byte(note: str, message: HopMessage) -> None:
    assert encode_frame(message.encode()) == FRAMES[HOP, note]
    assert HopMessage.decode(hop_vector(note)) == message


@pytest.mark.req("RELAY-01", "RELAY-02")
@pytest.mark.parametrize(("note", "message"), STOP_CASES)
def test_stop_messages_are_go_s_byte_for_byte(note: str, message: StopMessage) -> None:
    assert encode_frame(message.encode()) == FRAMES[STOP, note]
    assert StopMessage.decode(stop_vector(note)) == message


@pytest.mark.req("RELAY-03", "RELAY-08")
def test_the_reservation_that_go_gives_byte_for_byte() -> None:
    frame = FRAMES[HOP, "STATUS OK with reservation, voucher, limit"]
    voucher = Voucher(RELAY.peer_id, LISTENER.peer_id, EXPIRES).seal(RELAY).to_bytes()
    message = HopMessage(
        kind=HopKind.STATUS,
        status=Status.OK,
        limit=LIMIT,
        reservation=Reservation(EXPIRES, (ADDRESS,), voucher),
    )
    assert encode_frame(message.encode()) == frame
    assert HopMessage.decode(unframed(frame)) == message


@pytest.mark.req("RELAY-02")
def test_a_type_is_written_even_where_it_is_0() -> None:
    assert HopMessage(kind=HopKind.RESERVE).encode() == b"\x08\x00"
    assert StopMessage(kind=StopKind.CONNECT, peer=Peer(DIALER.peer_id)).encode()[:2] == b"\x08\x00"


@pytest.mark.misbehave
@pytest.mark.req("RELAY-01", "RELAY-02")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no type"),
        (b"\x28\x64", "no type"),
        (b"\x08\x03", "unknown type 3"),
        (b"\x08\x00\x12", "no HopMessage"),
        (b"\xff" * 20, "no HopMessage"),
        (b"\x08\x01", "names no peer"),
        (b"\x08\x01\x12\x00", "cut off"),
        (b"\x08\x01\x12\x04\x0a\x02\x00\x01", "cut off"),
        (b"\x08\x00" + b"\x7a\xfe\x1f" + bytes(4_094), "over the limit"),
    ],
)
def test_hop_messages_that_do_not_pass(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        HopMessage.decode(data)


@pytest.mark.misbehave
@pytest.mark.req("RELAY-01", "RELAY-02")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no type"),
        (b"\x08\x02", "unknown type 2"),
        (b"\x08\x00", "names no peer"),
        (b"\x08\x00\x12\x03\x0a\x01\x00", "cut off"),
        (b"\x0a\x00\x08", "no StopMessage"),
        (b"\x08\x01" + bytes(4_095), "over the limit"),
    ],
)
def test_stop_messages_that_do_not_pass(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        StopMessage.decode(data)


@pytest.mark.req("RELAY-01")
def test_fields_of_other_kinds_are_skipped_without_a_look() -> None:
    bad_peer = b"\x12\x03\x0a\x01\xff"
    assert HopMessage.decode(b"\x08\x00" + bad_peer) == HopMessage(kind=HopKind.RESERVE)
    assert HopMessage.decode(b"\x08\x02" + bad_peer) == HopMessage(kind=HopKind.STATUS)
    assert StopMessage.decode(b"\x08\x01" + bad_peer) == StopMessage(kind=StopKind.STATUS)
    assert HopMessage.decode(b"\x08\x02\x7a\x01x") == HopMessage(kind=HopKind.STATUS)


@pytest.mark.req("RELAY-02")
def test_a_status_without_a_name_is_kept_as_its_number() -> None:
    message = HopMessage.decode(HopMessage(kind=HopKind.STATUS, status=299).encode())
    assert message.status == 299
    assert not isinstance(message.status, Status)
    assert StopMessage.decode(b"\x08\x01").status is Status.UNUSED


@pytest.mark.req("RELAY-11")
def test_a_limit_of_0_is_the_same_as_none() -> None:
    message = HopMessage(kind=HopKind.STATUS, status=Status.OK, limit=Limit())
    assert message.encode().hex() == "080222002864"
    assert HopMessage.decode(message.encode()).limit == Limit(0, 0)
    assert HopMessage.decode(bytes.fromhex("0802220408001000")).limit == Limit(0, 0)


@pytest.mark.req("RELAY-13")
def test_addresses_that_do_not_parse_are_left_out_and_few_are_looked_at() -> None:
    message = circuit_pb2.HopMessage(type=HopKind.STATUS)
    message.reservation.expire = EXPIRES
    message.reservation.addrs.extend([b"", b"\xff\xff", ADDRESS.to_bytes(), b"\x04\x01"])
    reservation = HopMessage.decode(protobuf.serialize(message)).reservation
    assert reservation == Reservation(EXPIRES, (ADDRESS,), None)
    message.reservation.addrs.extend([b"\x91\x02\x00\x01"] * 400)
    reservation = HopMessage.decode(protobuf.serialize(message)).reservation
    assert reservation is not None
    assert len(reservation.addresses) == MAX_ADDRESSES - 3


PEERS = st.sampled_from([key.peer_id for key in (DIALER, LISTENER, RELAY)])
ADDRESSES = st.lists(st.just(ADDRESS), max_size=5).map(tuple)
LIMITS = st.none() | st.builds(
    Limit, st.integers(min_value=0, max_value=2**32 - 1), st.integers(min_value=0, max_value=2**64 - 1)
)
STATUSES = st.sampled_from([status for status in Status if status])
RESERVATIONS = st.builds(
    Reservation,
    st.integers(min_value=0, max_value=2**64 - 1),
    ADDRESSES,
    st.none() | st.binary(max_size=300),
)
HOP_MESSAGES = st.one_of(
    st.just(HopMessage(kind=HopKind.RESERVE)),
    st.builds(HopMessage, kind=st.just(HopKind.CONNECT), peer=st.builds(Peer, PEERS, ADDRESSES)),
    st.builds(
        HopMessage,
        kind=st.just(HopKind.STATUS),
        reservation=st.none() | RESERVATIONS,
        limit=LIMITS,
        status=STATUSES,
    ),
)
STOP_MESSAGES = st.one_of(
    st.builds(StopMessage, kind=st.just(StopKind.CONNECT), peer=st.builds(Peer, PEERS, ADDRESSES), limit=LIMITS),
    st.builds(StopMessage, kind=st.just(StopKind.STATUS), status=STATUSES),
)


@given(HOP_MESSAGES)
def test_a_hop_message_survives_the_wire(message: HopMessage) -> None:
    assert HopMessage.decode(message.encode()) == message


@given(STOP_MESSAGES)
def test_a_stop_message_survives_the_wire(message: StopMessage) -> None:
    assert StopMessage.decode(message.encode()) == message


@pytest.mark.misbehave
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for kind in (HopMessage, StopMessage):
        try:
            message = kind.decode(data)
        except DecodeError:
            continue
        assert kind.decode(message.encode()) == message
