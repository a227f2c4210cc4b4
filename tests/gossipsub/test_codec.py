"""RPCs of go are read and written again byte for byte; hostile ones are cut to the limits, or raise DecodeError."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.gossipsub.codec import decode_rpc, encode_message, encode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.values import Extensions, IHave, Message, PeerInfo, Prune, Rpc, Subscription
from p2pstack.wire import protobuf, uvarint
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb.pubsub_pb2 import PubsubMessage
from tests.vectors import load

VECTORS = load("pubsub")
CONFIG = GossipsubConfig()
UINT64 = 2**64 - 1

NORMALISED = {
    "subscribe to topic a, as go 0.19 sends it": "070a050801120161",  # without the flags of partial messages
    "extensions: partialMessages": "041a023200",  # an extension that we don't know
    "partial message": "",
    "empty RPC": "",
}
"""Frames with fields that are not kept, and what is left of them; all others come out as they went in."""

EXPECTED: dict[str, Rpc] = {
    "subscribe to topic a, as spec peers send it": Rpc(subscriptions=[Subscription(True, "a")]),
    "subscribe to topic a, as go 0.19 sends it": Rpc(subscriptions=[Subscription(True, "a")]),
    "unsubscribe": Rpc(subscriptions=[Subscription(False, "a")]),
    "GRAFT": Rpc(graft=["a"], has_control=True),
    "PRUNE, backoff 60": Rpc(prune=[Prune("a", [], 60)], has_control=True),
    "PRUNE on unsubscribe, backoff 10": Rpc(prune=[Prune("a", [], 10)], has_control=True),
    "PRUNE of a v1.0 peer, no backoff": Rpc(prune=[Prune("a", [], None)], has_control=True),
    "IHAVE (id is not UTF-8)": Rpc(ihave=[IHave("a", [bytes.fromhex("0011223344556677ff")])], has_control=True),
    "IWANT": Rpc(iwant=[bytes.fromhex("0011223344556677ff")], has_control=True),
    "IDONTWANT": Rpc(idontwant=[bytes.fromhex("0011223344556677ff")], has_control=True),
    "extensions: testExtension": Rpc(extensions=Extensions(test=True), has_control=True),
    "extensions: partialMessages": Rpc(extensions=Extensions(), has_control=True),
    "the test extension message itself": Rpc(test_extension=True),
    "partial message": Rpc(),
    "StrictNoSign message: data and topic only": Rpc(publish=[Message(b"anonymous", "a")]),
    "empty RPC": Rpc(),
}


def body_of(frame: str) -> bytes:
    (body,) = FrameReader(CONFIG.max_rpc).receive_data(bytes.fromhex(frame))
    return body


def decode(body: str | bytes, **limits: int) -> Rpc:
    config = GossipsubConfig(**limits) if limits else CONFIG
    return decode_rpc(bytes.fromhex(body) if isinstance(body, str) else body, config)


def field(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + encode_frame(value)


def control(*entries: bytes) -> bytes:
    return field(3, b"".join(entries))


def message_of(encoded: bytes, **limits: int) -> Message:
    (message,) = decode(field(2, encoded), **limits).publish
    return message


# -- what go writes


@pytest.mark.req("GS10-02", "GS10-05", "GS10-20", "GS11-02", "GS12-01", "GS13-01", "GS13-03", "GS13-05")
@pytest.mark.parametrize("case", VECTORS["rpc_frames"], ids=lambda case: case["note"])
def test_frames_of_go(case: dict[str, str]) -> None:
    rpc = decode(body_of(case["frame"]))
    expected = EXPECTED.get(case["note"])
    if expected is not None:
        assert rpc == expected
    assert b"".join(encode_rpc(rpc)).hex() == NORMALISED.get(case["note"], case["frame"])


@pytest.mark.req("GS11-06")
def test_a_prune_of_go_names_a_peer_with_its_record() -> None:
    (frame,) = [case["frame"] for case in VECTORS["rpc_frames"] if "PX" in case["note"]]
    (prune,) = decode(body_of(frame)).prune
    (info,) = prune.peers
    assert (prune.topic, prune.backoff) == ("a", 60)
    assert info.peer.hex() == "0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    assert info.record is not None
    assert len(info.record) == 192


@pytest.mark.req("GS10-02", "GS10-29")
@pytest.mark.parametrize("case", VECTORS["signed_messages"], ids=lambda case: case["note"][:9])
def test_messages_of_go(case: dict[str, str]) -> None:
    rpc = decode(body_of(case["rpc_frame"]))
    (message,) = rpc.publish
    assert message.encoded.hex() == case["message"]
    assert message.data.hex() == case["data"]
    assert message.topic == case["topic"]
    assert message.source is not None
    assert message.source.hex() == case["from"]
    assert str(message.author) == case["from_text"]
    assert message.seqno is not None
    assert message.seqno.hex() == case["seqno"]
    assert message.signature is not None
    assert message.signature.hex() == case["signature"]
    assert (message.key.hex() if message.key is not None else "") == case["key"]
    assert message.portable
    assert b"".join(encode_rpc(rpc)).hex() == case["rpc_frame"]
    fields = (message.source, message.data, message.seqno, message.topic, message.signature, message.key)
    assert encode_message(*fields).hex() == case["message"]


# -- presence, merging, order


@pytest.mark.req("GS10-02", "GEN-13")
def test_absent_is_not_empty() -> None:
    absent = message_of(bytes.fromhex("1200220161"))
    assert (absent.source, absent.seqno, absent.signature, absent.key) == (None, None, None, None)
    empty = message_of(bytes.fromhex("0a0012001a002201612a003200"))
    assert (empty.source, empty.seqno, empty.signature, empty.key) == (b"", b"", b"", b"")
    assert absent != empty


@pytest.mark.req("GS10-29")
def test_a_message_goes_on_with_or_without_data_as_it_came() -> None:
    without, with_empty = message_of(bytes.fromhex("220161")), message_of(bytes.fromhex("1200220161"))
    assert without.data == with_empty.data == b""
    assert encode_rpc(Rpc(publish=[without])) == [bytes.fromhex("051203220161")]
    assert encode_rpc(Rpc(publish=[with_empty])) == [bytes.fromhex("0712051200220161")]


@pytest.mark.req("GS10-08")
def test_the_fields_of_a_message_are_put_in_order() -> None:
    shuffled = bytes.fromhex("2201617a01781201621201638a0001")[:-3] + bytes.fromhex("8a000164")
    message = message_of(shuffled)
    # The last of two values holds, a tag that is not the shortest is a tag, and what is unknown stands at the end.
    assert message.encoded == bytes.fromhex("0a01641201632201617a0178")
    assert (message.source, message.data, message.topic) == (b"d", b"c", "a")


@pytest.mark.req("GS10-08")
@pytest.mark.parametrize("unknown", ["7801", "790102030405060708", "7a0161", "7d01020304", "c8ffffff0f00"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_unknown_fields_of_a_message_are_kept_behind_the_others(unknown: str, place: int) -> None:
    known = bytes.fromhex("120162220161")
    message = message_of(known[:place] + bytes.fromhex(unknown) + known[place:])
    assert message.encoded == known + bytes.fromhex(unknown)
    assert message.portable
    (frame,) = encode_rpc(Rpc(publish=[message]))
    assert decode(frame[1:]).publish == [message]


@pytest.mark.req("GS10-02", "GS10-28")
@pytest.mark.parametrize("unknown", ["7b7c", "7b08017c", "7b7b7c7c", "0801", "3001", "2d01020304", "7801" * 65])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_what_some_could_not_read_is_no_fault_of_who_passed_it_on(unknown: str, place: int) -> None:
    known = bytes.fromhex("120162220161")
    message = message_of(known[:place] + bytes.fromhex(unknown) + known[place:])
    assert message.encoded == known + bytes.fromhex(unknown)
    assert not message.portable


@pytest.mark.req("GS10-30")
def test_a_message_with_much_beside_its_data_is_not_passed_on() -> None:
    """Go counts that as control."""
    for unknown in (400, 700):
        message = message_of(bytes.fromhex("220161") + field(15, bytes(unknown)), max_control=1_000)
        assert message.portable is (unknown == 400)
    assert message_of(field(2, bytes(5_000)) + b"\x22\x01a", max_control=1_000).portable


@pytest.mark.req("GEN-07", "GS11-14")
@pytest.mark.parametrize(
    "unknown", ["", "2001", "21" + "00" * 8, "220161", "25" + "00" * 4, "c8ffffff0f00", "2b08012c"]
)
def test_control_parts_are_merged_and_unknown_fields_skipped(unknown: str) -> None:
    extra = bytes.fromhex(unknown)
    rpc = decode(
        extra
        + control(field(3, field(1, b"a")), extra and field(15, extra))
        + field(1, b"\x08\x01\x12\x01s" + extra.replace(b"\x22", b"\x7a"))
        + extra
        + control(field(2, field(1, b"1")), field(6, b""))
        + control(field(2, field(1, b"2") + field(1, b"3")), field(5, field(1, b"4")), field(3, field(1, b"b")))
        + control(field(6, b"\x90\x91\xe2\x18\x01"))
        + extra
    )
    assert rpc == Rpc(
        subscriptions=[Subscription(True, "s")],
        iwant=[b"1", b"2", b"3"],
        graft=["a", "b"],
        idontwant=[b"4"],
        extensions=Extensions(test=True),
        has_control=True,
    )


@pytest.mark.req("GS11-14")
def test_a_control_part_is_noted_though_nothing_is_in_it() -> None:
    rpc = decode("1a00")
    assert rpc == Rpc(has_control=True)
    assert rpc.is_empty
    assert not decode("0a00").has_control


def test_what_is_missing_reads_as_its_zero() -> None:
    assert decode("0a00").subscriptions == [Subscription(False, "")]
    assert decode(control(field(3, b""), field(4, b""))) == Rpc(graft=[""], prune=[Prune("")], has_control=True)
    assert decode(control(field(4, field(2, b"")))).prune == [Prune("", [PeerInfo(b"", None)])]
    assert message_of(b"\x12\x01x").topic == ""


def test_entries_with_nothing_in_them_are_left_out() -> None:
    assert decode(field(2, b"") * 3).publish == []
    assert decode(control(field(1, field(1, b"a")), field(1, field(1, b"a") + field(2, b"")))).ihave == []
    assert decode(control(field(2, field(1, b"")), field(5, b""))) == Rpc(has_control=True)


@pytest.mark.parametrize("topic", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", bytes(range(256)), "ü".encode(), b"\x00"])
def test_topics_are_any_bytes(topic: bytes) -> None:
    raw = (
        field(1, b"\x08\x01" + field(2, topic))
        + field(2, field(2, b"") + field(4, topic))
        + control(field(3, field(1, topic)), field(4, field(1, topic)), field(1, field(1, topic) + field(2, b"1")))
    )
    rpc = decode(raw)
    name = topic.decode("utf-8", "surrogateescape")
    assert rpc.subscriptions[0].topic == rpc.publish[0].topic == rpc.graft[0] == rpc.prune[0].topic == name
    control_frame, message_frame = encode_rpc(rpc)
    again = decode(FrameReader(10_000).receive_data(control_frame)[0])
    assert replace(again, publish=rpc.publish) == rpc
    assert message_frame.endswith(field(2, field(2, b"") + field(4, topic)))


@pytest.mark.req("GS11-02")
@pytest.mark.parametrize("backoff", [0, 1, 60, 2**63 - 1, 2**63, UINT64])
def test_any_back_off_is_read(backoff: int) -> None:
    raw = control(field(4, field(1, b"a") + b"\x18" + protobuf_varint(backoff)))
    (prune,) = decode(raw).prune
    assert prune.backoff == min(backoff, uvarint.MAX_VALUE)
    assert encode_rpc(Rpc(prune=[prune]))


def protobuf_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))


# -- limits


@pytest.mark.req("GS10-03", "GEN-02")
def test_an_rpc_has_a_longest_size() -> None:
    body = field(2, field(2, bytes(89)) + b"\x22\x01a")
    assert len(decode(body, max_rpc=len(body)).publish) == 1
    with pytest.raises(DecodeError, match="longer than") as caught:
        decode(body, max_rpc=len(body) - 1)
    assert caught.value.requirement == "GS10-03"


@pytest.mark.req("GS10-30", "GEN-04")
def test_too_many_messages_are_refused_before_they_are_made() -> None:
    message = bytes.fromhex("1203220161")
    assert len(decode(message * 3, max_rpc_messages=3).publish) == 3
    for count in (4, 200_000):
        with pytest.raises(DecodeError, match="more than 3 messages"):
            decode(message * count, max_rpc_messages=3)
    assert len(decode(message * 5_000).publish) == 5_000
    with pytest.raises(DecodeError, match="more than 5000 messages"):
        decode(message * 5_001)


@pytest.mark.req("GS10-30", "GEN-04")
def test_too_much_outside_of_messages_is_refused() -> None:
    ids = field(2, b"".join(field(1, bytes(98)) for _ in range(5_000)))
    assert len(decode(control(ids)).iwant) == 5_000
    with pytest.raises(DecodeError, match="outside of messages") as caught:
        decode(control(ids) + control(ids))
    assert caught.value.requirement == "GS10-30"
    assert len(decode(field(2, field(2, bytes(900_000)) + b"\x22\x01a")).publish) == 1


@pytest.mark.req("GS10-15", "GEN-04")
def test_subscriptions_above_the_limit_are_ignored() -> None:
    raw = b"".join(field(1, b"\x08\x01" + field(2, b"%d" % n)) for n in range(10))
    assert [each.topic for each in decode(raw, max_rpc_subscriptions=3).subscriptions] == ["0", "1", "2"]
    assert len(decode(b"\x0a\x00" * 100_000).subscriptions) == 5_000


@pytest.mark.req("GEN-04")
def test_control_entries_above_the_limit_are_ignored() -> None:
    topic = field(1, b"a")
    entries = {
        1: field(1, topic + field(2, b"1")),
        2: field(2, field(1, b"1")),
        3: field(3, topic),
        4: field(4, topic),
        5: field(5, field(1, b"1")),
    }
    for entry in entries.values():
        rpc = decode(control(entry * 5), max_rpc_entries=3)
        assert sorted(map(len, (rpc.ihave, rpc.iwant, rpc.graft, rpc.prune, rpc.idontwant))) == [0, 0, 0, 0, 3]
    every = decode(control(*(entry * 3 for entry in entries.values())), max_rpc_entries=3)
    assert list(map(len, (every.ihave, every.iwant, every.graft, every.prune, every.idontwant))) == [3] * 5


@pytest.mark.req("GS11-06", "GEN-04")
def test_exchanged_peers_above_the_limit_are_ignored() -> None:
    prune = field(4, field(1, b"a") + field(2, field(1, b"p")) * 2)
    rpc = decode(control(prune * 3), max_rpc_entries=3)
    assert [len(each.peers) for each in rpc.prune] == [2, 1, 0]
    many = field(4, field(2, b"") * 200_000)
    assert [len(each.peers) for each in decode(control(many)).prune] == [5_000]


@pytest.mark.req("GEN-04", "GS12-04")
def test_long_topics_and_ids_are_ignored() -> None:
    long, fits = b"x" * 5, b"x" * 4
    for name, count in ((long, 0), (fits, 1)):
        topic = field(1, name)
        rpc = decode(
            field(1, field(2, name))
            + field(2, field(4, name))
            + control(field(1, topic + field(2, b"1")), field(3, topic), field(4, topic)),
            max_topic_size=4,
        )
        assert list(map(len, (rpc.subscriptions, rpc.publish, rpc.ihave, rpc.graft, rpc.prune))) == [count] * 5
    ids = field(1, long) + field(1, fits)
    rpc = decode(control(field(1, field(2, long) + field(2, fits)), field(2, ids), field(5, ids)), max_id_size=4)
    assert rpc == Rpc(ihave=[IHave("", [fits])], iwant=[fits], idontwant=[fits], has_control=True)


# -- properties

TOPICS = st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
OPTIONAL = st.none() | st.binary(max_size=40)
IDS = st.lists(st.binary(min_size=1, max_size=50), max_size=4)
MESSAGES = st.builds(Message, st.binary(max_size=300), TOPICS, OPTIONAL, OPTIONAL, OPTIONAL, OPTIONAL)
PEERS = st.lists(st.builds(PeerInfo, st.binary(max_size=40), OPTIONAL), max_size=3)
BACKOFFS = st.none() | st.integers(min_value=0, max_value=uvarint.MAX_VALUE)
RPCS = st.builds(
    Rpc,
    subscriptions=st.lists(st.builds(Subscription, st.booleans(), TOPICS), max_size=4),
    publish=st.lists(MESSAGES, max_size=3),
    ihave=st.lists(st.builds(IHave, TOPICS, IDS.filter(bool)), max_size=3),
    iwant=IDS,
    graft=st.lists(TOPICS, max_size=3),
    prune=st.lists(st.builds(Prune, TOPICS, PEERS, BACKOFFS), max_size=3),
    idontwant=IDS,
    extensions=st.none() | st.builds(Extensions, st.booleans()),
    test_extension=st.booleans(),
)


def in_one(rpc: Rpc) -> bytes:
    """The RPC as a peer may send it that does not split: fields of protobuf can stand one behind the other."""
    return b"".join(body for frame in encode_rpc(rpc) for body in FrameReader(CONFIG.max_rpc).receive_data(frame))


def as_sent(rpc: Rpc, again: Rpc) -> Rpc:
    """What a peer reads of an RPC: the PRUNEs of topics that are left come first."""
    left = {each.topic for each in rpc.subscriptions if not each.subscribe}
    prunes = sorted(rpc.prune, key=lambda prune: prune.topic not in left)
    return replace(rpc, prune=prunes, has_control=again.has_control)


@pytest.mark.req("GS10-02", "GS10-20")
@given(RPCS)
def test_what_is_written_is_read(rpc: Rpc) -> None:
    again = decode(in_one(rpc))
    assert again == as_sent(rpc, again)
    assert all(message.portable for message in again.publish)
    bare = replace(rpc, publish=[], subscriptions=[], test_extension=False)
    assert again.has_control is not bare.is_empty


@pytest.mark.req("GEN-07", "GEN-01")
@given(RPCS, st.data())
def test_any_cut_parses_or_raises_decode_error(rpc: Rpc, data: st.DataObject) -> None:
    body = in_one(rpc)
    cut = data.draw(st.integers(min_value=0, max_value=len(body)))
    try:
        part = decode(body[:cut])
    except DecodeError:
        return
    assert part.publish == rpc.publish[: len(part.publish)]
    assert part.subscriptions == rpc.subscriptions[: len(part.subscriptions)]


@pytest.mark.req("GEN-07", "GEN-01")
@given(RPCS, st.data())
def test_any_mutation_parses_or_raises_decode_error(rpc: Rpc, data: st.DataObject) -> None:
    body = bytearray(in_one(rpc) or b"\x00")
    for _ in range(data.draw(st.integers(min_value=1, max_value=4))):
        body[data.draw(st.integers(min_value=0, max_value=len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(body))
    except DecodeError as error:
        assert error.requirement  # noqa: PT017 - that it may raise is the point
        return
    again = decode(in_one(found))
    assert again == as_sent(found, again)


@pytest.mark.req("GEN-07", "GS10-08")
@given(st.binary(max_size=120))
def test_garbage_is_what_the_runtime_makes_of_it(garbage: bytes) -> None:
    try:
        raw = protobuf.parse(PubsubMessage, garbage)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode(field(2, garbage))
        return
    found = decode(field(2, garbage)).publish
    assert [message.encoded for message in found] == [protobuf.serialize(raw)][: len(garbage)]


@pytest.mark.req("GEN-07")
@pytest.mark.parametrize(
    "body", ["12", "1205", "1a", "0a0108", "120122", "1201ff", "0000", "0e", "7c", "1a021a05", "ff"]
)
def test_what_does_not_parse_is_refused(body: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert caught.value.requirement == "GEN-07"
