from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.messages import Message, MessageType, decode, encode, fit
from p2pstack.kad.records import Record
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb import kad_pb2
from tests.kad.making import CONFIG, contact, contacts, peer, unmarked
from tests.vectors import load

VECTORS = load("kad")
CLIENT = PrivateKey.from_seed(b"\x01" * 32).peer_id
KEY, VALUE = b"/test/key", b"value"


def unframed(frame: str) -> bytes:
    [body] = FrameReader(CONFIG.max_received).receive_data(bytes.fromhex(frame))
    return body


def requests(impl: str) -> list[Any]:
    return [case for case in VECTORS["requests"] if case["impl"] == impl]


# -- vectors


@pytest.mark.req("KAD-01", "KAD-02")
@pytest.mark.parametrize("case", requests("go"), ids=lambda case: case["note"][:30])
def test_we_write_the_requests_that_go_writes(case: dict[str, str]) -> None:
    message = decode(unframed(case["frame"]), CONFIG)
    assert encode_frame(encode(message)).hex() == case["frame"]


@pytest.mark.req("KAD-01")
@pytest.mark.parametrize("case", requests("rust"), ids=lambda case: case["note"][:30])
def test_we_read_the_requests_of_rust_as_those_of_go(case: dict[str, str]) -> None:
    ours = decode(unframed(case["frame"]), CONFIG)
    same = next(each for each in requests("go") if each["note"] == case["note"])
    theirs = decode(unframed(same["frame"]), CONFIG)
    assert (ours.type, ours.key) == (theirs.type, theirs.key)
    assert [each.peer for each in ours.providers] == [each.peer for each in theirs.providers]
    if ours.record is not None:
        assert theirs.record is not None
        assert replace(ours.record, publisher=None, ttl=0) == replace(theirs.record, time_received=b"")
        assert ours.record.publisher == CLIENT


@pytest.mark.req("KAD-01")
@pytest.mark.parametrize("case", VECTORS["answers"], ids=lambda case: f"{case['impl']} {case['note'][:30]}")
def test_we_read_and_write_all_answers(case: dict[str, str]) -> None:
    for body in FrameReader(CONFIG.max_received).receive_data(bytes.fromhex(case["response"])):
        message = decode(body, CONFIG)
        assert decode(encode(message), CONFIG) == message
        theirs = protobuf.parse(kad_pb2.KadMessage, body)
        assert (message.type, message.key) == (theirs.type, theirs.key)
        assert [each.peer.to_bytes() for each in message.closer] == [each.id for each in theirs.closer_peers]
        assert [each.peer.to_bytes() for each in message.providers] == [each.id for each in theirs.provider_peers]
        if case["impl"] == "go":
            assert encode(message) == unmarked(body)


# -- reading


@pytest.mark.req("KAD-18")
def test_a_record_in_many_parts_costs_no_more_than_its_bytes() -> None:
    part = b"\x1a\x40" + b"\x0a\x3e" + bytes(62)
    data = part * 60_000
    started = perf_counter()
    assert decode(data, CONFIG).record == Record(key=bytes(62), value=b"")
    assert perf_counter() - started < 1.0, "each part was copied as often as there were further ones"


@pytest.mark.req("KAD-01")
def test_fields_come_in_any_order_and_unknown_ones_are_skipped() -> None:
    parts = [b"\x08\x04", b"\x12\x01k", b"\x50\x0a", b"\x42" + encode_frame(contact(1).encode()), b"\x9a\x06\x01x"]
    wanted = Message(type=MessageType.FIND_NODE, key=b"k", closer=(contact(1),))
    assert decode(b"".join(parts), CONFIG) == decode(b"".join(reversed(parts)), CONFIG) == wanted


@pytest.mark.req("KAD-01")
def test_an_absent_type_is_put_value_and_of_two_the_last_counts() -> None:
    assert decode(b"", CONFIG) == Message(type=MessageType.PUT_VALUE)
    assert decode(b"\x08\x01\x08\x05\x12\x01a\x12\x01b", CONFIG) == Message(type=MessageType.PING, key=b"b")
    assert encode(Message(type=MessageType.PUT_VALUE, key=b"k")) == b"\x12\x01k\x50\x01"


@pytest.mark.req("KAD-01")
def test_two_parts_of_a_record_are_one() -> None:
    message = decode(b"\x1a\x03\x0a\x01k\x1a\x03\x12\x01v", CONFIG)
    assert message.record == Record(key=b"k", value=b"v")
    assert decode(b"\x1a\x00", CONFIG).record == Record(key=b"", value=b"")


@pytest.mark.req("KAD-01")
def test_fields_of_another_wire_type_are_unknown_ones() -> None:
    assert decode(b"\x10\x01\x18\x01\x40\x01\x0a\x01x\x32\x00", CONFIG) == Message(type=MessageType.PUT_VALUE)


@pytest.mark.req("KAD-08")
@pytest.mark.parametrize("data", [b"\x08\x06", b"\x08\x09", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"])
def test_an_unknown_type_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data, CONFIG)
    assert caught.value.requirement == "KAD-08"


@pytest.mark.req("KAD-08")
@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff", b"\x0f\x00", b"\x12\x05ab", b"\x42\x02\x0a\xff", b"\x1a\x02\x0a\xff"]
)
def test_broken_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data, CONFIG)


