"""Identify's bytes: go's own, ours within everybody's limits, and what a hostile peer may write."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ProtocolViolation
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse, with_peer
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services import identify_message
from p2pstack.services.identify_message import Announcement, MessageReader, Update, fitting_addresses, interpret
from p2pstack.services.scope import Scope
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb.identify_pb2 import Identify
from tests.vectors import load

KEY = PrivateKey.from_seed(b"\x01" * 32)
OTHER_KEY = PrivateKey.from_seed(b"\x02" * 32)
PEER = KEY.peer_id
MESSAGES = {case["note"]: bytes.fromhex(case["frame"]) for case in load("services")["messages"]}
LISTENING = parse("/ip4/192.0.2.1/tcp/4001")
SEEN = parse("/ip4/198.51.100.7/tcp/50000")
PUBLIC = parse("/ip4/8.8.8.8/tcp/1")
PRIVATE = parse("/ip4/10.1.2.3/tcp/1")
LOOPBACK = parse("/ip4/127.0.0.1/tcp/1")


def read(data: bytes) -> Identify:
    reader = MessageReader()
    reader.receive_data(data)
    return reader.receive_eof()


def update(message: Identify, scope: Scope = Scope.LOOPBACK, **options: Any) -> Update:
    return interpret(message, PEER, scope, **options)


def record_of(key: PrivateKey, *addresses: Multiaddr, seq: int = 1) -> bytes:
    return PeerRecord(key.peer_id, seq, addresses).seal(key).to_bytes()


def announcement(**changes: Any) -> Announcement:
    fields: dict[str, Any] = {
        "public_key": KEY.public_key.to_protobuf(),
        "addresses": [LISTENING],
        "protocols": ["/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"],
        "agent": "p2pstack/0.1",
        "protocol_version": "ipfs/0.1.0",
        "record": None,
    }
    return Announcement(**{**fields, **changes})


# -- the bytes of go


@pytest.mark.req("IDN-01", "IDN-02")
def test_we_write_what_go_writes() -> None:
    assert announcement().frames(SEEN) == MESSAGES["no signed record"]


@pytest.mark.req("IDN-02", "ENV-04")
def test_we_write_what_go_writes_with_a_record() -> None:
    frame = MESSAGES["with signed record, one message"]
    assert announcement(record=read(frame).signed_peer_record).frames(SEEN) == frame


@pytest.mark.req("IDN-02", "IDN-04", "IDN-06")
@pytest.mark.parametrize("note", ["with signed record, one message", "the same in two messages: merge them"])
def test_we_read_what_go_writes(note: str) -> None:
    told = update(read(MESSAGES[note]))
    assert told.protocols == ("/ipfs/id/1.0.0", "/ipfs/ping/1.0.0")
    assert told.addresses == (LISTENING, parse("/ip6/2001:db8::1/tcp/4001"))  # the record's, one more than listenAddrs
    assert told.observed == SEEN
    assert (told.agent, told.protocol_version) == ("p2pstack/0.1", "ipfs/0.1.0")
    assert told.record == read(MESSAGES[note]).signed_peer_record
    assert told.seq > 0


@pytest.mark.req("IDN-10")
def test_a_partial_push_tells_one_thing() -> None:
    assert update(read(MESSAGES["partial push: agentVersion only"])) == Update(agent="p2pstack/0.2")
    assert update(read(b"")) == Update()
    assert update(read(b"\x00")) == Update()


@pytest.mark.req("IDN-02")
def test_unknown_fields_are_skipped() -> None:
    frame = MESSAGES["no signed record"]
    body = FrameReader(8192).receive_data(frame)[0] + b"\x38\x01" + b"\xa2\x06\x03abc"
    assert update(read(encode_frame(body))) == update(read(frame))


# -- what we send


NAMES = st.lists(st.text("abcdef/", min_size=1, max_size=90).map(lambda text: f"/{text}"), max_size=150, unique=True)
ADDRESSES = st.lists(
    st.integers(0, 2**32 - 1).map(lambda ip: Multiaddr(b"\x04" + ip.to_bytes(4, "big") + b"\x06\x10\x00")),
    max_size=120,
    unique=True,
)


@pytest.mark.req("IDN-03", "IDN-04")
@given(NAMES, ADDRESSES, st.booleans(), st.text(max_size=400), st.integers(0, 100))
def test_every_message_fits_into_4096_bytes_and_none_is_lost(
    names: list[str], addresses: list[Multiaddr], signed: bool, agent: str, cut: int
) -> None:
    chosen = fitting_addresses(addresses)
    record = record_of(KEY, *chosen) if signed else None
    data = announcement(protocols=names, addresses=chosen, record=record, agent=agent).frames(SEEN)
    frames = FrameReader(8192).receive_data(data)
    assert 1 <= len(frames) <= 10
    assert max(map(len, frames)) <= 4096
    if len(data) > 2048 + 2 and signed:
        assert protobuf.parse(Identify, frames[-1]) == Identify(signed_peer_record=record)
    # rust reads the first alone: it has everything but, at most, some protocols
    first = protobuf.parse(Identify, frames[0])
    assert first.public_key == KEY.public_key.to_protobuf()
    assert first.observed_addr == SEEN.to_bytes()
    assert list(first.listen_addrs) == [address.to_bytes() for address in chosen]
    assert first.protocols or not names
    reader = MessageReader()
    reader.receive_data(data[:cut])
    reader.receive_data(data[cut:])
    told = update(reader.receive_eof())
    assert told.protocols == (tuple(names) or None)
    assert told.addresses == (chosen or None)
    assert told.record == record


@pytest.mark.req("IDN-03", "IDN-09")
def test_protocols_beyond_all_bounds_are_left_out() -> None:
    names = [f"/{number:04}/{'x' * 900}" for number in range(2_000)]
    frames = FrameReader(8192).receive_data(announcement(protocols=names, record=b"r" * 3_000).frames(SEEN))
    assert len(frames) == 10
    assert max(map(len, frames)) <= 4096
    short = [f"/{number}" for number in range(2_000)]
    assert update(read(announcement(protocols=short).frames(None))).protocols == tuple(short[:1024])


@pytest.mark.req("IDN-03")
def test_addresses_are_cut_to_what_fits() -> None:
    addresses = [parse(f"/ip4/10.0.{n // 256}.{n % 256}/tcp/4001") for n in range(600)]
    chosen = fitting_addresses(addresses)
    assert chosen == tuple(addresses[: len(chosen)])
    assert 70 < len(chosen) < 110
    assert len(record_of(KEY, *chosen)) < 2048


def test_an_observed_address_that_would_not_fit_is_not_sent() -> None:
    long = with_peer(parse(f"/dns4/{'.'.join(['a' * 60] * 4)}/tcp/1"), PEER)
    assert not read(announcement().frames(long)).HasField("observed_addr")
    assert not read(announcement().frames(None)).HasField("observed_addr")


# -- what we read


@pytest.mark.req("IDN-03", "GEN-02")
def test_a_message_may_have_8192_bytes_and_not_one_more() -> None:
    def frame(size: int) -> bytes:
        return encode_frame(protobuf.serialize(Identify(agent_version=b"a" * (size - 3))))

    assert len(frame(8192)) == 8192 + 2
    assert update(read(frame(8192))).agent == "a" * 256
    reader = MessageReader()
    with pytest.raises(ProtocolViolation, match="limit") as caught:
        reader.receive_data(frame(8193)[:2])  # the length alone
    assert caught.value.requirement == "GEN-02"


@pytest.mark.req("IDN-04")
def test_ten_messages_and_not_one_more() -> None:
    one = encode_frame(protobuf.serialize(Identify(agent_version=b"a", protocols=[b"/p"])))
    reader = MessageReader()
    reader.receive_data(one * 10)
    assert reader.count == 10
    assert len(reader.receive_eof().protocols) == 10
    with pytest.raises(ProtocolViolation, match="more than 10") as caught:
        reader.receive_data(one)
    assert caught.value.requirement == "IDN-04"
    with pytest.raises(ProtocolViolation, match="more than 10"):
        read(b"\x00" * 11)


@pytest.mark.req("IDN-02", "GEN-07")
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0b", b"\x00\x01"])
def test_garbage_is_a_violation(body: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="identify"):
        read(encode_frame(body))


@pytest.mark.req("IDN-01")
def test_an_end_inside_a_message_is_a_violation() -> None:
    for cut in (1, 20, 118):
        with pytest.raises(ProtocolViolation, match="ends inside"):
            read(MESSAGES["no signed record"][:cut])


@given(st.binary(max_size=400), st.booleans(), st.sampled_from(Scope))
def test_whatever_comes_either_parses_or_is_a_violation(data: bytes, framed: bool, scope: Scope) -> None:
    with contextlib.suppress(ProtocolViolation):
        told = update(read(encode_frame(data) if framed else data), scope)
        assert isinstance(told, Update)


@given(st.lists(st.binary(max_size=60), max_size=20), st.lists(st.binary(max_size=30), max_size=20), st.binary())
def test_whatever_the_fields_hold_what_is_kept_is_sound(
    addresses: list[bytes], protocols: list[bytes], text: bytes
) -> None:
    message = Identify(
        listen_addrs=addresses, protocols=protocols, agent_version=text, observed_addr=text, signed_peer_record=text
    )
    told = update(message)
    for address in told.addresses or ():
        assert parse(address.to_bytes()) == address
    assert all(name.startswith("/") and name.isprintable() for name in told.protocols or ())
    assert told.agent is not None
    assert told.agent.isprintable()
    assert told.record is None


@pytest.mark.req("IDN-05")
def test_the_key_in_a_message_changes_nothing() -> None:
    honest = read(MESSAGES["no signed record"])
    lying = read(MESSAGES["no signed record"])
    lying.public_key = OTHER_KEY.public_key.to_protobuf()
    broken = read(MESSAGES["no signed record"])
    broken.public_key = b"no key at all"
    assert update(honest) == update(lying) == update(broken)


# -- records


@pytest.mark.req("IDN-06", "ENV-05")
def test_a_record_of_another_peer_leaves_no_address_at_all() -> None:
    message = Identify(listen_addrs=[LISTENING.to_bytes()], signed_peer_record=record_of(OTHER_KEY, PUBLIC))
    told = update(message)
    assert told.addresses is None
    assert told.record is None


@pytest.mark.req("IDN-06", "ENV-05")
def test_a_record_that_claims_this_peer_but_is_signed_by_another_is_ignored() -> None:
    forged = bytes.fromhex(load("envelope")["wrong_signer"]["envelope"])
    told = update(Identify(listen_addrs=[LISTENING.to_bytes()], signed_peer_record=forged))
    assert told.addresses == (LISTENING,)
    assert told.record is None


@pytest.mark.req("IDN-06", "ENV-02")
@pytest.mark.parametrize("case", ["bad_signature", "voucher"])
def test_an_invalid_record_is_ignored(case: str) -> None:
    raw = bytes.fromhex(load("envelope")[case]["envelope"])
    told = update(Identify(listen_addrs=[LISTENING.to_bytes()], signed_peer_record=raw))
    assert told.addresses == (LISTENING,)
    assert told.record is None


@pytest.mark.req("ENV-04")
def test_a_record_in_the_form_of_rust_is_taken() -> None:
    raw = bytes.fromhex(load("envelope")["legacy_peer_record_rust"]["envelope"])
    assert update(Identify(signed_peer_record=raw)).record == raw


@pytest.mark.req("ENV-06")
def test_an_older_record_is_ignored_and_the_same_one_is_not() -> None:
    message = Identify(listen_addrs=[LISTENING.to_bytes()], signed_peer_record=record_of(KEY, PUBLIC, seq=7))
    assert update(message, known_seq=8).addresses == (LISTENING,)
    assert update(message, known_seq=8).record is None
    assert update(message, known_seq=7).addresses == (PUBLIC,)
    assert update(message, known_seq=7).seq == 7


# -- cleaning


@pytest.mark.req("IDN-08")
@pytest.mark.parametrize("signed", [False, True])
def test_addresses_are_filtered_by_where_the_peer_is(signed: bool) -> None:
    every = (PUBLIC, PRIVATE, LOOPBACK)
    if signed:
        message = Identify(signed_peer_record=record_of(KEY, *every))
    else:
        message = Identify(listen_addrs=[address.to_bytes() for address in every])
    assert update(message, Scope.PUBLIC).addresses == (PUBLIC,)
    assert update(message, Scope.PRIVATE).addresses == (PUBLIC, PRIVATE)
    assert update(message, Scope.LOOPBACK).addresses == every


@pytest.mark.req("IDN-08")
def test_bad_addresses_are_skipped_one_by_one() -> None:
    message = Identify(
        listen_addrs=[
            b"",
            b"\x04\x01",
            b"\xff\xff\xff\xff",
            PUBLIC.to_bytes(),
            with_peer(PRIVATE, PEER).to_bytes(),
            with_peer(LOOPBACK, OTHER_KEY.peer_id).to_bytes(),
            PUBLIC.to_bytes(),
        ]
    )
    assert update(message).addresses == (PUBLIC, PRIVATE)


@pytest.mark.req("IDN-08", "GEN-04")
def test_five_hundred_addresses_are_looked_at() -> None:
    encoded = [b"\x04" + number.to_bytes(4, "big") + b"\x06\x10\x00" for number in range(700)]
    told = update(Identify(listen_addrs=encoded))
    assert told.addresses is not None
    assert [address.to_bytes() for address in told.addresses] == encoded[:500]


@pytest.mark.req("IDN-09", "GEN-04")
def test_protocols_are_cleaned_and_cut() -> None:
    names = [b"no slash", b"/good", b"", b"/\xff\xfe", b"/bell\x07", b"/" + b"x" * 1023, b"/good", b"/other"]
    assert update(Identify(protocols=names)).protocols == ("/good", "/other")
    many = [f"/{number}".encode() for number in range(2_000)]
    kept = update(Identify(protocols=many)).protocols
    assert kept is not None
    assert len(kept) == 1024
    assert kept[-1] == "/1023"


@pytest.mark.req("IDN-13")
@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"go-libp2p/0.51.0", "go-libp2p/0.51.0"),
        ("агент/1.0 🌍".encode(), "агент/1.0 🌍"),
        (b"\x1b[31mred\n", "\ufffd[31mred\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 8_000, "x" * 256),
        (b"", ""),
    ],
)
def test_the_agent_is_fit_to_be_shown(raw: bytes, shown: str) -> None:
    told = update(Identify(agent_version=raw, protocol_version=raw))
    assert told.agent == shown
    assert told.protocol_version == shown


@pytest.mark.req("IDN-07")
@pytest.mark.parametrize(
    ("reported", "taken"),
    [
        (SEEN.to_bytes(), SEEN),
        (with_peer(SEEN, OTHER_KEY.peer_id).to_bytes(), SEEN),  # as js does
        (b"", None),
        (b"\x04\x01", None),
        (with_peer(SEEN, PEER).to_bytes()[len(SEEN.to_bytes()) :], None),
    ],
)
def test_the_observed_address_comes_without_peer(reported: bytes, taken: Multiaddr | None) -> None:
    assert update(Identify(observed_addr=reported)).observed == taken


def test_a_record_that_comes_again_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Identify(signed_peer_record=record_of(KEY, PUBLIC, seq=12_345))
    opened = []

    class Counting(PeerRecord):
        @classmethod
        def open(cls, envelope_bytes: Any) -> Any:
            opened.append(envelope_bytes)
            return PeerRecord.open(envelope_bytes)

    monkeypatch.setattr(identify_message, "PeerRecord", Counting)
    assert update(message).addresses == update(message).addresses == (PUBLIC,)
    assert len(opened) == 1