@pytest.mark.req("KAD-08")
@pytest.mark.parametrize("data", [b"\x82\x00\x08\x05", b"\xff" * 9 + b"\x01\x01\x02"])
def test_a_length_that_is_not_minimal_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        FrameReader(CONFIG.max_received).receive_data(data)


@pytest.mark.req("KAD-01")
def test_a_length_over_the_limit_is_refused_before_its_body() -> None:
    with pytest.raises(DecodeError) as caught:
        FrameReader(CONFIG.max_received).receive_data(b"\x81\x80\x80\x02")
    assert caught.value.requirement == "GEN-02"
    with pytest.raises(DecodeError, match="longer than 32768 bytes"):
        decode(bytes(32_769), KadConfig(max_received=32_768))


@pytest.mark.req("KAD-04", "KAD-18")
def test_of_ten_thousand_peers_forty_are_taken() -> None:
    many = tuple(contacts(range(100))) * 100
    data = encode(Message(type=MessageType.FIND_NODE, closer=many, providers=many))
    message = decode(data, CONFIG)
    assert message.closer == many[:40]
    assert message.providers == many[:256]
    # The rest is not even parsed.
    assert decode(data + b"\x42\x02\x0a\xff", CONFIG).closer == many[:40]


@pytest.mark.req("KAD-18")
def test_a_message_made_of_the_shortest_fields_is_refused() -> None:
    decode(b"\x42\x00" * CONFIG.max_fields, CONFIG)
    with pytest.raises(DecodeError, match="more than 65536 fields"):
        decode(b"\x42\x00" * (CONFIG.max_fields + 1), CONFIG)


@pytest.mark.req("KAD-18")
def test_a_peer_that_is_too_long_is_skipped() -> None:
    raw = kad_pb2.KadPeer(id=peer(1).to_bytes(), addrs=[b""] * 8_192)
    data = b"\x08\x04\x42" + encode_frame(protobuf.serialize(raw)) + b"\x42" + encode_frame(contact(2).encode())
    assert decode(data, CONFIG).closer == (contact(2),)


@pytest.mark.req("KAD-04")
def test_a_peer_without_an_id_is_skipped() -> None:
    data = b"\x42\x03\x0a\x01a\x42" + encode_frame(contact(2).encode()) + b"\x42\x00"
    assert decode(data, CONFIG).closer == (contact(2),)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        message = decode(data, CONFIG)
    except DecodeError:
        return
    assert decode(encode(message), CONFIG) == message


RECORDS = st.builds(
    Record,
    key=st.binary(max_size=9),
    value=st.binary(max_size=99),
    time_received=st.binary(max_size=9),
    publisher=st.sampled_from([None, peer(7)]),
    ttl=st.integers(0, 2**32 - 1),
)
CONTACTS = st.lists(st.builds(contact, st.integers(0, 999)), max_size=30).map(tuple)
MESSAGES = st.builds(
    Message,
    type=st.sampled_from(MessageType),
    key=st.binary(max_size=99),
    record=st.none() | RECORDS,
    closer=CONTACTS,
    providers=CONTACTS,
)


@pytest.mark.req("KAD-01")
@given(MESSAGES)
def test_what_is_written_is_read_by_us_and_by_the_schema(message: Message) -> None:
    data = encode(message)
    assert decode(data, CONFIG) == message
    theirs = protobuf.parse(kad_pb2.KadMessage, data)
    assert protobuf.serialize(theirs) == data
    assert theirs.cluster_level_raw == 1


# -- room


@pytest.mark.req("KAD-01", "KAD-06")
@given(MESSAGES, st.integers(300, 4_000))
def test_a_message_is_made_to_fit(message: Message, limit: int) -> None:
    fitted = fit(message, limit)
    assert len(encode(fitted)) <= max(limit, len(encode(replace(message, closer=(), providers=()))))
    assert fitted.closer == message.closer[: len(fitted.closer)]
    assert fitted.providers == message.providers[: len(fitted.providers)]
    if len(encode(message)) <= limit - 400:
        assert fitted is message


@pytest.mark.req("KAD-06")
def test_closer_peers_get_half_of_the_room_and_providers_the_rest() -> None:
    many = tuple(contacts(range(400)))
    both = fit(Message(type=MessageType.GET_PROVIDERS, key=b"k", closer=many, providers=many), 16_384)
    assert abs(len(both.closer) - len(both.providers)) <= 2
    few = fit(Message(type=MessageType.GET_PROVIDERS, key=b"k", closer=many[:20], providers=many), 16_384)
    assert len(few.closer) == 20
    assert len(few.providers) > 250
    alone = fit(Message(type=MessageType.FIND_NODE, closer=many), 16_384)
    assert len(alone.closer) == len(both.closer) + len(both.providers)


@pytest.mark.req("KAD-14")
def test_twenty_peers_and_the_longest_value_fit_for_rust() -> None:
    record = Record(key=bytes(200), value=bytes(CONFIG.max_value), time_received=bytes(30), publisher=peer(1), ttl=9)
    addresses = tuple(contact(number).addresses[0] for number in range(8))
    closer = tuple(Contact(peer(number), addresses) for number in range(20))
    answer = fit(Message(type=MessageType.GET_VALUE, key=bytes(200), record=record, closer=closer), CONFIG.max_sent)
    assert len(answer.closer) == 20
    assert len(encode(answer)) <= 16_384
